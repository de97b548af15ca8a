"""What ended a grant before its window did has ended it for good: it is on record, and undoing the cause revives nothing."""

from __future__ import annotations

import json
import re

import pytest
from faults_steps import T

from daypass.core.ids import Oid
from daypass.core.window import parse_instant
from driver import Access

pytestmark = pytest.mark.on_disk

PEOPLE = "policies/directory/people.yaml"


def engaged(access: Access, until: str) -> None:
    """Write until when alice is engaged; "": without an end."""
    text = re.sub(
        r"alice: \{(until: [^,]+, )?",
        f"alice: {{until: {until}, " if until else "alice: {",
        (access.top / PEOPLE).read_text(),
    )
    access.write(PEOPLE, text)
    access.commit("alice's engagement")


def events(access: Access) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(
        access.run("audit", "history", "--subject", "alice", "--format", "json").out
    )["events"]
    return found


def test_an_engagement_that_ended_and_is_extended_later_revives_nothing(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:01"))
    access.run("apply", "--at", T("10:02"))
    engaged(access, T("10:30"))
    access.run("apply", "--at", T("10:20"))
    assert not [event for event in events(access) if event["event"] == "ended"], "it has not ended yet"
    access.run("apply", "--at", T("10:31"))
    engaged(access, "")
    said = access.run("apply", "--at", T("10:40"))
    assert "No changes" in said.out
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    (ended,) = (event for event in events(access) if event["event"] == "ended")
    assert ended["grants"] == [grant]
    assert ended["detail"] == "beyond-engagement: alice is engaged until 2026-11-20T10:30:00Z"
    (told,) = json.loads(access.run("explain", grant, "--at", T("10:41"), "--format", "json", expect=None).out)[
        "grants"
    ]
    assert (told["state"], told["code"], told["bound"]) == (
        "ended", "bound", "alice is engaged until 2026-11-20T10:30:00Z",
    )  # fmt: skip
    assert access.run("audit", "verify", "--at", T("10:42")).code == 0


def test_a_new_request_gives_again_what_had_ended(access: Access) -> None:
    access.grant(T("10:00"), T("10:01"))
    access.run("apply", "--at", T("10:02"))
    engaged(access, T("10:30"))
    access.run("apply", "--at", T("10:31"))
    engaged(access, "")
    access.run("apply", "--at", T("10:32"))
    access.grant(T("10:33"), T("10:34"))
    access.run("apply", "--at", T("10:35"))
    access.run("can", "alice", "orders-db", "readonly")
    assert access.run("audit", "verify", "--at", T("10:42")).code == 0


def test_what_a_bound_of_the_resource_ended_stays_ended(access: Access) -> None:
    place = "policies/resources/orders-db.yaml"
    access.grant(T("10:00"), T("10:01"))
    access.run("apply", "--at", T("10:02"))
    before = (access.top / place).read_text()
    access.write(place, before.replace("version: 1\n", f"version: 1\nretention_until: {T('10:30')}\n"))
    access.commit("the data is kept for half an hour")
    access.run("apply", "--at", T("10:31"))
    access.write(place, before)
    access.commit("the data is kept after all")
    access.run("apply", "--at", T("10:32"))
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    assert "beyond-retention" in access.run("audit", "history", "--resource", "orders-db").out


def test_who_narrows_what_has_ended_gets_nothing_of_it_back(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:01"), "--for", "4h")
    access.run("apply", "--at", T("10:02"))
    engaged(access, T("10:30"))
    access.run("apply", "--at", T("10:31"))
    engaged(access, "")
    place = f"grants/{grant}.yaml"
    access.write(place, (access.top / place).read_text().replace("4h", "3h"))
    access.git("switch", "-q", "-c", "less")
    access.commit("less", email="alice@example.com")
    head = access.git("rev-parse", "HEAD")
    access.git("switch", "-q", "main")
    forge = access.repo("alice").forge
    pull = forge.open(branch="less", head=Oid(head), title="Less", at=parse_instant(T("10:35")))
    access.run("gate", str(pull.number), "--at", T("10:36"), expect=None)
    access.run("apply", "--at", T("10:37"), expect=None)
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    assert access.run("audit", "verify", "--at", T("10:42")).code == 0


def test_what_has_ended_is_tidied_by_itself_and_asked_for_anew_but_not_extended(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:01"), "--for", "4h")
    access.run("apply", "--at", T("10:02"))
    engaged(access, T("10:30"))
    said = access.run("expire", "--at", T("10:31"))
    number = (said.out + said.err).split("Removal pull request #")[1].split()[0]
    engaged(access, "")
    assert "has ended" in access.run("extend", grant, "--for", "1h", "--at", T("10:32"), acting="alice", expect=2).err
    access.ask(T("10:33"), "--for", "4h")
    assert "nobody needs to approve it" in access.run("show", number, "--at", T("10:34"), expect=None).out
    access.run("gate", number, "--at", T("10:35"))
    access.run("apply", "--at", T("10:36"))
    assert access.run("audit", "verify", "--at", T("10:42")).code == 0
