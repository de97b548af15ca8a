"""Pull requests at GitHub, changed: bound to the commits they were judged by, and looked at again when in doubt.

Upholds: nothing is sent twice that would be done twice; where an answer is lost, GitHub is asked what became of it; a
merge says what really became of main, not what was asked for.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from daypass.core.errors import ConflictError, EdgeError, NoMergeError, RefusedError, UsageError
from daypass.core.finding import shown
from daypass.core.forge import Merge, Pull, Review
from daypass.core.ids import ABSENT, Oid
from daypass.core.window import format_instant
from daypass.edges.forges.branches import OURS, branch_ref, moved, nothing_new, requested
from daypass.edges.forges.github.answers import MAIN, ApiError, Fields
from daypass.edges.forges.github.reading import GitHubReader, me

_PIECE = 500
"""So many files are sent in one tree at most."""

_LOOKS = 4
"""So often GitHub is looked at for what it has just done."""

_MERGES = 4
"""So often a merge is sent that GitHub was not ready for."""

_NOT_READY = "base branch was modified"
"""GitHub's words while it has not yet made up its mind about a main that it has just moved itself."""

_NO_WORKFLOWS = ("workflow", "not accessible by integration")
"""GitHub's words where a branch would move over a change of workflow files, without the permission for those."""

_EVENTS: Mapping[str, str] = {"approved": "APPROVE", "rejected": "REQUEST_CHANGES"}


class GitHubForge(GitHubReader):
    """Implements ports.Forge for one repository at GitHub."""

    def open(
        self, *, branch: str, head: Oid, title: str, at: datetime, body: str = "", reason: str = ""  # noqa: ARG002  (GitHub's clock counts)
    ) -> Pull:  # fmt: skip
        """Open a pull request of a branch that stands at ``head``; one that is not at GitHub yet is pushed there.

        Where the answer is lost, or GitHub has one of ours for just this head already, that one is returned. Raises
        ConflictError when the branch stands elsewhere or somebody else has a pull request of it.
        """
        branch_ref(self._git, branch, f"refs/heads/{MAIN}")
        there = self._stands_at(branch)
        if there == ABSENT:
            self._remote.push(branch, old=ABSENT, new=head)
        elif there != head:
            raise moved(f"branch {branch!r}", there, head)
        # Indented by four, a line is code in Markdown: words of people mention nobody and close no issue.
        body = f"{body}\n\nReason:\n\n    {shown(reason)}\n".lstrip() if reason else body
        sent = {"title": title, "head": branch, "base": MAIN, "body": body}
        try:
            made = self._api.send("POST", f"{self._root}/pulls", sent)
        except ApiError as error:
            number = self._opened(branch, head, error)
        else:
            number = Fields("the new pull request", made).number("number")
        return self.pull(number)

    def push(self, number: int, *, head: Oid, at: datetime) -> Pull:  # noqa: ARG002  (GitHub's clock counts)
        """Move an open pull request's head; its branch is pushed, forward only, unless it stands there already."""
        pull = self._open_pull(number)
        if pull.head != head:
            if ":" in pull.branch:
                raise ConflictError(f"pull request {number} comes from a fork", hint="its owner can push to it")
            there = self._stands_at(pull.branch)
            if there != head:
                self._remote.push(pull.branch, old=there, new=head)
        return self._showing(number, head)

    def review(
        self, number: int, *, commit: Oid, state: str, at: datetime, reason: str = ""  # noqa: ARG002  (GitHub's clock counts)
    ) -> Review:  # fmt: skip
        """Record a review by the person whose token this is.

        Raises RefusedError for an App, a workflow, or somebody whom the directory does not know; UsageError for a
        withdrawal of nothing; ConflictError when ``commit`` is not the head.
        """
        if state not in (*_EVENTS, "withdrawn"):
            raise RuntimeError(f"a review is approved, rejected or withdrawn, got {state!r}")
        me = self.acting()
        if not me.person:
            raise RefusedError(f"{me.name} is no person, and only people review", hint="use a token of your own")
        if not me.handle:
            raise RefusedError(
                f"the directory does not know {me.name}, so their review would count for nothing",
                hint="have your account's id added to policies/directory",
            )
        pull = self._open_pull(number)
        if pull.head != commit:
            raise ConflictError(f"the head of #{number} is {pull.head[:12]} now", hint="look at it again, then review")
        if state == "withdrawn":
            return self._withdraw(number, me.handle)
        sent = {
            "commit_id": commit,
            "event": _EVENTS[state],
            "body": "" if state == "approved" else f"    {shown(reason)}" if reason else "Not like this.",
        }
        known = {review.id for review in self.reviews(number)}
        try:
            self._api.send("POST", f"{self._root}/pulls/{number}/reviews", sent)
        except ApiError as error:
            if error.status == HTTPStatus.UNPROCESSABLE_ENTITY:
                raise RefusedError(f"GitHub takes no such review of #{number}: {error.said}") from error
            if not error.unsure:
                raise
        mine = [r for r in self.reviews(number) if r.by.handle == me.handle and r.id not in known and r.state == state]
        if not mine:
            raise EdgeError(f"GitHub has not taken the review of #{number}", hint="run the command again")
        return mine[-1]

    def merge(self, number: int, *, head: Oid, base: Oid, message: str, at: datetime) -> Merge:  # noqa: ARG002  (GitHub's clock counts)
        """Squash ``head`` onto main, which must stand at ``base``, and fetch what became of it.

        GitHub binds the merge to the head. To main it cannot: the merge returned carries the commit that main really
        stood at. Its instant is that of GitHub's answer, and that of its record where this is read. Where the answer is
        lost the pull request is read again, and nothing is sent twice; what GitHub was not ready for is sent again while
        main stands there. Raises ConflictError when head or main has moved,
        NoMergeError with GitHub's reason where it refuses, whatever the status.
        https://docs.github.com/en/rest/pulls/pulls#merge-a-pull-request
        """
        title, _, rest = message.partition("\n")
        sent = {"sha": head, "merge_method": "squash", "commit_title": title, "commit_message": rest.strip("\n")}
        lost: ApiError | None = None
        answer: Any = None
        for attempt in range(1, _MERGES + 1):
            self._check_main(base)
            try:
                answer = self._api.send("PUT", f"{self._root}/pulls/{number}/merge", sent)
                break
            except ApiError as error:
                if error.unsure:
                    lost = error
                    break
                if not _not_ready(error) or attempt == _MERGES:
                    self._check_main(base)  # a race that was lost is no refusal
                    raise _not_merged(number, error) from error
            self._api.pause(float(attempt))
        fields, merge = self._landed(number, head, answer) or self._read_back(number, head, lost)
        self._api.noted[f"{self._root}/pulls/{number}"] = fields.data
        self._tidy(fields, head)
        return merge

    def close(self, number: int, *, reason: str, at: datetime) -> None:
        """Say why in a comment, then close an open pull request without merging it. Its branch stays.

        Where a run that was cut off in between has said it, within a day, it is not said again.
        """
        self._open_pull(number)
        said, path = f"Closed: {reason}.", f"{self._root}/issues/{number}/comments"
        lately = self._api.get(path, since=format_instant(at - timedelta(days=1)), per_page=100)
        try:
            if not any(comment["body"] == said for comment in lately):
                self._api.send("POST", path, {"body": said})
        except ApiError as error:
            if not error.unsure:
                raise
            # The comment may be there; a second one would be noise, and closing is what matters.
        self._api.send("PATCH", f"{self._root}/pulls/{number}", {"state": "closed"}, safe=True)

    def commit(
        self, *, branch: str, parent: Oid, files: Sequence[tuple[str, bytes | None]], message: str, at: datetime,  # noqa: ARG002  (GitHub's clock counts)
        fresh: bool = False,
    ) -> Oid:  # fmt: skip
        """Commit file contents (None deletes) on top of ``parent`` at GitHub and point the branch there.

        A branch of ours (``daypass/…``) is moved when it is there already, unless it is to be ``fresh``: who made it is
        in GitHub's record of who pushed. Any other must stand at ``parent``. Where main
        has other workflow files by now and ours may not move over them, it is deleted and made, which closes its pull
        request.
        GitHub writes author and committer, and signs what an App commits. https://docs.github.com/en/rest/git
        """
        branch_ref(self._git, branch, f"refs/heads/{MAIN}")
        old = self._stands_at(branch)
        if old != ABSENT and (fresh or (old != parent and not branch.startswith(OURS))):
            raise moved(f"branch {branch!r}", old, parent, hint="use another branch")
        tree = self._git.check(f"{parent}^{{tree}}").oid
        for start in range(0, len(files), _PIECE):
            entries = [self._entry(path, content) for path, content in files[start : start + _PIECE]]
            tree = self._make("trees", {"base_tree": tree, "tree": entries})
        made = self._make("commits", {"message": message, "tree": tree, "parents": [parent]})
        self._point(branch, old, made)
        return made

    # Steps

    def _check_main(self, base: Oid) -> None:
        """Raise ConflictError unless main stands there. git asks as freshly as the API does, at no call of it."""
        stands = self._remote.heads(MAIN).get(MAIN, ABSENT)
        if stands != base:
            raise moved(MAIN, stands, base)

    def _stands_at(self, branch: str) -> Oid:
        """Return where a branch stands at GitHub, ABSENT where there is none."""
        gone = () if branch == MAIN else (HTTPStatus.NOT_FOUND,)
        found = self._api.find(f"{self._root}/git/ref/heads/{quote(branch)}", gone=gone)
        if found is None:
            return ABSENT
        fields = Fields(f"branch {branch}", found)
        if fields.text("ref") != f"refs/heads/{branch}":
            raise EdgeError(f"GitHub's answer about branch {branch} is about {shown(fields.text('ref'))!r}")
        return fields.oid("object.sha")

    def _open_pull(self, number: int) -> Pull:
        """Return what a pull request is without who pushed. Raises ConflictError for one that is not open."""
        pull = self._listed(self._pull_fields(number))
        if pull.state != "open":
            raise ConflictError(f"pull request {number} is {pull.state} already")
        return pull

    def _opened(self, branch: str, head: Oid, error: ApiError) -> int:
        """Return the pull request that is there after an opening failed; raises what went wrong where there is none."""
        exists = error.status == HTTPStatus.UNPROCESSABLE_ENTITY and "already exists" in error.said
        if not exists and not error.unsure:
            if error.status == HTTPStatus.UNPROCESSABLE_ENTITY and "No commits between" in error.said:
                raise nothing_new(branch) from error
            raise error
        here = self._pulls_of(branch, state="open", base=MAIN)
        if not here:
            raise error
        one = here[0]
        number, opener = one.number("number"), one.value("user")
        me = self._my_id()
        if one.oid("head.sha") != head or not isinstance(opener, dict) or not me or opener.get("id") != me:
            raise requested(branch, number) from error
        return number

    def _my_id(self) -> int:
        """Return the id of who is acting, 0 for an App whose account the settings do not name."""
        return 0 if self._api.kind == "app" and self._bot is None else me(self._api, self._bot).id

    def _showing(self, number: int, head: Oid) -> Pull:
        """Return a pull request once it shows the head that its branch has: GitHub takes a moment."""
        for look in range(_LOOKS):
            if look:
                self._api.pause(float(look))
            if self._open_pull(number).head == head:
                return self.pull(number)
        raise ConflictError(f"pull request {number} does not show {head[:12]}", hint="run the command again")

    def _withdraw(self, number: int, handle: str) -> Review:
        standing = [review for review in self.reviews(number) if review.by.handle == handle]
        if not standing or standing[-1].state == "withdrawn":
            raise UsageError(f"{handle} has no review of #{number} to withdraw")
        place = f"{self._root}/pulls/{number}/reviews/{standing[-1].id}/dismissals"
        self._api.send("PUT", place, {"message": "Withdrawn by who gave it."})
        return next(review for review in reversed(self.reviews(number)) if review.by.handle == handle)

    def _landed(self, number: int, head: Oid, answer: Any) -> tuple[Fields, Merge] | None:
        """Return the pull request as it was read for this merge, and what became of it by GitHub's answer and git.

        None where these do not tell of this very merge into main (its base may have been changed meanwhile), and for a
        person, of whom GitHub would have to be asked anyway.
        """
        seen, at = self._seen, self._api.clock
        if self._api.kind == "token" or at is None or not isinstance(answer, dict) or answer.get("merged") is not True:
            return None
        if seen is None or seen.number("number") != number or seen.oid("head.sha") != head:
            return None
        tip = self._remote.bring(MAIN)
        if answer.get("sha") != tip:
            return None
        return seen, Merge(commit=tip, base=self._first_parent(tip), head=head, at=at, by=self.acting())

    def _read_back(self, number: int, head: Oid, lost: ApiError | None) -> tuple[Fields, Merge]:
        fields = self._merged(number, head, lost)
        self._remote.bring(MAIN)
        return fields, self._merge(fields)

    def _merged(self, number: int, head: Oid, lost: ApiError | None) -> Fields:
        """Return the merged pull request. Raises EdgeError while GitHub does not show it as merged at this head."""
        for look in range(_LOOKS):
            if look:
                self._api.pause(float(look))
            fields = self._pull_fields(number)
            if fields.value("merged_at") is not None:
                if fields.oid("head.sha") != head or fields.text("base.ref") != MAIN:
                    raise ConflictError(f"pull request {number} was merged at another head, or to another branch")
                return fields
        if lost is not None:
            raise EdgeError(
                f"GitHub did not say whether #{number} was merged, and shows it as not merged: {lost.message}",
                hint="run the command again",
            ) from lost
        raise EdgeError(f"GitHub took the merge of #{number} and does not show it", hint="run the command again")

    def _tidy(self, fields: Fields, head: Oid) -> None:
        """Delete a branch of ours once it is merged, by git: bound to the head, and at no call of the API.

        A branch that stays is untidy, and no fault of the merge.
        """
        ref = fields.text("head.ref")
        if not ref.startswith(OURS) or not self._at_home(fields):
            return
        with suppress(EdgeError, ConflictError):
            self._remote.delete(ref, old=head)

    def _entry(self, path: str, content: bytes | None) -> dict[str, Any]:
        entry: dict[str, Any] = {"path": path, "mode": "100644", "type": "blob"}
        if content is None:
            return {**entry, "sha": None}
        try:
            return {**entry, "content": content.decode("utf-8")}
        except UnicodeDecodeError:
            raw = base64.b64encode(content).decode("ascii")
            return {**entry, "sha": self._make("blobs", {"content": raw, "encoding": "base64"})}

    def _make(self, kind: str, body: Any) -> Oid:
        """Make a git object at GitHub; one that is made twice is the same, or lies unused."""
        return Fields(f"the new {kind[:-1]}", self._api.send("POST", f"{self._root}/git/{kind}", body, safe=True)).oid(
            "sha"
        )

    def _point(self, branch: str, old: Oid, new: Oid) -> None:
        """Point a branch at a commit. Raises ConflictError where somebody moved or made it meanwhile."""
        try:
            if old == ABSENT:
                self._api.send("POST", f"{self._root}/git/refs", {"ref": f"refs/heads/{branch}", "sha": new})
            else:
                body = {"sha": new, "force": branch.startswith(OURS)}
                self._api.send("PATCH", f"{self._root}/git/refs/heads/{quote(branch)}", body)
        except ApiError as error:
            race = error.status == HTTPStatus.UNPROCESSABLE_ENTITY and any(
                words in error.said for words in ("already exists", "not a fast forward", "does not exist")
            )
            if old == ABSENT and error.status == HTTPStatus.UNPROCESSABLE_ENTITY:
                self._refuse_in_the_way(branch, error)
            if not race and not error.unsure:
                said = error.said.lower()
                if old == ABSENT or not branch.startswith(OURS) or not any(each in said for each in _NO_WORKFLOWS):
                    raise
                self._anew(branch, new)
                return
            there = self._stands_at(branch)
            if there == new:
                return
            if race:
                raise moved(f"branch {branch!r}", there, old) from error
            raise

    def _refuse_in_the_way(self, branch: str, error: ApiError) -> None:
        """Raise EdgeError naming the branch by whose name git can keep none of this name: anybody may have made it."""
        parts = branch.split("/")
        above = ["/".join(parts[:n]) for n in range(1, len(parts))]
        for name in self._remote.heads(*above, f"{branch}/*"):
            raise EdgeError(
                f"branch {shown(name)!r} stands in the way of {branch!r}: git keeps no branch below the name of another",
                hint=f"delete it, then run the command again: git push origin --delete {shlex.quote(shown(name))}",
            ) from error

    def _anew(self, branch: str, new: Oid) -> None:
        """Delete a branch of ours and make it: then its workflow files are compared with main's, and are the same."""
        place = f"{self._root}/git/refs/heads/{quote(branch)}"
        self._api.send("DELETE", place)
        self._point(branch, ABSENT, new)


def _not_ready(error: ApiError) -> bool:
    """Whether GitHub asks to try a merge again."""
    return error.status == HTTPStatus.METHOD_NOT_ALLOWED and _NOT_READY in error.said.lower()


def _not_merged(number: int, error: ApiError) -> ConflictError | EdgeError:
    """Return the error for a merge that did not come about: a lost race, a refusal, or that nothing could be asked."""
    if error.status == HTTPStatus.CONFLICT:
        return ConflictError(
            f"#{number} was not merged: {error.said}", hint="look at it again, or run the command again"
        )
    if error.limited or error.status in (0, HTTPStatus.UNAUTHORIZED):
        return error
    if error.status == HTTPStatus.METHOD_NOT_ALLOWED:
        return NoMergeError(
            f"GitHub's rules do not let #{number} be merged: {error.said}",
            hint="see what the repository's rules ask for; `daypass doctor` reads them",
        )
    return NoMergeError(f"GitHub refused to merge #{number} ({error.status}): {error.said}", hint=error.hint)
