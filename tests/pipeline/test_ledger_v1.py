"""A repository whose ledger earlier releases wrote, receipts of version 1 throughout, goes on to be proved and asked.

``golden/ledger-v1.bundle`` is the whole of it, as the release before version 2 left it: the life that `daypass demo`
plays, then an extension, an early end, a rejection, a merge around the gate, an emergency stop, and a grant that is live
when it ends. The private half of its key is nowhere. ``golden/ledger-v1.json`` are that release's own answers.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from daypass.edges.ledger.keyfiles import generate_key, read_public_key
from driver import Access

GOLDEN = Path(__file__).parent / "golden"
ANSWERS: list[dict[str, Any]] = json.loads((GOLDEN / "ledger-v1.json").read_text(encoding="utf-8"))


@pytest.fixture
def old(tmp_path: Path) -> Access:
    access = Access(tmp_path / "access")
    subprocess.run(["git", "init", "-q", "-b", "main", access.top], check=True)
    access.git("fetch", "-q", "--update-head-ok", str(GOLDEN / "ledger-v1.bundle"), "+refs/*:refs/*")
    access.git("reset", "-q", "--hard", "main")
    return access


def test_it_verifies_whole(old: Access) -> None:
    said = old.run("audit", "verify", "--at", "2026-11-23T10:00:00Z")
    assert "OK: 32 receipts and 6 admissions proved over 11 landings." in said.out


def same_answers(access: Access, asked: list[dict[str, Any]]) -> None:
    for one in asked:
        found = json.loads(access.run("audit", *one["asked"], "--format", "json").out)
        assert _known(found, one["answer"]) == one["answer"], one["asked"]


def _known(found: Any, answer: Any) -> Any:
    """Return of what is found the keys that the answer has: a later release may say more, and takes nothing back."""
    if isinstance(answer, dict) and isinstance(found, dict):
        return {key: _known(found.get(key), value) for key, value in answer.items()}
    if isinstance(answer, list) and isinstance(found, list) and len(found) == len(answer):
        return [_known(one, other) for one, other in zip(found, answer, strict=True)]
    return found


def test_every_question_has_the_answer_that_it_had(old: Access) -> None:
    same_answers(old, ANSWERS)


@pytest.fixture
def rekeyed(old: Access, tmp_path: Path) -> Access:
    """The same, with a new key beside the old one, whose private half this machine has."""
    public = generate_key(tmp_path / "new.pem")
    keys = Path(os.environ["XDG_CONFIG_HOME"]) / "daypass" / "keys"
    keys.mkdir(parents=True, mode=0o700)
    (tmp_path / "new.pem").rename(keys / f"{read_public_key(public).keyid}.pem")
    old.git("config", "user.name", "Olga")
    old.git("config", "user.email", "olga@example.com")
    old.write("policies/ledger2.pub", public.decode())
    settings = (old.top / "policies/daypass.yaml").read_text()
    old.write("policies/daypass.yaml", settings.replace("keys: [ledger.pub]", "keys: [ledger.pub, ledger2.pub]"))
    old.commit("A new key for the ledger")
    return old


def goes_on(access: Access) -> None:
    """Write off what was live at the target, which is not here, and give it again."""
    said = ("--write-off", "--reason", "that machine is gone", "--at", "2026-11-23T10:01:00Z")
    access.run("ledger", "settle", "orders-db/alice-20261123-507216", *said, acting="bob")
    access.grant("2026-11-23T10:02:00Z", "2026-11-23T10:03:00Z")
    access.run("apply", "--at", "2026-11-23T10:04:00Z", expect=14)  # what was written off stands on main still
    access.run("apply", "--at", "2026-11-23T12:04:00Z", expect=14)


def test_it_goes_on_in_version_2_and_verifies_whole(rekeyed: Access) -> None:
    goes_on(rekeyed)
    versions = [
        json.loads(base64.b64decode(json.loads(raw)["payload"]))["predicateType"].rpartition(":")[2]
        for raw in rekeyed.git("log", "--reverse", "--format=", "--patch", "daypass-ledger").splitlines()
        if raw.startswith('+{"payload"')
        for raw in [raw[1:]]
    ]
    assert versions[:32] == ["v1"] * 32
    assert versions[32:], "the runs had something to say"
    assert set(versions[32:]) == {"v2"}
    said = rekeyed.run("audit", "verify", "--at", "2026-11-23T18:00:00Z")
    assert f"OK: {len(versions)} receipts and 7 admissions proved" in said.out


def test_what_follows_in_version_2_changes_no_answer_of_before(rekeyed: Access) -> None:
    goes_on(rekeyed)
    same_answers(rekeyed, ANSWERS[3:-1])


@pytest.mark.parametrize(
    ("asked", "events"),
    [
        (["--denied"], {"refused"}),
        (["--denied", "--until", "2026-11-21T12:12:00Z"], set()),
        (["--ticket", "INC-2", "--since", "2026-11-21T11:00:00Z"], {"access removed", "file removed", "retired"}),
        (["--approver", "dave", "--until", "2026-11-20T21:04:00Z"], {"requested", "approved"}),
        (["--rule", "production-needs-two", "--until", "2026-11-20T21:02:00Z"], {"requested"}),
        (["--subject", "alice", "--purpose", "incident"], set()),
    ],
)
def test_events_are_chosen_by_what_is_asked_for(old: Access, asked: list[str], events: set[str]) -> None:
    found = json.loads(old.run("audit", "history", *asked, "--format", "json").out)
    assert {event["event"] for event in found["events"]} - ({"file removed"} - events) == events
    said = old.run("audit", "history", *asked).out
    assert "Never on record: requests of people whom the directory does not know, and drafts;" in said


def test_a_vendor_that_nobody_knows_and_nothing_asked_for_are_refused(old: Access) -> None:
    assert "there is no vendor 'acme'" in old.run("audit", "history", "--vendor", "acme", expect=2).err
    assert "or say what is asked for" in old.run("audit", "history", expect=2).err
    assert "name one of" in old.run("audit", "history", "--subject", "alice", "--grant", "a/b", expect=2).err


def test_a_vendors_people_are_those_that_mains_directory_names(rekeyed: Access) -> None:
    path = "policies/directory/people.yaml"
    text = (rekeyed.top / path).read_text().replace("bob: {", "bob: {employment: vendor, vendor: acme, ")
    rekeyed.write(path, f"{text}vendors:\n  acme: {{title: Acme}}\n")
    rekeyed.commit("bob works for a vendor")
    assert "No events." in rekeyed.run("audit", "history", "--vendor", "acme").out
    rekeyed.write(
        path, text.replace("alice: {", "alice: {employment: vendor, vendor: acme, ") + "vendors: {acme: {}}\n"
    )
    rekeyed.commit("so does alice")
    assert "orders-db/alice-20261123-507216" in rekeyed.run("audit", "history", "--vendor", "acme").out
