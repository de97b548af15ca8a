"""People from a directory service that speaks SCIM 2.0 (RFC 7643, RFC 7644).

The address is the one that main's settings name, and the token goes nowhere else: no redirect is followed. What is
answered is bounded, and a list that is cut or that moves while it is read is none: it would say of people that they left.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any
from unicodedata import normalize

import requests
import urllib3

from daypass.core.bounds.settings import PeopleSource
from daypass.core.errors import EdgeError
from daypass.core.finding import shown
from daypass.core.people.source import MOST, SourcePerson

A_PAGE = 100
_PAGES = 2_000
_LARGEST = 8 << 20
_SECONDS = 30
_WHOLE = 300.0
_TRIES = 3
_LONGEST_PAUSE = 30.0
_EMAILS = 10
_ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
_LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"


class _MovedError(EdgeError):
    """The list changed while it was read."""


def scim_people(
    source: PeopleSource, environ: Mapping[str, str], *, wait: Callable[[float], None] = time.sleep
) -> tuple[SourcePerson, ...]:
    """Read everybody whom a service has. Raises EdgeError where it cannot be reached or read whole."""
    token = environ.get(source.token_env, "")
    if not token:
        raise EdgeError(f"{source.token_env} is not set here", hint="it holds a token that reads the users there")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise EdgeError(f"{source.token_env} holds characters that no token has")
    service = _Service(source.url, token, wait)
    for attempt in range(_TRIES):
        try:
            return tuple(_person(one) for one in service.users())
        except _MovedError:
            if attempt == _TRIES - 1:
                raise
    raise AssertionError  # pragma: no cover


class _Service:
    def __init__(self, url: str, token: str, wait: Callable[[float], None]) -> None:
        self._url = f"{url}/Users"
        self._wait = wait
        self._session = requests.Session()
        self._session.auth = _Bearer(token)  # else a .netrc would take its place
        self._session.headers["Accept"] = "application/scim+json, application/json"
        self._end = time.monotonic() + _WHOLE

    def users(self) -> Iterator[Mapping[str, Any]]:
        """Yield every user, page by page: https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.4."""
        found, total = 0, -1
        for _ in range(_PAGES):
            page = self._page(found + 1)
            rows, said = page.get("Resources") or [], page.get("totalResults")
            if not isinstance(said, int) or isinstance(said, bool) or not isinstance(rows, list):
                raise EdgeError(f"{self._url} answers with no list of users")
            if said > MOST:
                raise EdgeError(f"{self._url} has {said} users, more than the {MOST} that are read")
            if page.get("startIndex", found + 1) != found + 1 or total not in (-1, said):
                raise _MovedError(f"the users at {self._url} changed while they were read", hint="run it again")
            total = said
            if not all(isinstance(row, dict) for row in rows) or found + len(rows) > total:
                raise EdgeError(f"{self._url} answers with more, or other things, than the {total} users that it names")
            yield from rows
            found += len(rows)
            if found == total:
                return
            if not rows:
                break
        raise EdgeError(f"the list of users at {self._url} is cut: {found} of {total}")

    def _page(self, start: int) -> Mapping[str, Any]:
        status, raw, pause = self._ask(start)
        for _ in range(_TRIES - 1):
            if status not in (HTTPStatus.TOO_MANY_REQUESTS, *range(500, 600)):
                break
            self._wait(min(pause, _LONGEST_PAUSE))
            status, raw, pause = self._ask(start)
        if status == HTTPStatus.OK:
            return _parsed(self._url, raw)
        raise EdgeError(f"{self._url} answered {status}: {_detail(raw)}", hint="nobody is taken to have left by it")

    def _ask(self, start: int) -> tuple[int, bytes, float]:
        if time.monotonic() > self._end:
            raise EdgeError(f"{self._url} takes longer than {_WHOLE:.0f} seconds to list its users")
        asked: Mapping[str, int] = {"startIndex": start, "count": A_PAGE}
        try:
            with self._session.get(
                self._url, params=asked, timeout=_SECONDS, allow_redirects=False, stream=True
            ) as answer:
                raw = self._body(answer)
                after = answer.headers.get("Retry-After", "")
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:  # urllib3's: cut midway
            raise EdgeError(f"{self._url} cannot be reached: {type(error).__name__}") from error
        if len(raw) > _LARGEST:
            raise EdgeError(f"{self._url} answers with more than {_LARGEST} bytes a page")
        return answer.status_code, raw, float(after) if after.isascii() and after.isdecimal() else 1.0

    def _body(self, answer: requests.Response) -> bytes:
        """Read an answer piece by piece: who sends one byte now and then must not keep a run for ever."""
        raw = b""
        while len(raw) <= _LARGEST and (piece := answer.raw.read1(1 << 16, decode_content=True)):
            raw += piece
            if time.monotonic() > self._end:
                raise EdgeError(f"{self._url} takes longer than {_WHOLE:.0f} seconds to list its users")
        return raw


class _Bearer(requests.auth.AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _parsed(url: str, raw: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        found = None
    schemas = found.get("schemas") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(schemas, list) or _LIST not in schemas:
        raise EdgeError(f"{url} answers with no list of SCIM 2.0", hint="people.source.url is the base address")
    return found


def _detail(raw: bytes) -> str:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return "nothing that says why"
    said = found.get("detail") if isinstance(found, dict) else None
    return shown(said[:200]) if isinstance(said, str) else "nothing that says why"


def _person(row: Mapping[str, Any]) -> SourcePerson:
    """Read a user: https://www.rfc-editor.org/rfc/rfc7643#section-4.1 and 4.3. What says nothing says "", or nobody."""
    active = row.get("active", True)
    if not isinstance(active, bool):
        raise EdgeError(
            f"the service says of {shown(_text(row, 'userName'))} that active is {shown(repr(active)[:40])}"
        )
    extension = row.get(_ENTERPRISE)
    manager = extension.get("manager") if isinstance(extension, dict) else None
    external = _text(row, "externalId")
    name = row.get("name")
    return SourcePerson(
        _text(row, "id"),
        _text(row, "userName"),
        name=_text(row, "displayName") or (_text(name, "formatted") if isinstance(name, dict) else ""),
        emails=_emails(row.get("emails")),
        active=active,
        manager=_text(manager, "value") if isinstance(manager, dict) else "",
        also=(external,) if external else (),
    )


def _emails(told: Any) -> tuple[str, ...]:
    listed = [one for one in told if isinstance(one, dict)][:_EMAILS] if isinstance(told, list) else []
    listed.sort(key=lambda one: one.get("primary") is not True)
    return tuple(dict.fromkeys(text for one in listed if (text := _text(one, "value"))))


def _text(row: Mapping[str, Any], key: str) -> str:
    found = row.get(key)
    return normalize("NFC", found.strip()) if isinstance(found, str) else ""
