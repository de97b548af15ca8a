"""The hub: what a test builds, dials and reads. Everything here takes the hub's lock by itself."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from github_double import gitio, registry
from github_double.auth import issue_installation_token
from github_double.faults import Faults
from github_double.registry import Reply, Request
from github_double.server import PREFIX, Server
from github_double.state import App, Bypass, Call, Event, Org, Repo, Rule, Ruleset, Team, Token, User

ACTIONS_APP = 15368
_NOT_IN_EVENTS = ("type", "organization_id", "notification_setting", "parent")
_TEAMS_WHOLE = {"opened", "closed", "reopened", "edited", "converted_to_draft", "ready_for_review"}
"""The actions of pull_request that tell of teams as the REST API does; the others tell less."""


@cache
def _app_key(number: int) -> tuple[str, rsa.RSAPublicKey]:
    """Make the private key, in PEM, and the public one of a hub's nth App; making one takes long."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return pem.decode(), key.public_key()


class Double:
    """GitHub, on loopback, while the block lasts.

    ``clock`` is the instant it thinks it is (None: the real one, less what it is ``behind``). ``calls`` are the requests answered so far,
    ``events`` what would have been delivered to workflows, oldest first, ``mistakes`` the double's own failures.
    ``exchanges`` are all the requests that the double itself answered, for whoever inspects them; ``odd`` are expressions
    of what a test has it answer on purpose although GitHub would not.
    ``reviews_carried``: how approvals outlive what they approved when a head moves. ``repoint``: they show the new head
    where the patch is the same; ``keep``: whatever was changed; ``revive``: dismissed ones are shown as approvals again.
    ``allow_lists`` are the organisations whose list of addresses has not ours, ``sso`` those that people's tokens must be
    authorised for, which an App's need not be.
    ``residency``: REST and GraphQL are at the root of a host of their own, as at ``api.SLUG.ghe.com``.
    ``slow_mergeability``: whether a pull request may be merged is worked out only after it was first asked for.
    """

    HOUR: ClassVar[timedelta] = timedelta(hours=1)
    inspectors: ClassVar[list[Callable[[Double], None]]] = []
    """What looks at each hub once it is closed, and raises AssertionError for what is wrong with its exchanges."""

    def __init__(self, top: Path, *, residency: bool = False) -> None:
        self.top = top / "github"
        self.lock = threading.RLock()
        self.clock: datetime | None = None
        self.behind = timedelta()
        self.calls: list[Call] = []
        self.exchanges: list[Call] = []
        self.odd: list[str] = []
        self.events: list[Event] = []
        self.watchers: list[Callable[[Call], None]] = []
        self.mistakes: list[str] = []
        self.faults = Faults(self)
        self.reviews_carried: set[str] = set()
        self.accounts: dict[int, User] = {}
        self.repositories: dict[str, Repo] = {}
        self.moved: dict[str, int] = {}
        """Names that repositories had, and their numbers."""
        self.apps: dict[int, App] = {}
        self.tokens: dict[str, Token] = {}
        self.jwt_tokens: dict[int, Token] = {}
        self.extras: dict[str, Any] = {}
        self.slow_mergeability = False
        self.allow_lists: set[str] = set()
        self.sso: set[str] = set()
        self._last = 1000
        self.web_flow = self._account(User("web-flow", 19864447, name="GitHub", email="noreply@github.com"))
        bot = self._account(User("github-actions[bot]", 41898282, "Bot"))
        self.actions_app = App(ACTIONS_APP, "github-actions", self.web_flow, bot, "", None, {}, 0, [])
        registry.load()
        self._servers = [Server(self, serves) for serves in (("pages", "api") if residency else ("all",))]
        places = [f"http://127.0.0.1:{server.server_address[1]}" for server in self._servers]
        self.server_url = places[0]
        self.url = places[1] if residency else f"{self.server_url}{PREFIX}"

    def __enter__(self) -> Self:
        poll = {"poll_interval": 0.02}
        self._threads = [threading.Thread(target=server.serve_forever, kwargs=poll) for server in self._servers]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.close()
            thread.join()
        assert not self.mistakes, self.mistakes
        for inspect in self.inspectors if failure[0] is None else ():
            inspect(self)

    # -- time, ids, the record ------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The instant, to the second, as GitHub's timestamps are."""
        return (self.clock or datetime.now(UTC) - self.behind).astimezone(UTC).replace(microsecond=0)

    def advance(self, **span: float) -> None:
        """Let time pass: ``advance(minutes=61)``. The clock stands still from then on."""
        self.clock = self.now() + timedelta(**span)

    def next_id(self) -> int:
        """A number that nothing else has."""
        with self.lock:
            self._last += 1
            return self._last

    def secret(self, prefix: str) -> str:
        """The text of a new token."""
        return prefix + secrets.token_hex(18)

    def expiry_text(self, token: Token) -> str | None:
        """When a token ends, as its holder is told: by the real clock, where the hub's is behind it."""
        from github_double.shapes import stamp

        return stamp(max(self.now(), datetime.now(UTC)) + self.HOUR) if token.expires_at else None

    def log(self, call: Call) -> None:
        """Note a request that was answered, and tell who watches."""
        self.calls.append(call)
        self.exchanges.append(call)
        for watcher in self.watchers:
            watcher(call)

    def emit(self, name: str, action: str, repo: Repo, payload: Mapping[str, Any], token: Token) -> None:
        """Note an event, unless the dials say that it gets lost."""
        from github_double.shapes import repository, simple_user

        if self.faults.loses(name):
            return
        whole = {**({"action": action} if action else {}), **payload}
        teams_whole = name == "pull_request" and action in _TEAMS_WHOLE
        for each in [] if teams_whole else whole.get("pull_request", {}).get("requested_teams", []):
            for name_of in _NOT_IN_EVENTS:
                each.pop(name_of, None)
        whole |= {"repository": repository(self, repo), "sender": simple_user(self, token.user)}
        self.events.append(Event(name, action, repo, whole, token.user, token.kind))

    def peek(self, path: str) -> Reply:
        """What a GET of this path would be answered now, to one who may see everything."""
        with self.lock:
            found = registry.find("GET", path)
            assert found is not None, f"no endpoint GET {path}"
            params = found[1]
            repo = self.find(f"{params.get('owner')}/{params.get('repo')}")
            token = Token("", "user", self.web_flow)
            return found[0].handler(Request(self, "GET", path, params, {}, None, token, found[0], {}, repo))

    # -- what a test builds ---------------------------------------------------------------------------------------

    def _account(self, user: User) -> User:
        with self.lock:
            taken = [u for u in self.accounts.values() if u.login.lower() == user.login.lower() and not u.deleted]
            assert user.id not in self.accounts, f"account {user.id} exists"
            assert not taken, f"account {user.login} exists"
            self.accounts[user.id] = user
        return user

    def user(self, login: str, id: int | None = None, *, name: str = "", email: str = "") -> User:  # noqa: A002
        """Make a person."""
        return self._account(User(login, id or self.next_id(), "User", name, email or f"{login}@example.com"))

    def org(self, login: str, id: int | None = None, *, base: str = "none") -> Org:  # noqa: A002
        """Make an organisation; ``base`` is what its members may do in each of its repositories."""
        made = Org(login, id or self.next_id(), base=base)
        self._account(made)
        return made

    def account(self, login: str) -> User | None:
        """The account that has this login now."""
        return next((u for u in self.accounts.values() if u.login.lower() == login.lower() and not u.deleted), None)

    def by_email(self, address: str) -> User | None:
        """The account that a commit's address belongs to."""
        for each in self.accounts.values():
            if address and address.lower() in {each.email.lower(), each.noreply.lower()} and not each.deleted:
                return each
        return None

    def repository(self, full_name: str, *, private: bool = True, default_branch: str = "main") -> Repo:
        """Make an empty repository; its owner becomes an organisation where nobody has that login."""
        owner_login, _, name = full_name.partition("/")
        owner = self.account(owner_login) or self.org(owner_login)
        path = self.top / f"{full_name}.git"
        gitio.create(path, default_branch)
        repo = Repo(self.next_id(), owner, name, path, self.now(), private, default_branch)
        with self.lock:
            self.repositories[full_name.lower()] = repo
        return repo

    def rename(self, repo: Repo, name: str) -> None:
        """Give a repository another name; requests under the old one are sent to its number, until another has it."""
        with self.lock:
            old = repo.full_name
            self.moved[old.lower()] = repo.id
            del self.repositories[old.lower()]
            repo.name = name
            self.repositories[repo.full_name.lower()] = repo
            for each in (*self.apps.values(), *self.tokens.values()):
                if each.repositories is not None:
                    each.repositories[:] = [repo.full_name if n == old else n for n in each.repositories]

    def find(self, full_name: str) -> Repo | None:
        """The repository of that name; case does not count."""
        return self.repositories.get(full_name.lower())

    def by_name(self, path: str) -> str:
        """A path with the repository's name where it had its id (``/repositories/7/…``), as links to further pages do."""
        head, _, rest = path.removeprefix("/repositories/").partition("/")
        if not path.startswith("/repositories/") or not head.isdigit():
            return path
        with self.lock:
            found = next((repo for repo in self.repositories.values() if repo.id == int(head)), None)
        return path if found is None else f"/repos/{found.full_name}/{rest}".rstrip("/")

    def by_id(self, path: str) -> str:
        """A path with the repository's id where it had its name."""
        parts = path.split("/", 4)
        found = self.find("/".join(parts[2:4])) if parts[1] == "repos" else None
        return path if found is None else "/".join(["", "repositories", str(found.id), *parts[4:]])

    def fork(self, repo: Repo, user: User) -> Repo:
        """Fork a repository under a person's account, once: its branches, and nothing of its rules or people."""
        name = f"{user.login}/{repo.name}"
        with self.lock:
            if (known := self.find(name)) is not None:
                return known
            made = self.repository(name, private=repo.private, default_branch=repo.default_branch)
            made.fork_of = repo
            gitio.run(made.path, "fetch", "-q", str(repo.path), "+refs/heads/*:refs/heads/*")
            return made

    def team(self, org: Org, slug: str, members: Iterable[User] = ()) -> Team:
        """Make a team of an organisation; its members become the organisation's."""
        team = Team(self.next_id(), slug, org, {user.id: "member" for user in members})
        with self.lock:
            org.teams[slug] = team
            for each in team.members:
                org.members.setdefault(each, "member")
        return team

    def app(
        self, slug: str, *, permissions: Mapping[str, str], repositories: Iterable[str], id: int | None = None,  # noqa: A002
        bot_id: int | None = None,
    ) -> App:  # fmt: skip
        """Make a GitHub App, installed on some repositories, with a new key and its bot account ``slug[bot]``."""
        names = list(repositories)
        pem, public = _app_key(len(self.apps))
        bot = self._account(User(f"{slug}[bot]", bot_id or self.next_id(), "Bot"))
        owner = self.repositories[names[0].lower()].owner if names else self.web_flow
        app = App(
            id or self.next_id(), slug, owner, bot, pem, public, dict(permissions), self.next_id(), names,
            f"Iv23{self.next_id()}",
        )  # fmt: skip
        with self.lock:
            self.apps[app.id] = app
        return app

    def token(
        self, user: User, permissions: Mapping[str, str] | None = None, *, repositories: Iterable[str] | None = None
    ) -> str:
        """Make a person's token: a classic one, or with ``permissions`` a fine-grained one."""
        value = self.secret("ghp_" if permissions is None else "github_pat_")
        names = None if repositories is None else list(repositories)
        made = Token(
            value,
            "user" if permissions is None else "fine",
            user,
            None if permissions is None else dict(permissions),
            names,
        )
        with self.lock:
            self.tokens[value] = made
        return value

    def installation_token(self, app: App, permissions: Mapping[str, str] | None = None) -> str:
        """Make an installation's token, as the App itself would by the API."""
        with self.lock:
            return issue_installation_token(self, app, None if permissions is None else dict(permissions), None).value

    def actions_token(self, repo: Repo, permissions: Mapping[str, str] | None = None) -> str:
        """Make a job's GITHUB_TOKEN. Permissions are named as in a workflow (pull-requests) or as the API does."""
        value = self.secret("ghs_")
        held = {name.replace("-", "_"): level for name, level in (permissions or {}).items() if level != "none"}
        with self.lock:
            self.tokens[value] = Token(
                value, "actions", self.actions_app.bot, held, [repo.full_name], self.actions_app, limit=1000
            )
        return value

    def protect(
        self, repo: Repo, branch: str = "~DEFAULT_BRANCH", *, approvals: int = 1, code_owners: bool = True,
        dismiss_stale: bool = True, last_push: bool = True, checks: Iterable[str | tuple[str, int]] = (),
        bypass: Iterable[Bypass] = (), methods: Iterable[str] = ("squash",), name: str = "main", extra: Iterable[Rule] = (),
    ) -> Ruleset:  # fmt: skip
        """Add a ruleset that asks for pull requests with reviews and checks, and forbids force pushes and deletion."""
        rules = [Rule("deletion"), Rule("non_fast_forward"), Rule("pull_request", {
            "required_approving_review_count": approvals, "require_code_owner_review": code_owners,
            "dismiss_stale_reviews_on_push": dismiss_stale, "require_last_push_approval": last_push,
            "required_review_thread_resolution": False, "allowed_merge_methods": list(methods),
        }), *extra]  # fmt: skip
        named = [c if isinstance(c, tuple) else (c, 0) for c in checks]
        if named:
            asked = [{"context": c, **({"integration_id": app} if app else {})} for c, app in named]
            rules.append(Rule("required_status_checks", {
                "strict_required_status_checks_policy": False, "required_status_checks": asked,
            }))  # fmt: skip
        return self.ruleset(repo, name, rules, include=[branch], bypass=bypass)

    def ruleset(
        self, repo: Repo, name: str, rules: Iterable[Rule], *, include: Iterable[str], bypass: Iterable[Bypass] = ()
    ) -> Ruleset:
        """Add a ruleset to a repository. Branches are named as ``~DEFAULT_BRANCH``, ``refs/heads/x`` or a pattern."""
        now = self.now()
        made = Ruleset(
            self.next_id(), name, list(rules), list(include), [], list(bypass), source=repo.full_name,
            created_at=now, updated_at=now,
        )  # fmt: skip
        with self.lock:
            repo.rulesets.append(made)
        return made

    def exhaust(self, token: str, *, remaining: int = 0) -> None:
        """Leave a token only so many requests until its hour ends."""
        with self.lock:
            known = self.tokens[token]
            known.resets_at = known.resets_at or self.now() + self.HOUR
            known.used = known.limit - remaining

    def seed(self, repo: Repo, files: Mapping[str, str | bytes], *, branch: str = "", message: str = "Begin") -> str:
        """Commit files to a branch directly, past all rules, as a repository's history stood before the test."""
        from github_double.writing import write_files

        with self.lock:
            return write_files(self, repo, branch or repo.default_branch, files, message)
