"""A grant's whole life from the command line, and what each verb says on the way."""

import json
import sqlite3
from contextlib import closing

import pytest

from daypass.cli.quick.options import at_once
from driver import Access

T = "2026-11-20T{}:00Z".format


@pytest.mark.on_disk
def test_a_grant_lives_from_request_to_removal(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    assert access.run("can", "alice", "orders-db", "readonly", expect=20).out == "no\n"
    plan = access.run("plan", "--at", T("10:06"), "--detailed-exitcode", expect=13).out
    assert '+ alice  {"member_of":"orders_readonly"}  on orders-db (embedded)  window opened' in plan
    access.run("apply", "--at", T("10:06"), "--detailed-exitcode", expect=13)
    assert access.run("can", "alice", "orders-db", "readonly").out == "yes\n"
    assert "1h59m left" in access.run("status", "--at", T("10:06")).out
    access.run("expire", "--at", T("12:05"))
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    assert f"removes {grant}" in access.run("gate", "2", "--at", T("12:06")).out
    assert not (access.top / f"grants/{grant}.yaml").exists()
    access.run("apply", "--at", T("12:07"))
    assert "0 granted" in access.run("status", "--at", T("12:07")).out
    access.run("audit", "verify")


@pytest.mark.on_disk
def test_access_starts_with_its_window_and_ends_with_it(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"), "--from", T("11:00"), "--until", T("12:00"))
    assert "waiting" in access.run("apply", "--at", T("10:59")).out
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    access.run("apply", "--at", T("11:00"))
    access.run("can", "alice", "orders-db", "readonly")
    access.run("apply", "--at", T("12:00"))
    access.run("can", "alice", "orders-db", "readonly", expect=20)


def test_applying_again_changes_nothing_and_writes_no_receipt(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    ledger = access.git("rev-parse", "daypass-ledger")
    assert "No changes: 1 live" in access.run("apply", "--at", T("10:07"), "--detailed-exitcode").out
    assert access.git("rev-parse", "daypass-ledger") == ledger


@pytest.mark.on_disk
def test_the_end_of_one_grant_leaves_what_another_still_gives(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.grant(T("11:00"), T("11:05"))
    access.run("apply", "--at", T("11:06"))
    said = access.run("expire", "--at", T("12:10"))
    assert "- alice" not in said.out
    access.run("can", "alice", "orders-db", "readonly")
    access.run("expire", "--at", T("13:05"))
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    access.run("audit", "verify")


@pytest.mark.on_disk
def test_a_shorter_second_grant_changes_nothing(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"), "--for", "4h")
    access.run("apply", "--at", T("10:06"))
    access.grant(T("10:10"), T("10:15"), "--for", "1h")
    assert "No changes" in access.run("apply", "--at", T("10:16")).out
    assert "No changes" in access.run("apply", "--at", T("11:16")).out
    access.run("apply", "--at", T("14:05"))
    access.run("can", "alice", "orders-db", "readonly", expect=20)


@pytest.mark.on_disk
def test_end_takes_access_away_at_once_and_needs_nobody(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    said = access.run("end", grant, "--at", T("10:30"), acting="carol")
    assert "grant removed" in said.out
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    access.run("audit", "verify")


@pytest.mark.on_disk
def test_extend_asks_again_and_keeps_the_beginning(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    said = access.run("extend", grant, "--for", "1h", "--at", T("11:00"), acting="alice")
    assert "needs  1 approval from owners" in said.out
    access.run("gate", "2", "--at", T("11:01"), expect=12)
    access.run("approve", "2", "--at", T("11:02"), acting="bob")
    access.run("approve", "2", "--at", T("11:02"), acting="dave")
    access.run("gate", "2", "--at", T("11:03"))
    assert "window moved, until 2026-11-20T13:05:00Z" in access.run("apply", "--at", T("11:04")).out
    assert "No changes" in access.run("apply", "--at", T("12:30")).out
    access.run("apply", "--at", T("13:05"))
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    access.run("audit", "verify")


def test_extending_beyond_the_roles_limit_is_denied(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    said = access.run("extend", grant, "--for", "7h", "--at", T("11:00"), acting="alice", expect=11)
    assert "8h" in said.err


@pytest.mark.on_disk
def test_shortening_by_hand_needs_nobody_and_is_followed(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    path = f"grants/{grant}.yaml"
    access.git("switch", "-q", "-c", "shorter")
    access.write(path, (access.top / path).read_text().replace("duration: 2h", "duration: 1h"))
    access.commit("less", email="alice@example.com")
    access.git("switch", "-q", "main")
    access.run("request", "--branch", "shorter", "--at", T("10:10"), acting="alice")
    assert "narrows" in access.run("gate", "2", "--at", T("10:11")).out
    assert "until 2026-11-20T11:05:00Z" in access.run("apply", "--at", T("10:12")).out
    access.run("apply", "--at", T("11:05"))
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    access.run("audit", "verify")


def test_access_that_is_not_ours_is_reported_and_left_alone(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    store = access.top / ".git/daypass/embedded.sqlite"
    with closing(sqlite3.connect(store)) as connection, connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(entitlements)")]
        row = dict(zip(columns, connection.execute("SELECT * FROM entitlements").fetchone(), strict=True))
        row["principal"] = "mallory"
        marks = ",".join("?" * len(columns))
        connection.execute(f"INSERT INTO entitlements VALUES ({marks})", list(row.values()))  # noqa: S608
    said = access.run("apply", "--at", T("10:07"))
    assert 'not ours mallory  {"member_of":"orders_readonly"}  on orders-db (embedded); left alone' in said.out
    access.run("expire", "--at", T("14:00"))
    with closing(sqlite3.connect(store)) as connection, connection:
        assert [r[0] for r in connection.execute("SELECT principal FROM entitlements")] == ["mallory"]


def test_an_exclusive_resource_holds_nothing_that_was_not_granted(access: Access) -> None:
    path = "policies/resources/orders-db.yaml"
    access.write(path, (access.top / path).read_text() + "exclusive: true\n")
    access.commit("exclusive")
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    with closing(sqlite3.connect(access.top / ".git/daypass/embedded.sqlite")) as connection, connection:
        connection.execute("UPDATE entitlements SET principal = 'mallory'")
    said = access.run("apply", "--at", T("10:07"))
    assert "- mallory" in said.out
    assert "+ alice" in said.out
    assert "missing at the target" in said.out


@pytest.mark.on_disk
def test_plan_in_json_says_everything_and_writes_nothing(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    before = access.git("for-each-ref")
    data = json.loads(access.run("plan", "--at", T("10:06"), "--format", "json").out)
    assert data["version"] == 1
    assert data["changes"][0]["grants"] == [grant]
    assert data["changes"][0]["until"] == "2026-11-20T12:05:00Z"
    assert access.git("for-each-ref") == before
    assert not (access.top / ".git/daypass/embedded.sqlite").exists()


def test_the_same_inputs_and_instant_give_the_same_bytes(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    first = access.run("plan", "--at", T("10:06"), "--format", "json").out
    assert access.run("plan", "--at", T("10:06"), "--format", "json").out == first


def test_a_request_that_nobody_answers_ends_by_itself(access: Access) -> None:
    number = access.ask(T("10:00"))
    said = access.run("expire", "--at", "2026-11-27T10:00:00Z")
    assert f"Closed #{number}" in said.err
    assert "nobody answered within 7d" in said.err
    assert "0 open" in access.run("status", "--at", "2026-11-27T10:00:00Z").out


@pytest.mark.on_disk
def test_automatic_approval_needs_nobody(access: Access) -> None:
    number = access.ask(T("10:00"), "--for", "1h", resource="staging", role="deploy")
    assert "passes automatically (low-risk-passes)" in access.run("gate", number, "--at", T("10:01")).out
    access.run("apply", "--at", T("10:02"))
    access.run("can", "alice", "staging", "deploy")


def test_gate_without_a_number_merges_all_that_is_ready(access: Access) -> None:
    access.ask(T("10:00"), "--for", "1h", resource="staging", role="deploy")
    access.ask(T("10:00"))
    said = access.run("gate", "--at", T("10:01"))
    assert "merged as" in said.out
    assert "missing: 1 approval from owners (bob, carol)" in said.out


def test_writing_verbs_take_an_instant_only_on_a_simulated_clock(access: Access) -> None:
    path = "policies/daypass.yaml"
    text = (access.top / path).read_text()
    access.write(path, "\n".join(line for line in text.splitlines() if not line.startswith("clock:")) + "\n")
    access.commit("a real clock")
    said = access.run("apply", "--at", T("10:00"), expect=2)
    assert "--at may not be used with a verb that writes" in said.err
    access.run("plan", "--at", "2030-01-01T00:00:00Z")


@pytest.mark.on_disk
@pytest.mark.parametrize(
    "asked",
    [
        ("access", "--resource", "orders-db"),
        ("history",),
        ("verify",),
        ("stats",),
        ("case", "INC-1"),
        ("vendor", "helpdesk"),
    ],
)
def test_no_answer_about_the_past_tells_of_what_is_still_to_come(
    access: Access, asked: tuple[str, ...], capsys
) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    asked = ("audit", *asked, "--at", "2990-01-01T00:00:00Z")
    simulated = access.run(*asked, expect=None)
    assert "--at" not in simulated.err
    _by_the_real_clock(access)
    access.run("audit", "history", "--grant", grant, "--at", T("10:07"))  # the index is brought up to date
    assert at_once(["-C", str(access.top), *asked]) is None
    assert capsys.readouterr().out == ""
    said = access.run(*asked, expect=2)
    assert said.out == ""
    assert "--at is still to come, and this verb tells of what is on record" in said.err
    assert "hint: leave it out to ask as of now; `daypass plan --at` says what is to come" in said.err


@pytest.mark.parametrize("asked", [("status",), ("show", "1"), ("drift",)])
def test_nothing_that_tells_how_things_stand_tells_of_an_instant_to_come(
    access: Access, asked: tuple[str, ...]
) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    assert "--at" not in access.run(*asked, "--at", "2990-01-01T00:00:00Z", expect=None).err
    _by_the_real_clock(access)
    access.run(*asked, "--at", T("10:07"))
    said = access.run(*asked, "--at", "2990-01-01T00:00:00Z", expect=2)
    assert said.out == ""
    assert "--at is still to come, and this verb tells of what is on record" in said.err
    assert "  - alice" in access.run("plan", "--at", "2990-01-01T00:00:00Z", expect=None).out


def _by_the_real_clock(access: Access) -> None:
    path = "policies/daypass.yaml"
    text = (access.top / path).read_text()
    access.write(path, "\n".join(line for line in text.splitlines() if not line.startswith("clock:")) + "\n")
    access.commit("a real clock")


@pytest.mark.parametrize("verb", ["init", "request", "check", "apply", "audit", "can", "demo"])
def test_every_verb_explains_itself(access: Access, verb: str) -> None:
    assert "Usage: daypass" in access.run(verb, "--help").out


@pytest.mark.on_disk
def test_a_bare_clone_carries_everything(access: Access, tmp_path) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.git("clone", "-q", "--bare", str(access.top), str(tmp_path / "bare.git"))
    bare = Access(tmp_path / "bare.git")
    told = bare.run("status", "--at", T("10:07"), expect=14).out  # but for the embedded target's own store
    assert "1 granted" in told
    assert "nobody can tell whether it is there: the store" in told
    bare.run("audit", "verify", "--at", T("10:07"))


def test_a_push_to_an_open_request_takes_the_approvals_away(access: Access) -> None:
    access.git("switch", "-q", "-c", "mine", "main")
    text = "version: 1\nsubject: alice\nresource: orders-db\nrole: readonly\nreason: Duplicate charges.\nwindow: {duration: 2h}\n"
    access.write("grants/orders-db/a.yaml", text)
    access.commit("ask", email="alice@example.com")
    access.run("request", "--branch", "mine", "--at", T("10:00"), acting="alice")
    access.run("approve", "1", "--at", T("10:01"), acting="bob")
    access.run("approve", "1", "--at", T("10:01"), acting="dave")
    access.write("grants/orders-db/a.yaml", text.replace("2h", "8h"))
    access.commit("more", email="alice@example.com")
    access.git("switch", "-q", "main")
    said = access.run("request", "--branch", "mine", "--at", T("10:02"), acting="alice")
    assert "Updated #1" in said.out
    said = access.run("gate", "1", "--at", T("10:03"), expect=12)
    assert said.out.count("does not count: approved by") == 2


def test_close_ends_a_request_with_its_reason(access: Access) -> None:
    number = access.ask(T("10:00"))
    access.run("close", number, "--reason", "found another way", "--at", T("10:01"), acting="alice")
    assert "closed, found another way" in access.run("gate", number, "--at", T("10:02"), expect=None).out
    number = access.ask(T("10:03"))
    access.run("close", number, "--at", T("10:04"), acting="alice")
    assert ": closed by alice\n" in access.run("gate", number, "--at", T("10:05"), expect=None).out
    said = access.run("end", "a/b", "--at", T("10:06"), acting="alice", expect=2)
    assert "there is no grant a/b on main\n" in said.err


@pytest.mark.on_disk
def test_what_was_calm_is_reckoned_anew_once_anything_moves(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    for _ in range(2):  # the second answer comes from memory
        assert access.run("plan", "--at", T("10:10")).out.splitlines()[-1] == "No changes: 1 live as they should be."
    with closing(sqlite3.connect(access.top / ".git/daypass/embedded.sqlite")) as connection, connection:
        connection.execute("DELETE FROM entitlements")
    assert "missing at the target" in access.run("plan", "--at", T("10:11")).out
    access.run("apply", "--at", T("10:12"))
    assert "No changes" in access.run("plan", "--at", T("10:13")).out
    assert "- alice" in access.run("plan", "--at", T("12:05")).out
    access.run("plan", "--at", T("10:14"))
    access.run(
        "end",
        access.git("ls-files", "grants").removeprefix("grants/").removesuffix(".yaml"),
        "--at",
        T("10:20"),
        acting="alice",
    )
    access.run("can", "alice", "orders-db", "readonly", expect=20)


@pytest.mark.on_disk
def test_status_tells_what_was_merged_and_not_applied_and_what_could_not_be_proved(access: Access) -> None:
    def merged() -> list[object]:
        return json.loads(access.run("status", "--at", T("10:06"), "--format", "json").out)["merged"]

    grant = access.grant(T("10:00"), T("10:05"))
    said = access.run("status", "--at", T("10:06")).out
    assert f"1 merged and not applied yet: `daypass apply`\n  {grant}" in said
    assert said.rstrip().endswith("added")
    assert merged() == [{"grant": grant, "what": "added"}]
    access.run("apply", "--at", T("10:06"))
    assert "merged and not applied" not in access.run("status", "--at", T("10:06")).out
    text = (access.top / "grants" / f"{grant}.yaml").read_text()
    access.git("checkout", "-q", "main")
    access.git("reset", "-q", "--hard", "main")
    access.write("grants/orders-db/by-hand.yaml", text)
    access.git("rm", "-q", f"grants/{grant}.yaml")
    access.commit("By hand")
    assert merged() == [{"grant": grant, "what": "removed"}, {"grant": "orders-db/by-hand", "what": "added"}]
    access.run("apply", "--at", T("10:07"), expect=14)
    said = access.run("status", "--at", T("10:08")).out
    assert "1 without proof, which give nothing:\n  orders-db/by-hand" in said
    refused = json.loads(access.run("status", "--at", T("10:08"), "--format", "json").out)["refused"]
    assert [one["grant"] for one in refused] == ["orders-db/by-hand"]


@pytest.mark.on_disk
def test_status_says_that_main_went_back(access: Access) -> None:
    before = access.git("rev-parse", "main")
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.git("reset", "-q", "--hard", before)
    said = access.run("status", "--at", T("10:07"), expect=14)
    assert "main does not continue what the ledger knows of it" in said.err


def test_status_tells_of_access_that_was_ended_early_and_stands(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.git("rm", "-q", f"grants/{grant}.yaml")
    access.commit("End it")
    store = access.top / ".git/daypass/embedded.sqlite"
    kept = store.read_bytes()
    store.write_bytes(b"not a store any more")
    said = access.run("apply", "--at", T("10:07"), expect=14)
    assert "No changes" not in said.out
    assert "Nothing to do where it could be read; embedded could not be, so nobody can tell there." in said.out
    said = access.run("status", "--at", T("10:08")).out
    assert "1 that should be gone:\n  alice " in said
    assert f"no live grant gives it  [{grant}]" in said
    overdue = json.loads(access.run("status", "--at", T("10:08"), "--format", "json").out)["overdue"]
    assert [(one["principal"], one["seconds_late"]) for one in overdue] == [("alice", None)]
    store.write_bytes(kept)
    access.run("apply", "--at", T("10:09"))
    assert "should be gone" not in access.run("status", "--at", T("10:10")).out
