"""No input ends in a traceback or takes for ever: every reader gives findings, or an error of ours with a message.

Files, records, receipts, caches, forms, comments, certificates, addresses, the environment and what stands on a command
line are fed a corpus of nasty inputs and mutations of it. What a reader may raise is named for each; anything else fails.
What GitHub's API answers is in test_github_answers_wrong.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daypass.cli.verb import Duration, Instant
from daypass.core.audit.access import read_trailers
from daypass.core.calendar.hours import parse_hours, parse_zone
from daypass.core.errors import DaypassError
from daypass.core.files.codeowners import LARGEST, read_codeowners
from daypass.core.files.document import POLICY_LIMIT, read_on
from daypass.core.files.grants import check_names, check_path, read_grant
from daypass.core.finding import Finding, Place
from daypass.core.ids import grant_id
from daypass.core.ledger.statement import from_statement
from daypass.core.plan import Entitlement
from daypass.core.policy.cel.expression import compile_condition
from daypass.core.policy.cel.source import spread
from daypass.core.policy.policies import SETTINGS, read_policies
from daypass.core.window import parse_duration, parse_instant
from daypass.edges.forges.environment import read_base, read_event
from daypass.edges.forges.github.inbox import read_form
from daypass.edges.forges.github.transport import credential_from
from daypass.edges.forges.local import records
from daypass.edges.git.history import parse_commit
from daypass.edges.git.objects import parse_tree
from daypass.edges.git.remote import repository_url
from daypass.edges.ledger.keyfiles import read_public_key
from daypass.edges.ledger.signing import EnvelopeSigner, EnvelopeVerifier
from daypass.edges.store import AnswerCache
from daypass.edges.targets.github import policy as github_policy
from daypass.edges.targets.postgres import policy as postgres_policy
from daypass.edges.targets.postgres.server import read_address
from daypass.edges.targets.registry import KINDS
from daypass.edges.targets.ssh import certificate
from daypass.pipeline.ask.answer import read_command
from driver import Access
from examples import examples

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
    b"### Resource and role\n\n" * 1_000,
    b"### Who\n\n_No response_\n\n" * 20_000,
    b"* @a\n" * 5_000,
    (b"/" + b"*/" * 2_000 + b" @a\n") * 20,
    b"^[x" * 5_000,
    b"Co-authored-by: " * 20_000,
    b"x\n\n" + b"Co-authored-by: A <a@b>\n" * 20_000,
    b"x\n\nDaypass-Grant: " + b"a" * 50_000 + b"\nDaypass-Pull: \xff\n",
    b"/extend " + b"9" * 60_000,
    b"/end\x00",
    b"postgresql://[::1",
    b"postgresql://u:p@h:99999999/x?sslmode=\xff",
    b"https://[::1/x",
    b"https://api.github.com:x",
    b"ssh-ed25519-cert-v01@openssh.com " + b"A" * 100_000,
    b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA",
    b"100644 a\x00" + b"\x01" * 19,
    b"100644 a\x00" + b"\x01" * 20 + b"100644 a\x00" + b"\x01" * 20,
    b"-----BEGIN PUBLIC KEY-----\n" + b"A" * 5_000 + b"\n-----END PUBLIC KEY-----\n",
    b'{"action":"opened","issue":{"number":1e400}}',
    b'{"action":"created","issue":{"number":1},"comment":{"id":[]}}',
    b'{"member_of":["a"],"database":{},"repository":7,"team":null}',
    b"Mon-Fri 99:99-00:00," * 5_000,
    b"../../../etc/localtime",
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
        found = read_policies({SETTINGS: b"version: 1\nforge: {kind: local}\n", path: raw}, kinds=KINDS)
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
    answers = AnswerCache(folder)
    answers.keep("remembered", text(raw).encode("utf-8", "replace").decode())
    return answers.remembered()


def environ(raw: bytes) -> object:
    said = text(raw)
    app = {"DAYPASS_APP_ID": said[:50], "DAYPASS_APP_KEY": said, "DAYPASS_APP_INSTALLATION": said[:9]}
    for found in (app, {"GITHUB_TOKEN": said}, {"DAYPASS_APP_ID": "1", "DAYPASS_APP_KEY_FILE": "/proc/self/mem"}):
        with suppress(DaypassError):
            credential_from(found)
    return credential_from({"GH_TOKEN": said, "GITHUB_ACTIONS": said})


def condition(said: str) -> object:
    return compile_condition(said, Place("x", 1, 1), spread(said, 1, 1, said))


READERS: dict[str, tuple[Callable[[bytes], Any], tuple[type[BaseException], ...]]] = {
    "grant": (lambda raw: read_grant("grants/orders-db/a.yaml", raw), ()),
    "document": (lambda raw: read_on("policies/x.yaml", raw, limit=POLICY_LIMIT), ()),
    "settings": (lambda raw: read_policies({SETTINGS: raw}, kinds=KINDS), ()),
    **{
        name: (policies(f"policies/{name}/a.yaml"), ())
        for name in ("resources", "rules", "directory", "purposes", "tests")
    },
    "key": (lambda raw: read_policies({"policies/ledger.pub": raw}, kinds=KINDS), ()),
    "path": (lambda raw: (check_path(text(raw)[:5000], "100644"), check_names([text(raw)[:5000]])), ()),
    "record": (lambda raw: records.decode(raw, 1), (DaypassError,)),
    "commit": (lambda raw: parse_commit("a" * 40, raw), (DaypassError,)),  # type: ignore[arg-type]
    "event": (read_event, (DaypassError,)),
    "statement": (statement, (DaypassError,)),
    "form": (lambda raw: read_form("issue", text(raw)), ()),
    "codeowners": (lambda raw: read_codeowners({".github/CODEOWNERS": raw}), (DaypassError,)),
    "command": (lambda raw: read_command(text(raw)), ()),
    "trailers": (lambda raw: read_trailers(text(raw)), ()),
    "grant id": (lambda raw: grant_id(text(raw)), (DaypassError,)),
    "certificate": (lambda raw: certificate.read(text(raw)), (DaypassError,)),
    "privilege of ssh": (
        lambda raw: certificate.read_privilege(Entitlement("a", "b", "c", text(raw))),
        (DaypassError,),
    ),
    "privilege of postgres": (lambda raw: postgres_policy.read_privilege(text(raw)), (DaypassError,)),
    "mark of postgres": (lambda raw: postgres_policy.read_mark("x", text(raw)), (DaypassError,)),
    "privilege of github": (lambda raw: github_policy.read_privilege(text(raw), "acme"), (DaypassError,)),
    "address of postgres": (lambda raw: read_address("a", "URL", text(raw), "require"), (DaypassError,)),
    "address of an api": (lambda raw: read_base(text(raw)), (DaypassError,)),
    "address of a remote": (lambda raw: repository_url(text(raw), text(raw)[:200]), (DaypassError,)),
    "tree": (lambda raw: parse_tree("a" * 40, raw), (DaypassError,)),
    "public key": (read_public_key, (DaypassError,)),
    "environment": (environ, (DaypassError,)),
    "hours": (lambda raw: parse_hours(text(raw)), (ValueError,)),
    "zone": (lambda raw: parse_zone(text(raw)), (ValueError,)),
    "condition": (lambda raw: condition(text(raw)[:5_000]), ()),
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
@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
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


def test_a_codeowners_file_of_the_size_that_github_ignores_is_refused_before_it_is_read() -> None:
    began = time.process_time()
    with pytest.raises(DaypassError, match="GitHub loads none"):
        read_codeowners({"CODEOWNERS": b"* @a\n" * (LARGEST // 5 + 1)})
    assert time.process_time() - began < 0.5


T = "2026-11-20T{}:00Z".format
VERBS = (
    ("answers.sqlite", ("can", "alice", "orders-db", "readonly")),
    ("audit.sqlite", ("audit", "access", "--resource", "orders-db", "--at", T("10:10"))),
    ("standing.sqlite", ("status", "--at", T("10:10"))),
    ("verdicts.sqlite", ("check", "--at", T("10:10"))),
    ("answers.sqlite", ("apply", "--at", T("10:10"))),
    ("embedded.sqlite", ("can", "alice", "orders-db", "readonly")),
    ("embedded.sqlite", ("drift", "--at", T("10:10"))),
)
"""Each file of this machine's state, with a verb that reads it."""


def _emptied(place: Path) -> None:
    with closing(sqlite3.connect(place)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            with suppress(sqlite3.Error):  # SQLite's own
                database.execute(f"DELETE FROM {name}")  # noqa: S608  (names are the store's own)
        database.commit()


def _mistyped(place: Path) -> None:
    with closing(sqlite3.connect(place)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            for _, column, *_ in database.execute(f"PRAGMA table_info({name})").fetchall():
                for value in ("x'ff00'", "'no'", "-1"):
                    with suppress(sqlite3.Error):  # what a column does not take
                        database.execute(f"UPDATE {name} SET {column} = {value}")  # noqa: S608  (likewise)
        database.commit()


def _another(place: Path) -> None:
    place.unlink()
    with closing(sqlite3.connect(place)) as database:
        database.execute("CREATE TABLE x(a)")
    place.chmod(0o600)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut to nothing": lambda place: place.write_bytes(b""),
    "other bytes": lambda place: place.write_bytes(b"x" * 5_000),
    "half": lambda place: place.write_bytes(place.read_bytes()[: place.stat().st_size // 2]),
    "turned bits": lambda place: place.write_bytes(
        place.read_bytes()[:4_096] + bytes(byte ^ 0x5A for byte in place.read_bytes()[4_096:])
    ),
    "another database": _another,
    "no rows": _emptied,
    "other types": _mistyped,
}


@pytest.mark.on_disk
def test_no_verb_falls_over_a_damaged_file_of_this_machines_state(access: Access, tmp_path: Path) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    state, kept = access.top / ".git/daypass", tmp_path / "kept"
    for _, verb in VERBS:
        access.run(*verb)
    shutil.copytree(state, kept)
    names = {place.name for place in kept.iterdir() if place.suffix in (".sqlite", ".json")}
    assert names == {name for name, _ in VERBS}
    for name, verb in VERBS:
        for what, damage in DAMAGES.items():
            if name.endswith(".json") and damage in (_another, _emptied, _mistyped):
                continue
            shutil.rmtree(state)
            shutil.copytree(kept, state)
            for beside in ("-wal", "-shm") if what in ("another database", "cut to nothing") else ():
                (state / f"{name}{beside}").unlink(missing_ok=True)
            damage(state / name)
            said = access.run(*verb, expect=None)  # whatever is raised that is not ours, is raised here
            assert said.err or said.out, f"{name}, {what}: {verb[0]} ends in silence"
            assert said.code in (0, 1, 13, 14, 20), f"{name}, {what}: {verb[0]} exits {said.code}"
            assert (verb[0], said.code) != ("can", 0) or "embedded" not in name or what == "turned bits", "no yes by it"


VARIABLES = (
    *("DAYPASS_STATE", "DAYPASS_KEYS", "DAYPASS_SIGNER", "DAYPASS_LEDGER_KEY", "XDG_CONFIG_HOME", "HOME", "PATH"),
    *("GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_REPOSITORY", "GITHUB_API_URL", "GITHUB_SERVER_URL"),
    *("GIT_CONFIG_COUNT", "GIT_CONFIG_GLOBAL", "GIT_AUTHOR_EMAIL", "SSH_AUTH_SOCK", "LANG", "LC_ALL", "TZ", "COLUMNS"),
)
VALUES = ("x" * 5_000, "\udcff\udcfe", "/dev/null", "https://[::1", "\x1b[2J\n", "٣")


@pytest.mark.parametrize("variable", VARIABLES)
def test_no_verb_falls_over_what_a_variable_of_the_environment_holds(
    access: Access, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for value in VALUES:
        with monkeypatch.context() as patched:
            patched.chdir(access.top)  # what is relative lies below the test's own folder
            patched.setenv(variable, value)
            for verb in (("apply", "--at", T("10:06")), ("can", "alice", "orders-db", "readonly")):
                said = access.run(*verb, expect=None)
                assert said.out or said.err, f"{variable}={value!r}: {verb[0]} ends in silence"
