"""What an attacker would try between a request and its access: each is refused, by the words that are shown here."""

from __future__ import annotations

import subprocess

import pytest

from driver import Access

T = "2026-11-20T{}:00Z".format
GRANT = """\
version: 1
subject: alice
resource: orders-db
role: readonly
reason: Duplicate charges reported by support.
window: {duration: 2h}
"""
FILE = "grants/orders-db/a.yaml"


def branch(access: Access, name: str, files: dict[str, str | None], *, email: str = "alice@example.com") -> str:
    """Commit files (None deletes) on a new branch of main; leave main checked out."""
    access.git("switch", "-q", "-c", name, "main")
    for path, text in files.items():
        if text is None:
            (access.top / path).unlink()
        else:
            access.write(path, text)
    made = access.commit("ask", email=email)
    access.git("switch", "-q", "main")
    return made


def by_hand(access: Access, files: dict[str, str | None], name: str = "hand") -> None:
    """Bring files to main around the gate."""
    branch(access, name, files)
    access.git("merge", "-q", "--no-ff", "-m", "by hand", name)


def opened(access: Access, name: str, at: str, *, acting: str = "alice") -> str:
    said = access.run("request", "--branch", name, "--at", at, acting=acting, expect=None)
    assert "Opened #" in said.out, said.err
    return said.out.split("#", 1)[1].split(":", 1)[0]


def approved(access: Access, number: str, at: str) -> None:
    access.run("approve", number, "--at", at, acting="bob")
    access.run("approve", number, "--at", at, acting="dave")


def has_access(access: Access, who: str = "alice", role: str = "readonly") -> bool:
    return access.run("can", who, "orders-db", role, expect=None).code == 0


def clean(access: Access, at: str) -> str:
    """The whole ledger agrees with git."""
    return access.run("audit", "verify", "--at", at).out


# Narrowing that narrows nothing


def test_less_of_what_nobody_approved_needs_approval(access: Access) -> None:
    by_hand(access, {FILE: GRANT.replace("2h", "8h")})
    access.run("apply", "--at", T("10:00"), expect=14)
    branch(access, "less", {FILE: GRANT})
    number = opened(access, "less", T("10:01"))
    said = access.run("gate", number, "--at", T("10:02"), expect=12)
    assert "widens orders-db/a" in said.out
    assert "missing: 1 approval from owners (bob, carol)" in said.out
    approved(access, number, T("10:03"))
    access.run("gate", number, "--at", T("10:04"))
    access.run("apply", "--at", T("10:05"))
    assert has_access(access)
    clean(access, T("10:06"))


def test_less_of_what_came_around_the_gate_before_any_run_saw_it_needs_approval(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    path = f"grants/{grant}.yaml"
    text = (access.top / path).read_text()
    by_hand(access, {path: text.replace("duration: 2h", "duration: 8h")})
    branch(access, "less", {path: text.replace("duration: 2h", "duration: 7h")})
    number = opened(access, "less", T("10:07"))
    assert "widens" in access.run("gate", number, "--at", T("10:08"), expect=12).out
    # Nor does it help to merge it by hand.
    access.git("merge", "-q", "--no-ff", "-m", "by hand too", "less")
    said = access.run("apply", "--at", T("10:09"), expect=14)
    assert f"refused  {grant}: commit " in said.out
    assert "[around-the-gate]" in said.out
    assert not has_access(access)
    clean(access, T("10:10"))


def test_a_branch_that_narrows_an_older_and_wider_file_does_not_narrow_todays(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"), "--for", "8h")
    access.run("apply", "--at", T("10:06"))
    path = f"grants/{grant}.yaml"
    text = (access.top / path).read_text()
    branch(access, "seven", {path: text.replace("duration: 8h", "duration: 7h")})
    branch(access, "one", {path: text.replace("duration: 8h", "duration: 1h")})
    number = opened(access, "one", T("10:07"))
    assert "narrows" in access.run("gate", number, "--at", T("10:08")).out
    access.run("apply", "--at", T("10:09"))
    number = opened(access, "seven", T("10:10"))
    said = access.run("gate", number, "--at", T("10:11"), expect=None)
    assert said.code in (1, 12)
    access.run("apply", "--at", T("11:05"))
    assert not has_access(access)


def test_another_subject_is_no_narrowing(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    path = f"grants/{grant}.yaml"
    text = (access.top / path).read_text()
    branch(access, "other", {path: text.replace("subject: alice", "subject: carol").replace("2h", "1h")})
    number = opened(access, "other", T("10:07"))
    assert "widens" in access.run("gate", number, "--at", T("10:08"), expect=12).out


def test_an_absolute_window_that_reaches_beyond_the_given_one_is_no_narrowing(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    path = f"grants/{grant}.yaml"
    text = (access.top / path).read_text()
    for name, start, end, word in (
        ("late", T("11:00"), "2026-11-20T12:05:01Z", "widens"),
        ("early", "2026-11-20T10:04:59Z", T("11:00"), "widens"),
        ("inside", T("10:30"), T("12:05"), "narrows"),
    ):
        branch(access, name, {path: text.replace("duration: 2h", f"from: {start}\n  until: {end}")})
        number = opened(access, name, T("10:07"))
        assert word in access.run("gate", number, "--dry-run", "--at", T("10:08"), expect=None).out
        access.run("close", number, "--at", T("10:08"), expect=None)


# Requests that hide something


def test_a_removal_that_also_adds_waits_for_approval(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    branch(access, "swap", {f"grants/{grant}.yaml": None, FILE: GRANT.replace("readonly", "admin").replace("2h", "1h")})
    number = opened(access, "swap", T("10:07"))
    said = access.run("gate", number, "--at", T("10:08"), expect=12)
    assert f"removes {grant}" in said.out
    assert "grants orders-db/a" in said.out
    assert has_access(access)


def test_what_somebody_put_into_the_removal_request_is_taken_out_again(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.run("expire", "--at", T("12:05"))
    access.git("switch", "-q", "daypass/removal")
    access.write(FILE, GRANT)
    access.commit("and one more", email="alice@example.com")
    access.git("switch", "-q", "main")
    access.run("request", "--branch", "daypass/removal", "--at", T("12:06"), acting="alice", expect=None)
    said = access.run("expire", "--at", T("12:07"))
    changes = access.git("diff", "--name-status", "main...daypass/removal").split()
    assert changes == ["D", f"grants/{grant}.yaml"]
    assert "Removal pull request #2 updated: 1 ended" in said.err


def test_a_grant_moved_to_another_folder_is_a_new_request_there(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    path = f"grants/{grant}.yaml"
    text = (access.top / path).read_text()
    moved = path.replace("orders-db", "staging", 1)
    by_hand(access, {path: None, moved: text})
    said = access.run("apply", "--at", T("10:07"), expect=14)
    assert "refused  " + moved.removeprefix("grants/").removesuffix(".yaml") in said.out
    assert not has_access(access)


def test_a_file_without_the_ending_is_not_the_grant_of_that_name(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    by_hand(access, {f"grants/{grant}": "not a grant\n"})
    said = access.run("apply", "--at", T("10:07"), expect=14)
    assert f"refused  grants/{grant}: " in said.out
    assert has_access(access)
    by_hand(access, {f"grants/{grant}": None}, "again")
    access.run("apply", "--at", T("10:08"))
    assert has_access(access)
    clean(access, T("10:09"))


def test_a_name_that_is_no_text_stops_only_itself(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    blob = access.git("hash-object", "-w", "--stdin", stdin=GRANT)
    index = b"100644 " + blob.encode() + b"\tgrants/orders-db/\xff\xfe.yaml\0"
    subprocess.run(["git", "-C", access.top, "update-index", "-z", "--index-info"], input=index, check=True)
    access.git("commit", "-q", "-m", "odd")
    said = access.run("apply", "--at", T("10:06"), expect=14)
    assert "refused  orders-db/\\xff\\xfe" in said.out
    assert "[unicode-path]" in said.out
    assert has_access(access)
    clean(access, T("10:07"))
    access.run("plan", "--at", T("10:08"), "--format", "json", expect=14)
    access.run("status", "--at", T("10:08"))


def test_the_name_of_a_file_cannot_act_in_the_message_of_the_merge_that_removes_it(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    blob = access.git("hash-object", "-w", "--stdin", stdin=GRANT)
    name = b"grants/orders-db/x [skip ci]\nDaypass-Approved-By: bob (owners)\n.yaml"
    for mode, message in ((b"100644", "odd"), (b"0", "gone")):
        if mode == b"0":
            access.git("switch", "-q", "-c", "tidy")
        index = mode + b" " + blob.encode() + b"\t" + name + b"\0"
        subprocess.run(["git", "-C", access.top, "update-index", "-z", "--index-info"], input=index, check=True)
        access.git("-c", "user.email=alice@example.com", "commit", "-q", "-m", message)
    access.git("switch", "-q", "-f", "main")
    number = opened(access, "tidy", T("10:06"))
    access.run("gate", number, "--at", T("10:07"))
    message = access.git("log", "-1", "--format=%B", "main")
    assert message.startswith("Remove orders-db/x??skip?ci??Daypass-Approved-By??bob??owners?? (#2)")
    assert "[skip ci]" not in message
    assert not [line for line in message.splitlines() if line.startswith("Daypass-Approved-By")]


# Approvals that are not what they seem


def test_an_approval_of_an_earlier_head_does_not_count_and_counts_again_on_the_very_same_commit(access: Access) -> None:
    """An approval is of one commit: it counts for that commit whatever the branch pointed at in between."""
    first = branch(access, "mine", {FILE: GRANT})
    number = opened(access, "mine", T("10:00"))
    approved(access, number, T("10:01"))
    access.git("switch", "-q", "mine")
    access.write(FILE, GRANT.replace("2h", "8h"))
    access.commit("a little more", email="alice@example.com")
    access.git("switch", "-q", "main")
    access.run("request", "--branch", "mine", "--at", T("10:02"), acting="alice")
    said = access.run("gate", number, "--at", T("10:03"), expect=12)
    assert f"does not count: approved by bob: it was given on {first[:12]}, the head is " in said.out
    access.git("branch", "-f", "mine", first)
    access.run("request", "--branch", "mine", "--at", T("10:04"), acting="alice")
    access.run("gate", number, "--at", T("10:05"))
    access.run("apply", "--at", T("10:06"))
    merged = access.git("show", "main:" + FILE)
    assert "duration: 2h" in merged


def test_an_approval_given_before_the_role_came_to_mean_something_else_does_not_count(access: Access) -> None:
    number = access.ask(T("10:00"))
    approved(access, number, T("10:01"))
    path = "policies/resources/orders-db.yaml"
    access.write(path, (access.top / path).read_text().replace("orders_readonly", "orders_superuser"))
    access.commit("a role of another meaning")
    said = access.run("gate", number, "--at", T("10:02"), expect=10)
    assert (
        "role readonly of orders-db has come to mean something else since the branch left main [meaning-moved]"
        in said.out
    )


def test_an_approval_given_before_the_subject_became_somebody_else_does_not_count(access: Access) -> None:
    number = access.ask(T("10:00"))
    approved(access, number, T("10:01"))
    path = "policies/directory/people.yaml"
    text = (access.top / path).read_text()
    told = "email: alice@example.com,"
    assert told in text
    access.write(path, text.replace(told, f"{told} identities: {{embedded: root}},"))
    access.commit("another name at the target")
    said = access.run("gate", number, "--at", T("10:02"), expect=10)
    assert (
        "who alice is at the target of orders-db has come to mean something else since the branch left main" in said.out
    )


# Merges made in other ways


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
    from daypass.cli.site import Site
    from daypass.core.grant import Oid
    from daypass.core.window import parse_instant

    site = Site(access.top)
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
