"""Make the README's picture of a request, from the very comment that reviewers get, with a real browser.

``PYTHONPATH=src python tests/docs/picture.py`` needs Chromium (Debian: ``apt-get install chromium``). What the picture was
made of is kept in it, by its digest: a test compares, so that the picture cannot outlive the comment.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from markdown_it import MarkdownIt
from pages import TOP

PICTURE = TOP / "docs" / "request.png"
COMMENT = TOP / "tests" / "views" / "golden" / "comment-waiting.md"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_KEY = b"Source"
_SIZE = (980, 740)
_PAGE = """<!doctype html><meta charset="utf-8"><title>A request</title><style>
body { margin: 0; padding: 20px; background: #fff; color: #1f2328; font: 14px/1.5 "DejaVu Sans", sans-serif; }
.box { border: 1px solid #d1d9e0; border-radius: 6px; }
.head { background: #f6f8fa; border-bottom: 1px solid #d1d9e0; border-radius: 6px 6px 0 0; padding: 8px 16px; color: #59636e; }
.head b { color: #1f2328; } .body { padding: 4px 16px 12px; }
h3 { font-size: 18px; } h4 { font-size: 15px; } h3, h4 { margin: 14px 0 8px; }
table { border-collapse: collapse; margin: 10px 0; } th, td { border: 1px solid #d1d9e0; padding: 5px 12px; text-align: left; }
th { background: #f6f8fa; font-weight: 600; } code, pre { font: 12.5px "DejaVu Sans Mono", monospace; background: #eff1f3; }
code { padding: 1px 5px; border-radius: 4px; } pre { padding: 12px; border-radius: 6px; margin: 8px 0; }
pre code { padding: 0; background: none; } .language-diff { color: #116329; } sub { color: #59636e; font-size: 11px; }
sub code { background: none; padding: 0; font-size: 10.5px; }
</style><div class="box"><div class="head"><b>daypass-acme</b> bot commented</div><div class="body">%s</div></div>
"""


def page() -> str:
    """Return the page that is shown: the comment as GitHub shows Markdown, in plain clothes."""
    return _PAGE % MarkdownIt("commonmark").enable("table").render(COMMENT.read_text(encoding="utf-8"))


def digest() -> str:
    """Return what a picture of today's comment would be marked with."""
    return hashlib.sha256(page().encode()).hexdigest()


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
    """Make the picture anew."""
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        sys.exit(f"no browser found, looked for {', '.join(_BROWSERS)}")
    with tempfile.TemporaryDirectory() as folder:
        source, shot = Path(folder, "page.html"), Path(folder, "shot.png")
        source.write_text(page(), encoding="utf-8")
        size = f"--window-size={_SIZE[0]},{_SIZE[1]}"
        options = [
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            "--disable-gpu",
            f"--user-data-dir={folder}/profile",
        ]
        subprocess.run(
            [browser, *options, size, f"--screenshot={shot}", source.as_uri()],
            check=True,
            capture_output=True,
            timeout=120,
        )
        (first, *rest) = _chunks(shot.read_bytes())
        PICTURE.write_bytes(_written([first, (b"tEXt", _KEY + b"\0" + digest().encode("ascii")), *rest]))
    print(f"wrote {PICTURE.relative_to(TOP)}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
