"""The table of endpoints: one decorated function each, found in every module of the package.

A handler takes a `Request` and returns a `Reply`; it refuses by raising `Refusal`. State is locked while it runs.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlencode

if TYPE_CHECKING:
    from github_double.double import Double
    from github_double.state import Repo, Token, User

DOCS = "https://docs.github.com/rest"


@dataclass
class Reply:
    """An answer: a status, a body that becomes JSON (None: no body) and headers beyond the usual ones."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):  # noqa: N818  a refusal is an answer, no error of the double
    """An answer that is no success, with GitHub's shape of an error."""

    def __init__(self, status: int, message: str, errors: Sequence[Any] = (), headers: dict[str, str] | None = None):
        super().__init__(f"{status} {message}")
        self.reply = Reply(
            status, {"message": message, "documentation_url": DOCS, "status": str(status)}, headers or {}
        )
        if errors:
            self.reply.body["errors"] = list(errors)


def not_found() -> Refusal:
    """What GitHub says of what is not there, and of what the caller may not know of."""
    return Refusal(404, "Not Found")


def invalid(message: str = "Validation Failed", *errors: Any) -> Refusal:
    """Return a 422, with the errors GitHub lists: texts or mappings of resource, field and code."""
    return Refusal(422, message, errors)


@dataclass
class Request:
    """One request as a handler sees it: authenticated, its repository found and its permission checked."""

    hub: Double
    method: str
    path: str
    params: dict[str, str]
    query: dict[str, str]
    body: Any
    token: Token
    route: Route
    headers: Mapping[str, str] = field(default_factory=dict)
    found: Repo | None = None

    @property
    def repo(self) -> Repo:
        """The repository that the path names."""
        assert self.found is not None, f"{self.route.template} names no repository"
        return self.found

    @property
    def actor(self) -> User:
        """The account that acts."""
        return self.token.user

    @property
    def number(self) -> int:
        """The path's number. Refuses (404) what is none."""
        return self.integer("number")

    def integer(self, name: str) -> int:
        """A whole number of the path. Refuses (404) what is none."""
        text = self.params[name]
        if not re.fullmatch(r"[0-9]{1,15}", text):
            raise not_found()
        return int(text)

    def value(
        self, name: str, kind: type | tuple[type, ...] = str, *, default: Any = None, required: bool = False
    ) -> Any:
        """A member of the body, of the kind that is meant. Refuses (422) another kind, or a missing one that is required."""
        body = self.body if isinstance(self.body, dict) else {}
        given = body.get(name)
        if given is None:
            if required:
                raise invalid(f'Invalid request.\n\n"{name}" wasn\'t supplied.')
            return default
        if not isinstance(given, kind) or (isinstance(given, bool) and kind is int):
            raise invalid(f"Invalid request.\n\nFor 'properties/{name}', {given!r} is not of the right type.")
        return given

    def need(self, role: str) -> None:
        """Refuse (403) an actor whose role in the repository is lower."""
        from github_double.auth import need_role

        need_role(self, role)

    def may(self, role: str) -> bool:
        """Whether the actor's role in the repository is at least that."""
        from github_double.auth import has_role

        return has_role(self.hub, self.token, self.repo, role)


Handler = Callable[[Request], Reply]


@dataclass(frozen=True)
class Route:
    """One endpoint. ``permission`` is "name:level", several parted by "|" when any one is enough, "" for none."""

    method: str
    template: str
    permission: str
    handler: Handler
    pattern: re.Pattern[str]
    role: str = ""
    auth: str = "token"

    @property
    def weight(self) -> tuple[int, int]:
        """Literal parts come before variable ones when two templates match."""
        parts = self.template.split("/")
        return (-sum(not p.startswith("{") for p in parts), sum(p.endswith("*}") for p in parts))


ROUTES: list[Route] = []


def route(
    method: str, template: str, *, permission: str = "", role: str = "", auth: str = "token"
) -> Callable[[Handler], Handler]:
    """Register a handler. ``{name}`` stands for one part of the path, ``{name*}`` for the rest, slashes included.

    ``role`` is the least role of a person in the repository (read by default, for a write of contents write);
    ``auth``: "token" (any token), "jwt" (an App's own token), "anyone" (none needed, as for public data).
    """

    def register(handler: Handler) -> Handler:
        pattern = re.sub(
            r"\{(\w+)(\*?)\}", lambda m: f"(?P<{m[1]}>{'.+' if m[2] else '[^/]+'})", re.sub(r"([.])", r"\\\1", template)
        )
        ROUTES.append(Route(method, template, permission, handler, re.compile(pattern), role, auth))
        return handler

    return register


def load() -> None:
    """Import every module of the package, so that all endpoints are registered."""
    import github_double

    for module in pkgutil.walk_packages(github_double.__path__, "github_double."):
        importlib.import_module(module.name)
    ROUTES.sort(key=lambda r: r.weight)


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the endpoint of a path, still percent-encoded, with the path's values; None where there is none."""
    for each in ROUTES:
        if each.method == method and (match := each.pattern.fullmatch(path)):
            return each, {name: unquote(text) for name, text in match.groupdict().items()}
    return None


def ok(body: Any) -> Reply:
    """200 with a body."""
    return Reply(200, body)


def created(body: Any) -> Reply:
    """201 with a body."""
    return Reply(201, body)


def nothing() -> Reply:
    """204, no body."""
    return Reply(204)


def paged(request: Request, items: Iterable[Any], shape: Callable[[Any], Any] | None = None, *, key: str = "") -> Reply:
    """Return one page of a list with the Link header that leads to the others.

    https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api (whose examples, and what was
    recorded of the real one, name the repository by its id there).
    ``shape`` makes an item's JSON; with ``key`` the list lies in an object beside ``total_count``.
    """
    every = list(items)
    size = min(_positive(request.query.get("per_page"), 30), 100)
    page = _positive(request.query.get("page"), 1)
    last = max(1, -(-len(every) // size))
    chosen = every[(page - 1) * size : page * size]
    body: Any = [shape(each) if shape else each for each in chosen]
    links = []
    if page > 1:
        links += [("prev", min(page - 1, last)), ("first", 1)]
    if page < last:
        links += [("next", page + 1), ("last", last)]
    head = {"Link": ", ".join(f'<{_link(request, page=to)}>; rel="{rel}"' for rel, to in links)} if links else {}
    return Reply(200, {"total_count": len(every), key: body} if key else body, head)


def _link(request: Request, **changed: Any) -> str:
    return f"{request.hub.url}{request.hub.by_id(request.path)}?{urlencode({**request.query, **changed})}"


def _positive(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and int(text) > 0 else default
