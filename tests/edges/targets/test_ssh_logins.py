"""The proof from the client's side: real ssh clients at a real sshd that trusts the CA and fetches the list."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from edges.targets.ssh_world import HOUR, World, entitlement, now
from servers.sshd import Sshd, make_key

SOON = timedelta(seconds=6)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(tmp_path / "applier")
    monkeypatch.setenv("BASTION_CA", str(found.folder / "ca"))
    return found


@pytest.fixture
def host(world: World, tmp_path: Path) -> Iterator[Sshd]:
    with Sshd(tmp_path / "host", world.ca) as running:
        yield running


def test_in_during_the_window_and_out_before_and_after_it(world: World, host: Sshd) -> None:
    assert not host.login(world.key).ok
    end = now() + SOON
    certificate = world.give(entitlement(), now(), end)
    inside = host.login(world.key, certificate)
    assert (inside.ok, inside.out) == (True, "in\n"), inside.err + inside.log
    time.sleep(max(0.0, (end - now()).total_seconds()) + 1)
    outside = host.login(world.key, certificate)
    assert not outside.ok
    assert "Certificate invalid: expired" in outside.log


def test_a_certificate_for_later_opens_nothing_now(world: World, host: Sshd) -> None:
    certificate = world.give(entitlement(), now() + HOUR, now() + 2 * HOUR)
    tried = host.login(world.key, certificate)
    assert not tried.ok
    assert "Certificate invalid: not yet valid" in tried.log


def test_after_an_early_end_it_is_out_once_the_host_has_the_list(world: World, host: Sshd) -> None:
    certificate = world.give(entitlement(), now(), now() + HOUR)
    host.fetch_list(world.krl)
    assert host.login(world.key, certificate).ok
    world.take(entitlement(), now())
    assert host.login(world.key, certificate).ok, "a host that did not fetch the list keeps the old one"
    host.fetch_list(world.krl)
    tried = host.login(world.key, certificate)
    assert not tried.ok
    assert "revoked by file" in tried.log


def test_given_again_the_new_certificate_is_in_and_the_old_one_stays_out(world: World, host: Sshd) -> None:
    at, end = now(), now() + HOUR
    first = world.give(entitlement(), at, end)
    world.take(entitlement(), at)
    second = world.give(entitlement(), at, end)
    host.fetch_list(world.krl)
    assert not host.login(world.key, first).ok
    assert host.login(world.key, second).ok


def test_a_shortened_window_ends_the_longer_certificate(world: World, host: Sshd) -> None:
    long = world.give(entitlement(), now(), now() + 2 * HOUR)
    short = world.give(entitlement(), now(), now() + HOUR)
    host.fetch_list(world.krl)
    assert not host.login(world.key, long).ok
    assert host.login(world.key, short).ok


def test_a_lengthened_window_leaves_both_good_and_its_end_ends_both(world: World, host: Sshd) -> None:
    one = world.give(entitlement(), now(), now() + HOUR)
    two = world.give(entitlement(), now(), now() + 2 * HOUR)
    host.fetch_list(world.krl)
    assert host.login(world.key, one).ok
    assert host.login(world.key, two).ok
    world.take(entitlement(), now())
    host.fetch_list(world.krl)
    assert not host.login(world.key, one).ok
    assert not host.login(world.key, two).ok


def test_another_principal_is_out(world: World, host: Sshd) -> None:
    certificate = world.give(entitlement(principals=["payroll"]), now(), now() + HOUR)
    tried = host.login(world.key, certificate)
    assert not tried.ok
    assert "Certificate does not contain an authorized principal" in tried.log


def test_another_persons_key_makes_nothing_of_the_certificate(world: World, host: Sshd) -> None:
    certificate = world.give(entitlement(), now(), now() + HOUR)
    make_key(world.folder / "mallory")
    assert not host.login(world.folder / "mallory", certificate).ok


def test_another_ca_is_out(world: World, host: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = World(tmp_path / "other")
    monkeypatch.setenv("BASTION_CA", str(other.folder / "ca"))
    assert not host.login(other.key, other.give(entitlement(), now(), now() + HOUR)).ok


def test_two_resources_with_one_principal_are_two_keys_to_one_door(world: World, host: Sshd) -> None:
    orders = world.give(entitlement(), now(), now() + HOUR)
    payroll = world.give(entitlement(resource="payroll"), now(), now() + HOUR)
    world.take(entitlement(), now())
    host.fetch_list(world.krl)
    assert not host.login(world.key, orders).ok
    assert host.login(world.key, payroll).ok, "what another grant still gives is not taken"


def test_only_from_the_networks_of_the_role(world: World, host: Sshd) -> None:
    role = entitlement(principals=["orders-ro"], source_address=["127.0.0.2/32", "10.0.0.0/8", "::1"])
    certificate = world.give(role, now(), now() + HOUR)
    assert host.login(world.key, certificate, source="127.0.0.2").ok
    tried = host.login(world.key, certificate, source="127.0.0.3")
    assert not tried.ok
    assert "not from a permitted source address" in tried.log


def test_the_forced_command_runs_whatever_is_asked(world: World, host: Sshd) -> None:
    role = entitlement(principals=["orders-ro"], force_command="echo \"it is '$SSH_ORIGINAL_COMMAND'\"")
    certificate = world.give(role, now(), now() + HOUR)
    assert host.login(world.key, certificate, command="cat /etc/passwd").out == "it is 'cat /etc/passwd'\n"


def test_what_a_role_does_not_list_is_not_allowed(world: World, host: Sshd) -> None:
    plain = host.login(world.key, world.give(entitlement(), now(), now() + HOUR), command="tty; true")
    assert plain.ok
    assert "permit-pty" not in plain.log


def test_sshd_logs_the_serial_that_leads_back(world: World, host: Sshd) -> None:
    certificate = world.give(entitlement(), now(), now() + HOUR)
    comment = certificate.split(" ", 2)[2]
    tried = host.login(world.key, certificate)
    serial = comment.rsplit(" ", 1)[1]
    assert f"ID {comment} (serial {serial})" in tried.log
