"""A TCP proxy between a client and a real server, that breaks as networks do."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Proxy:
    """Passes bytes between its own ``port`` of loopback and another port; every connection meets the dials as they are.

    ``refuse``: new connections are ended at once. ``delay``: seconds before what a client sends is passed on.
    ``cut_before``: when a client sends these bytes, the connection ends and nothing of that piece is passed on.
    ``cut_after``: the piece is passed on and the connection ends once the server has answered; the answer is lost.
    ``answer``: changes what the server says. A cut happens once; ``cuts`` counts them. ``sent`` is what clients sent.
    """

    def __init__(self, to: int) -> None:
        self.to = to
        self.refuse = False
        self.delay = 0.0
        self.cut_before = b""
        self.cut_after = b""
        self.answer: Callable[[bytes], bytes] = bytes
        self.cuts = 0
        self.connections = 0
        self.sent: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _end(self._listener)
        self.cut_all()
        for thread in self._threads:
            thread.join(5)

    def cut_all(self) -> None:
        """End every connection now."""
        with self._lock:
            doomed = list(self._open)
        for one in doomed:
            _end(one)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.refuse:
                _end(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.to), 5)
            except OSError:
                _end(client)
                continue
            server.settimeout(None)
            with self._lock:
                self._open |= {client, server}
            doomed = threading.Event()
            for work in (self._up, self._down):
                thread = threading.Thread(target=work, args=(client, server, doomed), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _up(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        while piece := _read(client):
            self.sent.append(piece)
            if self.delay:
                time.sleep(self.delay)
            if self.cut_before and self.cut_before in piece:
                self.cut_before = b""
                self.cuts += 1
                break
            if self.cut_after and self.cut_after in piece:
                self.cut_after = b""
                self.cuts += 1
                doomed.set()
            if not _write(server, piece):
                break
        if not doomed.is_set():
            self._part(client, server)

    def _down(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        while piece := _read(server):
            if doomed.is_set() or not _write(client, self.answer(piece)):
                break
        self._part(client, server)

    def _part(self, *both: socket.socket) -> None:
        with self._lock:
            self._open -= {*both}
        for one in both:
            _end(one)


def _read(one: socket.socket) -> bytes:
    try:
        return one.recv(65536)
    except OSError:
        return b""


def _write(one: socket.socket, piece: bytes) -> bool:
    try:
        one.sendall(piece)
    except OSError:
        return False
    return True


def _end(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        one.close()
    else:
        one.close()
