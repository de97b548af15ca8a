"""What a PostgreSQL server, or the library before it, said of a failure: on one line, without the address, with a hint.

libpq begins with the place that it tried and lets advice follow on lines of its own, some of which would have TLS
weakened; psycopg repeats all of it for each place. What is kept is what failed.
"""

from __future__ import annotations

import re

import psycopg

_ATTEMPT = re.compile(r"connection to server .*? failed: (?:FATAL: +)?")
_PLACES = (
    (re.compile(r"failed to resolve host '.*?': (?:\[Errno -?\d+\] )?"), "the name of the host does not resolve: "),
    (re.compile(r" file \"[^\"]*\""), " file"),
    (re.compile(r" does not match host name \".*\""), " does not match the name of the host in the address"),
)
"""Where else an address is named, and what is said there."""

_HINTS = (
    (
        "28P01",
        r"password authentication failed",
        "the password is wrong or its VALID UNTIL has passed: set a new one and put it into {variable}",
    ),
    (
        "28000",
        r"no pg_hba\.conf entry|pg_hba\.conf rejects|is not permitted to log in",
        "the role needs LOGIN, and a line of the server's pg_hba.conf that lets it in from here by TLS",
    ),
    ("3D000", r"database \".*\" does not exist", "name a database that exists in {variable}, or create it"),
    (
        "53300",
        r"too many connections|too many clients|remaining connection slots",
        "the server takes no more connections: raise max_connections, or the CONNECTION LIMIT of role or database",
    ),
    (
        "",
        r"Connection refused|No such file or directory",
        "is the server running, and do host and port in {variable} lead to it?",
    ),
    ("", r"timeout expired", "nothing answers where {variable} leads: look at host, port and the firewalls on the way"),
    ("", r"does not resolve", "correct the host in {variable}"),
)
"""SQLSTATE, the words that stand for it, and the hint. A failed connect has no SQLSTATE, and English words only where
the server speaks English; elsewhere there is no hint."""

_NO_TLS = "server does not support SSL"


def said(error: psycopg.Error) -> str:
    """Return what the server said, or the library where no server did, on one line."""
    primary, detail = error.diag.message_primary, error.diag.message_detail
    if primary:
        return " ".join((f"{primary} ({detail})" if detail else primary).split())
    return _failed(str(error)) or "the connection was lost"


def hint_for(sqlstate: str | None, told: str, *, variable: str, near: bool) -> str:
    """Return what to do about a failure, "" where nothing is known. ``near``: the server is on this machine."""
    if _NO_TLS in told:
        off = "turn ssl on at the server"
        return f"{off}, or write `tls: off-on-loopback` for this target in policies/daypass.yaml" if near else off
    for code, words, hint in _HINTS:
        if (code and sqlstate == code) or (not sqlstate and re.search(words, told)):
            return hint.format(variable=variable)
    if "certificate" in told:
        return f"sslrootcert in {variable} names the file of the authority that signed the server's certificate"
    return ""


def _failed(text: str) -> str:
    """Return what libpq says of each attempt to connect, of several places once, or else its first line."""
    lines = text.splitlines()
    tried = [line[found.end() :] for line in lines if (found := _ATTEMPT.search(line))]
    told = "; ".join(dict.fromkeys(tried)) if tried else "".join(lines[:1])
    for place, instead in _PLACES:
        told = place.sub(instead, told)
    return " ".join((f"connection failed: {told}" if tried else told).split())
