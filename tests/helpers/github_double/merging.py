"""Merges, made by git: squash, merge commit or rebase.

https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/configuring-pull-request-merges/about-merge-methods-on-github
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from github_double import gitfiles, gitio
from github_double.pulling import WEB_FLOW
from github_double.state import Pull, User
from github_double.writing import identity

if TYPE_CHECKING:
    from github_double.double import Double


def squash(hub: Double, pull: Pull, base: str, own: list[str], title: str | None, message: str | None) -> str | None:
    """One commit on top of the base, by the pull request's author; None where the two conflict."""
    path = pull.repo.path
    tree = gitio.merge_tree(path, base, pull.head_sha)
    if tree is None:
        return None
    if title is None:
        alone = len(own) == 1 and pull.repo.squash_title == "COMMIT_OR_PR_TITLE"
        title = _told(path, own[0])[0] if alone else pull.issue.title
        title = f"{title} (#{pull.number})"
    if message is None:
        message = _squashed_text(pull, own)
    return _made(hub, pull, tree, [base], title, message, pull.user or hub.web_flow)


def _squashed_text(pull: Pull, own: list[str]) -> str:
    """What a squash says below its title when nobody says it: as the repository's settings have it."""
    path = pull.repo.path
    match pull.repo.squash_message:
        case "PR_BODY":
            return pull.issue.body or ""
        case "BLANK":
            return ""
        case _ if len(own) == 1:
            return _told(path, own[0])[1]
        case _:
            return "\n\n".join(f"* {gitio.text(path, 'log', '-1', '--format=%B', sha).strip()}" for sha in own)


def _told(path: Path, sha: str) -> tuple[str, str]:
    """A commit's subject and what stands below it: where its message is plain without starting git."""
    head, _, raw = gitfiles.read(path, sha)[1].partition(b"\n\n")
    message = raw.decode("ascii", "replace").strip("\n")
    if raw.isascii() and b"\nencoding " not in head and all(line == line.strip() for line in message.split("\n")):
        subject, _, body = message.partition("\n\n")
        return subject.replace("\n", " "), body.strip()
    subject, body = (gitio.text(path, "log", "-1", f"--format={part}", sha) for part in ("%s", "%b"))
    return subject, body.strip()


def merge(hub: Double, pull: Pull, base: str, who: User, title: str | None, message: str | None) -> str | None:
    """A merge commit of base and head; None where the two conflict."""
    tree = gitio.merge_tree(pull.repo.path, base, pull.head_sha)
    if tree is None:
        return None
    title = title or f"Merge pull request #{pull.number} from {pull.head_label.replace(':', '/')}"
    return _made(hub, pull, tree, [base, pull.head_sha], title, pull.issue.title if message is None else message, who)


def _made(hub: Double, pull: Pull, tree: str, parents: list[str], title: str, message: str, author: User) -> str:
    """A commit that GitHub makes and signs: its committer is GitHub itself."""
    text = f"{title}\n\n{message}".strip() + "\n" if message else f"{title}\n"
    now = int(hub.now().timestamp())
    writer = identity(hub, author, author.noreply)
    sha = gitio.commit(pull.repo.path, tree, parents, text, writer, f"{WEB_FLOW} {now} +0000")
    pull.repo.signed.add(sha)
    return sha


def rebase(hub: Double, pull: Pull, base: str, who: User) -> str | None:
    """The commits again, one by one, on top of the base, unsigned; None where one conflicts."""
    path = pull.repo.path
    own = gitio.text(path, "rev-list", "--reverse", "--no-merges", "--topo-order", f"{base}..{pull.head_sha}").split()
    committer = {
        "GIT_COMMITTER_NAME": who.name or who.login, "GIT_COMMITTER_EMAIL": who.noreply,
        "GIT_COMMITTER_DATE": f"{int(hub.now().timestamp())} +0000",
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        work = f"{folder}/work"
        gitio.run(path, "worktree", "add", "-q", "--detach", work, base)
        try:
            done = gitio.run(path, "-C", work, "cherry-pick", "--allow-empty", *own, check=False, env=committer)
            return gitio.text(path, "-C", work, "rev-parse", "HEAD") if done.returncode == 0 else None
        finally:
            gitio.run(path, "worktree", "remove", "--force", work)
