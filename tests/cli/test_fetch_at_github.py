"""The subject fetches their certificate with their own token and a clone; runners that keep nothing keep the list."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from daypass.cli.init import template_files
from daypass.edges.forges.github.setup import forge_line
from daypass.edges.targets.ssh.certificate import read
from hub import APP_ID, BOT_ID, PEOPLE, REPOSITORY, Hub
from servers.sshd import keygen, make_key
from ssh_access import RESOURCE


def first_files(tmp_path: Path) -> dict[str, str]:
    """Main's first commit: a target that hands certificates over, and its key and alice's below ``tmp_path``."""
    keys = tmp_path / "keys"
    keys.mkdir()
    make_key(keys / "ca")
    public = make_key(keys / "alice")
    example = template_files("example", ("olga", "Olga", "olga@example.com"))
    people = example["policies/directory/people.yaml"]
    for handle, (login, number) in PEOPLE.items():
        more = f', ssh_keys: ["{public}"], identities: {{bastion: alice}}' if handle == "alice" else ""
        address = f"email: {handle}@example.com"
        people = people.replace(address, f"{address}, forge: {{login: {login}, id: {number}}}{more}")
    settings = example["policies/daypass.yaml"].replace(
        "  embedded: {kind: embedded}", "  embedded: {kind: embedded}\n  bastion: {kind: ssh, ca_key_env: BASTION_CA}"
    )
    forge = forge_line(REPOSITORY, "app", f"daypass-acme[bot]:{BOT_ID}", str(APP_ID))
    settings = settings.replace("forge: {kind: local}", forge)
    return {
        "policies/directory/people.yaml": people,
        "policies/daypass.yaml": settings,
        "policies/resources/bastion.yaml": RESOURCE,
    }


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path, files=first_files(tmp_path)) as made:
        yield made


@pytest.fixture
def given(hub: Hub) -> str:
    """A grant of alice's, merged by the gate and applied by the App."""
    return given_in(hub)


def given_in(hub: Hub) -> str:
    number = hub.request_pull("alice", hub.grant(resource="bastion"), path="grants/bastion/alice.yaml")
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    hub.run("gate", str(number))
    apply(hub)
    return "bastion/alice"


def apply(hub: Hub) -> str:
    return hub.run("apply", environ={"BASTION_CA": (hub.top.parent / "keys" / "ca").read_text()}).out


def krl(hub: Hub) -> Path:
    return hub.top / "state" / "bastion.krl"


def test_the_subject_gets_it_with_their_own_token(hub: Hub, given: str) -> None:
    said = hub.run("fetch", given, who="alice")
    assert read(said.out).principals == ("orders-ro",)


@pytest.mark.parametrize(
    ("who", "whose"), [("bob", "bob"), ("olga", "olga-platform (id 583230), whom the directory does not know")]
)
def test_nobody_else_does(hub: Hub, given: str, who: str, whose: str) -> None:
    said = hub.run("fetch", given, who=who, expect=11)
    assert (said.out, f"what {given} hands over is for alice, and this is {whose}" in said.err) == ("", True)


def test_the_app_does_not_either(hub: Hub, given: str) -> None:
    said = hub.run("fetch", given, expect=11)
    assert f"what {given} hands over is for alice, and this is daypass-acme[bot] (id 4242)\n" in said.err


def test_runners_that_keep_nothing_make_the_list_anew_each_time(hub: Hub, given: str) -> None:
    serial = read(hub.run("fetch", given, who="alice").out).serial
    hub.run("end", given, who="alice")
    number = max(int(pull["number"]) for pull in hub.api("olga", "GET", "/repos/acme/access/pulls"))
    hub.run("gate", str(number))
    assert "- alice" in apply(hub)
    paths = hub.bare("ls-tree", "-r", "--name-only", "daypass-ledger").splitlines()
    raws = (json.loads(hub.bare("show", f"daypass-ledger:{path}")) for path in paths)
    told = [json.loads(base64.b64decode(raw["payload"]))["predicate"] for raw in raws]
    (ended,) = [one["body"] for one in told if one["kind"] == "retired"]
    assert (ended["by"], ended["number"]) == ("alice", hub.api("alice", "GET", "/user")["id"])
    assert f"serial: {serial}" in keygen("-Q", "-l", "-f", str(krl(hub)))
    shutil.rmtree(hub.top / "state")
    assert "No changes" in apply(hub)
    assert f"serial: {serial}" in keygen("-Q", "-l", "-f", str(krl(hub)))
    served = hub.top / "served.krl"
    hub.run("krl", "bastion", "--output", str(served), who="")
    assert f"serial: {serial}" in keygen("-Q", "-l", "-f", str(served))
    assert hub.run("fetch", given, who="alice", expect=20).out == ""


def test_an_approval_and_the_merge_within_one_second_give_access(tmp_path: Path) -> None:
    files = first_files(tmp_path)
    files["policies/daypass.yaml"] += "clock: simulated\n"
    with Hub(tmp_path, simulated=True, files=files) as hub:
        given_in(hub)
