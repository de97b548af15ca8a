"""Requests and approvals that are not what they seem: each is refused, by the words that are shown here."""

from __future__ import annotations

import subprocess

import pytest
from faults_steps import FILE, GRANT, T, approved, branch, by_hand, clean, has_access, opened

from driver import Access

# Narrowing that narrows nothing


@pytest.mark.on_disk
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


@pytest.mark.on_disk
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
    said = access.run("gate", number, "--at", T("10:11"), expect=10)
    assert "[conflict]" in said.out
    access.run("apply", "--at", T("11:05"))
    assert not has_access(access)


def test_a_shorter_duration_counts_from_the_first_merge_and_the_request_says_until_when(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    path = f"grants/{grant}.yaml"
    text = (access.top / path).read_text()
    branch(access, "less", {path: text.replace("duration: 2h", "duration: 1h")})
    number = opened(access, "less", T("10:07"))
    told = f"from {T('10:05')} until {T('11:05')}, so far until {T('12:05')}"
    assert told in access.run("show", number, "--at", T("10:08")).out
    over = f"at the next run: what is left of it ended {T('11:05')}, so far until {T('12:05')}"
    assert over in access.run("show", number, "--at", T("11:10")).out
    nothing = access.run("show", number, "--at", T("12:06")).out
    assert "takes no access away: none of it is still to run" in nothing
    access.approve_elsewhere(number, at=T("11:11"), acting="bob")  # nor does an approval begin it anew
    access.run("gate", number, "--at", T("11:12"))
    access.run("apply", "--at", T("11:13"))
    assert not has_access(access)
    clean(access, T("11:14"))


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


@pytest.mark.on_disk
def test_a_removal_that_also_adds_waits_for_approval(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    branch(access, "swap", {f"grants/{grant}.yaml": None, FILE: GRANT.replace("readonly", "admin").replace("2h", "1h")})
    number = opened(access, "swap", T("10:07"))
    said = access.run("gate", number, "--at", T("10:08"), expect=12)
    assert f"removes {grant}" in said.out
    assert "grants orders-db/a" in said.out
    assert has_access(access)


@pytest.mark.on_disk
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


@pytest.mark.on_disk
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


@pytest.mark.on_disk
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


@pytest.mark.on_disk
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


@pytest.mark.on_disk
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


@pytest.mark.on_disk
def test_an_approval_from_before_the_last_push_does_not_count_though_the_head_is_that_very_commit_again(
    access: Access,
) -> None:
    """What its reviewer saw then was what the branch pointed at in between."""
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
    said = access.run("gate", number, "--at", T("10:05"), expect=12)
    assert "approved by bob: it was given at 2026-11-20T10:01:00Z, and the branch was pushed to at" in said.out
    approved(access, number, T("10:06"))
    access.run("gate", number, "--at", T("10:07"))
    access.run("apply", "--at", T("10:08"))
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
