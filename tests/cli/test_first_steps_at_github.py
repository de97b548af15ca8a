"""What somebody new is told at GitHub: after their own review, with a token that is none, about a number that is none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from daypass.core.window import format_instant
from hub import Hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path, simulated=True) as found:
        yield found


def test_a_review_counts_in_its_own_answer_though_the_clock_there_is_ahead(hub: Hub) -> None:
    asked = ("--resource", "orders-db", "--role", "readonly", "--for", "2h", "--reason", "Duplicate charges reported")
    hub.run("request", *asked, "--at", format_instant(hub.now()), who="alice")
    hub.advance(minutes=2)
    behind = format_instant(hub.now() - timedelta(minutes=1))
    said = hub.run("approve", "1", "--at", behind, who="bob")
    assert "approved by bob for owners at" in said.out
    assert "from owners" not in said.out


def test_a_token_that_is_none_is_told_as_such(hub: Hub) -> None:
    said = hub.run("status", who="bob", environ={"GH_TOKEN": "none-of-theirs"}, expect=1)
    assert "cannot be fetched: the token was not accepted" in said.err
    assert "none-of-theirs" not in said.err


def test_a_number_that_is_none_is_told_with_where_to_look(hub: Hub) -> None:
    said = hub.run("approve", "99", "--at", format_instant(hub.now()), who="bob", expect=2)
    assert said.err == (
        "daypass: there is no pull request 99 in acme/access, or this token cannot see it\n"
        "  hint: `daypass status` lists the open ones\n"
    )


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("nope", "the signing key that was handed over is no private key in PEM form without a passphrase"),
        ("", "there is no signing key at"),
    ],
)
@pytest.mark.parametrize("verb", ["apply", "expire"])
def test_a_run_that_could_record_nothing_fails_though_nothing_is_due(hub: Hub, verb: str, key: str, told: str) -> None:
    at = ("--at", format_instant(hub.now()))
    hub.run(verb, *at)
    said = hub.run(verb, *at, environ={"DAYPASS_LEDGER_KEY": key}, expect=1)
    assert (said.out, told in said.err) == ("", True)
