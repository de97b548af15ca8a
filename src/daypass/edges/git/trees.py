"""Writing to a repository without touching its work tree or index: trees, commits, and a work tree brought along after.

Trees and blobs are made here and handed to git in one pack, as a push would hand them over: one process whatever their
number, and git checks each object and that everything it names is there before anything is kept. Only the folders that
a change lies in are read and written again.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct, field

from daypass.core.errors import ConflictError, EdgeError, LockedError
from daypass.core.ids import ABSENT, Oid
from daypass.edges.git.objects import FOLDER_MODE, HASHES, Held, Reader, object_id, parse_tree
from daypass.edges.git.plumbing import DURABLE, Git
from daypass.edges.git.promised import promised

FILE_MODE = "100644"
_MODES = frozenset({"100644", "100755", "120000", "160000"})
_COMMIT, _TREE, _BLOB = 1, 2, 3
_NAMES = {_COMMIT: b"commit", _TREE: b"tree", _BLOB: b"blob"}
# A name or address that git writes as it is: it strips some marks at the ends, and refuses what is empty.
_PLAIN = r"[^\W_](?:[^<>\x00-\x1f\x7f\ud800-\udfff]*[^\W_])?"
# git's own limit for a push: fewer objects are kept one file each, more as one pack.
_UNPACK_LIMIT = 100
_IN_THE_WAY = rb"not uptodate|would be overwritten|would be removed|would lose|not up to date"

_Put = tuple[str, Oid] | None
"""Mode and object of a leaf, None to delete it."""

Content = bytes | _Put
"""What is put at a path: a plain file of these bytes, or a leaf whose object exists; None to delete what is there."""


def commit_files(
    git: Git,
    tree_of: Oid,
    files: Sequence[tuple[str, Content]],
    parents: Sequence[Oid],
    message: str,
    *,
    author: tuple[str, str],
    at: datetime,
    sign_with: str | None = None,
    pack: Pack | None = None,
) -> Oid:
    """Make a commit of the tree of ``tree_of`` (a commit or tree) with files put there or deleted, and return it.

    Trees and commit go to git in one pack; what git signs, or would write otherwise or refuse, is left to git itself, as
    `commit_tree` says. A replaced file becomes a plain one. With a ``pack`` of the caller's all is gathered there, for
    the caller to send, with other commits. Raises EdgeError for a path or mode that git cannot hold, ConflictError where
    a path is to be deleted that is not there.
    """
    sends, pack = pack is None, pack or Pack(len(tree_of))
    tree = _gather(git, tree_of, {path: pack.put(content) for path, content in files}, pack)
    if sign_with or "\0" in message or not all(re.fullmatch(_PLAIN, part) for part in author):
        pack.send(git)
        return commit_tree(git, tree, parents, message, author=author, at=at, sign_with=sign_with)
    who = f"{author[0]} <{author[1]}> {int(at.timestamp())} +0000"
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {who}", f"committer {who}"]
    text = "\n".join(lines) + "\n\n" + (message if message.endswith("\n") else message + "\n")
    made = pack.add(_COMMIT, text.encode())
    if sends:
        pack.send(git)
    return made


def commit_tree(
    git: Git,
    tree: Oid,
    parents: Sequence[Oid],
    message: str,
    *,
    author: tuple[str, str],
    at: datetime,
    sign_with: str | None = None,
) -> Oid:
    """Make a commit and return it; no ref moves.

    ``author`` is (name, email), and the committer too; ``at`` is the time of both. ``sign_with`` is the file of an SSH
    key to sign with. Raises EdgeError when git refuses.
    """
    name, email = author
    stamp = f"@{int(at.timestamp())} +0000"
    identity = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", name), ("EMAIL", email), ("DATE", stamp))
    }
    signing = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={sign_with}") if sign_with else ()
    command = ["commit-tree", f"-S{sign_with}" if sign_with else "--no-gpg-sign", tree]
    for parent in parents:
        command += ["-p", parent]
    text = message if message.endswith("\n") else message + "\n"
    options = (*DURABLE, "-c", "i18n.commitEncoding=UTF-8", *signing)
    made = git.run(*options, *command, stdin=text.encode(), environment=identity)
    return Oid(made.decode().strip())


def sync_worktree(git: Git, old: Oid, new: Oid, *, checked_out: bool = False) -> str:
    """Bring index and work tree from ``old`` to ``new``, once the checked-out branch has moved there.

    ``checked_out``: it is known that ``git`` is at the top of a work tree that has that branch checked out. Returns ""
    when done, or when nothing was to do (a bare repository, another commit checked out); else what is in the way, local
    changes or git's lock, and then everything is left as it was.
    """
    if old == new or not (checked_out or git.find("HEAD") == new):
        return ""
    top = git.folder if checked_out else git.work_tree()
    if top is None:
        return ""
    here = Git(top)
    plain = _without_filters(here)
    move = (*plain, "read-tree", "-m", "-u", old, new)
    try:
        done = here.unlocked(*move)
        if done.returncode != 0:  # a file that was only touched seems changed until git has looked at it
            here.unlocked(*plain, "update-index", "-q", "--refresh")
            done = here.unlocked(*move)
    except LockedError as error:
        return f"{error.path}, a lock of git's,"
    if done.returncode == 0:
        return ""
    if re.search(_IN_THE_WAY, done.stderr):
        return "local changes"
    raise EdgeError(f"git read-tree failed: {done.stderr.decode('utf-8', 'replace').strip()}")


def checked_out(git: Git, *refs: str) -> dict[str, Path]:
    """Return the work trees that have branches checked out, by ref; of ``refs``, or below them where they end in a slash."""
    told = git.text("for-each-ref", "--format=%(refname) %(worktreepath)", *refs).splitlines()
    pairs = (line.split(" ", 1) for line in told)
    # Of a bare repository git names its own folder, which is no work tree.
    return {ref: Path(where) for ref, where in pairs if where and Path(where, ".git").exists()}


SHOWN = "refs/daypass/shown"
"""What the work tree that has main checked out shows, from the step in which main moves until the files have followed."""


def leaving(git: Git, old: Oid, tree: Path | None) -> Mapping[str, tuple[Oid, Oid]]:
    """Return what to move along with main from ``old``, which ``tree`` has checked out.

    A run which is killed then leaves no work tree behind for good.
    """
    return {SHOWN: (ABSENT, old)} if tree is not None and old != ABSENT and git.find(SHOWN) is None else {}


def catch_up(git: Git, main: str) -> tuple[Path | None, str]:
    """Bring the work tree that has main checked out to where main stands, if a run moved main and this is not done yet.

    Returns the work tree that has to stay behind, None where none has, and what is in the way there.
    """
    shown, tip = git.find(SHOWN), git.find(main)
    if shown is None or tip is None:
        return None, ""
    where = checked_out(git, main).get(main)
    if where is not None and (why := sync_worktree(Git(where), shown, tip, checked_out=True)):
        return where, why
    try:
        git.update_refs({SHOWN: (shown, ABSENT)}, reason="daypass: shown")
    except ConflictError:
        if git.find(SHOWN) == shown:  # else another run has brought it along meanwhile
            raise
    return None, ""


def _without_filters(git: Git) -> list[str]:
    """Return the options that switch off every filter that settings name: programs that a file's name would start."""
    named = git.attempt("config", "--null", "--name-only", "--get-regexp", r"^filter\.").stdout.decode(
        "utf-8", "replace"
    )
    drivers = {name.rpartition(".")[0] for name in named.split("\0") if name}
    off = [
        f"{driver}.{key}" for driver in sorted(drivers) for key in ("clean=", "smudge=", "process=", "required=false")
    ]
    return [part for setting in off for part in ("-c", setting)]


class _Folder(Struct):
    """A folder to be written again: leaves and folders to put, by name."""

    puts: dict[bytes, _Put] = field(default_factory=dict)
    folders: dict[bytes, _Folder] = field(default_factory=dict)


def _gather(git: Git, parent: Oid, puts: Mapping[str, _Put], pack: Pack) -> Oid:
    """Gather what a tree needs that is not there, and return its id."""
    root = _Folder()
    for path, put in puts.items():
        *above, name = _parts(path)
        at = root
        for step in above:
            at = at.folders.setdefault(step, _Folder())
        at.puts[name] = put
    read = Reader(git)
    oid, start = read.tree(parent)
    made = _rewrite(root, oid, parse_tree(oid, start), read, pack, "")
    return made if made is not None else pack.add(_TREE, b"")


def _parts(path: str) -> list[bytes]:
    parts = path.encode("utf-8", "surrogateescape").split(b"/")
    if any(part in (b"", b".", b"..", b".git") or b"\0" in part for part in parts):
        raise EdgeError(f"expected a path inside the repository, got {path!r}")
    return parts


def _rewrite(folder: _Folder, was: str, held: Held, read: Reader, pack: Pack, where: str) -> Oid | None:
    """Return the new tree of a folder that ``was`` and ``held`` so much, None when nothing is left in it."""
    for name, put in folder.puts.items():
        shown = where + name.decode("utf-8", "backslashreplace")
        if name in folder.folders:
            raise EdgeError(f"{shown} cannot be a file and a folder at once")
        if put is None:
            if held.get(name, (FOLDER_MODE, b""))[0] == FOLDER_MODE:
                raise ConflictError(f"{shown} is to be deleted and is not there", hint="run the command again")
            del held[name]
        else:
            mode, oid = put
            if held.get(name, ("", b""))[0] == FOLDER_MODE:
                raise ConflictError(f"{shown} is to be a file and is a folder", hint="choose another path")
            held[name] = (mode, bytes.fromhex(oid))
    for name, below in folder.folders.items():
        shown = where + name.decode("utf-8", "backslashreplace")
        kind, held_oid = held.get(name, (FOLDER_MODE, b""))
        if kind != FOLDER_MODE:
            raise ConflictError(f"{shown} is to be a folder and is a file", hint="choose another path")
        there = parse_tree(*read.tree(held_oid.hex())) if held_oid else {}
        made = _rewrite(below, held_oid.hex(), there, read, pack, shown + "/")
        if made is None:
            held.pop(name, None)
        else:
            held[name] = (FOLDER_MODE, bytes.fromhex(made))
    return pack.add(_TREE, _format(held), there=was) if held else None


def _format(held: Held) -> bytes:
    # git sorts a folder as if its name ended in a slash.
    ordered = sorted(held.items(), key=lambda item: item[0] + b"/" if item[1][0] == FOLDER_MODE else item[0])
    return b"".join(b"%s %s\0%s" % (mode.lstrip("0").encode(), name, oid) for name, (mode, oid) in ordered)


class Pack:
    """Objects gathered to be handed to git in one go, in a repository whose ids have so many digits."""

    def __init__(self, id_length: int) -> None:
        if id_length not in HASHES:
            raise EdgeError(f"expected an object id of 40 or 64 digits, got one of {id_length}")
        self._id_length = id_length
        self._objects: dict[Oid, tuple[int, bytes]] = {}

    def add(self, kind: int, content: bytes, *, there: str = "") -> Oid:
        """Gather one object, unless it is the one that is ``there`` already, and return its id."""
        oid = object_id(_NAMES[kind].decode(), content, self._id_length)
        if oid != there:
            self._objects[oid] = (kind, content)
        return oid

    def put(self, content: Content) -> _Put:
        """Gather a file's bytes, and return what is to be put there. Raises EdgeError for a mode of no leaf."""
        if isinstance(content, bytes):
            return FILE_MODE, self.add(_BLOB, content)
        if content is not None and content[0] not in _MODES:
            raise EdgeError(f"expected a mode of a file, symlink or submodule, got {content[0]!r}")
        return content

    def send(self, git: Git) -> None:
        """Hand everything over. Raises EdgeError when git refuses an object or misses one that is named."""
        if not self._objects:
            return
        parts = [struct.pack(">4sII", b"PACK", 2, len(self._objects))]
        for kind, content in self._objects.values():
            parts += [_pack_header(kind, len(content)), zlib.compress(content, 1)]
        body = b"".join(parts)
        raw = body + HASHES[self._id_length](body).digest()
        if promised(git).any:
            # What is named and not here stands at a server: to look for it, git would fetch each by itself.
            git.run(*DURABLE, "index-pack", "--stdin", "--fsck-objects", stdin=raw)
            promised(git).forget()
        elif len(self._objects) < _UNPACK_LIMIT:
            git.run(*DURABLE, "unpack-objects", "-q", "--strict", stdin=raw)
        else:
            git.run(*DURABLE, "index-pack", "--stdin", "--strict", stdin=raw)
        self._objects.clear()


def _pack_header(kind: int, size: int) -> bytes:
    """Write an object's type and size: 4 bits of size with the type, then 7 a byte, the lowest first."""
    first, size = (kind << 4) | (size & 15), size >> 4
    header = bytearray()
    while size:
        header.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    header.append(first)
    return bytes(header)
