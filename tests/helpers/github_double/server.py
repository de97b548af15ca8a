"""The double's HTTP side: one thread a connection, faults, authentication, limits, the log of calls."""

from __future__ import annotations

import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from github_double import auth, githttp, registry, web
from github_double.faults import Fault
from github_double.registry import Refusal, Reply, Request, Route
from github_double.state import Call, Token

if TYPE_CHECKING:
    from github_double.double import Double

PREFIX, GRAPHQL = "/api/v3", "/api/graphql"
"""Where the API lies, as on a GitHub Enterprise Server: https://docs.github.com/en/enterprise-server/rest/overview."""

_NONE = Route("", "", "", lambda _: Reply(404), re.compile(""))


class Server(ThreadingHTTPServer):
    """Serves one hub on loopback until closed, and leaves no thread or socket behind."""

    request_queue_size = 256
    daemon_threads = False

    def __init__(self, hub: Double, serves: str = "all") -> None:
        """``serves``: "all", or with two servers "pages" (git too) at one and "api" at the root of the other."""
        self.hub = hub
        self.serves = serves
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers go away when they like; anything else is a fault of the double and must be seen."""
        import sys

        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError)):
            self.hub.mistakes.append(repr(error))

    def close(self) -> None:
        """Stop serving, end waiting callers, wait for the threads."""
        self.closing.set()
        self.shutdown()
        with self._guard:
            for each in self._open:
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it has ended by itself
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """One connection, which may carry many requests."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server
    server_version = "GitHub.com"
    sys_version = ""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it so
        """Say nothing: hub.calls is the log."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header tells the hub's time."""
        return super().date_time_string(timestamp or self.server.hub.now().timestamp())

    def do(self) -> None:
        """Answer one request of any method."""
        hub = self.server.hub
        body = self._read()
        parts = urlsplit(self.path)
        serves = self.server.serves
        is_api = serves == "api" or (serves == "all" and parts.path.startswith(f"{PREFIX}/"))
        prefix = "" if serves == "api" else PREFIX
        path = hub.by_name(parts.path.removeprefix(prefix)) if is_api else parts.path
        if serves != "all":
            pass  # https://docs.github.com/en/enterprise-cloud@latest/admin/data-residency/network-details-for-ghecom
        elif (
            path == "/graphql"
        ):  # which is not below REST: https://docs.github.com/en/enterprise-server@latest/graphql/guides/forming-calls-with-graphql
            path = "/nothing"
        elif path == GRAPHQL:
            is_api, path = True, "/graphql"
        with hub.lock:
            fault = hub.faults.take(self.command, path)
        if fault is not None and fault.delay:
            self.server.closing.wait(fault.delay)
        if fault is not None and not fault.after_effect and (fault.drop or fault.status is not None):
            return self._fail(fault, path)
        if is_api:
            reply = answer(
                hub, self.command, path, dict(parse_qsl(parts.query, keep_blank_values=True)), dict(self.headers), body
            )
            raw = b"" if reply.body is None else json.dumps(reply.body).encode()
            headers = {"Content-Type": "application/json; charset=utf-8", **reply.headers}
        else:
            asked = (hub, self.command, parts.path, parts.query, dict(self.headers), body)
            reply, raw = web.serve(*asked) or githttp.serve(*asked)
            headers = reply.headers
        if fault is not None and fault.after_effect and (fault.drop or fault.status is not None):
            return self._fail(fault, path)
        return self._send(reply.status, headers, raw, fault.cut if fault else None)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do  # noqa: N815  named by the base class

    def _read(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _fail(self, fault: Fault, path: str) -> None:
        hub = self.server.hub
        with hub.lock:
            hub.calls.append(Call(self.command, path, 0 if fault.drop else fault.status or 0, "", "fault"))
        if fault.drop:
            self.close_connection = True
            return
        body = fault.body if fault.body is not None else {"message": "Server Error"}
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self._send(
            fault.status or 500, {"Content-Type": "application/json; charset=utf-8", **fault.headers}, raw, fault.cut
        )

    def _send(self, status: int, headers: dict[str, str], raw: bytes, cut: int | None) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        if status != 204:
            self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(raw if cut is None else raw[:cut])
        self.wfile.flush()
        if cut is not None:
            self.close_connection = True


def answer(hub: Double, method: str, path: str, query: dict[str, str], headers: dict[str, str], raw: bytes) -> Reply:
    """Answer one API request, under the hub's lock, and log it."""
    with hub.lock:
        token: Token | None = None
        body: Any = None
        found = registry.find(method, path)
        try:
            body = _decode(raw)
            lower = {name.lower(): text for name, text in headers.items()}
            token = auth.authenticate(hub, lower.get("authorization", ""))
            _count(hub, token, path)
            reply = _handle(hub, token, found, Request(hub, method, path, {}, query, body, token, _NONE, lower))
        except Refusal as refusal:
            reply = refusal.reply
        except Exception as error:
            hub.mistakes.append(f"{method} {path}: {error!r}")
            raise
        scopes = {} if token is None or token.scopes is None else {"X-OAuth-Scopes": ", ".join(sorted(token.scopes))}
        reply.headers = {**_limits(hub, token), **scopes, **reply.headers}
        who = (token.user.login, token.kind) if token else ("", "")
        template = found[0].template if found else ""
        hub.log(Call(method, path, reply.status, *who, template, query, body, reply.body))
        return reply


def _handle(hub: Double, token: Token, found: tuple[Route, dict[str, str]] | None, request: Request) -> Reply:
    """Find what the path names, check what the token may, and let the endpoint answer."""
    if found is None:
        raise registry.not_found()
    request.route, request.params = found
    if "owner" in request.params and "repo" in request.params:
        name = f"{request.params['owner']}/{request.params['repo']}"
        request.found = hub.find(name)
        if request.found is None and name.lower() in hub.moved:
            rest = request.path.split("/", 4)[4:]
            url = "/".join([hub.url, "repositories", str(hub.moved[name.lower()]), *rest])
            return Reply(301, {"message": "Moved Permanently", "url": url}, {"Location": url})
        if request.found is None:
            raise registry.not_found()
    auth.check(request)
    return request.route.handler(request)


def _decode(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError as error:
        raise Refusal(400, "Problems parsing JSON") from error


def _count(hub: Double, token: Token, path: str) -> None:
    """Take one from the hour's requests. Reading the limit itself costs nothing.

    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """
    now = hub.now()
    if token.resets_at is None or now >= token.resets_at:
        token.resets_at, token.used = now + hub.HOUR, 0
    if path == "/rate_limit":
        return
    if token.used >= token.limit:
        raise Refusal(403, f"API rate limit exceeded for user ID {token.user.id}.")
    token.used += 1


def _limits(hub: Double, token: Token | None) -> dict[str, str]:
    if token is None or token.resets_at is None:
        return {}
    return {
        "X-RateLimit-Limit": str(token.limit),
        "X-RateLimit-Remaining": str(token.limit - token.used),
        "X-RateLimit-Used": str(token.used),
        "X-RateLimit-Reset": str(int(token.resets_at.timestamp())),
        "X-RateLimit-Resource": "core",
    }
