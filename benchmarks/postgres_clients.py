"""Clients that keep trying: ``python -m benchmarks.postgres_clients CONNINFO COUNT SECONDS``.

Opens a session for each of COUNT people and has all of them read, over and over, until every session was ended by the
server or SECONDS have passed. Says "ready" when all are in, and then as JSON when each one was seen to be out (seconds since
1970, None where never), when it last read something, and who still gets in with a new connection.
"""

from __future__ import annotations

import json
import select
import sys
import time
from dataclasses import dataclass

import psycopg

from benchmarks.policies import person

READ = b"SELECT total FROM orders"
_AT_A_TIME = 2
"""How many try in five milliseconds: the machine is the server's and the applier's as well."""


@dataclass
class Session:
    """One person's connection. ``read`` and ``out``: when they last read, and when they were seen to be out."""

    who: str
    connection: psycopg.Connection[tuple[object, ...]]
    read: float = 0.0
    out: float | None = None

    def attempt(self) -> None:
        """Read once."""
        try:
            self.connection.execute(READ)
        except psycopg.Error:
            self.out = time.time()
        else:
            self.read = time.time()


def main(conninfo: str, count: int, seconds: float) -> None:
    """Keep trying and print what came of it."""
    sessions = [_enter(conninfo, person(n)) for n in range(count)]
    for session in sessions:
        session.attempt()
    assert not [session for session in sessions if session.out is not None]
    print("ready", flush=True)
    _try(sessions, time.time() + seconds)
    again = [session.who for session in sessions if _gets_in(conninfo, session.who)]
    print(json.dumps({"out": [s.out for s in sessions], "read": [s.read for s in sessions], "again": again}))


def _try(sessions: list[Session], until: float) -> None:
    watched = select.poll()
    by_number = {session.connection.fileno(): session for session in sessions}
    for number in by_number:
        watched.register(number, select.POLLIN)
    turn = 0
    while by_number and time.time() < until:
        told = {number for number, _ in watched.poll(5)}  # the server has something to say, unasked: it is the end
        numbers = list(by_number)
        told |= {numbers[(turn + n) % len(numbers)] for n in range(_AT_A_TIME)}
        turn += _AT_A_TIME
        for number in told:
            session = by_number[number]
            session.attempt()
            if session.out is not None:
                watched.unregister(number)
                del by_number[number]


def _enter(conninfo: str, who: str) -> Session:
    return Session(who, psycopg.connect(conninfo, user=who, autocommit=True))


def _gets_in(conninfo: str, who: str) -> bool:
    try:
        with psycopg.connect(conninfo, user=who, autocommit=True) as connection:
            connection.execute(READ)
    except psycopg.Error:
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
