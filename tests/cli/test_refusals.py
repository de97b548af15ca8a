"""What daypass refuses, seen from the command line: forged approvals, merges around the gate, clocks, ledgers, brakes."""

import re

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


def _branch(
    access: Access, name: str, files: dict[str, str], *, email: str = "alice@example.com", message: str = "ask"
) -> None:
    access.git("switch", "-q", "-c", name, "main")
    for path, text in files.items():
        access.write(path, text)
    access.commit(message, email=email)
    access.git("switch", "-q", "main")


def test_the_requester_cannot_approve(access: Access) -> None:
    number = access.ask(T("10:00"), "--subject", "alice", acting="bob")
    said = access.run("approve", number, "--at", T("10:01"), acting="bob", expect=11)
    assert "would not count, so it is not recorded: bob opened the request" in said.err
    access.approve_elsewhere(number, at=T("10:01"), acting="bob")
    access.run("approve", number, "--at", T("10:01"), acting="dave")
    assert "missing: 1 approval from owners (carol)" in access.run("gate", number, "--at", T("10:02"), expect=12).out


def test_the_subject_cannot_approve(access: Access) -> None:
    number = access.ask(T("10:00"), "--subject", "bob", acting="alice")
    assert "bob receives the access" in access.run("approve", number, "--at", T("10:01"), acting="bob", expect=11).err
    access.approve_elsewhere(number, at=T("10:01"), acting="bob")
    access.run("approve", number, "--at", T("10:01"), acting="dave")
    access.run("gate", number, "--at", T("10:02"), expect=12)


def test_an_approver_who_co_authored_a_commit_does_not_count(access: Access) -> None:
    message = "ask\n\nco-authored-by: Bob Osei <BOB@Example.com>"
    _branch(access, "mine", {"grants/orders-db/a.yaml": GRANT}, message=message)
    access.run("request", "--branch", "mine", "--at", T("10:00"), acting="alice", expect=None)
    assert "bob co-authored commit" in access.run("approve", "1", "--at", T("10:01"), acting="bob", expect=11).err
    access.approve_elsewhere("1", at=T("10:01"), acting="bob")
    access.run("approve", "1", "--at", T("10:01"), acting="dave")
    said = access.run("gate", "1", "--at", T("10:02"), expect=12)
    assert "does not count: approved by bob" in said.out


def test_an_approver_by_another_spelling_of_the_address_is_the_same_person(access: Access) -> None:
    _branch(access, "mine", {"grants/orders-db/a.yaml": GRANT}, email="Bob@EXAMPLE.com")
    access.run("request", "--branch", "mine", "--at", T("10:00"), acting="alice", expect=None)
    assert "bob authored commit" in access.run("approve", "1", "--at", T("10:01"), acting="bob", expect=11).err
    access.approve_elsewhere("1", at=T("10:01"), acting="bob")
    access.run("approve", "1", "--at", T("10:01"), acting="dave")
    access.run("gate", "1", "--at", T("10:02"), expect=12)


def test_a_commit_by_somebody_unknown_blocks_the_request(access: Access) -> None:
    _branch(access, "mine", {"grants/orders-db/a.yaml": GRANT}, email="stranger@elsewhere.example")
    access.run("request", "--branch", "mine", "--at", T("10:00"), acting="alice", expect=None)
    access.run("approve", "1", "--at", T("10:01"), acting="bob")
    access.run("approve", "1", "--at", T("10:01"), acting="dave")
    said = access.run("gate", "1", "--at", T("10:02"), expect=None)
    assert said.code in (10, 12)
    assert "stranger@elsewhere.example" in said.out


def test_one_person_in_two_groups_counts_once(access: Access) -> None:
    path = "policies/directory/people.yaml"
    text = (
        (access.top / path)
        .read_text()
        .replace("security: {members: [dave, erin]}", "security: {members: [bob, dave, erin]}")
    )
    access.write(path, text)
    access.commit("bob guards too")
    number = access.ask(T("10:00"))
    access.run("approve", number, "--at", T("10:01"), acting="bob")
    access.run("gate", number, "--at", T("10:02"), expect=12)


def test_a_withdrawn_review_no_longer_counts(access: Access) -> None:
    number = access.ask(T("10:00"))
    access.run("approve", number, "--at", T("10:01"), acting="bob")
    access.run("approve", number, "--at", T("10:01"), acting="dave")
    access.run("withdraw", number, "--at", T("10:02"), acting="bob")
    access.run("gate", number, "--at", T("10:03"), expect=12)


def test_a_rejection_blocks(access: Access) -> None:
    number = access.ask(T("10:00"))
    access.run("approve", number, "--at", T("10:01"), acting="bob")
    access.run("approve", number, "--at", T("10:01"), acting="dave")
    access.run("reject", number, "--at", T("10:02"), acting="carol")
    assert "carol rejected it" in access.run("gate", number, "--at", T("10:03"), expect=12).out


@pytest.mark.on_disk
def test_nothing_is_merged_by_hand_around_the_gate(access: Access) -> None:
    _branch(access, "mine", {"grants/orders-db/a.yaml": GRANT})
    access.git("merge", "-q", "--no-ff", "-m", "by hand", "mine")
    said = access.run("apply", "--at", T("10:00"), expect=14)
    assert "refused  orders-db/a: commit " in said.out
    assert "the forge has no record of such a merge [around-the-gate]" in said.out
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    assert "around-the-gate" in access.run("apply", "--at", T("10:01"), expect=14).out
    assert "around-the-gate" in access.run("plan", "--at", T("10:01"), expect=14).out


@pytest.mark.on_disk
def test_a_forged_merge_message_convinces_nobody(access: Access) -> None:
    number = access.ask(T("10:00"))
    _branch(access, "mine", {"grants/orders-db/a.yaml": GRANT})
    access.git(
        "merge", "-q", "--no-ff", "-m", f"Grant\n\nDaypass-Pull: {number}\nDaypass-Approved-By: bob (owners)", "mine"
    )
    assert "around-the-gate" in access.run("apply", "--at", T("10:05"), expect=14).out


@pytest.mark.on_disk
def test_a_grant_slipped_into_a_merge_is_refused(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.write("grants/orders-db/evil.yaml", GRANT.replace("alice", "carol"))
    access.git("add", "-A")
    access.git("commit", "-q", "--amend", "--no-edit")
    said = access.run("apply", "--at", T("10:06"), expect=14)
    assert "refused  orders-db/evil" in said.out
    assert f"refused  {grant}" in said.out
    access.run("can", "carol", "orders-db", "readonly", expect=20)


@pytest.mark.on_disk
def test_a_file_changed_on_main_after_the_merge_loses_its_proof(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    path = f"grants/{grant}.yaml"
    access.write(path, (access.top / path).read_text().replace("duration: 2h", "duration: 8h"))
    access.commit("a little longer")
    said = access.run("apply", "--at", T("10:07"), expect=14)
    assert "- alice" in said.out
    assert "evidence missing" in said.out
    access.run("can", "alice", "orders-db", "readonly", expect=20)


@pytest.mark.on_disk
def test_the_same_bytes_brought_back_by_hand_need_their_own_proof(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"), "--from", T("10:00"), "--until", T("18:00"))
    access.run("apply", "--at", T("10:06"))
    path = f"grants/{grant}.yaml"
    text = (access.top / path).read_text()
    access.run("end", grant, "--at", T("10:30"), acting="alice")
    access.write(path, text)
    access.commit("back again")
    assert "around-the-gate" in access.run("apply", "--at", T("10:40"), expect=14).out
    access.run("can", "alice", "orders-db", "readonly", expect=20)


@pytest.mark.on_disk
def test_removed_and_brought_back_between_two_runs_is_noticed(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"), "--from", T("10:00"), "--until", T("18:00"))
    access.run("apply", "--at", T("10:06"))
    path = access.top / f"grants/{grant}.yaml"
    text = path.read_text()
    path.unlink()
    access.commit("gone")
    access.write(f"grants/{grant}.yaml", text)
    access.commit("and back")
    access.run("apply", "--at", T("10:40"), expect=14)
    access.run("can", "alice", "orders-db", "readonly", expect=20)


@pytest.mark.on_disk
def test_a_role_that_came_to_mean_something_else_is_refused_and_named(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    path = "policies/resources/orders-db.yaml"
    access.write(path, (access.top / path).read_text().replace("orders_readonly", "orders_superuser"))
    access.commit("a role of another meaning")
    said = access.run("apply", "--at", T("10:06"), expect=14)
    assert "role means something else since approval" in said.out
    access.run("can", "alice", "orders-db", "readonly", expect=20)


def test_a_subject_who_became_somebody_else_is_refused(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    path = "policies/directory/people.yaml"
    text = (access.top / path).read_text()
    access.write(
        path, text.replace("email: alice@example.com,", "email: alice@example.com, identities: {embedded: root},")
    )
    access.commit("another name at the target")
    said = access.run("apply", "--at", T("10:06"), expect=14)
    assert "subject is somebody else at the target since approval" in said.out


def test_who_leaves_the_directory_loses_access(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    path = "policies/directory/people.yaml"
    text = (access.top / path).read_text()
    text = re.sub(r"  alice: .*\n", "", text).replace("members: [alice], include", "members: [bob], include")
    access.write(path, text)
    access.commit("alice left")
    said = access.run("apply", "--at", T("10:07"), expect=14)
    assert "- alice" in said.out
    assert "grant invalid" in said.out


@pytest.mark.on_disk
def test_broken_policies_give_nothing_and_take_no_live_access(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.grant(T("10:10"), T("10:15"), "--subject", "carol")
    path = "policies/rules/access.yaml"
    access.write(path, (access.top / path).read_text().replace("resource.environment", "resource.enviroment"))
    access.commit("a typing error")
    said = access.run("apply", "--at", T("10:16"), expect=14)
    assert "policies/rules/access.yaml:5:11: there is no variable or function 'resource.enviroment'" in said.out
    assert "HELD + carol" in said.out
    assert "nothing is given while main's policies do not read" in said.err
    access.run("can", "alice", "orders-db", "readonly")
    access.run("can", "carol", "orders-db", "readonly", expect=20)
    access.run("apply", "--at", T("12:06"), expect=14)
    access.run("can", "alice", "orders-db", "readonly", expect=20)


def _leaves(access: Access, at: str) -> None:
    path = "policies/directory/people.yaml"
    text = (access.top / path).read_text(encoding="utf-8")
    access.write(path, text.replace("email: alice@example.com", f"email: alice@example.com, until: {at}"))
    access.commit("alice leaves earlier")


def _break_rules(access: Access) -> None:
    path = "policies/rules/access.yaml"
    access.write(path, (access.top / path).read_text().replace("resource.environment", "resource.enviroment"))
    access.commit("a typing error")


@pytest.mark.on_disk
@pytest.mark.parametrize("told", [True, False], ids=["the target was told", "only main said so"])
def test_while_policies_do_not_read_access_ends_with_the_engagement_that_the_last_ones_named(
    access: Access, told: bool
) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.grant(T("10:00"), T("10:05"), "--subject", "carol")
    access.run("apply", "--at", T("10:06"))
    _leaves(access, T("11:00"))
    if told:
        access.run("apply", "--at", T("10:07"))
    _break_rules(access)
    access.write("notes.md", "something else\n")
    access.commit("something else")
    access.run("apply", "--at", T("10:59"), expect=14)
    access.run("can", "alice", "orders-db", "readonly")
    said = access.run("apply", "--at", T("11:00"), expect=14)
    assert "ok   - alice" in said.out
    assert "policies/rules/access.yaml:5:11: there is no variable or function 'resource.enviroment'" in said.out
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    access.run("can", "carol", "orders-db", "readonly")


@pytest.mark.on_disk
def test_policies_that_never_read_end_windows_all_the_same(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    path = "policies/daypass.yaml"
    access.write(path, "version: 1\nforge: {kind: local\n")
    access.commit("half a settings file")
    assert "main's policies do not read" in access.run("can", "alice", "orders-db", "readonly", expect=10).err
    assert "ok   - alice" in access.run("apply", "--at", T("12:05"), expect=14).out


@pytest.mark.on_disk
def test_after_a_run_from_the_future_what_has_ended_is_taken_and_nothing_is_given(access: Access) -> None:
    first = access.grant(T("10:00"), T("10:05"), "--for", "8h")
    second = access.grant(T("10:00"), T("10:06"), "--subject", "carol", "--for", "8h")
    access.run("apply", "--at", T("17:06"))
    access.grant(T("10:10"), T("10:11"), "--subject", "erin", "--for", "8h")
    said = access.run("apply", "--at", T("10:12"), expect=14)
    wrong = "the clock says 2026-11-20T10:12:00Z, but the last receipt was written at 2026-11-20T17:06:00Z"
    assert f"daypass: {wrong}: nothing is given until they agree" in said.err
    assert "HELD + erin" in said.out
    assert "--confirm" not in said.err
    access.run("end", first, "--at", T("10:13"), acting="alice", expect=14)
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    access.run("can", "carol", "orders-db", "readonly")
    assert wrong.replace("10:12", "10:15") in access.run("plan", "--at", T("10:15"), expect=14).err
    assert wrong.replace("10:12", "10:15") in access.run("drift", "--at", T("10:15"), expect=14).err
    access.run("audit", "verify", "--at", T("17:10"))
    said = access.run("apply", "--at", T("17:10"))
    assert "ok   + erin" in said.out
    assert second in access.run("apply", "--at", T("18:06")).out
    access.run("can", "carol", "orders-db", "readonly", expect=20)


def test_a_clock_that_is_a_little_behind_the_last_receipt_does_everything(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:07"))
    access.grant(T("10:05"), T("10:06"), "--subject", "carol")
    assert "ok   + carol" in access.run("apply", "--at", T("10:06")).out


@pytest.mark.on_disk
def test_an_older_main_than_the_ledger_knows_is_refused(access: Access) -> None:
    before = access.git("rev-parse", "main")
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.git("reset", "-q", "--hard", before)
    said = access.run("apply", "--at", T("10:07"), expect=1)
    assert "which does not contain" in said.err
    access.run("can", "alice", "orders-db", "readonly")


@pytest.mark.on_disk
def test_a_missing_ledger_is_refused(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.git("update-ref", "-d", "refs/heads/daypass-ledger")
    assert "the ledger is missing" in access.run("apply", "--at", T("10:06"), expect=1).err


@pytest.mark.on_disk
def test_a_ledger_cut_back_is_refused(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.git("update-ref", "refs/heads/daypass-ledger", "daypass-ledger~1")
    assert "rewritten" in access.run("apply", "--at", T("10:07"), expect=1).err


@pytest.mark.on_disk
def test_a_mass_change_stops_at_the_brake_until_its_digest_is_confirmed(access: Access) -> None:
    path = "policies/daypass.yaml"
    access.write(path, (access.top / path).read_text().replace("additions: 100", "additions: 1"))
    access.commit("a tight brake")
    access.grant(T("10:00"), T("10:05"))
    access.grant(T("10:00"), T("10:05"), "--subject", "carol")
    planned = access.run("plan", "--at", T("10:06")).out
    assert "the brake holds: 2 additions, where the settings allow 1 at once" in planned
    assert "`daypass apply` would keep 2 of these back" in planned
    said = access.run("apply", "--at", T("10:06"), expect=14)
    assert "2 additions, where the settings allow 1 at once" in said.err
    assert "HELD + alice" in said.out
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    digest = re.search(r"--confirm (sha256:[0-9a-f]{64})", said.err)
    assert digest is not None
    assert f"--confirm {digest.group(1)}" in planned
    wrong = access.run("apply", "--at", T("10:07"), "--confirm", "sha256:" + "0" * 64, expect=14)
    assert f"--confirm named sha256:{'0' * 64}, which is the digest of another plan" in wrong.err
    assert f"with --confirm {digest.group(1)}" in wrong.err
    access.run("apply", "--at", T("10:07"), "--confirm", digest.group(1))
    access.run("can", "alice", "orders-db", "readonly")


@pytest.mark.parametrize(
    "token", ["[skip ci]", "[CI SKIP]", "[no ci]", "[skip actions]", "[Actions Skip]", "skip-checks: true"]
)
def test_text_that_would_silence_ci_is_refused(access: Access, token: str) -> None:
    said = access.run(
        "request", "--resource", "orders-db", "--role", "readonly", "--for", "1h",
        "--reason", f"Looking into it {token} quickly", "--at", T("10:00"), acting="alice", expect=10,
    )  # fmt: skip
    assert "hint" in said.err
    _branch(access, "mine", {"grants/orders-db/a.yaml": GRANT}, message=f"ask {token}")
    said = access.run("check", "--base", "main", "--head", "mine", "--at", T("10:00"), expect=10)
    assert "commit " in said.out


def test_a_request_may_not_bring_its_own_rules(access: Access) -> None:
    _branch(access, "mine", {"grants/orders-db/a.yaml": GRANT, "policies/rules/access.yaml": "version: 1\nrules: []\n"})
    said = access.run(
        "check", "--base", "main", "--head", "mine", "--at", T("10:00"), "--requester", "alice", expect=10
    )
    assert "the request changes grants and also policies/rules/access.yaml [mixed-change]" in said.out
    assert "needs  1 approval from owners" in said.out  # judged by main's rules all the same


@pytest.mark.on_disk
def test_the_gate_merges_no_policies(access: Access) -> None:
    _branch(access, "mine", {"policies/rules/access.yaml": "version: 1\nrules: []\n"})
    access.run("request", "--branch", "mine", "--at", T("10:00"), acting="alice", expect=10)
    said = access.run("gate", "1", "--at", T("10:01"), expect=10)
    assert "[no-grants]" in said.out
    assert ": no access is asked for" in said.out
    assert ": no access is asked for" in access.run("status", "--at", T("10:01")).out


@pytest.mark.on_disk
def test_one_bad_file_among_many_stops_only_itself(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.write("grants/orders-db/broken.yaml", "version: 1\nversion: 1\n")
    access.commit("a bad file")
    said = access.run("apply", "--at", T("10:06"), expect=14)
    assert "refused  orders-db/broken" in said.out
    access.run("can", "alice", "orders-db", "readonly")
    said = access.run("check", expect=10)
    assert "grants/orders-db/broken.yaml:2:1: error:" in said.out
    assert "1 wrong" in said.out.splitlines()[-1] or "wrong" in said.out.splitlines()[-1]


def test_a_window_already_past_is_refused_but_a_merged_one_that_ended_is_no_fault(access: Access) -> None:
    access.run(
        "request", "--resource", "orders-db", "--role", "readonly", "--from", T("08:00"), "--until", T("09:00"),
        "--reason", "too late for this", "--at", T("10:00"), acting="alice", expect=11,
    )  # fmt: skip
    access.grant(T("10:00"), T("10:05"), "--from", T("10:00"), "--until", T("11:00"))
    access.run("expire", "--at", T("12:00"))
    access.run("check")
    assert "wrong" not in access.run("check", "--revision", "main").out


def test_the_same_grant_twice_is_refused(access: Access) -> None:
    _branch(access, "mine", {"grants/orders-db/a.yaml": GRANT, "grants/orders-db/b.yaml": "# again\n" + GRANT})
    said = access.run("check", "--base", "main", "--head", "mine", "--at", T("10:00"), expect=10)
    assert (
        "grants/orders-db/b.yaml: error: this is the same grant as grants/orders-db/a.yaml [duplicate-grant]"
        in said.out
    )


@pytest.mark.on_disk
@pytest.mark.parametrize(
    ("mode", "path"),
    [("120000", "grants/orders-db/a.yaml"), ("160000", "grants/orders-db/a.yaml"), ("100755", "grants/orders-db/a.yaml"),
     ("100644", "grants/orders-db/A.yaml"), ("100644", "grants/orders-db/deep/a.yaml"), ("100644", "grants/a.yaml"),
     ("100644", "grants/orders-db/a.yml"), ("100644", "grants/orders-db/\u0430.yaml"), ("100644", "grants/orders-db/" + "a" * 200 + ".yaml")],
)  # fmt: skip
def test_what_is_no_plain_grant_file_is_refused(access: Access, mode: str, path: str) -> None:
    blob = access.git("hash-object", "-w", "--stdin", stdin=GRANT)
    oid = access.git("rev-parse", "main") if mode == "160000" else blob
    access.git("switch", "-q", "-c", "mine")
    access.git("update-index", "--add", "--cacheinfo", f"{mode},{oid},{path}")
    access.git("-c", "user.email=alice@example.com", "commit", "-q", "-m", "ask")
    access.git("switch", "-q", "-f", "main")
    access.run("check", "--base", "main", "--head", "mine", "--at", T("10:00"), expect=10)


def test_nothing_a_stranger_types_reaches_git_as_an_option(access: Access) -> None:
    said = access.run("check", "--base", "--output=/tmp/x", "--head", "main", expect=None)
    assert said.code in (1, 2)
    assert "names no commit" in said.err or "no commit" in said.err or "Error" in said.err


def test_policies_that_a_request_brings_are_checked_as_data(access: Access) -> None:
    access.git("switch", "-q", "-c", "mine")
    path = "policies/rules/access.yaml"
    text = (access.top / path).read_text(encoding="utf-8")
    access.write(
        path, text + '\n  - id: broken\n    when: resourc.environment == "production"\n    approve: automatically\n'
    )
    access.commit("a rule that does not read")
    access.git("switch", "-q", "main")
    said = access.run("check", "--base", "main", "--head", "mine", "--at", T("10:00"), expect=10)
    assert path in said.out
    access.git("switch", "-q", "mine")
    access.write(path, text.replace("at_least: 1", "at_least: 2"))
    access.commit("a rule that breaks its own tests")
    access.git("switch", "-q", "main")
    said = access.run("check", "--base", "main", "--head", "mine", "--at", T("10:00"), expect=10)
    assert "[policy-test-fails]" in said.out
    assert "0 grants, 1 other path." in said.out
