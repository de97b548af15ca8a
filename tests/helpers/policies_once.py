"""Policies are read once a process for the same bytes, from which alone they are made: most runs have the example's.

It takes a third of the time of a run. What policies say they work out when they are asked, and keep: where something else
stands in daypass's place meanwhile, what is read is kept apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from daypass.core.bounds.settings import TargetKinds
from daypass.core.policy import policies as core
from daypass.core.policy.policies import Policy
from daypass.edges.targets.registry import KINDS
from daypass.pipeline.judge import policies as pipeline

_MOST = 100
_read = core.read_policies
_known: list[dict[object, Policy]] = [{}]
"""By their bytes; the last counts."""


def _remembered(files: Mapping[str, bytes], *, kinds: TargetKinds, links: Iterable[str] = ()) -> Policy:
    if kinds is not KINDS:
        return _read(files, kinds=kinds, links=links)
    known, key = _known[-1], (frozenset(files.items()), links := tuple(links))
    if key not in known:
        if len(known) > _MOST:
            known.clear()
        known[key] = _read(files, kinds=kinds, links=links)
    return known[key]


@contextmanager
def read_once() -> Iterator[None]:
    """Read policies once for the same bytes. Tests of the reading itself call it past this."""
    with ExitStack() as stack:
        for module in (core, pipeline):
            stack.enter_context(patch.object(module, "read_policies", _remembered))
        yield


@contextmanager
def apart() -> Iterator[None]:
    """Take nothing that was read before, and leave nothing to whoever reads after."""
    _known.append({})
    try:
        yield
    finally:
        _known.pop()
