"""A request of whoever sets up, from its pull request to its receipts and back, with nothing left of it.

Nobody approves their own request, and who sets up may be alone: for as long as it lasts, main has a resource of its own and a
rule that lets this one person's requests for it pass. Its target lets nobody in anywhere and keeps nothing, so that it is
the same on every machine: what a hosted runner writes beside its clone is gone in the next run.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from daypass.core.errors import EdgeError
from daypass.core.ids import ABSENT, Oid
from daypass.core.policy.policies import SETTINGS
from daypass.edges.forges.github.answers import CHECK, Fields
from daypass.edges.forges.github.doctor.facts import SELF_TEST as NAME
from daypass.edges.forges.github.founding.ground import GroundStep, told_of
from daypass.edges.forges.github.founding.protection import BOUND, UNTOLD

_FOLDER = f"grants/{NAME}/"
_RESOURCE, _RULE = f"policies/resources/{NAME}.yaml", f"policies/rules/{NAME}.yaml"
_TARGET = f"  {NAME}: {{kind: embedded, keep: nothing}}   # for the self-test of setup; goes with it\n"
_GIVES = """\
# yaml-language-server: $schema=../../.schemas/resource.schema.json
# For the self-test of `daypass setup`, which takes it out again.
version: 1
title: Nothing, to see whether access is given
target: {target}
environment: {environment}
classification: {classification}
owners: [{owners}]
roles:
  look: {{title: Nothing that anybody could use, max_duration: 1h, max_total: 1d}}
"""
_PASSES = f"""\
# yaml-language-server: $schema=../../.schemas/rules.schema.json
# For the self-test of `daypass setup`, which takes it out again.
version: 1
rules:
  - id: {NAME}
    when: resource.name == "{NAME}" && subject.handle == "{{me}}"
    approve: automatically
"""
_ASKS = f"""\
# yaml-language-server: $schema=../../.schemas/grant.schema.json
version: 1
subject: {{me}}
resource: {NAME}
role: look
reason: The self-test of daypass setup sees a request through to its receipts.
window: {{{{duration: 1h}}}}
"""
_WORDS = ("try", "end")
"""How the titles of the two requests begin, in small letters: their branches end so."""
_SECONDS = 1200.0
_LEFT = f"main has the resource {NAME} and a rule that lets your requests for it pass"


class SelfTestStep(GroundStep):
    """See a request through to its receipt, end it, and take out what it needed."""

    name = "self-test"

    def look(self) -> str:
        """Return that it passed: main asks for the check only after that. Raises EdgeError where it would never be merged."""
        ground = self._ground
        if ground.repository_there() is None:
            return ""
        self.unsafe = _LEFT if self._there(_RESOURCE) else ""
        queued = told_of(ground.complaints(("main-queue",)))
        if queued:
            raise EdgeError(queued[0], hint=f"take it out: {ground.page}/settings/rules; then run the command again")
        return "" if self.unsafe or ground.complaints((*BOUND, UNTOLD)) else "passed before"

    def say(self) -> list[str]:
        """Tell what is asked for, and that it goes again."""
        return [
            f"put the resource {NAME} and a rule that lets your own request for it pass on main",
            "ask for it by a pull request, and wait for its merge and its receipt; then end it, and wait for that",
            "take resource, rule and grant out again, so that main is as before",
        ]

    def do(self) -> str:
        """Go through it, from wherever an earlier run stopped."""
        ground = self._ground
        ground.follow()
        me = self._me()
        narrow = told_of(ground.complaints(("app-narrow",)))
        if narrow:
            where = f"{ground.account_page}/apps/{ground.slug}/permissions"
            raise EdgeError(
                narrow[0], hint=f"give it that ({where}), accept it where it is installed, and run the command again"
            )
        self.unsafe = _LEFT
        if not self._there(_RESOURCE):
            self._put_on_main("Add what the self-test needs", self._needs(me))
        if not self._asked() and not self._given():
            # A name that no attempt before had: what has ended is never given again.
            self._merge("Try daypass", {f"{_FOLDER}try-{ground.tip('main')[:8]}.yaml": _ASKS.format(me=me)})
        self._until(self._given, "no receipt says that access was given")
        ground.talk.tell("given: the ledger has its receipt")
        if self._asked():
            self._merge("End the try", dict.fromkeys(self._asked()))
        self._until(lambda: not self._given(), "no receipt says that access was taken away")
        ground.talk.tell("taken away: the ledger has its receipt")
        self._delete_branches()
        self._put_on_main("Take out what the self-test needed", self._before())
        self.unsafe = ""
        return "asked for, merged, given and taken away"

    def _given(self) -> bool:
        return self._ground.place.given(f"{NAME}/")

    def _asked(self) -> list[str]:
        """Return the files of what was asked for, on main."""
        listed = self._ground.place.git.text("ls-tree", "-r", "--name-only", "refs/heads/main", "--", _FOLDER)
        return listed.splitlines()

    # Who, and with what

    def _me(self) -> str:
        """Return the handle of whoever sets up. Raises EdgeError where the directory knows no number of theirs."""
        mine = Fields("you", self._ground.api.get("/user"))
        for subject in self._ground.policy.catalogue.directory.subjects.values():
            if subject.is_person and subject.forge_id == mine.number("id"):
                return subject.handle
        raise EdgeError(
            f"the directory does not know the account {mine.text('login')} (id {mine.number('id')})",
            hint="write forge: {login: …, id: …} into policies/directory",
        )

    def _needs(self, me: str) -> dict[str, str | None]:
        catalogue = self._ground.policy.catalogue
        settings = catalogue.settings
        owners = next(iter(catalogue.resources.values())).owners[0]
        text = _GIVES.format(
            target=NAME,
            environment=settings.environments[-1],
            classification=settings.classifications[0],
            owners=owners,
        )
        return {_RESOURCE: text, _RULE: _PASSES.format(me=me), SETTINGS: self._settings(with_target=True)}

    def _before(self) -> dict[str, str | None]:
        return {_RESOURCE: None, _RULE: None, SETTINGS: self._settings(with_target=False)}

    def _settings(self, *, with_target: bool) -> str:
        text = self._read(SETTINGS).replace(_TARGET, "")
        if not with_target:
            return text
        changed = text.replace("targets:\n", f"targets:\n{_TARGET}", 1)
        if changed == text:
            raise EdgeError(
                f"{SETTINGS} names its targets in a way that setup does not change", hint=f"write there:{_TARGET}"
            )
        return changed

    # Main

    def _read(self, path: str) -> str:
        return (self._ground.on_main(path) or b"").decode()

    def _there(self, path: str) -> bool:
        return self._ground.on_main(path) is not None

    def _put_on_main(self, message: str, files: dict[str, str | None]) -> None:
        """Commit on main and push, as administrators may until the last step; what is generated follows."""
        ground = self._ground
        ground.commit(message, files)
        follows = {
            path: text
            for path, text in ground.place.generated().items()
            if self._there(path) and text != self._read(path)
        }
        if follows:
            ground.commit(f"{message}: what follows from it", {**follows})
        there = ground.remote.heads("main").get("main", ABSENT)
        try:
            ground.remote.push("main", old=there, new=ground.tip("main"))
        except EdgeError as error:
            hint = f"a pull request that takes {NAME} out of policies/ does the rest, where main's rules bind everybody by now"
            raise EdgeError(error.message, hint=hint if "rule violations" in error.message else error.hint) from error
        ground.changed()

    # A pull request

    def _merge(self, title: str, files: dict[str, str | None]) -> None:
        """Open a pull request with files, or find the one that is open, and wait until it is merged."""
        ground = self._ground
        branch = f"{NAME}-{title.partition(' ')[0].lower()}"
        number = self._open(branch) or self._opened(branch, title, files)
        address = f"{ground.page}/pull/{number}"
        ground.talk.tell(f"#{number} {title}: {address}")

        def merged() -> bool:
            pull = Fields("the pull request", ground.api.get(f"{ground.root}/pulls/{number}"))
            if pull.text("state") == "closed" and not pull.truth("merged"):
                raise EdgeError(f"#{number} was closed", hint=f"see {address}, and run the command again")
            self._refused(pull.oid("head.sha"), number)
            return pull.truth("merged")

        self._until(merged, f"#{number} was not merged (see {address})")
        ground.talk.tell(f"#{number} is merged")
        ground.follow()

    def _open(self, branch: str) -> int:
        ground = self._ground
        rows = ground.api.pages(f"{ground.root}/pulls", state="open", head=f"{ground.owner}:{branch}", base="main")
        return Fields("a pull request", rows[0]).number("number") if rows else 0

    def _opened(self, branch: str, title: str, files: dict[str, str | None]) -> int:
        """Push a branch of one commit and open a pull request of it.

        https://docs.github.com/en/rest/pulls/pulls#create-a-pull-request
        """
        ground = self._ground
        head = self._commit(title, files)
        ground.remote.replace(branch, old=ground.remote.heads(branch).get(branch, ABSENT), new=head)
        body: dict[str, Any] = {
            "title": title,
            "head": branch,
            "base": "main",
            "body": "The self-test of `daypass setup`.",
        }
        return Fields("the new pull request", ground.send("POST", f"{ground.root}/pulls", body)).number("number")

    def _commit(self, message: str, files: dict[str, str | None]) -> Oid:
        """Make a commit on top of main beside the work tree, and return it."""
        git = self._ground.place.git
        index = {"GIT_INDEX_FILE": str(git.common_dir() / f"index-{NAME}")}
        git.run("read-tree", "refs/heads/main", environment=index)
        for path, text in files.items():
            if text is None:
                git.run("update-index", "--force-remove", "--", path, environment=index)
                continue
            blob = git.text("hash-object", "-w", "--stdin", stdin=text.encode()).strip()
            git.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", environment=index)
        tree = git.text("write-tree", environment=index).strip()
        return Oid(git.text("commit-tree", tree, "-p", "refs/heads/main", "-m", message).strip())

    def _delete_branches(self) -> None:
        """Delete those of the requests, as far as GitHub lets them go."""
        remote = self._ground.remote
        for branch, head in remote.heads(*(f"{NAME}-{word}" for word in _WORDS)).items():
            with suppress(EdgeError):
                remote.delete(branch, old=head)

    def _refused(self, head: Oid, number: int) -> None:
        """Stop waiting where the check says that this will never be merged."""
        ground = self._ground
        rows = ground.api.pages(f"{ground.root}/commits/{head}/check-runs", key="check_runs", check_name=CHECK)
        for run in (Fields("a check run", row) for row in rows):
            if run.text("app.slug") == ground.slug and run.data.get("conclusion") == "failure":
                raise EdgeError(
                    f"#{number} is refused: {run.text('output.title')}",
                    hint=f"see {ground.page}/pull/{number}; put it right, close this one, and run the command again",
                )

    def _until(self, reached: Callable[[], bool], what: str) -> None:
        ground, see = self._ground, f"see what its runs say ({self._ground.page}/actions), then "
        ground.until(lambda: "reached" if reached() else "", what=what, seconds=_SECONDS, pause=10, see=see)
