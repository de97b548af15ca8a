"""What an attacker would try between approval and access: each is refused, by the words that are shown here."""

from __future__ import annotations

import subprocess

import pytest
from faults_steps import FILE, GRANT, T, approved, branch, by_hand, clean, has_access, opened

from driver import Access

# Merges made in other ways


@pytest.mark.on_disk
@pytest.mark.parametrize("way", ["squash", "rebase", "fast-forward", "octopus", "plain"])
def test_a_request_that_was_merged_in_another_way_gives_nothing(access: Access, way: str) -> None:
    number = access.ask(T("10:00"))
    approved(access, number, T("10:01"))
    head = access.git("for-each-ref", "--format=%(refname:short)", "refs/heads/daypass/request").splitlines()[0]
    if way == "squash":
        access.git("merge", "-q", "--squash", head)
        access.git("commit", "-q", "-m", f"Grant\n\nDaypass-Pull: {number}")
    elif way == "rebase":
        access.write("notes.txt", "meanwhile\n")
        access.commit("meanwhile")
        access.git("cherry-pick", head)
    elif way == "fast-forward":
        access.git("merge", "-q", "--ff-only", head)
    elif way == "octopus":
        branch(access, "other", {"notes.txt": "one more\n"})
        access.git("merge", "-q", "-m", f"Grant\n\nDaypass-Pull: {number}", head, "other")
    else:
        access.git("merge", "-q", "--no-ff", "-m", f"Grant\n\nDaypass-Pull: {number}", head)
    said = access.run("apply", "--at", T("10:05"), expect=14)
    assert "[around-the-gate]" in said.out
    assert not has_access(access)
    clean(access, T("10:06"))


@pytest.mark.on_disk
def test_a_branch_pushed_over_main_gives_nothing_and_takes_nothing_but_what_has_ended(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"), "--for", "1h")
    longer = access.grant(T("10:00"), T("10:05"), "--for", "4h", "--subject", "carol")
    access.run("apply", "--at", T("10:06"))
    tip = access.git("rev-parse", "main")
    access.git("switch", "-q", "-c", "mine", "main~1")
    access.write(FILE, GRANT.replace("alice", "erin"))
    access.commit("ask", email="alice@example.com")
    access.git("merge", "-q", "-m", "take main in", tip)
    access.git("branch", "-f", "main", "mine")
    access.git("switch", "-q", "main")
    said = access.run("apply", "--at", T("10:30"), expect=1)
    assert "was not reached from" in said.err
    assert has_access(access)
    said = access.run("expire", "--at", T("11:05"), expect=1)
    assert "ok   - alice" in said.out
    assert "was not reached from" in said.err
    assert not has_access(access)
    assert has_access(access, "carol")
    assert not has_access(access, "erin")
    access.git("reset", "-q", "--hard", tip)
    access.run("apply", "--at", T("11:06"))
    assert has_access(access, "carol")
    assert longer in access.run("status", "--at", T("11:06")).out
    clean(access, T("11:07"))


@pytest.mark.on_disk
def test_an_older_main_gives_nothing_back_and_what_has_ended_is_taken_all_the_same(access: Access) -> None:
    before = access.git("rev-parse", "main")
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    tip = access.git("rev-parse", "main")
    access.git("reset", "-q", "--hard", before)
    said = access.run("apply", "--at", T("10:07"), expect=1)
    assert f"main stands at {before[:12]}, which does not contain {tip[:12]}, which the ledger recorded" in said.err
    assert has_access(access)
    said = access.run("apply", "--at", T("12:05"), expect=1)
    assert "ok   - alice" in said.out
    assert "expired" in said.out
    assert not has_access(access)
    access.git("reset", "-q", "--hard", tip)
    access.run("apply", "--at", T("12:06"))
    clean(access, T("12:07"))


@pytest.mark.on_disk
def test_a_main_that_lost_the_commit_which_the_ledger_recorded_is_refused(access: Access) -> None:
    before = access.git("rev-parse", "main")
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.git("reset", "-q", "--hard", before)
    for ref in access.git("for-each-ref", "--format=%(refname)", "refs/heads/daypass").splitlines():
        access.git("update-ref", "-d", ref)
    access.git("reflog", "expire", "--expire=now", "--all")
    access.git("gc", "-q", "--prune=now")
    said = access.run("apply", "--at", T("12:07"), expect=1)
    assert "which does not contain" in said.err
    assert has_access(access)  # nobody can tell any longer which targets the settings named


@pytest.mark.on_disk
@pytest.mark.on_disk
def test_a_landing_of_thousands_of_files_is_settled_in_seconds(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"), "--for", "1h")
    access.run("apply", "--at", T("10:06"))
    by_hand(access, {f"grants/orders-db/m{n}.yaml": GRANT.replace("support.", f"support {n}.") for n in range(2000)})
    said = access.run("apply", "--at", T("11:06"), expect=14)
    assert said.out.count("[around-the-gate]") == 2000
    assert not has_access(access)


def test_a_request_of_many_grants_is_judged_in_seconds(access: Access) -> None:
    files = {f"grants/orders-db/m{n}.yaml": GRANT.replace("support.", f"support {n}.") for n in range(500)}
    branch(access, "mass", {**files, "grants/orders-db/again.yaml": "# again\n" + files["grants/orders-db/m7.yaml"]})
    number = opened(access, "mass", T("10:00"))
    said = access.run("gate", number, "--at", T("10:01"), expect=10)
    assert said.out.count("[duplicate-grant]") == 1


# Bytes that cannot be read


def evil_commit(access: Access, files: dict[str, str]) -> str:
    """Make a commit with two authors, which can be read in two ways."""
    branch(access, "evil", files)
    raw = access.git("cat-file", "commit", "evil")
    author = next(line for line in raw.splitlines() if line.startswith("author "))
    raw = raw.replace(author, f"{author}\nauthor Bob <bob@example.com> 1 +0000", 1)
    done = subprocess.run(
        ["git", "-C", access.top, "hash-object", "-t", "commit", "-w", "--literally", "--stdin"],
        input=raw.encode() + b"\n", capture_output=True, check=True,
    )  # fmt: skip
    made = done.stdout.decode().strip()
    access.git("update-ref", "refs/heads/evil", made)
    return made


@pytest.mark.on_disk
def test_a_commit_that_can_be_read_in_two_ways_stops_only_its_own_request(access: Access) -> None:
    evil_commit(access, {FILE: GRANT})
    said = access.run("request", "--branch", "evil", "--at", T("10:00"), acting="alice", expect=None)
    number = "1"
    access.ask(T("10:00"), "--for", "1h", resource="staging", role="deploy")
    said = access.run("gate", "--at", T("10:01"), expect=14)
    assert f"#{number}: commit " in said.err
    assert "has no author that can be read" in said.err
    assert "merged as" in said.out
    said = access.run("status", "--at", T("10:01"), expect=14)
    assert "1 granted" not in said.err
    assert "has no author that can be read" in said.err


@pytest.mark.on_disk
def test_a_recorded_merge_of_such_a_commit_is_refused_for_good_and_stops_nothing_else(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"), "--for", "1h")
    access.run("apply", "--at", T("10:06"))
    head = evil_commit(access, {FILE: GRANT})
    access.run("request", "--branch", "evil", "--at", T("10:07"), acting="alice", expect=None)
    merge_around_the_gate(access, 2, head, T("10:08"))
    said = access.run("apply", "--at", T("11:06"), expect=14)
    assert "[evidence-unreadable]" in said.out
    assert not has_access(access)
    clean(access, T("11:07"))


def merge_around_the_gate(access: Access, number: int, head: str, at: str) -> None:
    """Let the forge merge and record what the gate would not."""
    from daypass.core.ids import Oid
    from daypass.core.window import parse_instant

    site = access.repo()
    site.forge.merge(number, head=Oid(head), base=site.tip, message="Grant\n", at=parse_instant(at))


def test_a_merge_that_the_forge_recorded_without_approvals_gives_nothing(access: Access) -> None:
    head = branch(access, "mine", {FILE: GRANT})
    number = opened(access, "mine", T("10:00"))
    merge_around_the_gate(access, int(number), head, T("10:01"))
    said = access.run("apply", "--at", T("10:02"), expect=14)
    assert (
        "refused  orders-db/a: 1 approval from group:security (dave, erin); 1 approval from owners (bob, carol) "
        in said.out
    )
    assert "[evidence-missing]" in said.out
    assert not has_access(access)
    clean(access, T("10:03"))


@pytest.mark.on_disk
def test_a_recorded_narrowing_of_what_was_refused_gives_nothing(access: Access) -> None:
    by_hand(access, {FILE: GRANT.replace("2h", "8h")})
    access.run("apply", "--at", T("10:00"), expect=14)
    head = branch(access, "less", {FILE: GRANT})
    number = opened(access, "less", T("10:01"))
    merge_around_the_gate(access, int(number), head, T("10:02"))
    said = access.run("apply", "--at", T("10:03"), expect=14)
    assert "[evidence-missing]" in said.out
    assert not has_access(access)


# Time


@pytest.mark.on_disk
def test_a_merge_from_the_future_is_not_believed_before_its_time_and_is_tried_again(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    said = access.run("apply", "--at", T("10:04"), expect=14)
    assert "pull request 1 was merged at 2026-11-20T10:05:00Z, which is still to come" in said.out
    assert not has_access(access)
    ledger = access.git("rev-parse", "daypass-ledger")
    access.run("apply", "--at", T("10:04"), expect=14)
    assert access.git("rev-parse", "daypass-ledger") == ledger  # said once
    clean(access, T("10:04"))
    access.run("apply", "--at", T("10:05"))
    assert has_access(access)
    clean(access, T("10:06"))


@pytest.mark.on_disk
def test_what_waits_for_proof_takes_back_what_was_proved_before_it(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"), "--from", T("10:00"), "--until", T("17:00"))
    access.run("apply", "--at", T("10:06"))
    path = f"grants/{grant}.yaml"
    text = (access.top / path).read_text()
    access.run("extend", grant, "--for", "10m", "--at", T("10:10"), acting="alice")
    approved(access, "2", T("10:11"))
    access.run("gate", "2", "--at", T("10:30"))
    access.run("apply", "--at", T("10:20"), expect=14)  # merged, by that clock, in ten minutes
    assert not has_access(access)
    by_hand(access, {path: text})
    access.run("apply", "--at", T("10:21"), expect=14)
    assert not has_access(access)


def test_a_request_opened_in_the_future_is_not_reckoned_with(access: Access) -> None:
    number = access.ask("2999-12-31T23:59:59Z", "--for", "1h", resource="staging", role="deploy")
    said = access.run("gate", number, "--at", T("10:00"), expect=10)
    assert (
        "the request says it was opened at 2999-12-31T23:59:59Z, which is still to come [opened-in-future]" in said.out
    )
    access.run("status", "--at", T("10:00"))
    access.run("expire", "--at", T("10:00"))


def test_gating_a_merged_request_again_is_no_fault(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    said = access.run("gate", "1", "--at", T("10:06"))
    assert "merged as" in said.out
