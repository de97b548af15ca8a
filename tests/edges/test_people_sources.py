"""People read from a SCIM server and from tables: whole lists alone, bounded, and the token goes nowhere else."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from daypass.core.bounds.settings import PeopleSource
from daypass.core.errors import EdgeError, UsageError
from daypass.core.people.source import SourcePerson
from daypass.edges.people import scim
from daypass.edges.people.scim import scim_people
from daypass.edges.people.table import read_table
from servers.scim import TOKEN, ScimServer, scim_server

ENVIRON = {"SCIM_TOKEN": TOKEN}
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"


def source(url: str) -> PeopleSource:
    return PeopleSource("scim", url=url, token_env="SCIM_TOKEN")


def read(url: str, token: str = TOKEN) -> tuple[SourcePerson, ...]:
    return scim_people(source(url), {"SCIM_TOKEN": token}, wait=lambda _: None)


@pytest.fixture
def server() -> ScimServer:
    found = scim_server()
    found.empty()
    return found


def test_users_of_a_real_server_are_read_with_what_the_directory_takes(server: ScimServer) -> None:
    emails = [{"value": "b@home.example"}, {"value": "bob@example.com", "primary": True}]
    bob = server.user("bob@example.com", displayName="Bob Osei", emails=emails, externalId="hr-7")
    alice = server.user("alice", name={"formatted": "Alice Ngo"}, active=False, manager=bob)
    assert sorted(read(server.url), key=lambda one: one.called) == [
        SourcePerson(alice, "alice", name="Alice Ngo", active=False, manager=bob),
        SourcePerson(
            bob, "bob@example.com", name="Bob Osei", emails=("bob@example.com", "b@home.example"), also=("hr-7",)
        ),
    ]


def test_a_list_of_several_pages_is_read_to_its_end(server: ScimServer) -> None:
    made = {server.user(f"person-{number}") for number in range(230)}
    assert {one.number for one in read(server.url)} == made


def test_a_token_that_is_refused_or_missing_is_said(server: ScimServer) -> None:
    with pytest.raises(EdgeError, match=r"/Users answered 401"):
        read(server.url, "another")
    with pytest.raises(EdgeError, match="SCIM_TOKEN is not set here"):
        read(server.url, "")
    with pytest.raises(EdgeError, match="SCIM_TOKEN holds characters that no token has"):
        read(server.url, "a token")


Answer = Callable[[int], tuple[int, Any, dict[str, str]]]


class Wrong:
    """A server that answers as it is told to, by the place that a page is to begin at."""

    def __init__(self) -> None:
        self.answer: Answer = lambda _: (500, {}, {})
        self.asked: list[tuple[int, str]] = []
        wrong = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                start = int(parse_qs(urlsplit(self.path).query).get("startIndex", ["0"])[0])
                wrong.asked.append((start, self.headers["Authorization"]))
                status, body, headers = wrong.answer(start)
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if not {"Content-Length", "Transfer-Encoding"} & headers.keys():
                    self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def wrong() -> Iterator[Wrong]:
    made = Wrong()
    yield made
    made.close()


def page(start: int, total: Any, rows: Any, **more: Any) -> tuple[int, Any, dict[str, str]]:
    told = {"schemas": [LIST], "totalResults": total, "startIndex": start, "Resources": rows, **more}
    return 200, told, {}


def rows(first: int, count: int) -> list[dict[str, str]]:
    return [{"id": str(number), "userName": f"p{number}"} for number in range(first, first + count)]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda start: page(start, 5, rows(start, 2) if start < 5 else []), "is cut: 4 of 5"),
        (lambda start: page(start, 5, []), "is cut: 0 of 5"),
        (lambda start: page(start, 4 + start, rows(start, 2)), "changed while they were read"),
        (lambda start: page(1, 4, rows(1, 2)), "changed while they were read"),
        (lambda start: page(start, 1, rows(start, 2)), "answers with more, or other things"),
        (lambda start: page(start, 1, ["alice"]), "answers with more, or other things"),
        (lambda start: page(start, "1", rows(start, 1)), "answers with no list of users"),
        (lambda start: page(start, True, rows(start, 1)), "answers with no list of users"),
        (lambda start: page(start, 1, "alice"), "answers with no list of users"),
        (lambda start: page(start, 60_000, rows(start, 100)), "60000 users, more than the 50000"),
        (lambda start: page(start, 1, [{"id": "1", "userName": "a", "active": "False"}]), "active is 'False'"),
        (lambda _: (200, {"Resources": [], "totalResults": 0}, {}), "answers with no list of SCIM 2.0"),
        (lambda _: (200, {"schemas": 5, "Resources": [], "totalResults": 0}, {}), "answers with no list of SCIM 2.0"),
        (lambda _: (200, b'{"schemas": [', {"Content-Length": "99"}), "cannot be reached: ProtocolError"),
        (lambda _: (200, b"ff\r\n{", {"Transfer-Encoding": "chunked"}), "cannot be reached: ProtocolError"),
        (lambda _: (200, b"plain", {"Content-Encoding": "gzip"}), "cannot be reached: DecodeError"),
        (lambda _: (200, b"<html>sign in</html>", {}), "answers with no list of SCIM 2.0"),
        (lambda _: (200, b"[" * 100_000, {}), "answers with no list of SCIM 2.0"),
        (lambda _: (200, b" " * (9 << 20), {}), "answers with more than 8388608 bytes a page"),
        (lambda _: (302, b"", {"Location": "http://127.0.0.1:9/"}), "answered 302: nothing that says why"),
        (lambda _: (403, {"detail": "not for\x1b[31m you"}, {}), r"answered 403: not for.*\[31m you"),
        (lambda _: (500, {}, {}), "answered 500"),
    ],
)  # fmt: skip
def test_what_is_no_whole_list_is_an_error(wrong: Wrong, answer: Answer, why: str) -> None:
    wrong.answer = answer
    with pytest.raises(EdgeError, match=why) as raised:
        read(wrong.url)
    assert "\x1b" not in raised.value.message


def test_a_server_that_is_busy_is_asked_again_and_one_that_moved_is_read_anew(wrong: Wrong) -> None:
    turns = iter([(429, {}, {"Retry-After": "600"}), (503, {}, {})])
    wrong.answer = lambda start: next(turns, None) or page(start, 1, rows(1, 1))
    pauses: list[float] = []
    assert len(scim_people(source(wrong.url), ENVIRON, wait=pauses.append)) == 1
    assert pauses == [30.0, 1.0]
    totals = iter([3, 2, 2, 2])
    wrong.answer = lambda start: page(start, next(totals), rows(start, 1))
    assert len(read(wrong.url)) == 2
    assert {said for _, said in wrong.asked} == {f"Bearer {TOKEN}"}


def test_a_server_that_takes_for_ever_is_not_waited_for(wrong: Wrong, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scim, "_WHOLE", 0.3)

    def slow(start: int) -> tuple[int, Any, dict[str, str]]:
        time.sleep(0.1)
        return page(start, 20, rows(start, 1))

    wrong.answer = slow
    with pytest.raises(EdgeError, match="takes longer than 0 seconds"):
        read(wrong.url)
    assert len(wrong.asked) < 10


def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(EdgeError, match="cannot be reached: ConnectionError"):
        read("http://127.0.0.1:9")


def table(top: Path, text: str | bytes) -> tuple[SourcePerson, ...]:
    path = top / "staff.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path)


def test_a_table_is_read_by_the_names_of_its_columns(tmp_path: Path) -> None:
    text = '\ufeffname,handle,active,forge_id,login,email\n"Ngo, Alice",alice,,583231,alice-ngo,a@example.com\nBob,bob,no,,,\n'
    assert table(tmp_path, text) == (
        SourcePerson(
            "", "alice", name="Ngo, Alice", emails=("a@example.com",), login="alice-ngo", forge_id=583231, exact=True
        ),
        SourcePerson("", "bob", name="Bob", active=False, exact=True),
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name\nAlice\n", "has the columns name"),
        ("handle,colour\nalice,red\n", "has the column 'colour', which is not read"),
        ("handle,handle\nalice,alice\n", "has the columns handle, handle"),
        ("", "has the columns "),
        ("handle,name\nalice\n", "line 2 of .* has another number of fields"),
        ("handle\nalice,x\n", "line 2 of .* has another number of fields"),
        ("handle,forge_id\nalice,-5\n", "forge_id is '-5', which is no number"),
        ("handle,forge_id\nalice,0\n", "forge_id is '0', which is no number"),
        ("handle,active\nalice,maybe\n", "active is 'maybe', expected true or false"),
        ('handle\n"alice\n', "is no table of comma-separated values"),
        (b"handle\n\xff\n", "is not UTF-8 at byte 7"),
        (b"handle\n" + b"a\n" * (9 << 20), "has more than the 16777216 bytes"),
        ("handle\n" + "a\n" * 50_001, "has more than 50000 people"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_people_is_refused(tmp_path: Path, text: str | bytes, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        table(tmp_path, text)
