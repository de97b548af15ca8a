"""What a grant hands over, fetched by its subject: messages, files, and the whole way to a real sshd."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from daypass.core.ledger.receipt import Outcome
from daypass.core.plan import Action, Intended, Reason
from daypass.core.window import parse_instant
from daypass.edges.targets.ssh.certificate import read
from driver import Access
from servers.sshd import Sshd, keygen, make_key
from ssh_access import RESOURCE, SshAccess

pytestmark = pytest.mark.on_disk

T = "2026-11-20T{}:00Z".format


@pytest.fixture
def ssh(access: Access, tmp_path: Path) -> Iterator[SshAccess]:
    found = SshAccess(access, tmp_path / "keys")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BASTION_CA", str(found.ca_file))
        yield found


@pytest.fixture
def given(ssh: SshAccess) -> str:
    """A grant of alice's that was applied at 10:03 and ends at 12:02."""
    grant = ssh.grant(T("10:00"), T("10:02"))
    ssh.access.run("apply", "--at", T("10:03"))
    return grant


def test_the_subject_gets_the_certificate(ssh: SshAccess, given: str) -> None:
    said = ssh.access.run("fetch", given, "--at", T("10:04"), acting="alice")
    found = read(said.out)
    assert found.principals == ("orders-ro",)
    assert found.key == ssh.public
    assert [instant.strftime("%H:%M") for instant in found.valid] == ["10:02", "12:02"]
    assert f"SSH certificate {found.serial} for bastion: logs in as orders-ro until 2026-11-20T12:02:00Z" in said.err
    assert said.out.count("\n") == 1


def test_programs_get_it_with_what_it_says(ssh: SshAccess, given: str, tmp_path: Path) -> None:
    text = ssh.access.run("fetch", given, "--at", T("10:04"), acting="alice").out
    place = tmp_path / "c-cert.pub"
    wanted = ("fetch", given, "--output", str(place), "--at", T("10:04"), "--format", "json")
    found = json.loads(ssh.access.run(*wanted, acting="alice").out)
    assert (found["kind"], found["grants"], found["until"]) == ("certificate", [given], T("12:02"))
    assert (found["file"], f"{found['text']}\n") == (str(place), text) == (str(place), place.read_text())
    (one,) = found["certificates"]
    assert (one["principals"], one["from"], one["until"]) == (["orders-ro"], T("10:02"), T("12:02"))
    assert one["serial"] == read(text).serial
    listed = json.loads(ssh.access.run("krl", "bastion", "--at", T("10:04"), "--format", "json").out)
    assert (listed["target"], listed["revoked"]) == ("bastion", 0)
    assert Path(listed["file"]).exists()


@pytest.mark.parametrize(
    ("folder", "place"),
    [
        ("", "grants/{}.yaml"),
        ("", "./grants/../grants/{}.yaml"),
        ("policies", "../grants/{}.yaml"),
        ("grants", "{}.yaml"),
        ("", "{top}/grants/{}.yaml"),
    ],
)
def test_the_path_of_the_grant_does_as_well(ssh: SshAccess, given: str, folder: str, place: str) -> None:
    path = place.format(given, top=ssh.access.top)
    at = ("--at", T("10:04"))
    from_there = Access(ssh.access.top / folder)
    by_path = from_there.run("fetch", path, *at, acting="alice")
    assert read(by_path.out).key == ssh.public
    assert given in from_there.run("audit", "history", "--grant", path, *at).out


def test_whoever_is_called_otherwise_since_gets_what_is_theirs(ssh: SshAccess, given: str) -> None:
    people = "policies/directory/people.yaml"
    text = (ssh.access.top / people).read_text()
    ssh.access.write(people, text.replace("[alice]", "[alicia]").replace("alice: {", "alicia: {was: [alice], "))
    ssh.access.commit("Another name")
    said = ssh.access.run("fetch", given, "--at", T("10:04"), acting="alicia")
    assert read(said.out).key == ssh.public
    said = ssh.access.run("fetch", given, "--at", T("10:04"), acting="bob", expect=11)
    assert f"what {given} hands over is for alice, and this is bob" in said.err


@pytest.mark.parametrize("who", ["bob", "olga"])
def test_nobody_else_gets_it(ssh: SshAccess, given: str, who: str) -> None:
    said = ssh.access.run("fetch", given, "--at", T("10:04"), acting=who if who == "bob" else "", expect=11)
    assert said.out == ""
    whose = "bob" if who == "bob" else "Olga Platform <olga@example.com>, whom the directory does not know"
    assert f"what {given} hands over is for alice, and this is {whose}" in said.err


def test_of_what_nobody_granted_there_is_nothing(ssh: SshAccess) -> None:
    said = ssh.access.run("fetch", "bastion/none", "--at", T("10:04"), acting="alice", expect=20)
    assert "the ledger knows of no live grant bastion/none" in said.err


def test_before_its_window_and_after_its_end_there_is_nothing(ssh: SshAccess) -> None:
    grant = ssh.grant(T("10:00"), T("10:02"), "--from", T("11:00"), "--until", T("12:00"))
    ssh.access.run("apply", "--at", T("10:03"))
    said = ssh.access.run("fetch", grant, "--at", T("10:04"), acting="alice", expect=20)
    assert f"{grant} opens at 2026-11-20T11:00:00Z" in said.err
    said = ssh.access.run("fetch", grant, "--at", T("11:04"), acting="alice", expect=20)
    assert f"{grant} has not been given yet" in said.err
    ssh.access.run("apply", "--at", T("11:05"))
    ssh.access.run("fetch", grant, "--at", T("11:06"), acting="alice")
    said = ssh.access.run("fetch", grant, "--at", T("12:00"), acting="alice", expect=20)
    assert f"{grant} ended at 2026-11-20T12:00:00Z" in said.err


def test_what_was_ended_early_is_not_handed_out_and_is_on_the_list(ssh: SshAccess, given: str) -> None:
    certificate = ssh.access.run("fetch", given, "--at", T("10:04"), acting="alice").out
    file = ssh.access.top.parent / "c-cert.pub"
    file.write_text(certificate)
    ssh.access.git("rm", "-q", f"grants/{given}.yaml")
    ssh.access.run("apply", "--at", T("10:05"))
    assert "ok" in keygen("-Q", "-f", str(ssh.krl), str(file))
    ssh.access.commit("End it")
    done = ssh.access.run("apply", "--at", T("10:06"))
    assert "- alice" in done.out
    with pytest.raises(AssertionError):  # ssh-keygen exits with 1 for what is revoked
        keygen("-Q", "-f", str(ssh.krl), str(file))
    said = ssh.access.run("fetch", given, "--at", T("10:07"), acting="alice", expect=20)
    assert f"the ledger knows of no live grant {given}" in said.err
    ssh.access.run("audit", "verify", "--at", T("10:08"))


def test_a_role_that_comes_to_mean_something_else_ends_what_was_handed_over(ssh: SshAccess, given: str) -> None:
    certificate = ssh.access.run("fetch", given, "--at", T("10:04"), acting="alice").out
    ssh.access.write("policies/resources/bastion.yaml", RESOURCE.replace("orders-ro", "orders-rw"))
    ssh.access.commit("readonly is no longer that")
    said = ssh.access.run("apply", "--at", T("10:05"), expect=14)
    assert "role means something else since approval" in said.out
    assert f"serial: {read(certificate).serial}" in keygen("-Q", "-l", "-f", str(ssh.krl))
    said = ssh.access.run("fetch", given, "--at", T("10:06"), acting="alice", expect=20)
    assert f"{given} was ended early" in said.err


def test_the_list_is_made_anew_from_the_ledger_when_it_was_lost(ssh: SshAccess, given: str) -> None:
    certificate = ssh.access.run("fetch", given, "--at", T("10:04"), acting="alice").out
    serial = read(certificate).serial
    ssh.access.git("rm", "-q", f"grants/{given}.yaml")
    ssh.access.commit("End it")
    ssh.access.run("apply", "--at", T("10:06"))
    ssh.krl.unlink()
    assert "No changes" in ssh.access.run("apply", "--at", T("10:07")).out
    assert f"serial: {serial}" in keygen("-Q", "-l", "-f", str(ssh.krl))
    ssh.krl.write_bytes(b"from an old backup, or cut off")
    ssh.access.run("apply", "--at", T("10:08"))
    assert f"serial: {serial}" in keygen("-Q", "-l", "-f", str(ssh.krl))
    copy = ssh.access.top.parent / "served.krl"
    said = ssh.access.run("krl", "bastion", "--output", str(copy), "--at", T("10:09"))
    assert f"{copy} revokes 1 certificates." in said.err
    assert f"serial: {serial}" in keygen("-Q", "-l", "-f", str(copy))
    ssh.access.run("apply", "--at", T("12:03"))
    assert "serial" not in keygen("-Q", "-l", "-f", str(ssh.krl)), "what has ended by itself is no longer listed"


def test_the_list_of_another_kind_of_target_is_refused(ssh: SshAccess) -> None:
    for name in ("embedded", "bastoin"):
        said = ssh.access.run("krl", name, "--at", T("10:04"), expect=2)
        assert f"the settings name no ssh target {name!r}" in said.err
        assert "hint: they name: bastion" in said.err


def test_a_target_that_hands_nothing_over_says_so(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:02"))
    said = access.run("fetch", grant, "--at", T("10:03"), acting="alice", expect=20)
    assert f"the ledger knows of no live grant {grant}" in said.err
    access.run("apply", "--at", T("10:04"))
    said = access.run("fetch", grant, "--at", T("10:05"), acting="alice", expect=20)
    assert f"{grant} hands nothing over: access at embedded needs nothing of the kind" in said.err


def test_a_refused_grant_gives_nothing(ssh: SshAccess) -> None:
    ssh.access.write(
        "grants/bastion/sneaked.yaml",
        "version: 1\nsubject: alice\nresource: bastion\nrole: readonly\nreason: past the gate\nwindow:\n  duration: 1h\n",
    )
    ssh.access.commit("Past the gate")
    ssh.access.run("apply", "--at", T("10:03"), expect=14)
    said = ssh.access.run("fetch", "bastion/sneaked", "--at", T("10:04"), acting="alice", expect=11)
    assert "bastion/sneaked was refused: " in said.err


def test_a_serial_number_of_sshd_s_log_leads_back_to_the_grant(ssh: SshAccess, given: str) -> None:
    serial = read(ssh.access.run("fetch", given, "--at", T("10:04"), acting="alice").out).serial
    ssh.access.run("apply", "--at", T("12:03"))  # it has ended since
    said = ssh.access.run("audit", "serial", str(serial), "--at", T("12:04"))
    assert f"Certificate {serial}: alice on bastion (bastion), until 2026-11-20T12:02:00Z\n" in said.out
    assert f"  grant {given}\n" in said.out
    assert "handed over at 2026-11-20T10:03:00Z" in said.out
    told = json.loads(ssh.access.run("audit", "serial", str(serial), "--at", T("12:04"), "--format", "json").out)
    assert (told["serial"], told["change"]["grants"], told["at"]) == (serial, [given], "2026-11-20T10:03:00Z")
    said = ssh.access.run("audit", "serial", str(serial)[:-1], "--at", T("12:04"), expect=20)
    assert "the ledger knows of no certificate" in said.err


class TestSealed:
    """A secret that only the subject's key opens, as another kind of target hands it over."""

    @pytest.fixture
    def sealed(self, access: Access) -> tuple[str, str]:
        """A grant of alice's at the embedded target, and a receipt that hands a sealed secret over for it."""
        grant = access.grant(T("10:00"), T("10:02"))
        access.run("apply", "--at", T("10:03"))
        text = "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n"
        site = access.repo()
        (held,) = site.standing.holdings.values()
        assert held.until is not None
        change = Intended(Action.ADD, held.entitlement, held.grants, Reason.LOST, held.until, held.until)
        at = parse_instant(T("10:04"))
        site.ledger.append(site.standing, [Outcome(change, ok=True, handover=text)], at=at, main=site.tip, run="test")
        return grant, text

    def test_it_is_printed_with_how_to_open_it(self, access: Access, sealed: tuple[str, str]) -> None:
        said = access.run("fetch", sealed[0], "--at", T("10:05"), acting="alice")
        assert said.out == sealed[1]
        assert "encrypted to your own key, good until 2026-11-20T12:02:00Z" in said.err
        assert "hint: age -d -i ~/.ssh/id_ed25519 FILE" in said.err

    def test_it_is_written_once_and_never_over_another(
        self, access: Access, sealed: tuple[str, str], tmp_path: Path
    ) -> None:
        file = tmp_path / "secret.age"
        for _ in range(2):
            said = access.run("fetch", sealed[0], "-o", str(file), "--at", T("10:05"), acting="alice")
            assert (file.read_text(), file.stat().st_mode & 0o777) == (sealed[1], 0o600)
            assert f"hint: age -d -i ~/.ssh/id_ed25519 {file}" in said.err
        file.write_text("-----BEGIN AGE ENCRYPTED FILE-----\nanother\n")
        said = access.run("fetch", sealed[0], "-o", str(file), "--at", T("10:05"), acting="alice", expect=2)
        assert f"{file} is there already" in said.err


def test_whether_somebody_can_is_not_guessed(ssh: SshAccess, given: str) -> None:
    said = ssh.access.run("can", "alice", "bastion", "readonly", expect=1)
    assert "nobody can see what access exists at target bastion" in said.err


def test_plan_drift_and_status_take_the_ledgers_word(ssh: SshAccess, given: str) -> None:
    word = "0 live as they should be, 1 live by the ledger's word, at targets that nobody can look at"
    for _ in range(2):  # the second answer may be a remembered one
        assert f"No changes: {word}." in ssh.access.run("plan", "--at", T("10:04")).out
    assert f"No drift: {word}, and nothing else was found" in ssh.access.run("drift", "--at", T("10:04")).out
    said = ssh.access.run("status", "--at", T("10:04"))
    assert given in said.out
    assert "target bastion was not looked at: nobody can" in said.err


class TestFiles:
    def test_it_is_written_for_its_owner_alone(self, ssh: SshAccess, given: str, tmp_path: Path) -> None:
        file = tmp_path / "bastion-cert.pub"
        said = ssh.access.run("fetch", given, "--output", str(file), "--at", T("10:04"), acting="alice")
        assert (said.out, file.stat().st_mode & 0o777) == ("", 0o600)
        assert read(file.read_text()).key == ssh.public
        assert f"CertificateFile={file}" in said.err
        ssh.access.run("fetch", given, "--output", str(file), "--at", T("10:05"), acting="alice")

    def test_an_earlier_certificate_of_the_same_access_gives_way(
        self, ssh: SshAccess, given: str, tmp_path: Path
    ) -> None:
        file = tmp_path / "bastion-cert.pub"
        ssh.access.run("fetch", given, "--output", str(file), "--at", T("10:04"), acting="alice")
        longer = ssh.grant(T("11:00"), T("11:02"))
        ssh.access.run("apply", "--at", T("11:03"))
        ssh.access.run("fetch", longer, "--output", str(file), "--at", T("11:04"), acting="alice")
        assert read(file.read_text()).valid[1].strftime("%H:%M") == "13:02"
        said = ssh.access.run("fetch", given, "--at", T("11:05"), acting="alice")
        assert said.out == file.read_text(), "one access, one certificate, whichever grant is named"

    @pytest.mark.parametrize(
        "content", ["-----BEGIN OPENSSH PRIVATE KEY-----\n", "", "other"], ids=["key", "empty", "other"]
    )
    def test_nothing_else_is_overwritten(self, ssh: SshAccess, given: str, tmp_path: Path, content: str) -> None:
        file = tmp_path / "id_ed25519"
        if content == "other":
            make_key(tmp_path / "u")
            keygen("-s", str(ssh.ca_file), "-I", "by hand", "-n", "x", str(tmp_path / "u.pub"))
            content = (tmp_path / "u-cert.pub").read_text()
        file.write_text(content)
        said = ssh.access.run("fetch", given, "-o", str(file), "--at", T("10:04"), acting="alice", expect=2)
        assert f"{file} is there already, and is no earlier certificate of this access" in said.err
        assert file.read_text() == content
        assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []

    def test_a_link_is_not_followed(self, ssh: SshAccess, given: str, tmp_path: Path) -> None:
        link = tmp_path / "cert.pub"
        link.symlink_to(tmp_path / "elsewhere")
        ssh.access.run("fetch", given, "-o", str(link), "--at", T("10:04"), acting="alice", expect=2)
        assert not (tmp_path / "elsewhere").exists()

    def test_a_folder_that_is_not_there_is_said(self, ssh: SshAccess, given: str, tmp_path: Path) -> None:
        said = ssh.access.run(
            "fetch", given, "-o", str(tmp_path / "no" / "c"), "--at", T("10:04"), acting="alice", expect=1
        )
        assert "No such file or directory" in said.err


def test_with_several_keys_one_is_chosen(ssh: SshAccess, tmp_path: Path) -> None:
    second = make_key(tmp_path / "second", "ecdsa")
    people = "policies/directory/people.yaml"
    text = (ssh.access.top / people).read_text().replace(f'"{ssh.public}"', f'"{ssh.public}", "{second}"')
    ssh.access.write(people, text)
    ssh.access.commit("alice has two keys")
    grant = ssh.grant(T("10:00"), T("10:02"))
    ssh.access.run("apply", "--at", T("10:03"))
    both = ssh.access.run("fetch", grant, "--at", T("10:04"), acting="alice").out.splitlines()
    assert {read(line).key for line in both} == {ssh.public, second}
    assert len({read(line).serial for line in both}) == 1
    file = tmp_path / "c-cert.pub"
    said = ssh.access.run("fetch", grant, "-o", str(file), "--at", T("10:04"), acting="alice", expect=2)
    assert "there are certificates for 2 keys: SHA256:" in said.err
    chosen = ("--key", str(tmp_path / "second.pub"))
    ssh.access.run("fetch", grant, "-o", str(file), *chosen, "--at", T("10:04"), acting="alice")
    assert read(file.read_text()).key == second
    make_key(tmp_path / "third")
    chosen = ("--key", str(tmp_path / "third.pub"))
    said = ssh.access.run("fetch", grant, *chosen, "--at", T("10:04"), acting="alice", expect=2)
    assert f"there is no certificate for the key in {tmp_path / 'third.pub'}" in said.err


@pytest.mark.parametrize("name", ["alice", "notes.pub", "empty"])
def test_a_file_that_is_no_public_key_is_named_so_and_not_shown(
    ssh: SshAccess, given: str, tmp_path: Path, name: str
) -> None:
    (tmp_path / "notes.pub").write_text("ssh-ed25519 whatever-stands-here\n")
    (tmp_path / "empty").write_text("")
    file = ssh.key if name == "alice" else tmp_path / name
    said = ssh.access.run("fetch", given, "--key", str(file), "--at", T("10:04"), acting="alice", expect=2)
    assert f"{file} is no public key" in said.err
    assert ("hint: expected one line" if file.suffix else f"hint: name {file}.pub") in said.err
    assert said.out == ""
    assert not [word for word in file.read_text().split() if len(word) > 7 and word in said.err]


def test_without_a_key_the_grant_is_not_given_and_says_why(ssh: SshAccess) -> None:
    grant = ssh.grant(T("10:00"), T("10:02"))
    people = "policies/directory/people.yaml"
    text = (ssh.access.top / people).read_text().replace(f' ssh_keys: ["{ssh.public}"],', "")
    ssh.access.write(people, text)
    ssh.access.commit("alice's key is gone")
    said = ssh.access.run("apply", "--at", T("10:03"), expect=14)
    assert (
        "alice has no SSH key that a certificate can be made for: the directory lists none under ssh_keys" in said.out
    )
    ssh.access.run("fetch", grant, "--at", T("10:04"), acting="alice", expect=20)


def test_the_ca_key_is_in_nothing_that_daypass_writes(ssh: SshAccess, given: str) -> None:
    secret = "".join(ssh.ca_file.read_text().splitlines()[2:4])
    files = [path for path in (ssh.access.top / ".git" / "daypass").rglob("*") if path.is_file()]
    assert files
    assert all(secret.encode() not in path.read_bytes() for path in files)
    command = ["git", "-C", str(ssh.access.top), "cat-file", "--batch-all-objects", "--batch"]
    assert secret.encode() not in subprocess.run(command, capture_output=True, check=True).stdout


def test_from_a_request_to_a_real_login_and_out_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(tmp_path / "access")
    access.top.mkdir()
    access.git("init", "-q", "--initial-branch=main")
    access.git("config", "user.name", "Olga Platform")
    access.git("config", "user.email", "olga@example.com")
    access.run("init", ".", "--example")
    ssh = SshAccess(access, tmp_path / "keys")
    monkeypatch.setenv("BASTION_CA", ssh.ca_file.read_text())
    with Sshd(tmp_path / "host", ssh.ca) as host:
        grant = ssh.grant()
        assert not host.login(ssh.key).ok
        access.run("apply")
        certificate = access.run("fetch", grant, acting="alice").out.strip()
        host.fetch_list(ssh.krl)
        inside = host.login(ssh.key, certificate)
        assert inside.ok, inside.log
        access.run("end", grant, acting="alice")
        host.fetch_list(ssh.krl)
        outside = host.login(ssh.key, certificate)
        assert not outside.ok
        assert "revoked by file" in outside.log
        serial = inside.log.split("(serial ", 1)[1].split(")", 1)[0]
        assert f"grant {grant}" in access.run("audit", "serial", serial).out
