"""What people at a terminal are told: the cause before what follows from it, and what they may do next."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from driver import Access

T = "2026-11-20T{}:00Z".format
GRANT = """\
version: 1
subject: alice
resource: orders-db
role: readonly
reason: Duplicate charges reported by support, case {}.
window: {{duration: {}m}}
"""


def _eleven(access: Access) -> None:
    for number in range(11):
        access.write(f"grants/orders-db/case-{number}.yaml", GRANT.format(number, 60 + number))


def test_a_typing_error_in_a_rule_is_said_once_and_first(access: Access) -> None:
    _eleven(access)
    rules = next((access.top / "policies/rules").glob("*.yaml"))
    rules.write_text(rules.read_text().replace("resource.environment ==", "resource.enviroment ==", 1))
    said = access.run("check", expect=10)
    assert said.out.startswith("policies/rules/")
    assert said.out.count("error:") == 1
    assert said.out.splitlines()[-1].endswith("1 wrong, 11 grants not judged until that is mended.")
    assert json.loads(access.run("check", "--format", "json", expect=10).out)["unjudged"] == 11
    access.commit("a typing error")
    for _ in range(2):  # the second answer is a remembered one
        assert (
            access.run("check", "--revision", "main", expect=10)
            .out.splitlines()[-1]
            .endswith("11 grants not judged until that is mended.")
        )


@pytest.mark.on_disk
def test_a_broken_resource_is_said_once_and_its_grants_are_counted(access: Access) -> None:
    _eleven(access)
    place = access.top / "policies/resources/orders-db.yaml"
    place.write_text(place.read_text().replace("environment:", "enviroment:"))
    said = access.run("check", expect=10)
    assert "resource-broken" not in said.out
    assert "11 grants not judged" in said.out
    assert all(line.startswith(("policies/", " ", "Checked")) for line in said.out.splitlines())
    access.git("switch", "-q", "-c", "ask", "main")
    access.git("add", "grants")
    access.git("commit", "-q", "-m", "ask")
    access.git("switch", "-q", "main")
    access.git("commit", "-q", "-am", "a broken resource")
    said = access.run("check", "--base", "main", "--head", "ask", "--requester", "alice", expect=10)
    assert said.out.count("enviroment") == 1
    assert said.out.splitlines()[-1].endswith("11 grants not judged until that is mended.")
    assert "resource-broken" not in said.out


@pytest.mark.on_disk
def test_the_audit_says_why_and_for_which_ticket_as_long_as_git_has_the_file(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"), "--ticket", "INC-1234")
    access.run("apply", "--at", T("10:06"))
    access.git("rm", "-q", f"grants/{grant}.yaml")
    access.commit("tidied away")
    explained = access.run("explain", grant, "--requester", "alice", "--at", T("10:07"))
    assert "alice asks for readonly on orders-db" in explained.out
    assert f"{grant} is no longer on main: " in explained.err
    told = access.run("audit", "access", "--resource", "orders-db", "--at", T("10:07")).out
    assert "INC-1234  a reason that is long enough 2026-11-20T10:00:00Z" in told
    (row,) = json.loads(
        access.run("audit", "access", "--resource", "orders-db", "--at", T("10:07"), "--format", "json").out
    )["access"]
    assert (row["tickets"], len(row["reasons"])) == (["INC-1234"], 1)
    events = json.loads(access.run("audit", "history", "--grant", grant, "--format", "json").out)["events"]
    said = {event["event"]: event["ticket"] for event in events}
    assert (said["requested"], said["merged"], said["access added"]) == ("INC-1234", "INC-1234", "")
    assert "INC-1234; a reason that is long enough" in access.run("audit", "history", "--grant", grant).out


def test_a_live_grant_is_explained_as_asked_by_who_asked_whoever_wants_to_know(access: Access) -> None:
    number = access.ask(T("10:00"), "--subject", "alice", acting="carol")
    for who in ("bob", "dave"):
        access.run("approve", number, "--at", T("10:01"), acting=who)
    access.run("gate", number, "--at", T("10:02"))
    access.run("apply", "--at", T("10:03"))
    (grant,) = access.git("ls-files", "grants").splitlines()
    name = grant.removeprefix("grants/").removesuffix(".yaml")
    for asked in (name, grant):
        said = access.run("explain", asked, "--at", T("10:04"), acting="erin").out
        assert "carol asks for readonly on orders-db for alice" in said
        assert "as asked by carol" in said
        assert "owners: bob (Bob Osei)  (production-needs-two)" in said  # not carol, who asked
    assert "as asked by dave" in access.run("explain", name, "--requester", "dave", "--at", T("10:04")).out


@pytest.mark.on_disk
def test_what_is_named_and_not_there_is_bad_usage_for_every_verb(access: Access) -> None:
    for arguments in (
        ("gate", "99"),
        ("approve", "99"),
        ("reject", "99"),
        ("withdraw", "99"),
        ("close", "99"),
        ("check", "--pull", "99"),
        ("check", "--revision", "nope"),
        ("check", "--base", "main", "--head", "nope"),
        ("policy", "test", "--revision", "nope"),
        ("explain", "orders-db/nope"),
        ("explain", "grants/orders-db/nope.yaml"),
        ("extend", "orders-db/nope", "--for", "1h"),
        ("end", "orders-db/nope"),
        ("ledger", "settle", "orders-db/nope", "--adopt", "--reason", "rebuilt"),
        ("audit", "history", "--grant", "orders-db/nope"),
        ("audit", "access", "--resource", "nope"),
        ("can", "alice", "nope", "readonly"),
    ):
        assert "hint:" in access.run(*arguments, acting="bob", expect=2).err, arguments


def _answer(access: Access, *arguments: str, lines: list[str]) -> tuple[int, str]:
    """Run a verb on a terminal of its own with these lines typed ahead; return its exit code and what stood there."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "daypass", "-C", str(access.top), *arguments]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ) as process:
        os.close(theirs)
        os.write(ours, "".join(f"{line}\n" for line in lines).encode() + b"\x04")  # a further question ends it
        shown = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # Linux answers so at the end of a terminal
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    return process.returncode, shown.decode()


@pytest.mark.on_disk
def test_a_bad_answer_is_asked_for_again_and_the_others_are_kept(access: Access) -> None:
    code, shown = _answer(
        access, "--as", "alice", "request", "--at", T("10:00"),
        lines=["", "nope", "orders-db", "admin", "incident", "9h", "too short", "INC-1", "This one is long enough", "30m"],
    )  # fmt: skip
    assert code == 0, shown
    assert "'nope' is not one of" in shown
    assert "For (at most 1h)" in shown
    assert "at most 8h  Read every table" in shown
    assert "expected at least 10 characters, got 9" in shown
    assert "9h is longer than the 1h that role admin of orders-db allows" in shown
    assert shown.count("Resource (") == 2
    assert shown.count("Ticket:") == 1
    assert "Opened #1: Grant alice admin on orders-db for 30m" in shown
    head = access.git("for-each-ref", "--format=%(refname)", "refs/heads/daypass/request")
    file = access.git("show", f"{head}:{access.git('diff', '--name-only', 'main', head)}")
    assert "purpose: incident" in file
    assert "ticket: INC-1" in file


@pytest.mark.on_disk
def test_a_window_can_be_answered_and_one_that_is_wrong_is_asked_for_again(access: Access) -> None:
    code, shown = _answer(
        access, "--as", "alice", "request", "--at", T("10:00"),
        lines=[
            "", "orders-db", "readonly", "none",
            "2026-12-01 until 2026-12-12, Mo 06:00-08:00, Europe/Berlin",
            "2026-12-01 until 2026-12-12, calendar office, Europe/Berlin",
            "This one is long enough",
            "2026-11-01T09:00Z until 2026-11-01T11:00Z",
            "2026-12-01 until 2026-12-12, Mon 06:00-08:00, Europe/Berlin",
        ],
    )  # fmt: skip
    assert code == 0, shown
    assert "'Mo 06:00-08:00' are no hours; write for example \"Mon-Fri 08:00-19:00\"" in shown
    assert "there is no calendar 'office'" in shown
    assert "the window ended at 2026-11-01T11:00:00Z" in shown
    assert shown.count("For (at most 8h), or FROM until UNTIL") == 4
    assert shown.count("Reason:") == 1
    assert "Opened #1: Grant alice readonly on orders-db for 11d, in intervals" in shown


@pytest.mark.on_disk
def test_a_subject_whom_nobody_knows_is_asked_for_again(access: Access) -> None:
    code, shown = _answer(
        access, "--as", "alice", "request", "--at", T("10:00"),
        lines=["alcie", "staging", "deploy", "none", "1h", "This one is long enough", "alice"],
    )  # fmt: skip
    assert code == 0, shown
    assert "there is no subject 'alcie' in the directory" in shown
    assert "Opened #1: Grant alice deploy on staging for 1h" in shown


def test_what_is_closed_already_is_bad_usage(access: Access) -> None:
    number = access.ask(T("10:00"))
    access.run("close", number, "--at", T("10:01"), acting="alice")
    assert (
        f"#{number} is closed already" in access.run("close", number, "--at", T("10:02"), acting="alice", expect=2).err
    )


def test_a_branch_that_did_not_move_takes_no_approvals_away(access: Access) -> None:
    number = access.ask(T("10:00"))
    branch = access.git("for-each-ref", "--format=%(refname:short)", "refs/heads/daypass/request")
    said = access.run("request", "--branch", branch, "--at", T("10:01"), acting="alice")
    assert f"#{number} is open at this commit already" in said.out
    assert "no longer count" not in said.out


def test_where_nobody_can_answer_the_missing_option_is_named(access: Access) -> None:
    said = access.run("request", "--resource", "orders-db", "--at", T("10:00"), acting="alice", expect=2)
    assert "--role is missing" in said.err
    assert "one of admin, readonly" in said.err


def test_a_request_that_is_open_already_is_noticed_when_it_is_made_again(access: Access) -> None:
    words = ("request", "--resource", "orders-db", "--role", "readonly", "--for", "2h", "--reason", "Duplicate charges")
    access.run(*words, "--at", T("10:00"), acting="alice")
    other = access.run(*words[:-1], "Quite another reason", "--at", T("10:01"), acting="alice")
    assert "asks for the same" not in other.err
    again = access.run(*words, "--at", "2026-11-21T10:00:00Z", acting="alice")
    assert "note: #1 asks for the same as orders-db/alice-" in again.err
    assert "`daypass close 1` closes it if it is one too many." in again.err
    assert "#2" not in again.err
    access.git("switch", "-q", "-c", "by-hand")
    text = GRANT.format(1, 120).replace("Duplicate charges reported by support, case 1.", "Duplicate charges")
    access.write("grants/orders-db/by-hand.yaml", text)
    access.commit("by hand", email="alice@example.com")
    access.git("switch", "-q", "main")
    by_hand = access.run("request", "--branch", "by-hand", "--at", "2026-11-21T10:01:00Z", acting="alice")
    assert [f"#{number} asks for the same as orders-db/by-hand" in by_hand.err for number in (1, 2, 3)] == [
        True,
        False,
        True,
    ]
    third = access.run(*words, "--at", "2026-11-21T10:02:00Z", acting="alice")
    assert "note: #4 asks for the same" in third.err


def test_an_extension_that_is_too_long_says_how_much_more_is_possible(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    said = access.run("extend", grant, "--for", "8h", "--at", T("10:07"), acting="alice", expect=11)
    assert "10h is longer than the 8h that role readonly of orders-db allows" in said.err
    assert "at most 6h more is possible" in said.err
    access.run("extend", grant, "--for", "6h", "--at", T("10:07"), acting="alice")


def test_an_extension_of_what_is_as_long_as_it_may_be_says_so(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"), "--for", "8h")
    access.run("apply", "--at", T("10:06"))
    said = access.run("extend", grant, "--for", "1h", "--at", T("10:07"), acting="alice", expect=11).err
    assert "9h is longer than the 8h that role readonly of orders-db allows" in said
    assert "hint: no more is possible\n" in said
    assert "at most" not in said


def _offered(access: Access, words: str) -> list[str]:
    """Return what bash would be offered after these words; the last one is being typed."""
    environment = {**os.environ, "_DAYPASS_COMPLETE": "bash_complete", "COMP_WORDS": f"daypass {words}"}
    environment["COMP_CWORD"] = str(len(f"daypass {words}".split(" ")) - 1)
    command = [
        sys.executable,
        "-c",
        "import sys; sys.argv[0] = 'daypass'; from daypass.cli.main import cli; cli(prog_name='daypass')",
    ]
    done = subprocess.run(command, cwd=access.top, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.on_disk
def test_the_shell_completes_what_main_has(access: Access) -> None:
    number = access.ask(T("10:00"))
    access.write("grants/staging/mine.yaml", GRANT.format(1, 30).replace("orders-db", "staging"))
    access.commit("a grant")
    assert _offered(access, "--as al") == ["alice"]
    assert "carol" in _offered(access, "request --subject ")
    assert _offered(access, "request --resource o") == ["orders-db"]
    assert _offered(access, "request --resource orders-db --role ") == ["admin", "readonly"]
    assert _offered(access, "can alice staging ") == ["deploy"]
    assert _offered(access, "approve ") == [number]
    assert _offered(access, "extend st") == ["staging/mine"]
    assert _offered(access, "explain staging/") == ["staging/mine"]
    assert _offered(access, "audit history --subject bo") == ["bob"]
    assert _offered(access, "revoke --subject bo") == ["bob"]
    assert _offered(access, "revoke --resource st") == ["staging"]
    assert _offered(access, "ledger settle st") == ["staging/mine"]
    assert _offered(access, "fetch st") == ["staging/mine"]
    assert _offered(access, "import o") == ["orders-db"]


def test_outside_of_a_repository_the_shell_is_offered_nothing(tmp_path: Path) -> None:
    assert _offered(Access(tmp_path), "request --resource ") == []


@pytest.mark.on_disk
def test_who_interrupts_a_run_is_told_what_it_had_written(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    access.grant(T("10:00"), T("10:05"))

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("daypass.views.plan.applied_text", stop)
        said = access.run("apply", "--at", T("10:06"), expect=1)
    assert "daypass: interrupted; this was written and stands:" in said.err
    assert "the ledger has every receipt up to 3" in said.err
    with monkeypatch.context() as patched:
        patched.setattr("daypass.views.policy.decision.needs_text", stop)
        said = access.run("request", "--resource", "orders-db", "--role", "readonly", "--for", "1h", "--reason",
                          "Another reason", "--at", T("10:07"), acting="alice", expect=1)  # fmt: skip
    assert "pull request #2 was opened" in said.err
    with monkeypatch.context() as patched:
        patched.setattr("daypass.pipeline.ask.propose.draft", stop)
        said = access.run("request", "--resource", "orders-db", "--role", "readonly", "--for", "1h", "--reason",
                          "A third reason", "--at", T("10:08"), acting="alice", expect=1)  # fmt: skip
    assert "interrupted; nothing was written at the forge or in the ledger" in said.err
    with monkeypatch.context() as patched:
        patched.setattr("daypass.edges.forges.local.host.LocalForge.merge", stop)
        said = access.run("gate", "2", "--at", T("10:09"), expect=12)
        access.run("approve", "2", "--at", T("10:09"), acting="bob")
        access.run("approve", "2", "--at", T("10:09"), acting="dave")
        said = access.run("gate", "2", "--at", T("10:10"), expect=1)
    assert "the merge may have gone through: the interruption came while it was made" in said.err
    access.git("init", "-q", "--bare", str(access.top.parent / "origin.git"))
    access.git("remote", "add", "origin", str(access.top.parent / "origin.git"))
    with monkeypatch.context() as patched:
        patched.setattr("daypass.edges.forges.local.sharing.Sharing.run", stop)
        said = access.run("sync", expect=1)
    assert "what was brought from and pushed to the remote may have gone through" in said.err


@pytest.mark.on_disk
def test_the_shell_is_offered_no_name_that_could_act_on_a_terminal(access: Access) -> None:
    access.write("grants/staging/mine\x1b]0;x\x07.yaml", "odd")
    access.write("grants/staging/mine\nplain,rm.yaml", "odd")
    access.write("grants/staging/mine.yaml", "odd")
    access.commit("odd")
    assert _offered(access, "end ") == ["staging/mine"]


@pytest.mark.on_disk
def test_the_audit_and_explain_say_why_a_grant_was_ended(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    why = "Done earlier: [skip ci] closes #1 @bob, Co-authored-by: bob <bob@example.com> äöü"
    access.run("end", grant, "--reason", why, "--at", T("10:10"), acting="alice")
    told = access.run("audit", "history", "--grant", grant).out
    assert [line for line in told.splitlines() if why in line and "  file removed  " in line], told
    assert [line for line in told.splitlines() if why in line and "  retired " in line], told
    message = access.git("log", "-1", "--format=%B", "main^2")
    assert not any(word in message for word in ("[skip", "#1", "@", "by:"))
    assert f"({why}). Judged as if" in access.run("explain", grant, "--at", T("10:11"), acting="alice").err
    events = json.loads(access.run("audit", "history", "--subject", "alice", "--format", "json").out)["events"]
    assert {event["event"] for event in events if event["reason"] == why} == {"file removed", "retired"}


@pytest.mark.on_disk
def test_the_audit_says_why_access_that_is_still_there_was_ended(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    place = access.top / ".git/daypass/embedded.sqlite"
    rows = place.read_bytes()
    place.write_bytes(b"damaged")
    access.run("revoke", "--subject", "alice", "--now", "--reason", "Her laptop was stolen", "--at", T("10:10"),
               acting="bob", expect=14)  # fmt: skip
    place.write_bytes(rows)
    told = access.run("audit", "access", "--resource", "orders-db", "--at", T("10:11")).out
    assert f"{grant} had been ended early (Her laptop was stolen), and alice was not yet seen without access" in told
    asked = ("audit", "access", "--resource", "orders-db", "--at", T("10:11"), "--format", "json")
    (row,) = json.loads(access.run(*asked).out)["access"]
    assert (row["ended"], row["end_reasons"]) == ([grant], ["Her laptop was stolen"])
    before = access.run("audit", "access", "--resource", "orders-db", "--at", T("10:09")).out
    assert "ended early" not in before


@pytest.mark.on_disk
def test_what_a_purpose_asks_for_is_asked_for_field_by_field(access: Access) -> None:
    code, shown = _answer(
        access, "--as", "erin", "request", "--at", T("10:00"),
        lines=[
            "", "orders-db", "readonly", "data-subject-request", "1h", "This one is long enough", "DSR-1",
            "personal, payment", "soon", "nothing", "access", "DSR-1234", "2026-11-21",
        ],
    )  # fmt: skip
    assert code == 0, shown
    assert "Classes of data (some of personal, payment, salary, with commas between)" in shown
    assert "Answer due by (a date or an instant, for example 2026-12-20)" in shown
    assert "'nothing' is not one of" in shown
    assert "ticket 'DSR-1' is not of the form" in shown
    assert "'soon' is not an instant" in shown
    assert "Opened #1" in shown
    assert "due: 2026-11-21" in access.run("status", "--at", T("10:01")).out


@pytest.mark.on_disk
def test_the_shell_completes_purposes_and_what_they_ask_for(access: Access) -> None:
    def offered(line: str) -> str:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1), "_DAYPASS_COMPLETE": "bash_complete"}
        done = subprocess.run(
            [sys.executable, "-m", "daypass"],
            env=os.environ | words,
            cwd=access.top,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    assert "plain,data-subject-request" in offered("daypass request --purpose da")
    said = offered("daypass request --purpose data-subject-request --detail ri")
    assert "plain,right=access" in said
    assert "plain,right=erasure" in said
    assert offered("daypass request --detail ri").strip() == ""
    assert offered("daypass audit history --vendor x").strip() == ""
