"""Taking an access repository to GitHub: what `init --github` writes below .github/, and what it changes.

The pipeline's files are made from templates. A template's line that ends in ``@app@`` or ``@token@`` belongs to that way
of authenticating, one that ends in ``@source@`` to the repository that holds daypass's own source, which installs itself,
in ``@pinned@`` to all others; ``@checkout@`` stands for the step in ``templates/checkout.yml``.
``python -m daypass.edges.forges.github.setup`` writes the project's own copies; with ``--check`` it writes nothing and
exits 13 when one differs.

Of daypass's own wheel, the file that pip installed is taken where it is still there, by the hash that pip recorded (PEP
610). Else the installed files are packed again
(https://packaging.python.org/en/latest/specifications/binary-distribution-format/), each held to the hash of its record,
to the very bytes that the project's build makes of them. No build tool and no network take part.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import daypass
from daypass.core.catalogue import Catalogue
from daypass.core.errors import EdgeError, ExitCode, UsageError
from daypass.core.files.document import POLICY_LIMIT, read
from daypass.core.policy.policies import SETTINGS, Policy
from daypass.edges.forges.github.inbox import FORM_FILE, form_text
from daypass.edges.forges.host import ForgeSetup
from daypass.edges.pins import APP

FOLDER = ".github/daypass"
REQUIREMENTS = f"{FOLDER}/requirements.txt"

_MARK = re.compile(r"[ ]*@(app|token|source|pinned)@$")
_CHECKOUT = re.compile(r"@checkout(?: (if: [^\n]+?))?@(?: @(app|token)@)?\n")
_TARGETS = re.compile(r"( *)@targets@\n")
_PEOPLE = re.compile(r"( *)@people@\n")
_NO_TARGETS = (
    "# NAME: ${{ secrets.NAME }} for each variable that the settings of a target name (url_env and its like)\n"
)

_PINNED = """\
# What the workflows install: the wheel of daypass that lies beside this file, and everything that it needs, at exactly the
# versions that it was tested with, each file by its hash. `daypass init --merge --upgrade --github …` of another version
# writes this anew. Names of files are read from the repository's top.
--only-binary :all:
"""
_SOURCE = """\
# What the workflows install: this repository is daypass's own source, so what it runs with and is built by, each file by
# its hash; then main itself is built.
-r ../../.ci/locked/run.txt
"""
_LOCAL = re.compile(r"^forge: \{kind: local\}(?=[ \t]*(?:#.*)?$)", re.MULTILINE)
_GITHUB = re.compile(r"^forge: \{kind: github, repository: [A-Za-z0-9_./-]+\}(?=[ \t]*(?:#.*)?$)", re.MULTILINE)
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9_.-]{1,100}")
_BOT = re.compile(r"(?P<login>[A-Za-z0-9][A-Za-z0-9-]*\[bot\]):(?P<id>[1-9][0-9]{0,14})")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


def forge_line(repository: str, auth: str, bot: str, app: str = "") -> str:
    """Return the line of the settings that keeps a repository at GitHub, by the options of ``init``. Raises UsageError."""
    if not _REPOSITORY.fullmatch(repository):
        raise UsageError(f"expected --github OWNER/NAME, got {repository!r}")
    found = _BOT.fullmatch(bot)
    if bot and found is None:
        raise UsageError(
            f"expected --bot LOGIN:ID, the login ending in [bot], got {bot!r}",
            hint="https://api.github.com/users/NAME%5Bbot%5D has both, NAME being your App's",
        )
    if (bot or app) and auth != "app":
        words = "--bot and --app go with --auth app"
        raise UsageError(words, hint="what acts by GITHUB_TOKEN is an account of every branch")
    if app and not APP.fullmatch(app):
        raise UsageError(f"expected --app NUMBER, got {app!r}", hint="the App's page shows it as App ID")
    pinned = f", app: {app}" if app else ""
    named = f', bot: {{login: "{found["login"]}", id: {found["id"]}}}' if found else ""
    return f"forge: {{kind: github, repository: {repository}{pinned}{named}}}"


def settings_for(text: str, line: str) -> str:
    """Return settings with that line. Raises UsageError where the one to change is not the usual one."""
    return _with_forge(text, line, _LOCAL, _forge_of(f"{line}\n"), "init")


def with_bot(text: str, repository: str, login: str, number: int, app: int) -> str:
    """Return settings whose forge names its App and that one's account.

    Raises UsageError where the line is not as init wrote it.
    """
    line = forge_line(repository, "app", f"{login}:{number}", str(app))
    return _with_forge(text, line, _GITHUB, {**_forge_of(text), **_forge_of(f"{line}\n")}, "setup")


def _with_forge(text: str, line: str, usual: re.Pattern[str], wanted: Mapping[str, Any], who: str) -> str:
    """Return settings that say this of the forge, by a line in the place of the usual one, unless they say it already."""
    now = _forge_of(text)
    if {**now, **wanted} == now:
        return text
    changed, times = usual.subn(lambda _: line, text)
    if times != 1 or _forge_of(changed) != wanted:  # what the line says is read by the one reader of settings
        raise UsageError(
            f"policies/daypass.yaml names its forge in a way that {who} does not change", hint=f"write there: {line}"
        )
    return changed


def _forge_of(text: str) -> Mapping[str, Any]:
    """Return what settings say of the forge, every value as text; nothing where they do not read."""
    document = read(SETTINGS, text.encode(), limit=POLICY_LIMIT)
    found = {} if isinstance(document, tuple) else document.value.get("forge", {})
    return found if isinstance(found, dict) else {}


class GitHubSetup(ForgeSetup):
    """Takes a repository to GitHub. ``policy`` reads what lies in the work tree; the others are options of ``init``."""

    def __init__(
        self, top: Path, policy: Callable[..., Policy], *, repository: str, auth: str, bot: str, app: str, upgrade: bool
    ) -> None:
        self.top = top
        self._line = forge_line(repository, auth, bot, app)
        self._repository = repository
        self._auth = auth
        self._upgrade = upgrade
        self._policy = policy
        self._source = (top / "src" / "daypass" / "__init__.py").is_file()
        self.generated = {}
        self._settings = top / SETTINGS
        if self._settings.is_symlink():
            raise UsageError(f"{self._settings} is a symbolic link", hint="put the file itself in its place")
        there = self._settings.is_file()
        self._changed = settings_for(self._settings.read_text(encoding="utf-8"), self._line) if there else ""

    def files(self, wanted: dict[str, str]) -> dict[str, str | bytes]:
        """Return the files to write where there are none: those of every repository, and the pipeline's."""
        # Where daypass's own source lies, editors are led to its schemas by a link.
        common = {path: text for path, text in wanted.items() if not (self._source and path.startswith(".schemas/"))}
        pipeline = github_files(
            self._auth, variables=self._variables(wanted), people=self._token(wanted), source=self._source
        )
        # Requirements that stay name the wheel that is there.
        kept = not self._upgrade and (self.top / REQUIREMENTS).exists()
        name, raw = ("", b"") if self._source or kept else own_wheel()
        wheel = {f"{FOLDER}/{name}": raw} if name else {}
        schemas = {path: text for path, text in common.items() if path.startswith(".schemas/")}
        self.generated = {**schemas, **pipeline, **wheel}
        return {**common, **pipeline, **wheel, SETTINGS: settings_for(wanted[SETTINGS], self._line)}

    def _variables(self, wanted: Mapping[str, str]) -> set[str]:
        """Return the environment's variables that targets are reached by, as the settings are or are to be."""
        known = self._policy(wanted).catalogue.settings.variables
        return {name for name in known if _VARIABLE.fullmatch(name)} - {self._token(wanted)}

    def _token(self, wanted: Mapping[str, str]) -> str:
        """Return the variable with the token for the source of people, "" where it needs none."""
        source = self._policy(wanted).catalogue.settings.people
        return source.token_env if source is not None and _VARIABLE.fullmatch(source.token_env) else ""

    def change(self, kept: list[str]) -> list[str]:
        """Change what init kept, where it was asked to; return the paths, which are for a person to commit."""
        wanted = dict(self.generated) if self._upgrade else {}
        if self._changed:
            wanted[SETTINGS] = self._changed
        changed = self._outgrown() if self._upgrade else []
        for path in kept:
            place = self.top / path
            if path not in wanted or place.is_symlink():
                continue
            content = wanted[path]
            raw = content if isinstance(content, bytes) else content.encode("utf-8")
            if place.read_bytes() != raw:
                place.write_bytes(raw)
                changed.append(path)
        return changed

    def _outgrown(self) -> list[str]:
        """Delete the wheels of other versions of daypass, which nothing names any more; return their paths."""
        there = [f"{FOLDER}/{place.name}" for place in sorted((self.top / FOLDER).glob("daypass-*.whl"))]
        others = [path for path in there if path not in self.generated]
        for path in others:
            (self.top / path).unlink()
        return others

    def form(self, introduction: Callable[[Catalogue], str]) -> list[str]:
        """Write the issue form of the catalogue, unless there is one; return the path that was written."""
        place = self.top / FORM_FILE
        if place.exists() or place.is_symlink() or place.parent.is_symlink():
            return []
        place.parent.mkdir(parents=True, exist_ok=True)
        catalogue = self._policy().catalogue
        place.write_text(form_text(catalogue, introduction(catalogue)), encoding="utf-8")
        return [FORM_FILE]

    def next_steps(self, key: Path | None) -> str:
        """Tell what is left to do at GitHub; docs/github.md has each step."""
        there = f"--repo {self._repository}"
        guided = ["Next, in it: daypass setup", "Or by hand,"] if self._auth == "app" else ["Next,"]
        lines = [
            *guided[:-1],
            f"{guided[-1]} once the environment `daypass` is there for main alone (docs/github.md has each step):",
            f"  git remote add origin https://github.com/{self._repository}.git",
            "  git push origin main daypass-ledger",
        ]
        if self._auth == "app":
            lines += [
                f"  gh variable set DAYPASS_APP_ID {there}",
                f"  gh secret set DAYPASS_APP_KEY {there} --env daypass < the-app.pem",
            ]
        if key is not None:
            lines.append(f"  gh secret set DAYPASS_LEDGER_KEY {there} --env daypass < {key}")
        return "\n".join(lines)


def open_setup(top: Path, policy: Callable[..., Policy], **options: Any) -> GitHubSetup | None:
    """Return what takes a repository to GitHub by the options of ``init``, None without ``--github``. Raises UsageError."""
    if options["repository"]:
        return GitHubSetup(top, policy, **options)
    if options["bot"] or options["app"] or options["auth"] != "app":
        raise UsageError("--auth, --bot and --app go with --github")
    return None


def github_files(auth: str, *, variables: Iterable[str] = (), people: str = "", source: bool = False) -> dict[str, str]:
    """Return the pipeline's files by path.

    ``variables`` are those that the targets need, and ``people`` that with the token for the source of people, each a secret
    of the environment ``daypass``; ``source`` says that the
    repository is daypass's own.
    """
    keep = {auth, "source" if source else "pinned"}
    found = {
        f".github/{path}": _rendered(text, keep, sorted(set(variables)), people)
        for path, text in _walk(resources.files("daypass") / "templates" / "github", "")
        # This project's own tests take the place of a user's.
        if not (source and path == "workflows/ci.yml")
    }
    found[REQUIREMENTS] = _SOURCE if source else requirements_text()
    return found


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for child in sorted(folder.iterdir(), key=lambda item: item.name):
        if child.is_dir():
            yield from _walk(child, f"{prefix}{child.name}/")
        else:
            yield f"{prefix}{child.name}", child.read_text(encoding="utf-8")


def _rendered(text: str, keep: set[str], variables: list[str], people: str) -> str:
    checkout = (resources.files("daypass") / "templates" / "checkout.yml").read_text(encoding="utf-8")
    lines = []
    steps = _CHECKOUT.sub(lambda of: _conditional(checkout, of[1] or "") if of[2] in (None, *keep) else "", text)
    for line in steps.split("\n"):
        mark = _MARK.search(line)
        if mark is None or mark[1] in keep:
            lines.append(line[: mark.start()] if mark else line)
    whole = _TARGETS.sub(lambda match: _target_lines(match[1], variables), "\n".join(lines))
    return _PEOPLE.sub(lambda match: _target_lines(match[1], [people]) if people else "", whole)


def _conditional(step: str, condition: str) -> str:
    """Return a step that is run under a condition, "" for none."""
    name = next(line for line in step.split("\n") if line.startswith("      - name: "))
    return step.replace(name, f"{name}\n        {condition}") if condition else step


def _target_lines(indent: str, variables: list[str]) -> str:
    if not variables:
        return indent + _NO_TARGETS
    return "".join(f"{indent}{name}: ${{{{ secrets.{name} }}}}\n" for name in variables)


def requirements_text() -> str:
    """Name daypass's wheel and all that it needs, with their hashes. Raises EdgeError where the wheel cannot be made."""
    locked = (resources.files("daypass") / "templates" / "locked.txt").read_text(encoding="utf-8")
    name, raw = own_wheel()
    pin = f"./{FOLDER}/{name} \\\n    --hash=sha256:{hashlib.sha256(raw).hexdigest()}"
    return f"{_PINNED}{pin}\n{''.join(locked.splitlines(keepends=True)[1:])}"


def main(arguments: list[str], top: Path) -> int:
    """Write this project's own copies below ``top``, or with ``--check`` say which differ; return the exit code."""
    stale = []
    for path, text in github_files("app", source=True).items():
        place = top / path
        if place.is_file() and place.read_text(encoding="utf-8") == text:
            continue
        stale.append(path)
        if arguments != ["--check"]:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    for path in stale:
        sys.stderr.write(f"{path} {'is out of date' if arguments == ['--check'] else 'written'}\n")
    return int(ExitCode.CHANGES) if stale and arguments == ["--check"] else int(ExitCode.OK)


# daypass's own wheel

_MOMENT = (2020, 2, 2, 0, 0, 0)
"""The time of each file in the archive, the same in every build."""
_ABOUT = ("METADATA", "WHEEL", "entry_points.txt")
_AGAIN = "install daypass again with pip"


@cache
def own_wheel() -> tuple[str, bytes]:
    """Return the file's name and bytes. Raises EdgeError where what is installed is not what pip installed."""
    try:
        return wheel_of(metadata.distribution("daypass"))
    except metadata.PackageNotFoundError:
        raise EdgeError("daypass is not installed here, so there is no wheel of it to write", hint=_AGAIN) from None


def wheel_of(distribution: metadata.Distribution) -> tuple[str, bytes]:
    """Return the same of one installation."""
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    kept = _kept(origin)
    return kept or _packed(distribution, editable="dir_info" in origin and bool(origin["dir_info"].get("editable")))


def _kept(origin: dict[str, Any]) -> tuple[str, bytes] | None:
    """Return the wheel that pip was given, where it is still there and what it was."""
    archive, url = origin.get("archive_info") or {}, urlsplit(str(origin.get("url", "")))
    place = Path(unquote(url.path))
    known = (archive.get("hashes") or {}).get("sha256") or str(archive.get("hash", "")).removeprefix("sha256=")
    if url.scheme != "file" or place.suffix != ".whl" or not known or not place.is_file():
        return None
    raw = place.read_bytes()
    return (place.name, raw) if hashlib.sha256(raw).hexdigest() == known else None


def _packed(distribution: metadata.Distribution, *, editable: bool) -> tuple[str, bytes]:
    name = f"daypass-{distribution.version}"
    about = f"{name}.dist-info"
    installed = Path(str(distribution.locate_file("")))
    top = Path(daypass.__file__).parents[1] if editable else installed
    # Not `distribution.files`: from Python 3.12 on that leaves out what is recorded and not there.
    rows = csv.reader((distribution.read_text("RECORD") or "").splitlines())
    recorded = {path: value.removeprefix("sha256=") for path, value, *_ in rows}
    if editable:
        places = [each for each in (top / "daypass").rglob("*") if each.is_file() and each.suffix != ".pyc"]
        code = [place.relative_to(top).as_posix() for place in places if "__pycache__" not in place.parts]
    else:
        code = [path for path in recorded if path.startswith("daypass/") and not path.endswith(".pyc")]
    licences = sorted(path for path in recorded if path.startswith(f"{about}/licenses/"))
    if f"{about}/METADATA" not in recorded or not code:
        raise EdgeError("pip's record of daypass names no files", hint=_AGAIN)
    contents: dict[str, bytes] = {}
    for path in [*sorted(code, key=_walked), *(f"{about}/{each}" for each in _ABOUT), *licences]:
        contents[path] = _read((installed if path.startswith(about) else top) / path)
        worked_in = editable and path.startswith("daypass/")
        if not worked_in and recorded.get(path) != _hash(contents[path]):
            raise EdgeError(f"{path} is not what pip installed", hint=_AGAIN)
    return f"{name}-py3-none-any.whl", _archive(contents, f"{about}/RECORD")


def _walked(path: str) -> list[tuple[bool, str]]:
    """Sort a folder's files ahead of the folders in it."""
    *folders, file = path.split("/")
    return [*((True, folder) for folder in folders), (False, file)]


def _read(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError as error:
        raise EdgeError(f"{place} cannot be read: {error.strerror}", hint=_AGAIN) from error


def _hash(raw: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode("ascii")


def _archive(contents: dict[str, bytes], record: str) -> bytes:
    lines = [f"{path},sha256={_hash(raw)},{len(raw)}\n" for path, raw in contents.items()]
    out = BytesIO()
    with ZipFile(out, "w") as archive:
        for path, raw in {**contents, record: "".join([*lines, f"{record},,\n"]).encode()}.items():
            info = ZipInfo(path, _MOMENT)
            info.compress_type, info.create_system = ZIP_DEFLATED, 3
            info.external_attr = (0o100644 if path.startswith("daypass/") else 0o644) << 16
            archive.writestr(info, raw)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path.cwd()))
