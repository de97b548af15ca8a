"""People with SSH keys in the directory: what they did counts only when they signed it."""

import subprocess
from pathlib import Path

import pytest

from driver import Access

T = "2026-11-20T{}:00Z".format


def _key(tmp_path: Path, name: str) -> tuple[Path, str]:
    path = tmp_path / f"{name}-key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path, " ".join((tmp_path / f"{name}-key.pub").read_text(encoding="utf-8").split()[:2])


def _give_key(access: Access, handle: str, public: str) -> None:
    path = "policies/directory/people.yaml"
    text = (access.top / path).read_text(encoding="utf-8")
    access.write(
        path, text.replace(f"email: {handle}@example.com", f'email: {handle}@example.com, ssh_keys: ["{public}"]')
    )
    access.commit(f"{handle} signs")


def _sign_with(access: Access, key: Path) -> None:
    access.git("config", "gpg.format", "ssh")
    access.git("config", "user.signingkey", str(key))


@pytest.mark.on_disk
def test_a_signed_request_and_a_signed_review_count(access: Access, tmp_path: Path) -> None:
    alice, alice_public = _key(tmp_path, "alice")
    bob, bob_public = _key(tmp_path, "bob")
    _give_key(access, "alice", alice_public)
    _give_key(access, "bob", bob_public)
    _sign_with(access, alice)
    number = access.ask(T("10:00"))
    _sign_with(access, bob)
    access.run("approve", number, "--at", T("10:01"), acting="bob")
    access.run("approve", number, "--at", T("10:01"), acting="dave")
    assert "merged as" in access.run("gate", number, "--at", T("10:02")).out
    access.run("apply", "--at", T("10:03"))
    access.run("can", "alice", "orders-db", "readonly")
    access.run("audit", "verify", "--at", T("10:04"))


@pytest.mark.on_disk
def test_whoever_has_not_the_key_cannot_act_as_its_owner(access: Access, tmp_path: Path) -> None:
    _, bob_public = _key(tmp_path, "bob")
    mallory, _ = _key(tmp_path, "mallory")
    number = access.ask(T("10:00"))
    _give_key(access, "bob", bob_public)
    said = access.run("approve", number, "--at", T("10:01"), acting="bob", expect=None)
    assert said.code != 0
    assert "key" in said.err
    _sign_with(access, mallory)
    assert access.run("approve", number, "--at", T("10:01"), acting="bob", expect=None).code != 0


@pytest.mark.on_disk
def test_a_review_from_before_its_author_had_a_key_no_longer_counts(access: Access, tmp_path: Path) -> None:
    number = access.ask(T("10:00"))
    access.run("approve", number, "--at", T("10:01"), acting="bob")
    access.run("approve", number, "--at", T("10:01"), acting="dave")
    _, bob_public = _key(tmp_path, "bob")
    _give_key(access, "bob", bob_public)
    said = access.run("gate", number, "--at", T("10:02"), expect=12)
    assert "does not count: approved by bob" in said.out


@pytest.mark.on_disk
def test_a_request_in_the_name_of_somebody_with_a_key_is_not_merged_unsigned(access: Access, tmp_path: Path) -> None:
    number = access.ask(T("10:00"), "--for", "1h", resource="staging", role="deploy")
    _, alice_public = _key(tmp_path, "alice")
    _give_key(access, "alice", alice_public)
    said = access.run("gate", number, "--at", T("10:02"), expect=10)
    assert "is not signed with their key [requester-unproved]" in said.out


@pytest.mark.on_disk
def test_the_gate_says_which_approvals_nobody_signed(access: Access, tmp_path: Path) -> None:
    bob, bob_public = _key(tmp_path, "bob")
    _give_key(access, "bob", bob_public)
    number = access.ask(T("10:00"))
    _sign_with(access, bob)
    access.run("approve", number, "--at", T("10:01"), acting="bob")
    said = access.run("approve", number, "--at", T("10:01"), acting="dave").out
    told = {line.split()[2]: "(not signed: " in line for line in said.splitlines() if "    approved by" in line}
    assert told == {"bob": False, "dave": True}


@pytest.mark.on_disk
def test_where_the_settings_refuse_it_nobody_acts_without_a_key(access: Access, tmp_path: Path) -> None:
    number = access.ask(T("10:00"))
    access.run("approve", number, "--at", T("10:01"), acting="bob")
    access.run("approve", number, "--at", T("10:01"), acting="dave")
    path = "policies/daypass.yaml"
    access.write(path, (access.top / path).read_text().replace("unsigned: accept", "unsigned: refuse"))
    access.commit("people sign here")
    said = access.run("gate", number, "--at", T("10:02"), expect=None)
    assert said.code != 0
    assert "not signed with their key" in said.out  # the request itself proves nothing about who asks
    assert "approved by bob for" not in said.out
    refused = access.run("approve", number, "--at", T("10:03"), acting="bob", expect=11)
    assert "bob has no SSH key in the directory, and limits.unsigned refuses what nobody signed" in refused.err
    told = access.run("check", expect=10).out
    assert "cannot approve (limits.unsigned): alice, bob, carol, dave, erin [unsigned-approvers]" in told
    assert "error: what rule production-needs-two asks for" in told
    assert (
        "can never be met: nobody can give the approval from owners: none of the people of dba has an SSH key" in told
    )
    for verb in (("show", number), ("status",), ("gate", number)):
        assert "(bob" not in access.run(*verb, "--at", T("10:04"), expect=None).out


def test_where_the_settings_refuse_it_only_people_with_keys_are_named_as_who_can_approve(
    access: Access, tmp_path: Path
) -> None:
    _, public = _key(tmp_path, "carol")
    _give_key(access, "carol", public)
    _give_key(access, "dave", _key(tmp_path, "dave")[1])
    path = "policies/daypass.yaml"
    access.write(path, (access.top / path).read_text().replace("unsigned: accept", "unsigned: refuse"))
    access.commit("people sign here")
    wish = ("request", "--resource", "orders-db", "--role", "readonly", "--for", "1h", "--reason", "trying it out")
    _give_key(access, "alice", _key(tmp_path, "alice")[1])
    said = access.run(*wish, "--dry-run", "--at", T("10:00"), acting="alice").out
    assert "from owners: carol" in said
    assert "bob" not in said


def _configured(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    settings |= {"user.name": "Olga", "user.email": "olga@example.com"}
    for number, (name, value) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", name)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))


def test_init_takes_the_founders_signing_key_and_refuses_what_nobody_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, public = _key(tmp_path, "olga")
    monkeypatch.setenv("DAYPASS_KEYS", str(tmp_path / "keys"))
    _configured(monkeypatch, **{"gpg.format": "ssh", "user.signingkey": f"{key}.pub"})
    there = Access(tmp_path)
    said = there.run("init", "access")
    top = Access(tmp_path / "access")
    assert public in (top.top / "policies/directory/people.yaml").read_text()
    assert "unsigned: refuse" in (top.top / "policies/daypass.yaml").read_text()
    assert "cannot approve (limits.unsigned): colleague" in top.run("check").out
    assert "daypass --as olga request --subject olga" in said.out
    words = (
        "request",
        "--resource",
        "example-db",
        "--role",
        "readonly",
        "--for",
        "1h",
        "--reason",
        "trying daypass out",
    )
    refused = top.run(*words, acting="colleague", expect=11)
    assert "the directory has no SSH key of colleague, and limits.unsigned refuses" in refused.err
    assert "0 open" in top.run("status").out
    refused = top.run(*words, acting="olga", expect=11)
    assert "or ssh_keys to colleague: limits.unsigned refuses what nobody signed" in refused.err
    assert "0 failed" in top.run("policy", "test").out
    assert "give somebody else ssh_keys in policies/directory" in said.out
    _give_key(top, "colleague", _key(tmp_path, "colleague")[1])
    assert "Opened #1" in top.run(*words, acting="olga").out


def test_init_without_a_signing_key_lets_check_say_who_can_be_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAYPASS_KEYS", str(tmp_path / "keys"))
    _configured(monkeypatch)
    Access(tmp_path).run("init", "access")
    assert "anybody who can write to this repository can approve as" in Access(tmp_path / "access").run("check").out
