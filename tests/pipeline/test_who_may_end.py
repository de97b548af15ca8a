"""Who may take access away, what a title says of a request, and why one that nobody finished is closed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from daypass.core.errors import ExitCode
from daypass.core.window import parse_instant
from daypass.pipeline.judge.gate import look
from daypass.pipeline.judge.report import report_of, stale_reason
from daypass.views.comment import comment_text, title_text
from daypass.views.gate import gated_text
from driver import Access

T = "2026-11-20T{}:00Z".format


def ended(access: Access, grant: str, who: str, *, at: str = "10:30", expect: int | None = 0) -> str:
    said = access.run("end", grant, "--at", T(at), acting=who, expect=expect)
    return said.out + said.err


def by_deleting(access: Access, *paths: str, email: str, branch: str = "mine") -> None:
    """Open a request of a branch that deletes files, as anybody does by hand."""
    access.git("switch", "-q", "-c", branch, "main")
    access.git("rm", "-q", *paths)
    access.commit("tidy", email=email)
    access.git("switch", "-q", "main")
    access.run("request", "--branch", branch, "--at", T("10:30"), acting=email.partition("@")[0], expect=None)


@pytest.mark.parametrize("who", ["alice", "bob", "carol"])
def test_subject_and_owners_end_a_grant_alone(access: Access, who: str) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    assert "Merged #2" in ended(access, grant, who)


def test_who_asked_for_somebody_ends_it_alone(access: Access) -> None:
    number = access.ask(T("10:00"), "--subject", "alice", acting="erin")
    for who in ("bob", "dave"):
        access.run("approve", number, "--at", T("10:01"), acting=who)
    said = access.run("gate", number, "--at", T("10:05"))
    access.run("apply", "--at", T("10:06"))
    grant = said.out.split("grants ", 1)[1].split("\n", 1)[0].strip()
    assert "Merged #2" in ended(access, grant, "erin")


@pytest.mark.on_disk
def test_anybody_elses_removal_waits_for_an_owner(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    said = ended(access, grant, "erin", expect=12)
    assert "takes away access that who asks may not end alone" in said
    assert "missing: 1 approval from owners (bob, carol)" in said
    assert access.git("ls-files", "grants")
    access.run("approve", "2", "--at", T("10:40"), acting="bob")
    said = access.run("gate", "2", "--at", T("10:41")).out
    assert "approved by bob for owners" in said
    assert access.git("log", "-1", "--format=%s", "main") == f"Remove {grant} (#2)"


def test_a_pull_request_that_deletes_files_by_hand_is_held_to_the_same(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    by_deleting(access, f"grants/{grant}.yaml", email="erin@example.com")
    access.run("gate", "2", "--at", T("10:41"), expect=12)
    access.run("approve", "2", "--at", T("10:42"), acting="dave", expect=None)  # security owns nothing
    access.run("gate", "2", "--at", T("10:43"), expect=12)


@pytest.mark.on_disk
def test_a_stranger_in_the_branch_of_an_owner_makes_it_wait(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    by_deleting(access, f"grants/{grant}.yaml", email="bob@example.com")
    access.git("switch", "-q", "mine")
    access.git("commit", "-q", "--allow-empty", "-m", "more")
    access.git("switch", "-q", "main")
    access.run("request", "--branch", "mine", "--at", T("10:31"), acting="erin", expect=None)
    access.run("gate", "2", "--at", T("10:41"), expect=12)


def test_narrowing_is_taking_away_as_well(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    path = f"grants/{grant}.yaml"
    text = (access.top / path).read_text().replace("duration: 2h", "duration: 1h")
    for who, expect in (("erin", 12), ("alice", 0)):
        access.git("switch", "-q", "-c", who, "main")
        access.write(path, text)
        access.commit("less", email=f"{who}@example.com")
        access.git("switch", "-q", "main")
        said = access.run("request", "--branch", who, "--at", T("10:10"), acting=who, expect=None)
        number = said.out.split("#", 1)[1].split(":", 1)[0]
        access.run("gate", number, "--at", T("10:11"), expect=expect)


@pytest.mark.on_disk
def test_a_new_grant_cannot_remove_others_under_its_title(access: Access) -> None:
    """A branch of a main on which files were missing brought their removal along, with nobody's approval."""
    grants = [access.grant(T(f"10:0{n}"), T(f"10:1{n}")) for n in range(3)]
    access.run("apply", "--at", T("10:20"))
    access.git("switch", "-q", "-c", "mine", "main")
    access.git("rm", "-q", *(f"grants/{grant}.yaml" for grant in grants))
    access.write(
        "grants/staging/mine.yaml",
        "version: 1\nsubject: alice\nresource: staging\nrole: deploy\nreason: Trying the fix on staging.\n"
        "window: {duration: 30m}\n",
    )
    access.commit("Grant mine", email="erin@example.com")
    access.git("switch", "-q", "main")
    said = access.run("request", "--branch", "mine", "--at", T("10:30"), acting="erin", expect=None)
    assert "#4: Grant staging/mine, remove 3 grants" in said.out
    said = access.run("gate", "4", "--at", T("10:31"), expect=12)
    assert (
        said.out.count("missing: 1 approval from owners (bob, carol)") == 4
    )  # staging passes at once for oneself alone
    access.run("approve", "4", "--at", T("10:32"), acting="bob")
    access.run("gate", "4", "--at", T("10:33"))
    assert access.git("log", "-1", "--format=%s", "main") == "Grant staging/mine, remove 3 grants (#4)"


def test_an_automatic_grant_does_not_take_the_place_of_anothers(access: Access) -> None:
    number = access.ask(T("10:00"), "--for", "2h", resource="staging", role="deploy")
    said = access.run("gate", number, "--at", T("10:01"))
    grant = said.out.split("grants ", 1)[1].split("\n", 1)[0].strip()
    access.run("apply", "--at", T("10:02"))
    path = f"grants/{grant}.yaml"
    access.write("policies/directory/more.yaml", "version: 1\npeople: {mallory: {email: mallory@example.com}}\n")
    people = (access.top / "policies/directory/people.yaml").read_text()
    access.write(
        "policies/directory/people.yaml",
        people.replace(
            "engineering: {members: [alice]", "fleet: {members: [mallory]}\n  engineering: {members: [alice]"
        ),
    )
    rules = (access.top / "policies/rules/access.yaml").read_text()
    access.write("policies/rules/access.yaml", rules.replace('"engineering" in subject.groups', "true"))
    access.commit("let mallory in")
    access.git("switch", "-q", "-c", "mine", "main")
    access.write(path, (access.top / path).read_text().replace("subject: alice", "subject: mallory"))
    access.commit("mine now", email="mallory@example.com")
    access.git("switch", "-q", "main")
    access.run("request", "--branch", "mine", "--at", T("10:10"), acting="mallory", expect=None)
    said = access.run("gate", "2", "--at", T("10:11"), expect=10)
    assert "it replaces the grant of alice" in said.out


def test_what_has_ended_is_tidied_without_a_person(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.run("expire", "--at", T("12:06"))
    access.run("gate", "2", "--at", T("12:07"))
    assert not access.git("ls-files", "grants")


def test_a_file_that_is_no_grant_is_removed_by_anybody_of_the_directory(access: Access) -> None:
    access.write("grants/orders-db/broken.yaml", "subject: [")
    access.commit("around the gate")
    by_deleting(access, "grants/orders-db/broken.yaml", email="erin@example.com")
    access.run("gate", "1", "--at", T("10:31"))


def settings(access: Access, limits: str) -> None:
    path = access.top / "policies/daypass.yaml"
    text = path.read_text()
    lines = [line for line in text.splitlines() if not line.startswith("limits:")]
    path.write_text("\n".join([*lines, f"limits: {limits}", ""]))
    access.commit("limits")


def test_settings_name_others_who_end_alone(access: Access) -> None:
    settings(access, "{end: [group:security, 'person:carol']}")
    first, second, third = (access.grant(T(f"10:0{n}"), T(f"10:1{n}")) for n in range(3))
    access.run("apply", "--at", T("10:20"))
    assert "Merged #4" in ended(access, first, "dave")
    assert "Merged #5" in ended(access, second, "carol")
    ended(access, third, "alice", expect=12)


@pytest.mark.parametrize(("source", "code"), [("group:nobody", "unknown-group"), ("person:nobody", "unknown-member")])
def test_settings_name_nobody_whom_the_directory_does_not_know(access: Access, source: str, code: str) -> None:
    settings(access, f"{{end: ['{source}']}}")
    assert code in access.run("check", expect=10).out


# Why a request was closed


STALE = "2026-11-28T10:00:00Z"


def closed(access: Access) -> str:
    return access.run("expire", "--at", STALE, expect=None).err


def test_a_rejected_request_is_not_closed_as_unanswered(access: Access) -> None:
    number = access.ask(T("10:00"))
    access.run("reject", number, "--at", T("10:01"), acting="bob")
    assert "bob rejected it, and did not take that back within 7d" in closed(access)


@pytest.mark.on_disk
def test_a_request_that_was_pushed_over_its_approval_says_so(access: Access) -> None:
    number = access.ask(T("10:00"))
    access.run("approve", number, "--at", T("10:01"), acting="bob")
    branch = access.git("for-each-ref", "--format=%(refname:short)", "refs/heads/daypass/request")
    access.git("switch", "-q", branch)
    access.git("-c", "user.email=alice@example.com", "commit", "-q", "--allow-empty", "-m", "more")
    access.git("switch", "-q", "main")
    access.run("request", "--branch", branch, "--at", T("10:02"), acting="alice")
    assert "it was changed after bob approved it, and nobody approved it again within 7d" in closed(access)


def test_a_request_with_half_its_approvals_says_what_was_missing(access: Access) -> None:
    number = access.ask(T("10:00"))
    access.run("approve", number, "--at", T("10:01"), acting="bob")
    assert "bob approved it, and what was missing from group:security was not given within 7d" in closed(access)


def test_a_request_that_nobody_answered_says_so(access: Access) -> None:
    access.ask(T("10:00"))
    assert "nobody answered within 7d" in closed(access)


def test_a_conflict_is_the_authors_to_mend(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.git("switch", "-q", "-c", "mine", "main")
    path = f"grants/{grant}.yaml"
    text = (access.top / path).read_text()
    access.write(path, text.replace("duration: 2h", "duration: 3h"))
    access.commit("longer", email="alice@example.com")
    access.git("switch", "-q", "main")
    access.run("request", "--branch", "mine", "--at", T("10:10"), acting="alice", expect=None)
    access.write(path, text.replace("duration: 2h", "duration: 1h"))
    access.commit("shorter", email="bob@example.com")
    said = access.run("gate", "2", "--at", T("10:20"), expect=10).out
    assert f"main has changed {path} since the branch left it" in said
    assert "[conflict]" in said


@pytest.mark.on_disk
def test_no_request_is_only_said_where_there_is_none(access: Access) -> None:
    assert "No open requests." in access.run("gate", "--at", T("10:00")).out
    access.ask(T("10:00"))
    ref = access.git("for-each-ref", "--format=%(refname)", "refs/heads/daypass/open")
    access.git("update-ref", ref, "main")
    assert "No open requests." not in access.run("gate", "--at", T("10:02"), expect=None).out


def test_a_draft_waits_and_everything_says_so(access: Access) -> None:
    """A draft that has all it needs would be refused by the forge at every run."""
    number = access.ask(T("10:00"), resource="staging", role="deploy")
    site = access.repo()
    at = parse_instant(T("10:01"))
    found = look(site, int(number), at=at)
    assert found.met
    draft = replace(found, pull=replace(found.pull, draft=True))
    assert not draft.met
    assert draft.exit_code == ExitCode.MISSING
    assert "it is a draft: the gate waits" in gated_text(draft)
    told = report_of(site, draft, at=at)
    assert (told.state, told.ask) == ("waiting", ())
    assert title_text(told) == "a draft, which is merged once it is marked as ready for review"
    assert "but it is a draft: mark it as ready for review" in comment_text(told)
    assert stale_reason(draft, timedelta(days=7)) == "it was still a draft after 7d"


def test_an_end_does_not_wait_for_somebody_elses_request_to_end_the_same(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    assert "missing: 1 approval from owners" in ended(access, grant, "erin", expect=12)
    assert "Merged #3" in ended(access, grant, "alice", at="10:31")


def test_an_end_does_not_wait_for_a_branch_that_somebody_gave_its_name(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    branch = f"daypass/end/{grant.replace('/', '-')}-alice"
    by_deleting(access, f"grants/{grant}.yaml", email="erin@example.com", branch=branch)
    assert "Merged #3" in ended(access, grant, "alice", at="10:31")


def test_who_asks_for_an_end_again_goes_on_with_their_request(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    ended(access, grant, "erin", expect=12)
    assert "Going on with #2" in ended(access, grant, "erin", at="10:31", expect=12)
    assert "1 open" in access.run("status", "--at", T("10:32")).out


def shortened(access: Access, grant: str) -> str:
    """Shorten a grant's file in the work tree, and return its path."""
    path = f"grants/{grant}.yaml"
    access.write(path, (access.top / path).read_text().replace("duration: 2h", "duration: 40m"))
    return path


@pytest.mark.on_disk
def test_a_grant_that_somebody_narrowed_around_the_gate_is_named_by_the_audit(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    shortened(access, grant)
    access.commit("tidy", email="erin@example.com")
    access.run("apply", "--at", T("10:20"))
    said = access.run("audit", "verify", "--at", T("10:21")).out
    assert "end-unentitled" in said
    assert f"narrowed {grant}, which nobody was entitled to [around-the-gate]" in said
    assert (
        "nobody was entitled to narrow it" in access.run("audit", "history", "--grant", grant, "--at", T("10:21")).out
    )


def test_who_may_narrow_a_grant_is_not_named(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.git("switch", "-q", "-c", "mine", "main")
    shortened(access, grant)
    access.commit("shorter", email="alice@example.com")
    access.git("switch", "-q", "main")
    access.run("request", "--branch", "mine", "--at", T("10:30"), acting="alice")
    access.run("gate", "2", "--at", T("10:31"))
    access.run("apply", "--at", T("10:32"))
    assert "end-unentitled" not in access.run("audit", "verify", "--at", T("10:33")).out


@pytest.mark.on_disk
@pytest.mark.parametrize("verb", ["end", "revoke"])
def test_a_branch_in_the_way_of_an_end_is_named_with_what_removes_it(access: Access, verb: str) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.git("branch", f"daypass/{verb}", "main")
    asked = ["end", grant] if verb == "end" else ["revoke", "--subject", "alice", "--now", "--reason", "stolen"]
    said = access.run(*asked, "--at", T("10:30"), acting="bob", expect=1).err
    assert f"branch 'daypass/{verb}' stands in the way" in said
    access.git(*said.rpartition(": git ")[2].split())
    assert "Merged #2" in access.run(*asked, "--at", T("10:31"), acting="bob").out


@pytest.mark.parametrize("broken", ["daypass.yaml", "directory/people.yaml"])
def test_the_emergency_stop_works_and_passes_the_brake_while_policies_do_not_read(access: Access, broken: str) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.write(f"policies/{broken}", "{{{{")
    access.commit("break")
    stop = ("revoke", "--subject", "alice", "--now", "--reason", "stolen", "--at", T("10:30"))
    access.run(*stop, acting="alice", expect=11)
    said = access.run(*stop, acting="bob", expect=14).out
    assert "  revoked  " in said  # the reason that no brake holds back
    assert "end-unentitled" not in access.run("audit", "verify", "--at", T("10:31"), expect=None).out


def test_a_removal_without_standing_is_named_though_policies_did_not_read(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.write("policies/directory/people.yaml", "{{{{")
    access.commit("break")
    by_deleting(access, f"grants/{grant}.yaml", email="erin@example.com")
    access.run("gate", "2", "--at", T("10:41"), expect=12)


def test_a_request_that_gives_a_grant_to_somebody_else_says_whose_access_it_takes(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.git("switch", "-q", "-c", "mine", "main")
    path = f"grants/{grant}.yaml"
    access.write(path, (access.top / path).read_text().replace("subject: alice", "subject: erin"))
    access.commit("wider", email="erin@example.com")
    access.git("switch", "-q", "main")
    said = access.run("request", "--branch", "mine", "--at", T("10:30"), acting="erin").out
    assert f"Opened #2: Replace {grant}" in said
    assert "takes away access of alice that this file gives now" in said
    site, at = access.repo(), parse_instant(T("10:31"))
    found = look(site, 2, at=at)
    told = comment_text(report_of(site, found, at=at))
    assert "It takes away access of `alice` that this file gives now." in told
