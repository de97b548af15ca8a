"""People from a team at GitHub: brought into the directory with their numbers, and ended once they are in it no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from daypass.core.people.leaving import LEAVING
from daypass.core.window import format_instant
from daypass.edges.ledger.standing import SignedLedger
from github_double import pushes
from hub import PEOPLE, Hub

SOURCE = "people: {source: {kind: forge, team: acme/staff}}\n"
FILE = "policies/directory/people.yaml"


@contextmanager
def founded(top: Path, auth: str = "app") -> Iterator[Hub]:
    """The worked example, with a team of everybody that main's settings name, and whose numbers the directory has."""
    with Hub(top, simulated=True, auth=auth, protected=auth == "app") as made:
        made.double.team(made.org, "staff", [made.people[handle] for handle in PEOPLE])
        folder = made.clone("alice")
        made.run("people", "import", "--team", "acme/staff", who="alice")
        files = {FILE: (folder / FILE).read_text(), "policies/daypass.yaml": ""}
        files["policies/daypass.yaml"] = (folder / "policies/daypass.yaml").read_text() + SOURCE
        past_rules(made, files)
        yield made


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with founded(tmp_path) as made:
        yield made


def past_rules(hub: Hub, files: dict[str, str]) -> None:
    """Put files on main past all rules, as a founder does."""
    kept, hub.repo.rulesets = hub.repo.rulesets, []
    hub.push_branch("olga", "main", files)
    hub.repo.rulesets = kept


def run(
    hub: Hub, *words: str, expect: int | None = 0, who: str = "app", environ: Mapping[str, str] | None = None
) -> str:
    hub.advance(minutes=1)
    said = hub.run(*words, "--at", format_instant(hub.now()), expect=expect, who=who, environ=environ)
    return said.out + said.err


def granted(hub: Hub, who: str = "alice") -> None:
    number = hub.request_pull(who, hub.grant(subject=who, duration="2h"))
    hub.approve(number, "bob" if who != "bob" else "carol")
    hub.approve(number, "dave")
    assert "merged as" in run(hub, "gate", str(number))
    assert "window opened" in run(hub, "apply")


def leave(hub: Hub, *people: str) -> None:
    for who in people:
        del hub.org.teams["staff"].members[PEOPLE[who][1]]


def test_who_leaves_the_team_loses_access_and_nobody_lifts_a_finger(hub: Hub) -> None:
    granted(hub)
    assert "6 known, 0 left, 0 back" in run(hub, "people", "check")
    leave(hub, "alice")
    said = run(hub, "people", "check")
    assert "  alice                    is there no more" in said
    assert "#2 ended their engagement in the directory" in said
    when = format_instant(hub.now())
    assert f'alice: {{until: "{when}", ' in hub.bare("show", f"main:{FILE}")
    ended = f"ended early: the source of people has alice no more, since {when}"
    assert ended in run(hub, "expire")
    assert "0 granted" in run(hub, "status")
    assert "6 known, 0 left, 0 back" in run(hub, "people", "check")
    assert "OK: " in run(hub, "audit", "verify")
    assert "account-gone: the source of people has alice no more" in run(hub, "audit", "history", "--subject", "alice")
    number = hub.request_pull("alice", hub.grant())
    assert "was engaged until" in run(hub, "gate", str(number), expect=10)


def test_an_end_is_final_and_who_is_back_asks_anew(hub: Hub) -> None:
    granted(hub)
    before = hub.bare("show", f"main:{FILE}")
    leave(hub, "alice")
    run(hub, "people", "check")
    run(hub, "expire")
    hub.org.teams["staff"].members[PEOPLE["alice"][1]] = "member"
    said = run(hub, "people", "check", "--format", "json")
    assert '"back": [\n    {\n      "person": "alice"' in said
    past_rules(hub, {FILE: before + "\n"})
    assert "0 granted" in run(hub, "status")
    run(hub, "apply")
    assert "0 granted" in run(hub, "status")
    granted(hub)
    assert "1 granted" in run(hub, "status")
    assert "OK: " in run(hub, "audit", "verify")


def test_access_ends_and_nobody_acts_though_nothing_can_be_merged(hub: Hub) -> None:
    told = hub.top / "told"
    noted = {"DAYPASS_TOLD": str(told)}
    granted(hub)
    late = hub.request_pull("alice", hub.grant(reason="merged and not applied yet"))
    hub.approve(late, "bob")
    hub.approve(late, "dave")
    assert "merged as" in run(hub, "gate", str(late))
    waiting = hub.request_pull("carol", hub.grant(subject="carol"))
    hub.approve(waiting, "bob")
    hub.approve(waiting, "dave")
    leave(hub, "alice", "bob")
    hub.repo.rulesets[0].bypass.clear()
    said = run(hub, "people", "check", expect=14, environ=noted)
    assert "ends their engagement in the directory, and waits to be merged: " in said
    assert told.exists()
    (ends,) = [pull.number for pull in hub.repo.pulls.values() if pull.head_ref == LEAVING]
    (comment,) = hub.api("olga", "GET", f"/repos/acme/access/issues/{ends}/comments")
    assert "so the people who own `policies/` may merge it" in comment["body"]
    told.unlink()
    run(hub, "gate", expect=14, environ=noted)
    assert told.exists()
    assert "until" not in hub.bare("show", f"main:{FILE}").partition("alice:")[2].partition("\n")[0]
    assert "bob was engaged until" in run(hub, "gate", str(waiting), expect=12)
    assert "the source of people has alice no more" in run(hub, "expire")
    assert "window opened" not in run(hub, "apply")
    assert "0 granted" in run(hub, "status")
    again = hub.request_pull("alice", hub.grant(reason="once more, before anybody looks"))
    assert "alice is engaged until" in run(hub, "gate", str(again), expect=10)
    assert "OK: " in run(hub, "audit", "verify")


def test_a_source_that_lists_nobody_or_is_not_found_ends_nobody(hub: Hub) -> None:
    granted(hub)
    leave(hub, *PEOPLE)
    assert "team acme/staff names nobody" in run(hub, "people", "check", expect=1)
    del hub.org.teams["staff"]
    assert "GitHub answered 404 to GET /orgs/acme/teams/staff" in run(hub, "people", "check", expect=1)
    run(hub, "expire")
    assert "1 granted" in run(hub, "status")


def test_many_who_leave_at_once_wait_for_a_person(hub: Hub) -> None:
    granted(hub)
    leave(hub, "alice", "bob", "carol", "dave")
    told = hub.top / "told"
    said = run(hub, "people", "check", expect=14, environ={"DAYPASS_TOLD": str(told)})
    assert not told.exists()
    assert "4 of 6 people have left at once: nobody's access was ended" in said
    run(hub, "expire")
    assert "1 granted" in run(hub, "status")
    digest = said.partition("--confirm ")[2].split()[0]
    assert "4 left" in run(hub, "people", "check", "--confirm", digest)
    run(hub, "expire")
    assert "0 granted" in run(hub, "status")


def test_nothing_else_is_merged_by_the_name_of_the_branch(hub: Hub) -> None:
    leave(hub, "alice")
    run(hub, "people", "check")
    text = hub.bare("show", f"main:{FILE}")
    more = text.replace("security: {members: [dave, erin]}", "security: {members: [dave, erin, frank]}")
    number = hub.request_pull("frank", branch=LEAVING, files={FILE: more + "\n"})
    assert "changes of policy are merged by the people who own policies/" in run(hub, "gate", str(number), expect=10)
    assert hub.bare("show", f"main:{FILE}") == text


def test_ends_of_engagements_that_stand_on_another_directory_are_written_anew(hub: Hub) -> None:
    leave(hub, "alice")
    kept, hub.repo.rulesets[0].bypass = hub.repo.rulesets[0].bypass, []
    run(hub, "people", "check", expect=14)
    (number,) = [pull.number for pull in hub.repo.pulls.values() if pull.head_ref == LEAVING]
    past_rules(hub, {FILE: hub.bare("show", f"main:{FILE}") + "\n# ours\n"})
    now = (
        hub.bare("show", f"refs/heads/{LEAVING}:{FILE}") + "\n# ours\n"
    )  # to the byte what main is to say, by an old root
    hub.push_branch("frank", LEAVING, {FILE: now})
    hub.repo.rulesets[0].bypass = kept
    assert "changes of policy are merged by the people who own policies/" in run(hub, "gate", str(number), expect=10)
    run(hub, "people", "check")
    assert hub.bare("show", f"main:{FILE}") == now.strip()


def test_ends_of_engagements_whose_history_crosses_mains_are_written_anew(hub: Hub) -> None:
    leave(hub, "alice")
    kept, hub.repo.rulesets[0].bypass = hub.repo.rulesets[0].bypass, []
    run(hub, "people", "check", expect=14)
    (number,) = [pull.number for pull in hub.repo.pulls.values() if pull.head_ref == LEAVING]

    def commit(words: str, tree: str, *parents: str) -> str:
        named = [word for parent in parents for word in ("-p", parent)]
        who = ("-c", "user.name=Olga", "-c", "user.email=olga@example.com")
        return hub.bare(*who, "commit-tree", f"{tree}^{{tree}}", *named, "-m", words)

    def push(branch: str, made: str) -> None:
        pushes.push(hub.double, hub.repo, hub.double.tokens[hub.tokens["olga"]], branch, made, force=True)

    main, head = hub.head(), hub.head(LEAVING)
    one, other = (commit(words, main, main) for words in ("One", "Another"))
    rules, hub.repo.rulesets = hub.repo.rulesets, []
    push("main", commit("Both", main, one, other))
    push(LEAVING, commit("Both", head, other, one))
    hub.repo.rulesets = rules
    hub.repo.rulesets[0].bypass = kept
    assert "[crossed-history]" in run(hub, "gate", str(number), expect=10)
    assert f"#{number} ended their engagement in the directory" in run(hub, "people", "check")
    assert "alice: {until: " in hub.bare("show", f"main:{FILE}")


def test_an_import_is_a_change_to_review(hub: Hub) -> None:
    gina = hub.double.user("Gina-Otto", 583240)
    hub.org.teams["staff"].members[gina.id] = "member"
    hub.org.members[gina.id] = "member"
    said = run(hub, "people", "import", "--open")
    assert "1 new, 0 changed, 0 gone, 6 as they should be, 0 refused" in said
    assert "the people who own policies/ merge it" in said
    made = hub.bare("show", "daypass/people-import:policies/directory/imported.yaml")
    assert (
        made == 'version: 1\npeople:\n  gina-otto:\n    source_id: "583240"\n    forge: {login: Gina-Otto, id: 583240}'
    )
    number = hub.pull(1)["head"]["sha"]
    run(hub, "people", "import", "--open")
    assert hub.pull(1)["head"]["sha"] == number
    assert "changes of policy are merged" in run(hub, "gate", "1", expect=10)


def test_a_table_is_brought_without_a_token_and_without_a_call(hub: Hub, tmp_path: Path) -> None:
    table = tmp_path / "staff.csv"
    table.write_text("handle,id,name\ngina,hr-9,Gina Otto\n", encoding="utf-8")
    folder = hub.clone("alice")
    before = len(hub.calls)
    said = hub.run("people", "import", "--csv", str(table), "--at", format_instant(hub.now()), who="", folder=folder)
    assert "1 new, 0 changed" in said.out
    assert len(hub.calls) == before


def test_a_login_that_somebody_else_has_by_now_is_refused(hub: Hub) -> None:
    thief = hub.people["alice"]
    thief.login = "alice-gone"
    other = hub.double.user("alice-ngo", 999001)
    hub.org.teams["staff"].members[other.id] = "member"
    said = run(hub, "people", "import", "--open", "--dry-run", expect=14)
    assert "refused: alice has another id at the source in the directory: 583231, and here 999001" in said
    assert "alice                    changed: forge" in said


def test_a_list_that_is_cut_between_its_pages_ends_nobody(hub: Hub) -> None:
    team = hub.org.teams["staff"]
    for number in range(120):
        team.members[hub.double.user(f"more-{number}", 700_000 + number).id] = "member"
    leave(hub, "alice")
    members = r"/orgs/acme/teams/staff/members"
    hub.double.faults.add("GET", members, skip=1, status=200, body=[])
    assert "GitHub lists 100 members of acme/staff and counts 125" in run(hub, "people", "check", expect=1)
    hub.double.faults.add("GET", members, skip=1, times=20, status=502)
    assert "GitHub answered 502" in run(hub, "people", "check", expect=1)
    assert "until" not in hub.bare("show", f"main:{FILE}").partition("alice:")[2].partition("\n")[0]


def test_a_run_that_was_first_at_the_ledger_is_seen(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    granted(hub)
    leave(hub, "alice")
    appended, raced = SignedLedger.append, []

    def late(ledger: SignedLedger, *arguments: Any, **more: Any) -> Any:
        if not raced:
            raced.append("now")
            run(hub, "people", "check")
        return appended(ledger, *arguments, **more)

    monkeypatch.setattr(SignedLedger, "append", late)
    run(hub, "people", "check")
    monkeypatch.undo()
    run(hub, "expire")
    assert "0 granted" in run(hub, "status")
    assert "OK: " in run(hub, "audit", "verify")


def test_what_was_cut_off_behind_the_receipt_is_done_by_the_next_run(hub: Hub) -> None:
    granted(hub)
    leave(hub, "alice")
    hub.double.faults.add("POST", r"/repos/acme/access/pulls", times=1, status=502)
    run(hub, "people", "check", expect=None)
    assert "the source of people has alice no more" in run(hub, "expire")
    run(hub, "people", "check")
    assert 'alice: {until: "' in hub.bare("show", f"main:{FILE}")
    assert "OK: " in run(hub, "audit", "verify")


def test_a_main_whose_policies_do_not_read_ends_nobody_and_is_said(hub: Hub) -> None:
    leave(hub, "alice")
    past_rules(hub, {"policies/directory/more.yaml": "version: 2\n"})
    assert "so nobody can tell who is in the directory" in run(hub, "people", "check", expect=10)
