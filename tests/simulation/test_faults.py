"""Every call of a port that a run makes is befallen by everything that can befall it, and the runs that follow put it right."""

from __future__ import annotations

import inspect
from collections import Counter

import pytest

from daypass import ports
from simulation.faults import LEFT_OUT, TABLE, WITHIN, Seen, unseen
from simulation.life import play
from simulation.teller import aim

PORTS = {
    "history": (ports.History,),
    "forge": (ports.Forge,),
    "ledger": (ports.Ledger, ports.SummingLedger),
    "target": (
        ports.Target,
        ports.Observing,
        ports.Timed,
        ports.Fingerprinting,
        ports.Recalling,
        ports.Dated,
        ports.Numbering,
        ports.Inviting,
    ),
}


@pytest.mark.parametrize("call", TABLE, ids=".".join)
def test_what_befalls_a_call_does_no_harm(call: tuple[str, str]) -> None:
    seen: Seen = Counter()
    for kind in TABLE[call]:
        fault = play(aim(".".join(call), kind, 1), seen)
        assert fault is None, f"{kind.name} at {'.'.join(call)}: {fault}"
    assert [pair for pair in unseen(seen) if pair[:2] == call] == []


def test_every_call_of_a_port_is_in_the_table_or_left_out_with_a_reason() -> None:
    of_ports = {
        (port, name): f"{kind.__qualname__.split('.')[-1]}.{name}"
        for port, protocols in PORTS.items()
        for protocol in protocols
        for kind in protocol.__mro__
        for name, found in vars(kind).items()
        if inspect.isfunction(found) and not name.startswith("_") and kind.__module__ == ports.__name__
    }
    listed = {call: said for call, said in of_ports.items() if call not in TABLE}
    assert set(listed.values()) == set(LEFT_OUT)
    assert TABLE.keys() - WITHIN <= of_ports.keys()
