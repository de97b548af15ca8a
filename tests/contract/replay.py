"""GitHub as it was recorded: a server on loopback that gives each recorded answer to the request it was given to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

_REAL = "https://api.github.com"


def recorded_answer(method: str, path: str, body: Any, *, status: int = 200) -> dict[str, Any]:
    """An exchange in the shape that recordings have, for an answer that GitHub's description shows as an example."""
    return {"method": method, "path": path, "status": status, "response": body, "headers": {}}


class Replay:
    """Serves exchanges while the block lasts. ``unknown`` are the requests that none was recorded for.

    How many items a page holds is the recording's business: ``per_page`` does not count. Addresses of the real API are
    written as this server's.
    """

    def __init__(self, exchanges: Iterable[Mapping[str, Any]]) -> None:
        self.unknown: list[str] = []
        self._answers = {_key(each["method"], each["path"]): each for each in reversed([*exchanges])}

    def __enter__(self) -> Self:
        replay = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it so
                """Say nothing."""

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, raw = replay._answer(self.command, self.path)
                self.send_response(status)
                for name, text in {**headers, "Content-Length": str(len(raw))}.items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815  named by the base class

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        found = self._answers.get(_key(method, path))
        if found is None:
            self.unknown.append(f"{method} {path}")
            return 404, {}, b'{"message": "Not Found"}'
        told = {name.lower(): text for name, text in (found.get("headers") or {}).items()}
        headers = {name: told[name].replace(_REAL, self.url) for name in ("link", "location") if name in told}
        body = found["response"]
        return (
            found["status"],
            headers,
            b"" if body in ("", None) else json.dumps(body).replace(_REAL, self.url).encode(),
        )


def _key(method: str, path: str) -> tuple[Any, ...]:
    parts = urlsplit(path)
    query = sorted(pair for pair in parse_qsl(parts.query) if pair[0] != "per_page")
    return (method.upper(), parts.path, *query)
