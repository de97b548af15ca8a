"""No input ends in a traceback or takes for ever: every reader gives findings, or an error of ours with a message.

Files, records, receipts, caches, forms and what stands on a command line are fed a corpus of nasty inputs and
mutations of it. What a reader may raise is named for each; anything else fails.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daypass.cli.options import Duration, Instant
from daypass.core.errors import DaypassError
from daypass.core.files.document import POLICY_LIMIT, read_on
from daypass.core.files.paths import check_names, check_path
from daypass.core.files.reading import read_grant
from daypass.core.finding import Finding
from daypass.core.ledger.statement import from_statement
from daypass.core.policy.policies import SETTINGS, read_policies
from daypass.core.window import parse_duration, parse_instant
from daypass.edges.forge import records
from daypass.edges.git.history import parse_commit
from daypass.edges.ledger.signing import EnvelopeSigner, EnvelopeVerifier
from daypass.edges.memory import FileMemory
from daypass.pipeline.answer import read_event

DEEP = 200_000
GRANT = b"""\
version: 1
subject: alice
resource: orders-db
role: readonly
reason: Duplicate charges reported by support.
window: {duration: 8h}
"""
EVENT = (
    b'{"at":"2026-11-20T10:00:00Z","branch":"b","head":"' + b"a" * 40 + b'","kind":"opened","pull":1,"title":"x",'
    b'"version":1}'
)
NASTY = (
    b"",
    b"\x00",
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf" + GRANT,
    GRANT.replace(b"\n", b"\r\n"),
    GRANT.replace(b"alice", b"al\x00ice"),
    GRANT.replace(b"8h", b"9" * 5_000 + b"h"),
    GRANT.replace(b"version: 1", b"version: " + b"9" * 5_000),
    GRANT + b"x: &a [*a]\n",
    b"[" * DEEP,
    b"{" * DEEP,
    b"a: " * DEEP,
    b"- " * DEEP,
    b'{"a":' * DEEP,
    b"? " * 10_000,
    b"!!python/object/apply:os.system [x]",
    b"%YAML 9.9\n---\n" + GRANT,
    b"'" + b"\\ud800" * 10,
    b'"\\ud800": 1\n',
    b'{"version": 1e400, "pull": -0, "at": NaN}',
    b'{"payload":"","payloadType":7,"signatures":[]}',
    b'{"payload":"","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"","sig":""}]}',
    b"x" * 10_000_000,
    b"0001-01-01T00:00:00Z",
    b"9999-12-31T23:59:59Z",
    EVENT,
    EVENT.replace(b"2026", b"0001"),
    EVENT.replace(b"2026-11-20T10:00:00", b"9999-12-31T23:59:59"),
    "٣d".encode(),
)


@pytest.fixture(scope="session")
def pem() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def policies(path: str) -> Callable[[bytes], object]:
    def read(raw: bytes) -> object:
        found = read_policies({SETTINGS: b"version: 1\nforge: {kind: local}\n", path: raw})
        assert found.findings, "what cannot be read is said"
        return found

    return read


def statement(raw: bytes) -> object:
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        data = text(raw)[:100]
    return from_statement(data if isinstance(data, dict) else {"predicate": data}, "sha256:" + "0" * 64)


def remembered(raw: bytes, folder: Path) -> object:
    place = folder / "calm.json"
    place.write_bytes(raw)
    place.chmod(0o600)
    return FileMemory(place).recall()


READERS: dict[str, tuple[Callable[[bytes], Any], tuple[type[BaseException], ...]]] = {
    "grant": (lambda raw: read_grant("grants/orders-db/a.yaml", raw), ()),
    "document": (lambda raw: read_on("policies/x.yaml", raw, limit=POLICY_LIMIT), ()),
    "settings": (lambda raw: read_policies({SETTINGS: raw}), ()),
    **{
        name: (policies(f"policies/{name}/a.yaml"), ())
        for name in ("resources", "rules", "directory", "purposes", "tests")
    },
    "key": (lambda raw: read_policies({"policies/ledger.pub": raw}), ()),
    "path": (lambda raw: (check_path(text(raw)[:5000], "100644"), check_names([text(raw)[:5000]])), ()),
    "record": (lambda raw: records.decode(raw, 1), (DaypassError,)),
    "commit": (lambda raw: parse_commit("a" * 40, raw), (DaypassError,)),  # type: ignore[arg-type]
    "event": (read_event, (DaypassError,)),
    "statement": (statement, (DaypassError,)),
    "instant": (lambda raw: parse_instant(text(raw)), (ValueError,)),
    "duration": (lambda raw: parse_duration(text(raw)), (ValueError,)),
    "--at": (lambda raw: Instant().convert(text(raw), None, None), (click.UsageError,)),
    "--for": (lambda raw: Duration().convert(text(raw), None, None), (click.UsageError,)),
}


def held(name: str, raw: bytes) -> None:
    read, allowed = READERS[name]
    began = time.process_time()
    found: Any = ()
    said = "read"
    try:
        found = read(raw)
    except allowed as error:
        said = str(error).strip()
    assert said, "an error says something"
    if isinstance(found, tuple) and found and isinstance(found[0], Finding):
        assert all(one.code and one.message for one in found)
    assert time.process_time() - began < 5, f"{name} took too long for {raw[:40]!r}"


@pytest.mark.parametrize("name", READERS)
def test_no_reader_falls_over_nasty_input(name: str) -> None:
    for raw in NASTY:
        held(name, raw)


def test_no_envelope_and_no_cache_falls_over_nasty_input(pem: bytes, tmp_path: Path) -> None:
    verifier = EnvelopeVerifier({"ledger.pub": pem})
    for raw in NASTY:
        with pytest.raises(DaypassError) as caught:
            verifier.open(raw)
        assert caught.value.message
        assert remembered(raw, tmp_path) is None


PIECES = st.sampled_from(
    [b"[", b"{", b"}", b":", b" ", b"\n", b"-", b'"', b"'", b"\\", b"\x00", b"\xff", b"#", b"&a", b"9" * 30]
)


@given(
    name=st.sampled_from(sorted(READERS)),
    base=st.sampled_from([GRANT, EVENT, *(raw for raw in NASTY if len(raw) < 5_000)]),
    cuts=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 12), PIECES), max_size=4),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_reader_falls_over_what_is_cut_and_mixed(name: str, base: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    for place, length, piece in cuts:
        base = base[:place] + piece + base[place + length :]
    held(name, base)


@pytest.mark.parametrize("uri", ["s3cr3t-t0ken", "hv:s3cr3t-t0ken", "file2://[s3cr3t", "-----BEGIN s3cr3t", "x" * 9])
def test_a_signers_address_is_not_shown_since_it_may_hold_a_secret(pem: bytes, uri: str) -> None:
    with pytest.raises(DaypassError) as caught:
        EnvelopeSigner(uri, pem)
    assert "s3cr3t" not in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.message


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59"])
@pytest.mark.parametrize("verb", ["status", "plan", "drift"])
def test_either_end_of_the_calendar_is_misuse(access: Any, verb: str, at: str) -> None:
    said = access.run(verb, "--at", at, expect=2)
    assert "at" in said.err
    assert "Traceback" not in said.err


def test_the_calendar_holds_what_access_needs() -> None:
    assert Instant().convert("1970-01-01T00:00:00Z", None, None) == datetime(1970, 1, 1, tzinfo=UTC)
    assert Instant().convert("8999-12-31T23:59:59Z", None, None).year == 8999
