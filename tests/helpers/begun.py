"""Hubs that have come some way: the steps are taken once for all workers, and each test begins with a copy of what they left.

with begun(tmp_path, granted, simulated=True) as hub:  # as if granted(hub) had just come to its end
    ...
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from copies import copy, once
from github_double import Double
from hub import Hub

_HUB = ("people", "tokens", "org", "repo", "app", "ledger_key", "_names", "_made")
_NEW = {
    "top",
    "lock",
    "faults",
    "watchers",
    "calls",
    "exchanges",
    "events",
    "url",
    "server_url",
    "_servers",
    "_threads",
}
"""What each double has for itself. What was asked of the first one was inspected when that was closed."""
_FORM = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
_STATE, _ADDRESS, _PLACES = "state.pickle", "address", "places"


def begun(top: Path, steps: Callable[[Hub], object], **options: Any) -> Hub:
    """Return a hub that stands, once it is entered, as ``steps`` left another one, whose clock it takes over.

    ``steps`` are known by their name. They leave no faults and nobody who watches, and commit no address of the double's.
    """

    def make(folder: Path) -> None:
        with Hub(folder, **options) as hub:
            steps(hub)
            _keep(hub, folder)

    return _Begun(top, once((steps.__module__, steps.__qualname__, *sorted(options.items())), make), options)


class _Begun(Hub):
    def __init__(self, top: Path, kept: Path, options: dict[str, Any]) -> None:
        super().__init__(top, **options)
        self._kept = kept

    def _begin(self) -> None:
        here = _address(self.double)
        there = (self._kept / _ADDRESS).read_bytes()
        copy(self._kept / self.top.name, self.top)
        for place in (self._kept / _PLACES).read_text(encoding="utf-8").splitlines():
            file = self.top / place
            file.write_bytes(file.read_bytes().replace(there, here))
        raw = (self._kept / _STATE).read_bytes().replace(there, here)
        ours, theirs, now = _Reader(io.BytesIO(raw), self).load()
        vars(self).update(ours)
        vars(self.double).update(theirs)
        self.double.behind = self.double.now() - now


def _keep(hub: Hub, folder: Path) -> None:
    """Write down a hub beside its files: its state, and which files name its address."""
    address = _address(hub.double)
    ours = {name: vars(hub)[name] for name in _HUB}
    theirs = {name: value for name, value in vars(hub.double).items() if name not in _NEW}
    state = io.BytesIO()
    _Writer(state, hub).dump((ours, theirs, hub.double.now()))
    files = (path for path in hub.top.rglob("*") if path.is_file())
    places = [str(path.relative_to(hub.top)) for path in files if address in path.read_bytes()]
    (folder / _ADDRESS).write_bytes(address)
    (folder / _PLACES).write_text("".join(f"{place}\n" for place in places), encoding="utf-8")
    (folder / _STATE).write_bytes(state.getvalue())


def _address(double: Double) -> bytes:
    """Return host and port, which are of one length everywhere, so that one can be put into the other's place."""
    found = double.server_url.removeprefix("http://")
    assert len(found) == len("127.0.0.1:65535"), found
    return found.encode()


class _Writer(pickle.Pickler):
    """Leaves out the double itself, and says of paths where they are below the hub's folder."""

    def __init__(self, file: io.BytesIO, hub: Hub) -> None:
        super().__init__(file)
        self._hub = hub

    def persistent_id(self, thing: object) -> object:
        if thing is self._hub.double:
            return "double", ""
        if isinstance(thing, Path) and thing.is_relative_to(self._hub.top):
            return "path", str(thing.relative_to(self._hub.top))
        if isinstance(thing, RSAPublicKey):
            return "key", thing.public_bytes(*_FORM)
        return None


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, hub: Hub) -> None:
        super().__init__(file)
        self._hub = hub

    def persistent_load(self, said: tuple[str, Any]) -> object:
        kind, what = said
        if kind == "path":
            return self._hub.top / what
        return self._hub.double if kind == "double" else serialization.load_pem_public_key(what)
