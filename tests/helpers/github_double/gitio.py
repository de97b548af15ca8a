"""Git as the double uses it: plumbing in a bare repository, nobody's configuration, the hub's time."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from github_double import gitfiles
from github_double.state import ZERO

HOOK = r"""#!/bin/sh
# $DOUBLE_RULES: lines "ref|verdict|message". refuse: nothing is let through; forward: only a fast-forward;
# workflows: only what leaves workflow files as they are; both: the last two at once.
refuse() {
  echo "error: GH013: Repository rule violations found for $1." >&2
  echo "$2" >&2
  exit 1
}
zero=0000000000000000000000000000000000000000
while IFS='|' read -r ref verdict message; do
  [ "$ref" = "$1" ] || continue
  case $verdict in
  refuse) refuse "$1" "$message" ;;
  forward|both) git merge-base --is-ancestor "$2" "$3" || refuse "$1" "$message" ;;
  esac
  case $verdict in
  workflows|both)
    [ "$3" = $zero ] && continue
    if [ "$2" = $zero ]; then old=$(git merge-base HEAD "$3"); else old=$2; fi
    now=$(git rev-parse -q --verify "$3:.github/workflows")
    [ -z "$now" ] || [ "$now" = "$(git rev-parse -q --verify "$old:.github/workflows")" ] || refuse "$1" \
      "refusing to allow this token to create or update workflows without \`workflows\` permission"
    ;;
  esac
done <<END
$DOUBLE_RULES
END
exit 0
"""


class GitError(Exception):
    """Git said no."""


def environment(**more: str) -> dict[str, str]:
    """An environment in which nobody's configuration takes part."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {
        **kept,
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "LC_ALL": "C",
        **more,
    }


def run(
    path: Path, *arguments: str, stdin: bytes = b"", check: bool = True, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run git in a bare repository. Raises GitError when it fails, unless told not to check.

    What depends on whole object ids alone never changes, and is asked of git once.
    """
    lasting = not stdin and not env and arguments[0] in _READS and all(map(_LASTING.match, arguments[1:]))
    done = _known.get((path, arguments)) if lasting else None
    if done is None:
        done = subprocess.run(
            ["git", "-C", str(path), *arguments], input=stdin, capture_output=True, check=False,
            env={**environment(), **(env or {})},
        )  # fmt: skip
        # An object that is missing (128) may come; that one commit is not in another's history (1) stays so.
        if lasting and done.returncode in (0, 1) and done.stderr == b"":
            _known[path, arguments] = done
    if check and done.returncode != 0:
        raise GitError(f"git {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
    return done


_READS = {"cat-file", "diff", "diff-tree", "log", "ls-tree", "merge-base", "rev-list", "rev-parse"}
_LASTING = re.compile(r"-|(commit|blob|tree)\Z|[0-9a-f]{40}(\.\.[0-9a-f]{40}|\^\{\w+\}|:.*)?\Z", re.DOTALL)
_known: dict[tuple[Path, tuple[str, ...]], subprocess.CompletedProcess[bytes]] = {}


def text(path: Path, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
    """Run git and return what it printed, without the last newline."""
    return run(path, *arguments, stdin=stdin, env=env).stdout.decode("utf-8", "surrogateescape").rstrip("\n")


SETTINGS = """
[http]
	receivepack = true
[receive]
	unpackLimit = 1000
	hideRefs = refs/pull
	autogc = false
	fsckObjects = true
	denyDeleteCurrent = refuse
[uploadpack]
	allowFilter = true
	allowAnySHA1InWant = true
[uploadpackfilter]
	allow = false
[uploadpackfilter "blob:none"]
	allow = true
[uploadpackfilter "blob:limit"]
	allow = true
[uploadpackfilter "tree"]
	allow = true
	maxDepth = 0
[gc]
	auto = 0
[core]
	repositoryformatversion = 0
	bare = true
	logAllRefUpdates = false
"""


def create(path: Path, branch: str) -> None:
    """Make an empty bare repository as GitHub serves one: any object may be asked for, refs/pull is GitHub's own."""
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
        (path / folder).mkdir(parents=True)
    (path / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
    (path / "config").write_text(SETTINGS, encoding="utf-8")
    hook = path / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK)
    hook.chmod(0o755)


def refs(path: Path, under: str = "refs/heads") -> dict[str, str]:
    """Return the refs below a name with what they point at."""
    found = gitfiles.refs(path, under)
    if found is not None:
        return found
    lines = text(path, "for-each-ref", "--format=%(refname) %(objectname)", under).splitlines()
    return {name: oid for name, _, oid in (line.partition(" ") for line in lines)}


def at(path: Path, ref: str) -> str | None:
    """Return what a ref points at, None where there is no such ref."""
    try:
        return (path / ref).read_text(encoding="ascii").strip()
    except OSError:
        return refs(path, ref).get(ref)  # packed, or not there


def resolve(path: Path, revision: str) -> str | None:
    """Return the commit that a revision names, None where it names none."""
    if revision.startswith("refs/heads/"):
        return at(path, revision)
    if gitfiles.is_id(revision) and kind(path, revision) in ("commit", None):
        return revision if kind(path, revision) else None
    done = run(path, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", check=False)
    return done.stdout.decode().strip() or None


def valid_ref(ref: str) -> bool:
    """Whether git would take a ref's name."""
    return gitfiles.plain_ref(ref) or run(Path(), "check-ref-format", ref, check=False).returncode == 0


def kind(path: Path, oid: str) -> str | None:
    """Return the type of an object, None where there is none."""
    try:
        return gitfiles.read(path, oid)[0]
    except KeyError:
        return None


def tree_of(path: Path, revision: str) -> str | None:
    """Return the tree of a revision, None where it has none."""
    if gitfiles.is_id(revision):
        return gitfiles.tree_of(path, revision)
    done = run(path, "rev-parse", "-q", "--verify", "--end-of-options", f"{revision}^{{tree}}", check=False)
    return done.stdout.decode().strip() or None


def blob(path: Path, raw: bytes) -> str:
    """Write a file's content and return its id."""
    return gitfiles.write(path, "blob", raw)


def content(path: Path, commit: str, name: str) -> bytes | None:
    """Return what a file of a commit says, None where there is no such file."""
    entry = gitfiles.find(path, commit, name)
    if entry is None or entry.mode == gitfiles.TREE:
        return None
    return gitfiles.read(path, entry.oid)[1]


def _ids(path: Path, *revisions: str) -> list[str]:
    return [revision if gitfiles.is_id(revision) else resolve(path, revision) or revision for revision in revisions]


def ancestor(path: Path, old: str, new: str) -> bool:
    """Whether ``old`` is ``new`` or lies in its history."""
    old, new = _ids(path, old, new)
    return old in (gitfiles.ancestors(path, new) or ())


def merge_base(path: Path, one: str, other: str) -> str | None:
    """Return the best common ancestor, None where histories are unrelated."""
    one, other = _ids(path, one, other)
    for start, end in ((one, other), (other, one)):
        known = gitfiles.ancestors(path, end)
        steps = gitfiles.since(path, start, known) if known is not None else None
        if steps is not None:
            return steps[1]
    return run(path, "merge-base", one, other, check=False).stdout.decode().strip() or None


def commits(path: Path, new: str, old: str = "", *options: str) -> list[str]:
    """Return the commits in the history of one that are not in another's, oldest first."""
    known = gitfiles.ancestors(path, old) if old else set()
    found = gitfiles.since(path, new, known) if known is not None else None
    if found is not None:
        return found[0][::-1]
    return text(path, "rev-list", "--reverse", *options, new, *([f"^{old}"] if old else [])).split()


def set_ref(path: Path, ref: str, new: str, old: str = "") -> None:
    """Point a ref at a commit (ZERO deletes it); with ``old``, only if it stands there. Raises GitError."""
    if gitfiles.move(path, ref, None if new == ZERO else new, old):
        return
    if new == ZERO:
        run(path, "update-ref", "-d", ref, *([old] if old else []))
    else:
        run(path, "update-ref", ref, new, *([old] if old else []))


def merge_tree(path: Path, base: str, head: str) -> str | None:
    """Return the tree of merging two commits, None where they conflict."""
    if merge_base(path, base, head) == base:
        return gitfiles.tree_of(path, head)
    done = run(path, "merge-tree", "--write-tree", base, head, check=False)
    return done.stdout.decode().split()[0] if done.returncode == 0 else None


def commit(path: Path, tree: str, parents: list[str], message: str, author: str, committer: str) -> str:
    """Make a commit object. Identities are as git writes them: ``Name <email> seconds zone``. Returns its id."""
    lines = [
        f"tree {tree}",
        *(f"parent {p}" for p in parents),
        f"author {author}",
        f"committer {committer}",
        "",
        message,
    ]
    return gitfiles.write(path, "commit", "\n".join(lines).encode("utf-8", "surrogateescape"))


def patch_id(path: Path, base: str, head: str) -> str:
    """Return what a branch changes against its merge base, as one text that is equal when the changes are."""
    start = merge_base(path, base, head)
    return head if start is None else repr(gitfiles.changed(path, start, head))
