"""The App's manifest, the address that fills its form in, and the page on this machine that GitHub sends the maker back to.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-using-url-parameters

Upholds: the page is on loopback alone, under a name that nobody else knows; the browser that opens it first gets a cookie,
and no other sees it, since a browser's command line is for everybody on the machine to read. It takes one answer, whose
``state`` it made itself, and is gone after that or when its time is over.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Sequence
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode

from daypass.edges.forges.github.doctor.people import ALLOWED, NEEDED

LONGEST_NAME = 34
"""Letters that the name of an App may have."""
_OF_ORGANISATION = {"members"}
_QUIET = 5.0
"""Seconds within which a browser has to send its request."""


def permissions(*, organisation: bool) -> dict[str, str]:
    """Return what the App asks for: what it needs, and what it looks at settings with."""
    wanted = {**ALLOWED, **NEEDED}
    return {name: wanted[name] for name in sorted(wanted) if organisation or name not in _OF_ORGANISATION}


def app_name(owner: str) -> str:
    """Return the name that is proposed for the App."""
    return f"daypass-{owner}".lower()[:LONGEST_NAME].rstrip("-")


def manifest(owner: str, page: str, back: str, *, organisation: bool) -> dict[str, Any]:
    """Return the App as GitHub is told of it. ``back`` is where its maker is sent with the code."""
    return {
        "name": app_name(owner),
        "url": page,
        "hook_attributes": {"url": page, "active": False},
        "redirect_url": back,
        "public": False,
        "default_permissions": permissions(organisation=organisation),
        "default_events": [],
    }


def filled_in(account_page: str, owner: str, page: str, *, organisation: bool) -> str:
    """Return the address at which GitHub's form for a new App is filled in."""
    told = {"name": app_name(owner), "url": page, "public": "false", "webhook_active": "false"}
    return f"{account_page}/apps/new?{urlencode({**told, **permissions(organisation=organisation)})}"


_STYLE = "body{font:16px system-ui;max-width:40em;margin:3em auto;padding:0 1em}button{font:inherit;padding:.5em 1em}"
_PAGE = '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>daypass setup</title><style>{style}</style>{body}</html>'


class _Server(ThreadingHTTPServer):
    """Lets nobody wait for a visitor who says nothing, and says nothing of those who go away."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the terminal is for who sets up."""


class LoopbackPage:
    """A page on this machine: it sends the manifest to GitHub, and takes the code that comes back.

    ``account_page`` is where the owner's settings are; ``url`` is the page's own address.
    """

    def __init__(self, account_page: str) -> None:
        self._place = f"/{secrets.token_urlsafe(24)}"
        self._state = secrets.token_urlsafe(32)
        self._visitor = f"daypass={secrets.token_urlsafe(32)}"
        self._opened = False
        self._target = f"{account_page}/apps/new?{urlencode({'state': self._state})}"
        self._came = threading.Event()
        self._one = threading.Lock()
        self.code = ""
        self.manifest: dict[str, Any] = {}
        page = self

        class Handler(BaseHTTPRequestHandler):
            timeout = _QUIET

            def do_GET(self) -> None:
                with page._one:
                    status, body = page._answer(
                        self.path, self.headers.get("Host", ""), self.headers.get("Cookie", "").split("; ")
                    )
                page._send(self, status, body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class names it so)
                """Say nothing: the address holds a code."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self._host}{self._place}"
        self.back = f"{self.url}/back"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, path: str, host: str, cookies: Sequence[str]) -> tuple[int, str]:
        """Return the status and the page. Another host's name is that of a site which leads its readers here."""
        place, _, query = path.partition("?")
        if host != self._host or self._came.is_set() or place not in (self._place, f"{self._place}/back"):
            return 404, "<p>There is nothing here.</p>"
        first = place == self._place and not self._opened
        if not first and self._visitor not in cookies:
            return 403, (
                "<h1>Another browser has opened this before</h1><p>If that was not you, end daypass in the terminal and make "
                "no App: somebody else on this machine saw the address. Or this browser keeps no cookies: run setup again "
                "with <code>--no-browser</code>.</p>"
            )
        if place == self._place:
            self._opened = True
            return 200, self._form()
        asked = parse_qs(query)
        state, code = (asked.get(name, [""])[0] for name in ("state", "code"))
        if not secrets.compare_digest(state.encode(), self._state.encode()) or not code.isalnum():
            return 400, "<h1>This answer is not to a question of daypass</h1><p>Nothing was taken over.</p>"
        self.code = code
        self._came.set()
        return 200, "<h1>The App is made</h1><p>Go back to the terminal, where daypass goes on.</p>"

    def _form(self) -> str:
        allowed = "".join(
            f"<li>{escape(name)}: {escape(level)}" for name, level in self.manifest["default_permissions"].items()
        )
        hidden = escape(json.dumps(self.manifest), quote=True)
        return (
            "<h1>A GitHub App for daypass</h1><p>It may do this, in the repositories that it is installed on:</p>"
            f'<ul>{allowed}</ul><form method="post" action="{escape(self._target)}">'
            f'<input type="hidden" name="manifest" value="{hidden}">'
            "<button>Continue to GitHub</button></form>"
        )

    def _send(self, handler: BaseHTTPRequestHandler, status: int, body: str) -> None:
        shown = status == HTTPStatus.OK
        raw = _PAGE.format(style=_STYLE, body=body).encode()
        handler.send_response(status)
        policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
        for name, text in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(raw))),
            ("Content-Security-Policy", policy),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-store"),
            ("Connection", "close"),
            *([("Set-Cookie", f"{self._visitor}; Path={self._place}; HttpOnly; SameSite=Lax")] if shown else []),
        ):
            handler.send_header(name, text)
        handler.end_headers()
        handler.wfile.write(raw)
