"""The ledger's key rotated, and stolen: from the command line, on real git and the embedded target."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.chain import seal
from daypass.core.ledger.receipt import Body, Intent, Outcome, Pulse, Retirement
from daypass.core.plan import Action, Entitlement, Intended, Order, Reason
from daypass.core.record import replace
from daypass.core.window import parse_instant
from daypass.edges.ledger.signing import EnvelopeSigner
from driver import Access

pytestmark = pytest.mark.on_disk


def T(minute: str) -> str:  # noqa: N802  (reads as the instants do)
    return f"2026-11-20T{minute}:00Z"


def keys() -> Path:
    return Path(os.environ["XDG_CONFIG_HOME"]) / "daypass" / "keys"


def thief_writes(access: Access, key: Path, *bodies: Body, at: str, main: str = "") -> int:
    """Write receipts as whoever has a key and may push; return the number of the first."""
    site = access.repo()
    standing = site.ledger.load()
    assert standing.head is not None
    signer = EnvelopeSigner(key, (access.top / "policies/ledger.pub").read_bytes())
    sealed = seal(bodies, standing.head, signer.sign, at=parse_instant(at), main=main or standing.main, run="thief")
    site.ledger.receipts.append(standing.commit, sealed, message="x", at=parse_instant(at))
    return standing.next_sequence


class TestRotated:
    def begun(self, access: Access) -> Path:
        """Alice holds access by a receipt of the old key; a new one may sign. Return the old private key."""
        access.grant(T("10:00"), T("10:01"))
        access.run("apply", "--at", T("10:02"))
        (old,) = keys().glob("*.pem")
        told = json.loads(access.run("ledger", "rekey", "--format", "json").out)
        assert (told["keys"], told["new_key"]) == (["ledger-2.pub", "ledger.pub"], "ledger-2.pub")
        assert Path(told["private_key"]).exists()
        access.commit("Let a new key sign")
        return old

    def test_nothing_stops_while_both_may_sign_and_the_old_one_ends_at_its_last_receipt(self, access: Access) -> None:
        old = self.begun(access)
        (new,) = set(keys().glob("*.pem")) - {old}
        away = new.rename(new.with_suffix(".away"))
        access.grant(T("10:10"), T("10:11"), "--resource", "staging", "--role", "deploy", "--for", "20m")
        access.run("apply", "--at", T("10:12"))  # the machine that applies has the old one alone
        assert (
            "is signed by ledger.pub and not by ledger-2.pub" in access.run("ledger", "rekey", "--finish", expect=1).err
        )
        begun = "daypass: a change of the ledger's key was begun and not finished: ledger.pub may sign beside ledger-2.pub, and "
        assert (
            f"{begun}ledger.pub signed the last receipt\n  hint: give the"
            in access.run("status", "--at", T("10:12")).err
        )
        away.rename(new)
        access.run("apply", "--at", T("10:13"))  # there is nothing to do, and it says so under the new key
        said = access.run("status", "--at", T("10:13")).err
        assert f"{begun}ledger-2.pub signed the last receipt\n  hint: `daypass ledger rekey --finish`\n" in said
        said = access.run("ledger", "rekey", "--finish", "--format", "json")
        assert "ledger.pub ends with receipt" in said.err
        told = json.loads(said.out)
        assert (told["keys"], list(told["retired"]), told["private_key"]) == (["ledger-2.pub"], ["ledger.pub"], "")
        access.commit("Retire the old key")
        old.unlink()
        access.run("apply", "--at", T("10:40"))
        assert "change of the ledger's key" not in access.run("status", "--at", T("10:40")).err
        access.run("can", "alice", "staging", "deploy", expect=20)
        access.run("can", "alice", "orders-db", "readonly")
        access.run("audit", "verify", "--at", T("10:41"))

    def finished(self, access: Access) -> Path:
        """Return the old private key once it has ended."""
        old = self.begun(access)
        access.run("apply", "--at", T("10:13"))
        access.run("ledger", "rekey", "--finish")
        access.commit("Retire the old key")
        return old

    def test_what_the_old_key_signs_later_is_refused_by_every_run_and_named(self, access: Access) -> None:
        old = self.finished(access)
        first = thief_writes(access, old, Pulse(0), at=T("10:20"))
        for verb in (["apply"], ["status"], ["plan"]):
            said = access.run(*verb, "--at", T("10:21"), expect=1)
            assert f"receipt {first}: it is signed by ledger.pub, which main's settings retired" in said.err
        said = access.run("audit", "verify", "--at", T("10:22"), expect=13)
        assert "ledger-broken" in said.out
        assert "signed by ledger.pub" in said.out

    def test_a_machine_with_the_old_key_alone_says_what_it_lacks_and_records_nothing(self, access: Access) -> None:
        old = self.finished(access)
        for other in set(keys().glob("*.pem")) - {old}:
            other.unlink()
        before = access.git("rev-parse", "daypass-ledger")
        said = access.run("apply", "--at", T("12:10"), expect=1)
        assert "there is no signing key at" in said.err
        assert access.git("rev-parse", "daypass-ledger") == before
        access.run("can", "alice", "orders-db", "readonly")  # it cannot be recorded, so it is not taken away

    def test_one_change_at_a_time_and_none_on_top_of_what_nobody_merged(self, access: Access) -> None:
        access.run("ledger", "rekey", "--finish", expect=1)
        access.run("ledger", "rekey")
        said = access.run("ledger", "rekey", expect=2)
        assert "is not what main says" in said.err
        access.commit("Let a new key sign")
        assert "one change of keys at a time" in access.run("ledger", "rekey", expect=1).err

    def test_a_key_that_signs_and_is_retired_gives_nothing(self, access: Access) -> None:
        settings = access.top / "policies/daypass.yaml"
        text = settings.read_text().replace("keys: [ledger.pub]", "keys: [ledger.pub], retired: {ledger.pub: 3}")
        settings.write_text(text)
        assert "ledger-key-twice" in access.run("check", expect=10).out


STAGING = ("--resource", "staging", "--role", "deploy", "--for", "20m")


class TestStolen:
    """The old key is known to be stolen from a receipt on; honest runs went on with it meanwhile."""

    def world(self, access: Access) -> tuple[Path, int]:
        """Alice holds orders-db by a receipt from before; return the stolen key, and the first number it cannot answer for."""
        access.grant(T("10:00"), T("10:01"))
        access.run("apply", "--at", T("10:02"))
        (old,) = keys().glob("*.pem")
        return old, access.repo().ledger.load().next_sequence

    def revoke(self, access: Access, first: int) -> str:
        done = access.run("ledger", "revoke-key", "ledger.pub", "--from", str(first), "--format", "json")
        told = json.loads(done.out)
        assert (told["revoked"], told["new_key"]) == ({"ledger.pub": first}, "ledger-2.pub")
        assert f"{told['void']} of {told['receipts']} receipts are signed by ledger.pub" in done.err
        said = done.err
        access.commit("The key was stolen")
        return said

    def test_what_a_thief_made_up_gives_nothing_and_is_named(self, access: Access) -> None:
        old, first = self.world(access)
        site = access.repo()
        proof = next(iter(site.ledger.load().admissions.values()))
        forged = replace(proof, grant=GrantId("orders-db/mallory"), approvals=(), subject="mallory")
        forged = replace(forged, entitlement=proof.entitlement._replace(principal="mallory"))
        thief_writes(access, old, forged, at="2099-01-01T00:00:00Z")
        assert "1 of " in self.revoke(access, first)
        said = access.run("apply", "--at", T("10:20"))
        assert "mallory" not in said.out
        access.run("can", "alice", "orders-db", "readonly")
        said = access.run("audit", "verify", "--at", T("10:21"))
        assert f"receipt {first} (admitted) counts for nothing" in said.out
        access.run("apply", "--at", T("12:10"))  # whatever year the thief wrote, ends go on
        access.run("can", "alice", "orders-db", "readonly", expect=20)
        access.run("audit", "verify", "--at", T("12:11"))

    def test_what_honest_runs_gave_meanwhile_is_proved_again_and_ends_in_time(self, access: Access) -> None:
        _, first = self.world(access)
        access.grant(T("10:10"), T("10:11"), *STAGING)
        access.run("apply", "--at", T("10:12"))
        self.revoke(access, first)
        assert (
            "may have had access (?)" in access.run("audit", "access", "--resource", "staging", "--at", T("10:13")).out
        )
        said = access.run("apply", "--at", T("10:14"))
        access.run("can", "alice", "staging", "deploy")
        verified = access.run("audit", "verify", "--at", T("10:15"))
        assert verified.out.count("counts for nothing") == 3, said.out
        access.run("apply", "--at", T("10:40"))
        access.run("can", "alice", "staging", "deploy", expect=20)
        access.run("audit", "verify", "--at", T("10:41"))

    def test_what_ended_meanwhile_is_seen_to_be_gone(self, access: Access) -> None:
        _, first = self.world(access)
        access.grant(T("10:10"), T("10:11"), *STAGING)
        access.run("apply", "--at", T("10:12"))
        access.run("expire", "--at", T("10:40"))
        access.run("gate", "3", "--at", T("10:41"))
        access.run("apply", "--at", T("10:42"))
        self.revoke(access, first)
        access.run("apply", "--at", T("10:50"))
        assert "staging" not in access.run("status", "--at", T("10:51")).out
        access.run("audit", "verify", "--at", T("10:52"))

    def test_access_that_nothing_else_explains_is_in_doubt_until_somebody_settles_it(self, access: Access) -> None:
        old, first = self.world(access)
        what = Entitlement("embedded", "staging", "bob", '{"member_of":"staging_deployers"}')
        for target in access.repo().targets().values():
            what = what._replace(
                privilege=next(
                    role.privilege_text for role in access.repo().policy.catalogue.resources["staging"].roles.values()
                )
            )
            target.carry_out([Order(Action.ADD, what, parse_instant(T("10:05")), parse_instant(T("23:00")))])  # type: ignore[union-attr]
        change = Intended(
            Action.ADD, what, (GrantId("staging/bob-1"),), Reason.WINDOW_OPENED, parse_instant(T("10:05")),
            parse_instant(T("10:30")),
        )  # fmt: skip
        thief_writes(access, old, Intent((change,), "sha256:" + "0" * 64), Outcome(change, ok=True), at=T("10:06"))
        self.revoke(access, first)
        for minute in ("10:20", "10:40"):
            said = access.run("apply", "--at", T(minute), expect=14)
            assert "nobody can tell" in said.out + said.err or "unknown" in said.out
            access.run("can", "bob", "staging", "deploy")
        access.run("ledger", "settle", "staging/bob-1", "--adopt", "--reason", "we looked", "--at", T("10:41"))
        access.run("apply", "--at", T("10:42"))
        access.run("can", "bob", "staging", "deploy", expect=20)

    def test_an_end_that_only_the_thief_wrote_takes_nothing_from_anybody(self, access: Access) -> None:
        old, first = self.world(access)
        site = access.repo()
        ((grant, blob),) = site.ledger.load().blobs()
        thief_writes(access, old, Retirement(grant, blob, Oid(site.tip)), at=T("10:10"))
        self.revoke(access, first)
        access.run("apply", "--at", T("10:20"))
        access.run("can", "alice", "orders-db", "readonly")

    def test_what_is_not_believed_is_not_believed_again(self, access: Access) -> None:
        self.world(access)
        self.revoke(access, 3)
        said = access.run("ledger", "revoke-key", "ledger.pub", "--from", "5", expect=1)
        assert "not believed again" in said.err
        assert "there is no key" in access.run("ledger", "revoke-key", "other.pub", "--from", "5", expect=2).err

    def test_no_key_takes_its_own_place(self, access: Access) -> None:
        for verb in (("rekey",), ("revoke-key", "ledger.pub", "--from", "1")):
            said = access.run("ledger", *verb, "--public-key", str(access.top / "policies/ledger.pub"), expect=2)
            assert "is a key that main names already: ledger.pub" in said.err
        assert access.git("status", "--short") == ""

    def test_a_key_is_not_left_good_for_receipts_that_are_not_there_yet(self, access: Access) -> None:
        end = access.repo().ledger.load().next_sequence
        said = access.run("ledger", "revoke-key", "ledger.pub", "--from", str(end + 1), expect=1)
        assert f"`--from {end}` takes all that it signs from now on" in said.err
        assert not (access.top / "policies/ledger-2.pub").exists()
        assert "0 of 1 receipts" in self.revoke(access, end)
