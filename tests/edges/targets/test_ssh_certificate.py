"""What a role may ask for, which keys are fit, and what a certificate says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from daypass.core.errors import EdgeError
from daypass.core.plan import Action, Entitlement, Order
from daypass.edges.targets.ssh import certificate
from daypass.edges.targets.ssh.certificate import SshPrivilege, fit_keys, make, read, read_privilege, serial_of
from daypass.ports import Observing
from edges.targets.ssh_world import HOUR, World, entitlement, now
from fakes.orders import remove
from servers.sshd import keygen, make_key

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
CA = Ed25519PrivateKey.generate()
KEY = certificate.public_line(Ed25519PrivateKey.generate().public_key())


def refusal(call: Any) -> tuple[str, str]:
    with pytest.raises(EdgeError) as caught:
        call()
    return caught.value.message, caught.value.hint


def role(text: str) -> Entitlement:
    return entitlement()._replace(privilege=text)


def test_a_role_is_read_as_it_is_written() -> None:
    found = read_privilege(
        entitlement(
            principals=["orders-ro", "db", "db"], source_address=["10.0.0.0/8", "::1"], force_command="psql orders",
            extensions=["permit-pty", "permit-pty"],
        )
    )  # fmt: skip
    assert found == SshPrivilege(("orders-ro", "db"), ("10.0.0.0/8", "::1/128"), "psql orders", ("permit-pty",))


def test_without_principals_it_is_the_subjects_own_name() -> None:
    assert read_privilege(role("{}")) == SshPrivilege(("alice",))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('{"principal":["x"]}', "has an unknown key 'principal'", "did you mean principals?"),
        ('{"role":"readonly"}', "has an unknown key 'role'", "a role of an ssh target has principals, "),
        ('{"principals":[]}', "has principals []", "write a list of one or more texts"),
        ('{"principals":"root"}', 'has principals "root"', "write a list"),
        ('{"principals":[""]}', "has the principal ''", "a principal is one word"),
        ('{"principals":["a,root"]}', "has the principal 'a,root'", "a principal is one word"),
        ('{"principals":["a\\nroot"]}', "has the principal 'a\\nroot'", "a principal is one word"),
        ('{"principals":["*"]}', "has the principal '*'", "a principal is one word"),
        ('{"principals":["#x"]}', "has the principal '#x'", "a principal is one word"),
        (json.dumps({"principals": [f"p{n}" for n in range(65)]}), "has 65 principals", "at most 64"),
        ('{"source_address":[]}', "has source_address []", "write a list"),
        ('{"source_address":["10.0.0.1/8"]}', "has the source address '10.0.0.1/8'", "no bit set beyond its length"),
        ('{"source_address":["host.example"]}', "has the source address 'host.example'", "write a network"),
        ('{"source_address":["!10.0.0.0/8"]}', "has the source address '!10.0.0.0/8'", "write a network"),
        ('{"force_command":""}', 'has force_command ""', "write one command on one line"),
        ('{"force_command":"a\\nb"}', 'has force_command "a\\nb"', "write one command on one line"),
        ('{"force_command":["ls"]}', 'has force_command ["ls"]', "write one command on one line"),
        ('{"extensions":["permit_pty"]}', "asks for the extension 'permit_pty'", "did you mean permit-pty?"),
        ('{"extensions":["pty"]}', "asks for the extension 'pty'", "known: permit-X11-forwarding, "),
    ],
)  # fmt: skip
def test_what_a_role_may_not_say_is_refused(text: str, message: str, hint: str) -> None:
    said = refusal(lambda: read_privilege(role(text)))
    assert said[0] == f"the role on orders-db {message}"
    assert said[1].startswith(hint) or hint in said[1]


def test_a_subject_whose_name_is_no_principal_is_refused() -> None:
    message, _ = refusal(lambda: read_privilege(role("{}")._replace(principal="alice,root")))
    assert message == "the role on orders-db has the principal 'alice,root'"


def test_the_certificate_says_what_was_asked_and_nothing_more() -> None:
    asked = entitlement(principals=["orders-ro"], source_address=["10.0.0.0/8"], force_command="psql")
    found = read(make(asked, KEY, CA, begin=AT, end=AT + HOUR, serial=7))
    assert found.serial == 7
    assert found.key_id == "daypass alice orders-db 7"
    assert found.principals == ("orders-ro",)
    assert found.valid == (AT - timedelta(minutes=1), AT + HOUR)  # for a host whose clock is a little behind
    assert found.critical == {"force-command": "psql", "source-address": "10.0.0.0/8"}
    assert found.extensions == ()
    assert (found.key, found.authority) == (KEY, certificate.public_line(CA.public_key()))


def test_openssh_reads_it_likewise(tmp_path: Path) -> None:
    asked = entitlement(principals=["b", "a"], extensions=["permit-user-rc", "permit-X11-forwarding", "permit-pty"])
    file = tmp_path / "c-cert.pub"
    file.write_text(make(asked, KEY, CA, begin=AT, end=AT + HOUR, serial=2**63 - 1) + "\n")
    shown = keygen("-L", "-f", str(file))
    for line in ("user certificate", 'Key ID: "daypass alice orders-db 9223372036854775807"', "permit-X11-forwarding"):
        assert line in shown
    assert "Serial: 9223372036854775807" in shown


@pytest.mark.parametrize("principal", ["a b", "ünï-日本", 'x" y', "a\nb", "-oProxyCommand=x", "%00"])
def test_no_name_breaks_out_of_the_key_id(principal: str) -> None:
    asked = entitlement()._replace(principal=principal)
    line = make(asked, KEY, CA, begin=AT, end=AT + HOUR, serial=7)
    assert line.isascii()
    assert "\n" not in line
    assert len(read(line).key_id.split(" ")) == 4


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=5), st.integers(0, 3), st.integers(1, 3)), max_size=6, unique=True))
def test_every_span_of_every_entitlement_has_its_own_serial(spans: list[tuple[str, int, int]]) -> None:
    found = {
        serial_of(entitlement(who), AT + start * HOUR, AT + (start + length) * HOUR) for who, start, length in spans
    }
    assert len(found) == len(spans)
    assert all(0 < serial < 2**63 for serial in found)


def test_the_same_span_has_the_same_serial_and_another_turn_another() -> None:
    one = serial_of(entitlement(), AT, AT + HOUR)
    assert one == serial_of(entitlement(), AT, AT + HOUR)
    assert one != serial_of(entitlement(), AT, AT + HOUR, 1)


class TestKeys:
    @pytest.mark.parametrize(("kind", "bits"), [("ed25519", 0), ("ecdsa", 256), ("ecdsa", 521), ("rsa", 2048)])
    def test_good_keys_are_fit_and_openssh_takes_their_certificates(self, tmp_path: Path, kind: str, bits: int) -> None:
        key = make_key(tmp_path / "k", kind, bits)
        assert fit_keys([key, key]) == ((key,), ())
        file = tmp_path / "k-cert.pub"
        file.write_text(make(entitlement(), key, CA, begin=AT, end=AT + HOUR, serial=7) + "\n")
        assert "Serial: 7" in keygen("-L", "-f", str(file))

    @pytest.mark.parametrize(
        ("key", "why"),
        [
            ("ssh-dss AAAAB3NzaC1kc3MAAACBAA==", "ssh-dss: too weak, and sshd refuses it"),
            ("sk-ssh-ed25519@openssh.com AAAA", "sk-ssh-ed25519@openssh.com: certificates for it are not made"),
            ("ssh-ed25519 AAAA", "ssh-ed25519: it cannot be read"),
        ],
    )
    def test_other_keys_are_not_and_it_is_said_why(self, key: str, why: str) -> None:
        assert fit_keys([key]) == ((), (why,))

    def test_a_short_rsa_key_is_too_weak(self, tmp_path: Path) -> None:
        key = make_key(tmp_path / "k", "rsa", 1024)
        assert fit_keys([key, KEY]) == ((KEY,), ("ssh-rsa: 1024 bits are too weak, at least 2048",))

    def test_age_keys_are_for_secrets_and_passed_over(self) -> None:
        assert fit_keys(["age1qqqq"]) == ((), ())


class TestReading:
    def test_what_is_no_certificate_is_refused(self) -> None:
        assert refusal(lambda: read(KEY))[0].startswith("expected an SSH certificate, got 'ssh-ed25519 AAAA")
        assert refusal(lambda: read("junk"))[0] == "an SSH certificate cannot be read: Invalid line format"
        assert not certificate.is_certificate("")
        assert not certificate.is_certificate("-----BEGIN AGE ENCRYPTED FILE-----\n")
        assert not certificate.is_certificate(KEY)

    def test_a_changed_byte_is_found(self) -> None:
        line = make(entitlement(), KEY, CA, begin=AT, end=AT + HOUR, serial=7)
        kind, body, comment = line.split(" ", 2)
        changed = f"{kind} {body[:-8]}{'A' if body[-8] != 'A' else 'B'}{body[-7:]} {comment}"
        assert refusal(lambda: read(changed))[0] == "an SSH certificate cannot be read: its signature does not fit"

    def test_one_for_ever_is_read(self, tmp_path: Path) -> None:
        make_key(tmp_path / "u")
        make_key(tmp_path / "ca")
        keygen("-s", str(tmp_path / "ca"), "-I", "by hand", "-n", "x", str(tmp_path / "u.pub"))
        assert read((tmp_path / "u-cert.pub").read_text()).valid[1].year == 9999

    def test_the_fingerprint_is_openssh_s(self, tmp_path: Path) -> None:
        public = make_key(tmp_path / "u")
        shown = subprocess.run(["ssh-keygen", "-lf", tmp_path / "u.pub"], capture_output=True, text=True, check=True)
        assert certificate.fingerprint(public) in shown.stdout


class TestTarget:
    @pytest.fixture
    def world(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
        found = World(tmp_path / "applier")
        monkeypatch.setenv("BASTION_CA", (found.folder / "ca").read_text())
        return found

    def test_without_a_fit_key_it_is_refused_by_name(self, world: World, tmp_path: Path) -> None:
        weak = make_key(tmp_path / "k", "rsa", 1024)
        for keys, why in (
            ((), "alice has no SSH key that a certificate can be made for: the directory lists none under ssh_keys"),
            ((weak,), "alice has no SSH key that a certificate can be made for"
                      " (ssh-rsa: 1024 bits are too weak, at least 2048)"),
        ):  # fmt: skip
            (done,) = world.orders(Order(Action.ADD, entitlement(), now(), now() + HOUR, keys))
            assert (done.error, done.handover) == (why, "")

    def test_a_window_that_is_over_is_refused(self, world: World) -> None:
        (done,) = world.orders(Order(Action.ADD, entitlement(), AT, AT, (world.public,)))
        assert done.error == "expected a window that ends after 2026-11-21T09:00:00Z"

    def test_it_cannot_be_observed_and_says_so_by_its_type(self, world: World) -> None:
        assert not isinstance(world.open(), Observing)

    def test_nothing_is_said_to_be_gone_before_the_ledger_was_heard(self, world: World) -> None:
        order = Order(Action.REMOVE, entitlement(), now(), now() + HOUR)
        (done,) = world.open().carry_out([order])
        assert done.error == "nothing is known of what was handed over to alice, so nothing can be revoked"
        target = world.open()
        target.recall(())
        assert target.carry_out([order])[0].error == ""

    def test_remove_alone_revokes(self, world: World) -> None:
        line = world.give(entitlement(), now(), now() + HOUR)
        target = world.open()
        target.recall(world.standing().handed("bastion", now()))
        remove(target, entitlement())
        assert str(read(line).serial) in keygen("-Q", "-l", "-f", str(world.krl))

    def test_what_another_kind_of_target_handed_over_is_left_alone(self, world: World) -> None:
        world.give(entitlement(), now(), now() + HOUR)
        (handed,) = world.standing().handed("bastion", now())
        target = world.open()
        target.recall((handed._replace(text="-----BEGIN AGE ENCRYPTED FILE-----\n", ended=True),))
        assert "serial" not in keygen("-Q", "-l", "-f", str(world.krl))

    def test_the_ca_key_is_told_to_no_other_program(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen, real = tmp_path / "seen", shutil.which("ssh-keygen")
        tools = tmp_path / "tools"
        tools.mkdir()
        fake = tools / "ssh-keygen"
        fake.write_text(f'#!/bin/sh\n{{ echo "$@"; env; cat "$6" 2>/dev/null; }} >> {seen}\nexec {real} "$@"\n')
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
        world.give(entitlement(), now(), now() + HOUR)
        world.take(entitlement(), now())
        secret = (world.folder / "ca").read_text().splitlines()
        told = seen.read_text()
        assert "-k -f" in told
        assert not any(line in told for line in secret[1:-1])
        assert "BASTION_CA" not in told

    def test_a_bad_role_stops_only_its_own_order(self, world: World) -> None:
        bad, good = world.orders(
            Order(Action.ADD, role('{"principal":["x"]}'), now(), now() + HOUR, (world.public,)),
            Order(Action.ADD, entitlement("bob"), now(), now() + HOUR, (world.public,)),
        )
        assert (bad.error, bad.handover) == ("the role on orders-db has an unknown key 'principal'", "")
        assert (good.error, bool(good.handover)) == ("", True)

    def test_without_the_ca_key_nothing_is_given_and_all_that_ends_is_taken(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        line = world.give(entitlement(), now(), now() + HOUR)
        monkeypatch.delenv("BASTION_CA")
        gone, new = world.orders(
            Order(Action.REMOVE, entitlement(), now(), now() + HOUR),
            Order(Action.ADD, entitlement("bob"), now(), now() + HOUR, (world.public,)),
        )
        assert gone.error == ""
        assert str(read(line).serial) in keygen("-Q", "-l", "-f", str(world.krl))
        assert new.error == "the environment variable BASTION_CA, which target bastion names, is not set"

    def test_a_list_that_cannot_be_written_stops_what_needs_it_and_nothing_else(self, world: World) -> None:
        at = now()
        world.give(entitlement(), at, at + HOUR)
        target = world.open()
        target.recall(world.standing().handed("bastion", at))
        world.krl.unlink()
        world.krl.mkdir()
        (world.krl / "in-the-way").touch()
        gone, new = target.carry_out(
            [
                Order(Action.REMOVE, entitlement(), at, at + HOUR),
                Order(Action.ADD, entitlement("bob"), at, at + HOUR, (world.public,)),
            ]
        )
        assert gone.error == f"the key revocation list {world.krl} cannot be written: Is a directory"
        assert (new.error, bool(new.handover)) == ("", True)

    def test_a_run_that_died_after_writing_the_list_leaves_it_as_it_is(self, world: World) -> None:
        at = now()
        line = world.give(entitlement(), at, at + HOUR)
        target = world.open()
        target.recall(world.standing().handed("bastion", at))
        remove(target, entitlement())  # and no receipt is written
        before = world.krl.stat().st_mtime_ns
        again = world.open()
        again.recall(world.standing().handed("bastion", at))
        assert world.krl.stat().st_mtime_ns == before
        assert str(read(line).serial) in keygen("-Q", "-l", "-f", str(world.krl))
        world.take(entitlement(), at)
        assert world.standing().handed("bastion", at)[0].ended

    def test_what_ends_by_itself_leaves_the_list(self, world: World) -> None:
        at = now()
        world.give(entitlement(), at, at + HOUR)
        world.give(entitlement("bob"), at, at + 3 * HOUR)
        world.take(entitlement(), at)
        world.take(entitlement("bob"), at)
        target = world.open()
        target.recall(world.standing().handed("bastion", at + 2 * HOUR))
        assert keygen("-Q", "-l", "-f", str(world.krl)).count("serial: ") == 1
