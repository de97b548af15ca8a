"""Make the documents' pictures of what people see at GitHub, from the very texts that they get, with a real browser.

``PYTHONPATH=src python tests/docs/picture.py`` needs Chromium (Debian: ``apt-get install chromium``). What a picture was
made of is kept in it, by its digest: a test compares, so that no picture outlives what it shows. Comments are the golden ones
of ``tests/views``, the form is this repository's own, and ``tests/cli/test_told_at_github.py`` holds label and check run to them.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from markdown_it import MarkdownIt
from pages import TOP

_GOLDEN = TOP / "tests" / "views" / "golden"
_FORM = TOP / ".github" / "ISSUE_TEMPLATE" / "daypass-request.yml"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_KEY = b"Source"
_PAGE = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>A request</title><style>
* { box-sizing: border-box; }
body { margin: 0; padding: 16px; background: #fff; color: #1f2328; font: 14px/1.5 "DejaVu Sans", sans-serif; }
h1 { font-size: 20px; font-weight: 400; margin: 0 0 8px; } h1 span { color: #59636e; }
.chips { margin: 0 0 14px; } .chip { border-radius: 12px; padding: 2px 10px; font-size: 12px; display: inline-block; margin: 0 6px 4px 0; }
.open { background: #1a7f37; color: #fff; } .merged { background: #8250df; color: #fff; }
.label { background: #ededed; } .state { font-weight: 600; }
.box { border: 1px solid #d1d9e0; border-radius: 6px; margin: 0 0 14px; overflow-wrap: anywhere; }
.head { background: #f6f8fa; border-bottom: 1px solid #d1d9e0; border-radius: 6px 6px 0 0; padding: 8px 16px; color: #59636e; }
.head b { color: #1f2328; } .body { padding: 4px 16px 12px; } a { color: #0969da; text-decoration: none; }
h3 { font-size: 18px; } h4 { font-size: 15px; } h3, h4 { margin: 14px 0 8px; }
table { border-collapse: collapse; margin: 10px 0; } th, td { border: 1px solid #d1d9e0; padding: 5px 12px; text-align: left; }
th { background: #f6f8fa; font-weight: 600; } th, td:first-child { white-space: nowrap; } code, pre { font: 12.5px "DejaVu Sans Mono", monospace; background: #eff1f3; }
code { padding: 1px 5px; border-radius: 4px; } pre { padding: 12px; border-radius: 6px; margin: 8px 0; }
pre code { padding: 0; background: none; } .language-diff { color: #116329; } sub { color: #59636e; font-size: 11px; }
sub code { background: none; padding: 0; font-size: 10.5px; } ul { padding-left: 22px; }
.check { padding: 10px 16px; } .check b { margin-right: 6px; } .check i { color: #59636e; font-style: normal; }
.dot { display: inline-block; width: 12px; height: 12px; border-radius: 50%%; margin-right: 8px; }
.progress { background: #bf8700; } .success { background: #1a7f37; }
.field { margin: 14px 0; } .field b { display: block; } .field small { color: #59636e; display: block; margin: 2px 0 6px; }
.input { border: 1px solid #d1d9e0; border-radius: 6px; padding: 6px 12px; color: #59636e; min-height: 34px; }
.tall { min-height: 72px; } .must { color: #d1242f; }
</style>%s
"""


class Shot(NamedTuple):
    """One picture: where it lies, how wide and high it is, and what is between head and end of its page."""

    place: str
    size: tuple[int, int]
    body: str

    @property
    def picture(self) -> Path:
        """The file."""
        return TOP / self.place

    @property
    def page(self) -> str:
        """The page that is shown."""
        return _PAGE % self.body

    @property
    def digest(self) -> str:
        """What a picture of today's page is marked with."""
        return hashlib.sha256(self.page.encode()).hexdigest()


def shots() -> tuple[Shot, ...]:
    """Return every picture: a request that waits, on a screen and on a phone, then live and ended, and the form."""
    waiting, live, ended = (_request(name) for name in ("comment-github", "life-live", "life-ended"))
    return (
        Shot("docs/request.png", (980, 900), waiting),
        Shot("docs/pictures/phone.png", (430, 800), waiting),
        Shot("docs/pictures/live.png", (980, 545), live),
        Shot("docs/pictures/ended.png", (980, 500), ended),
        Shot("docs/pictures/form.png", (980, 1060), _form(yaml.safe_load(_FORM.read_text(encoding="utf-8")))),
    )


def _request(name: str) -> str:
    """Return a request's page: its title, state and label, the comment as GitHub shows Markdown, and the check run."""
    text = (_GOLDEN / f"{name}.md").read_text(encoding="utf-8")
    said = text.partition("### daypass: ")[2].partition("\n")[0]
    waits = said.startswith("waiting")
    state, label = ("open", "daypass: waiting") if waits else ("merged", "daypass: approved")
    shown = MarkdownIt("commonmark").enable("table").render(text)
    dot, how = ("progress", "In progress") if waits else ("success", "Successful")
    return (
        f"<h1>Grant alice readonly on orders-db for 8h <span>#1</span></h1><div class=chips><span class='chip state {state}'>"
        f"{state.title()}</span><span class='chip label'>{label}</span></div><div class=box><div class=head><b>daypass-acme</b> bot "
        f"commented</div><div class=body>{shown}</div></div><div class='box check'><span class='dot {dot}'></span><b>daypass</b>"
        f"<i>{how} — {escape(said)}</i></div>"
    )


def _form(form: Mapping[str, Any]) -> str:
    """Return the page of a new issue with the form, as its file says."""
    parts = [f"<h1>{escape(form['name'])}</h1><p>{escape(form['description'])}</p>"]
    for part in form["body"]:
        said = part["attributes"]
        if part["type"] == "markdown":
            parts.append(MarkdownIt("commonmark").render(said["value"]))
            continue
        must = " <span class=must>*</span>" if part.get("validations", {}).get("required") else ""
        shown = {"dropdown": "Selections: ▾", "textarea": ""}.get(part["type"], "")
        tall = " tall" if part["type"] == "textarea" else ""
        parts.append(
            f"<div class=field><b>{escape(said['label'])}{must}</b><small>{escape(said.get('description', ''))}</small>"
            f"<div class='input{tall}'>{shown}</div></div>"
        )
    return "".join(parts)


def made_of(picture: Path) -> str:
    """Return the digest that a picture was marked with, "" where there is none."""
    for kind, data in _chunks(picture.read_bytes()):
        if kind == b"tEXt" and data.startswith(_KEY + b"\0"):
            return data[len(_KEY) + 1 :].decode("ascii")
    return ""


def _chunks(raw: bytes) -> list[tuple[bytes, bytes]]:
    """Cut a picture into its chunks (https://www.w3.org/TR/png-3/#5Chunk-layout)."""
    found, at = [], 8
    while at < len(raw):
        (size,) = struct.unpack(">I", raw[at : at + 4])
        found.append((raw[at + 4 : at + 8], raw[at + 8 : at + 8 + size]))
        at += size + 12
    return found


def _written(chunks: list[tuple[bytes, bytes]]) -> bytes:
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, data in chunks:
        parts.append(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return b"".join(parts)


def main() -> int:
    """Make the pictures anew that show something else by now."""
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        sys.exit(f"no browser found, looked for {', '.join(_BROWSERS)}")
    for shot in shots():
        if not shot.picture.exists() or made_of(shot.picture) != shot.digest:
            _take(browser, shot)
            print(f"wrote {shot.place}")  # noqa: T201
    return 0


def _take(browser: str, shot: Shot) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, taken = Path(folder, "page.html"), Path(folder, "shot.png")
        source.write_text(shot.page, encoding="utf-8")
        options = [
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            "--disable-gpu",
            f"--user-data-dir={folder}/profile",
        ]
        size = f"--window-size={shot.size[0]},{shot.size[1]}"
        subprocess.run(
            [browser, *options, size, f"--screenshot={taken}", source.as_uri()],
            check=True,
            capture_output=True,
            timeout=120,
        )
        (first, *rest) = _chunks(taken.read_bytes())
        shot.picture.parent.mkdir(exist_ok=True)
        shot.picture.write_bytes(_written([first, (b"tEXt", _KEY + b"\0" + shot.digest.encode("ascii")), *rest]))


if __name__ == "__main__":
    sys.exit(main())
