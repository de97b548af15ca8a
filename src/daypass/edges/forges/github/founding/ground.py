"""What every step of setting up at GitHub stands on: the client, the clone, and what the doctor says of the settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from daypass.core.errors import EdgeError
from daypass.core.finding import shown
from daypass.core.forge import Complaint, Remedy
from daypass.core.ids import Oid
from daypass.core.policy.policies import Policy
from daypass.edges.forges.founding import SetupClone, Step, Talk
from daypass.edges.forges.github.answers import ApiError, Bot, Fields
from daypass.edges.forges.github.api import Api
from daypass.edges.forges.github.doctor.settings import GitHubSettings
from daypass.edges.git.objects import Reader
from daypass.edges.git.remote import NAMESPACE, Remote
from daypass.edges.git.repository import commit_alone

_NAMED = (
    "name your own account or an organisation of yours: forge.repository in policies/daypass.yaml, committed on main"
)


class Ground:
    """One repository that is being set up, by somebody who administers it.

    ``page`` is its address for people. ``app_key`` is the App's key in the run that made the App, and kept nowhere.
    """

    def __init__(self, api: Api, remote: Remote, *, page: str, place: SetupClone, talk: Talk) -> None:
        self.api = api
        self.remote = remote
        self.page = page
        self.place = place
        self.talk = talk
        self.app_key = ""
        self.repository = api.repository
        self.root = f"/repos/{api.repository}"
        self.owner, _, self.name = api.repository.partition("/")
        self.server = page.rsplit("/", 2)[0]
        self._organisation: bool | None = None
        self._complaints: tuple[Complaint, ...] | None = None

    # What is there

    @property
    def policy(self) -> Policy:
        """The policies of this clone's main."""
        return self.place.policy()

    @property
    def by_app(self) -> bool:
        """Whether main's workflows act by an App."""
        return b"DAYPASS_APP_KEY" in (self.on_main(".github/workflows/gate.yml") or b"DAYPASS_APP_KEY")

    @property
    def bot(self) -> Bot | None:
        """The App's account, where main names it."""
        named = self.policy.catalogue.settings.forge_options.get("bot")
        return Bot(str(named["login"]), int(named["id"])) if named else None

    @property
    def slug(self) -> str:
        """The App's name in addresses, "" where main names none."""
        return self.bot.login.removesuffix("[bot]") if self.bot else ""

    @property
    def organisation(self) -> bool:
        """Whether the owner is an organisation. Raises EdgeError where there is no such account."""
        if self._organisation is None:
            answer = self.api.find(f"/users/{self.owner}")
            if answer is None:
                raise EdgeError(f"GitHub has no account {self.owner}, or none that you are shown", hint=_NAMED)
            found = Fields("the owner", answer)
            self._organisation = found.text("type") == "Organization"
        return self._organisation

    @property
    def account_page(self) -> str:
        """The address of the owner's settings."""
        return f"{self.server}/organizations/{self.owner}/settings" if self.organisation else f"{self.server}/settings"

    def ready(self) -> None:
        """Look whether the token may do all this. Raises EdgeError where it lacks a scope, before anything is changed.

        https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
        """
        wanted = ["repo", "workflow", *(["admin:org"] if self.organisation else [])]
        held = self.api.scopes
        missing = [name for name in wanted if held is not None and name not in held]
        if missing:
            raise EdgeError(
                f"your token lacks the scope {' and '.join(missing)}",
                hint=f"gh auth refresh --scopes {','.join(wanted)}",
            )
        me = Fields("you", self.api.get("/user")).text("login") if not self.organisation else self.owner
        if me.lower() != self.owner.lower():
            raise EdgeError(f"{self.owner} is another person's account, and your token is of {me}", hint=_NAMED)

    def repository_there(self) -> Any:
        """Return GitHub's answer about the repository, None where it is not there or not shown."""
        return self.api.find(self.root)

    def tip(self, branch: str) -> Oid:
        """Return where a branch of this clone stands. Raises EdgeError where there is none."""
        found = self.place.git.find(f"refs/heads/{branch}")
        if found is None:
            raise EdgeError(f"this clone has no branch {branch}", hint="`daypass init` makes it")
        return found

    # What the doctor says

    def complaints(self, codes: Collection[str] = ()) -> tuple[Complaint, ...]:
        """Return what is unsafe, of some kinds where they are named; read anew once something was changed."""
        if self._complaints is None:
            files = {path: raw for path in GitHubSettings.files if (raw := self.on_main(path)) is not None}
            settings = GitHubSettings(self.api, page=self.page, bot=self.bot, clock=lambda: datetime.now(UTC))
            self._complaints = settings.examine(self.policy.catalogue, files)
        return tuple(one for one in self._complaints if not codes or one.code in codes)

    def on_main(self, path: str) -> bytes | None:
        """Return a file of this clone's main, None where there is none."""
        found = Reader(self.place.git).get(f"refs/heads/main:{path}")
        return found[2] if found is not None and found[1] == b"blob" else None

    def mend(self, remedies: Iterable[Remedy]) -> None:
        """Carry remedies out. Raises EdgeError at the first request that fails."""
        self.changed()
        for remedy in remedies:
            for step in remedy.steps:
                self.send(step.verb, step.path, step.body)

    def changed(self) -> None:
        """Forget what was read, since something is being changed."""
        self._complaints = None

    def send(self, verb: str, path: str, body: Any = None) -> Any:
        """Change something; that a branch rule is there already is no failure."""
        self.changed()
        try:
            return self.api.send(verb, path, dict(body) if body is not None else None)
        except ApiError as error:
            if error.status != HTTPStatus.SEE_OTHER:
                raise
            return None

    # What is committed here

    def commit(self, message: str, files: dict[str, str | None]) -> None:
        """Commit files of main, None for one that goes; what else lies in the work tree stays as it is."""
        git, top = self.place.git, self.place.top
        self._hold_main()
        for path, text in files.items():
            if text is None:
                (top / path).unlink(missing_ok=True)
            else:
                (top / path).parent.mkdir(parents=True, exist_ok=True)
                (top / path).write_text(text, encoding="utf-8")
        new = [path for path, text in files.items() if self.on_main(path) != (text and text.encode())]
        if new:
            commit_alone(git, message, new)

    def follow(self) -> None:
        """Bring this clone's main to where it stands at GitHub, before anything is written on top of it."""
        self._hold_main()
        if self.remote.heads("main"):
            self.remote.bring("main")
            done = self.place.git.attempt("merge", "--quiet", "--ff-only", f"{NAMESPACE}main")
            if done.returncode != 0:
                lines = done.stderr.decode("utf-8", "replace").splitlines()
                named = ", ".join(line.strip() for line in lines if line.startswith("\t"))
                raise EdgeError(
                    shown(f"what is changed here stands in the way of what main has at GitHub: {named or lines[-1:]}"),
                    hint="commit or stash it (git stash), and run the command again",
                )
            self.changed()

    def _hold_main(self) -> None:
        """Raise EdgeError where another branch is checked out."""
        if self.place.git.attempt("symbolic-ref", "--short", "HEAD").stdout.strip() != b"main":
            raise EdgeError("another branch than main is checked out here", hint="git switch main")

    def until(
        self, found: Callable[[], str], *, what: str, seconds: float = 900.0, pause: float = 5.0, see: str = ""
    ) -> str:
        """Look until there is something, and return it. Raises EdgeError where that takes too long; ``see`` says why."""
        waited = 0.0
        while True:
            said = found()
            if said:
                return said
            if waited >= seconds:
                raise EdgeError(
                    f"{what} within {seconds / 60:.0f} minutes",
                    hint=f"{see}run the command again: it goes on from here",
                )
            self.talk.wait(pause)
            waited += pause


class GroundStep(Step):
    """A step on it."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground


def remedies_of(complaints: Iterable[Complaint]) -> list[Remedy]:
    """Return what mends complaints, each once."""
    found: list[Remedy] = []
    for one in complaints:
        if one.remedy is not None and one.remedy not in found:
            found.append(one.remedy)
    return found


def told_of(complaints: Iterable[Complaint]) -> list[str]:
    """Say what is unsafe, a line each."""
    return [shown(f"{one.message} [{one.code}]") for one in complaints]
