"""Where the directory gives a person SSH keys, only what is signed with them is theirs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from forge_world import T0, World, minutes
from msgspec.structs import replace

from daypass.core.approval.exclusion import excluded_people
from daypass.core.approval.judgement import judge
from daypass.core.catalogue import Directory, frozen
from daypass.core.errors import EdgeError, RefusedError
from daypass.core.forge import Review
from daypass.core.ids import ABSENT, Oid, canonical
from daypass.core.policy.requirement import Requirement
from daypass.edges.forges.local import ssh

RawEvent = Callable[..., Oid]


def event(kind: str, number: int = 1, at: str = "2026-11-20T10:01:00Z", **fields: object) -> bytes:
    return canonical({"version": 1, "pull": number, "kind": kind, "at": at, **fields}).encode()


def put(world: World, commit: Oid, number: int = 1, name: str = "open") -> None:
    ref = f"refs/heads/daypass/{name}/{number}"
    world.git.update_refs({ref: (world.git.find(ref) or ABSENT, commit)}, reason="attack")


def counts(world: World, number: int = 1) -> bool:
    """Whether bob's word is enough for this request, as the gate judges it."""
    forge = world.forge()
    pull = forge.pull(number)
    found = judge(
        [Requirement(1, "owners", eligible=frozenset({"bob"}))],
        forge.reviews(number),
        head=pull.head,
        excluded=excluded_people(pull, (), "alice", world.directory),
        opened_at=pull.opened_at,
        at=minutes(60),
    )
    return found.met


@pytest.fixture
def signed(world: World) -> World:
    """Alice's request is open; bob has a key."""
    world.opened()
    world.give_key("bob")
    return world


def approve(world: World, at: int = 1) -> Review:
    return world.forge().review(1, commit=world.forge().pull(1).head, state="approved", at=minutes(at))


def test_a_signed_approval_counts(signed: World) -> None:
    signed.be("bob", "bob")
    assert approve(signed).by.proved
    assert counts(signed)


def test_signing_follows_even_when_acting_by_handle(signed: World) -> None:
    signed.be("dave", "bob")
    forge = signed.forge("bob")
    assert forge.review(1, commit=forge.pull(1).head, state="approved", at=minutes(1)).by.proved


def test_a_private_key_file_may_be_named_too(signed: World) -> None:
    signed.be("bob", "bob")
    signed.git.run("config", "user.signingkey", str(signed.keys["bob"]))
    assert approve(signed).by.proved


def test_a_private_key_without_its_public_file_is_asked(signed: World) -> None:
    signed.be("bob", "bob")
    Path(f"{signed.keys['bob']}.pub").unlink()
    signed.git.run("config", "user.signingkey", str(signed.keys["bob"]))
    assert approve(signed).by.proved


def test_without_a_key_nothing_is_written(signed: World) -> None:
    signed.be("bob")
    tip = signed.tip("refs/heads/daypass/open/1")
    with pytest.raises(RefusedError) as caught:
        approve(signed)
    assert caught.value.message == (
        "what bob does counts only when signed with their SSH key: "
        "git names no SSH key to sign with and the agent does not hold it"
    )
    assert caught.value.hint == (
        "run `git config gpg.format ssh` and `git config user.signingkey FILE.pub` with the key of the directory"
    )
    assert signed.tip("refs/heads/daypass/open/1") == tip


def test_with_another_key_nothing_is_written(signed: World) -> None:
    signed.make_key("other")
    signed.be("bob", "other")
    with pytest.raises(RefusedError, match=r"which git is set to sign with, is another key$"):
        approve(signed)


def test_with_a_key_that_is_not_there_nothing_is_written(signed: World) -> None:
    signed.be("bob")
    signed.git.run("config", "user.signingkey", "/nowhere/key")
    with pytest.raises(
        RefusedError, match=r"'/nowhere/key', which git is set to sign with, is no SSH key that can be read$"
    ):
        approve(signed)


def test_an_unsigned_approval_in_a_keyed_persons_name_does_not_count(signed: World, raw_event: RawEvent) -> None:
    pull = signed.forge().pull(1)
    tip = signed.tip("refs/heads/daypass/open/1")
    raw = event("approved", commit=pull.head)
    put(signed, raw_event(raw, (tip,), at=minutes(1), message="daypass: pull request 1 approved\n"))
    (review,) = signed.forge().reviews(1)
    assert review.by.handle == "bob"
    assert not review.by.proved
    assert not counts(signed)


def test_an_approval_signed_with_another_key_does_not_count(signed: World, raw_event: RawEvent) -> None:
    signed.give_key("carol")  # even one that the directory gives to somebody else
    tip = signed.tip("refs/heads/daypass/open/1")
    raw = event("approved", commit=signed.forge().pull(1).head)
    message = "daypass: pull request 1 approved\n"
    put(signed, raw_event(raw, (tip,), at=minutes(1), message=message, key="carol"))
    assert not counts(signed)


def test_the_author_is_bound_by_the_signature(signed: World, raw_event: RawEvent) -> None:
    """Carol's own signed event, with bob written over her name: the signature breaks, and would be hers anyway."""
    signed.give_key("carol")
    signed.be("carol", "carol")
    approve(signed)
    tip = signed.tip("refs/heads/daypass/open/1")
    forged = signed.git.run("cat-file", "commit", tip).replace(b"Carol <carol@", b"Bob <bob@")
    made = Oid(signed.git.text("hash-object", "-t", "commit", "-w", "--stdin", stdin=forged))
    put(signed, made)
    (review,) = signed.forge().reviews(1)
    assert review.by.handle == "bob"
    assert not review.by.proved


def test_a_signed_event_of_another_request_cannot_be_replayed(signed: World) -> None:
    signed.opened("b2", path="grants/db/b.yaml")
    signed.be("bob", "bob")
    forge = signed.forge()
    forge.review(2, commit=forge.pull(2).head, state="approved", at=minutes(1))
    put(signed, signed.tip("refs/heads/daypass/open/2"), 1)
    with pytest.raises(
        EdgeError, match=r"^the record of pull request 1 is corrupt: it holds an event of pull request 2$"
    ):
        signed.forge().pull(1)


def test_a_signed_event_cannot_be_put_on_another_chain(signed: World) -> None:
    """Its parent is signed as well: the same bytes on another parent are another commit."""
    signed.be("bob", "bob")
    approve(signed)
    tip = signed.tip("refs/heads/daypass/open/1")
    before = signed.tip(f"{tip}^")
    signed.git.run("update-ref", "refs/heads/daypass/open/1", before)
    signed.be("alice")
    signed.forge("carol").review(1, commit=signed.forge().pull(1).head, state="rejected", at=minutes(1))
    on = signed.tip("refs/heads/daypass/open/1")
    moved = signed.git.run("cat-file", "commit", tip).replace(before.encode(), on.encode())
    put(signed, Oid(signed.git.text("hash-object", "-t", "commit", "-w", "--stdin", stdin=moved)))
    assert [(r.by.handle, r.by.proved) for r in signed.forge().reviews(1)] == [("carol", True), ("bob", False)]
    assert not counts(signed)


def test_a_withdrawn_approval_cannot_be_repeated_on_top(signed: World, raw_event: RawEvent) -> None:
    signed.be("bob", "bob")
    approve(signed)
    approved = signed.git.run("cat-file", "commit", "refs/heads/daypass/open/1")
    forge = signed.forge()
    forge.review(1, commit=forge.pull(1).head, state="withdrawn", at=minutes(2))
    tip = signed.tip("refs/heads/daypass/open/1")
    again = event("approved", at="2026-11-20T10:03:00Z", commit=forge.pull(1).head)
    put(signed, raw_event(again, (tip,), at=minutes(3), message="daypass: pull request 1 approved\n"))
    assert not counts(signed)
    older = approved.replace(b"\nauthor", b"\nparent %s\nauthor" % tip.encode(), 1)
    put(signed, Oid(signed.git.text("hash-object", "-t", "commit", "-w", "--stdin", stdin=older)))
    with pytest.raises(EdgeError, match=r"has other parents than its event asks for$"):
        signed.forge().pull(1)


def test_an_opener_with_a_key_must_have_signed(world: World, raw_event: RawEvent) -> None:
    world.give_key("alice")
    with pytest.raises(RefusedError, match=r"^what alice does counts only when signed with their SSH key"):
        world.opened()
    head = world.tip("refs/heads/b1")
    raw = event("opened", at="2026-11-20T10:00:00Z", branch="b1", head=head, title="x")
    put(world, raw_event(raw, (head,), by="alice", message="daypass: pull request 1 opened\n"))
    assert not world.forge().pull(1).opened_by.proved
    found = excluded_people(world.forge().pull(1), (), "carol", world.directory)
    assert found.unresolved == (
        "pull request 1 was opened by alice without the signature that the directory asks of them",
    )
    world.git.run("update-ref", "-d", "refs/heads/daypass/open/1")
    world.be("alice", "alice")
    assert world.forge().open(branch="b1", head=head, title="x", at=T0).opened_by.proved


def test_an_openpgp_signature_is_no_proof(signed: World, raw_event: RawEvent) -> None:
    tip = signed.tip("refs/heads/daypass/open/1")
    raw = event("approved", commit=signed.forge().pull(1).head)
    made = raw_event(raw, (tip,), at=minutes(1), message="daypass: pull request 1 approved\n")
    body = signed.git.run("cat-file", "commit", made)
    pgp = b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n AAAA\n -----END PGP SIGNATURE-----\n\n"
    forged = body.replace(b"\n\n", b"\n" + pgp, 1)
    put(signed, Oid(signed.git.text("hash-object", "-t", "commit", "-w", "--stdin", stdin=forged)))
    with pytest.raises(EdgeError, match=r"is none that carries an event$"):
        signed.forge().pull(1)


def test_signatures_do_not_depend_on_the_readers_settings(signed: World, tmp_path: Path) -> None:
    signed.make_key("mallory")
    signed.be("bob", "mallory")
    trusted = tmp_path / "trusted"
    trusted.write_text("* " + Path(f"{signed.keys['mallory']}.pub").read_text())
    signed.git.run("config", "gpg.ssh.allowedSignersFile", str(trusted))
    signed.git.run("config", "gpg.minTrustLevel", "undefined")
    signed.git.run("config", "commit.gpgsign", "true")
    signed.git.run("commit", "--quiet", "--allow-empty", "-m", "signed by mallory")
    keys = signed.directory.subjects["bob"].keys
    assert not ssh.is_signed_by(signed.git, signed.tip(), "bob", keys)
    signed.git.run("config", "user.signingkey", f"{signed.keys['bob']}.pub")
    signed.git.run("commit", "--quiet", "--allow-empty", "-m", "signed by bob")
    assert ssh.is_signed_by(signed.git, signed.tip(), "bob", keys)


def test_without_ssh_keygen_nobody_is_believed(signed: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    signed.be("bob", "bob")
    approve(signed)
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(EdgeError, match=r"^ssh-keygen is not installed, and the directory names SSH keys$"):
        signed.forge().reviews(1)


def test_without_keys_ssh_keygen_is_not_needed(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(folder))
    world.opened()
    assert approve(world).by.proved


@pytest.mark.parametrize("handle", ["bob,eve", "*", "bo b", "", "!bob", "bob\n"])
def test_a_handle_that_could_name_others_is_refused(handle: str) -> None:
    with pytest.raises(EdgeError, match=r"^expected a handle of letters, digits, dots and dashes, got "):
        ssh.allowed_signers(handle, ())


@pytest.mark.parametrize(
    "key", ["cert-authority ssh-ed25519 AAAA", "ssh-ed25519 AAAA\neve ssh-ed25519 BBBB", "", "rubbish"]
)
def test_a_key_that_could_say_more_is_refused(key: str) -> None:
    with pytest.raises(EdgeError, match=r"^the directory's SSH key of bob cannot be read: "):
        ssh.allowed_signers("bob", (key,))


def test_a_key_taken_from_the_directory_counts_no_more(signed: World) -> None:
    signed.be("bob", "bob")
    approve(signed)
    signed.make_key("new")
    public = " ".join(Path(f"{signed.keys['new']}.pub").read_text().split()[:2])
    subjects = dict(signed.directory.subjects)
    subjects["bob"] = replace(subjects["bob"], keys=(public,))
    signed.directory = Directory(frozen(subjects), signed.directory.groups)
    assert not counts(signed)


def test_the_agents_key_is_found(signed: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os
    import subprocess

    socket = tmp_path / "agent"
    started = subprocess.run(["ssh-agent", "-a", str(socket)], capture_output=True, text=True, check=True).stdout
    agent = started.split("SSH_AGENT_PID=")[1].split(";")[0]
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-add", "-q", str(signed.keys["bob"])], check=True, capture_output=True)
        signed.be("bob")
        assert approve(signed).by.proved
    finally:
        os.kill(int(agent), 15)


def test_reviews_later_than_asked_are_left_out_of_the_judgement(signed: World) -> None:
    signed.be("bob", "bob")
    approve(signed, at=120)
    assert not counts(signed)
    assert timedelta(minutes=60) < minutes(120) - T0
