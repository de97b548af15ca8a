"""Comments extend, end and tell, where the right person writes them; everything else changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from daypass.core.forge import Account
from daypass.edges.forges.github.inbox import links_of
from daypass.pipeline.ask.answer import AnswerContext, Reply, answer_comment, read_command
from daypass.pipeline.ask.approving import means_approval
from daypass.views.form import reply_line, reply_markdown
from driver import Access
from fakes.inbox import MemoryInbox, answered
from fakes.repository import Fresh

pytestmark = pytest.mark.on_disk

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
T0, T1, T2 = "2026-11-20T09:00:00Z", "2026-11-20T09:10:00Z", "2026-11-20T09:20:00Z"
ALICE, BOB, CAROL, DAVE, ERIN = (Account(h, h.title()) for h in ("alice", "bob", "carol", "dave", "erin"))
STRANGER = Account("", "mallory (id 666)")
ROBOT = Account("", "daypass-acme[bot] (id 4242)", person=False)
LINKS = links_of("https://github.com/acme/access")


def context(access: Access) -> AnswerContext:
    site = Fresh(access.top)
    return AnswerContext(repo=site, inbox=MemoryInbox(site.forge, AT), opens=True)


@pytest.fixture
def granted(access: Access) -> AnswerContext:
    """Alice asked on issue 12 for access of erin's; pull request 1 was merged and applied."""
    access.run("request", "--subject", "erin", "--resource", "orders-db", "--role", "readonly", "--for", "2h",
               "--reason", "reading four orders of a complaint", "--at", T0, acting="alice")  # fmt: skip
    access.run("approve", "1", "--at", T0, acting="bob")
    access.run("approve", "1", "--at", T0, acting="dave")
    access.run("gate", "1", "--at", T1)
    access.run("apply", "--at", T2)
    made = context(access)
    inbox(made).write(12, ALICE, answered(subject="erin"))
    inbox(made).write(1, ALICE, "", labels=(), is_pull=True)
    return made


def inbox(made: AnswerContext) -> MemoryInbox:
    assert isinstance(made.inbox, MemoryInbox)
    return made.inbox


def ask(made: AnswerContext, by: Account, body: str, *, on: int = 1, edited: bool = False, at: datetime = AT) -> Reply:
    return answer_comment(made, inbox(made).comment(on, by, body, edited=edited), at=at)


def words(made: AnswerContext, reply: Reply) -> str:
    return reply_markdown(reply, made.policy, LINKS, made.repo.standing.holdings, AT)


def test_an_extension_is_a_request_of_who_wrote_the_comment(granted: AnswerContext, access: Access) -> None:
    reply = ask(granted, ERIN, "/extend 2h\n\nstill reading")
    assert (reply.kind, reply.what, reply.pull, reply.topic) == ("opened", "extend", 2, "comment-1000")
    pull = granted.repo.forge.pull(2)
    assert pull.branch == "daypass/comment-1000"
    assert pull.title == "Extend erin readonly on orders-db by 2h"
    (grant,) = reply.grants
    text = access.git("show", f"{pull.branch}:grants/{grant}.yaml")
    assert "from: 2026-11-20T09:10:00Z\n  until: 2026-11-20T13:10:00Z" in text
    said = words(granted, reply)
    assert said.startswith("Opened #2 for `orders-db/erin-20261120-")
    assert "in the name of `erin`" in said
    assert "needs  1 approval from group:security: dave (Dave Kim)" in said


def test_the_requester_may_extend_what_they_asked_for(granted: AnswerContext) -> None:
    assert ask(granted, ALICE, "/EXTEND   1h30m  \r\nthanks").kind == "opened"


@pytest.mark.parametrize("who", [BOB, CAROL, DAVE])
def test_nobody_else_extends(granted: AnswerContext, who: Account) -> None:
    reply = ask(granted, who, "/extend 2h")
    assert reply.kind == "refused"
    assert reply.why.startswith("only erin or alice may extend orders-db/erin-")
    assert granted.repo.forge.open_pulls() == ()


@pytest.mark.parametrize(
    ("line", "why", "hint"),
    [
        ("/extend", "'' is not a duration", "write for example 8h, 30m, 7d or 1h30m"),
        ("/extend forever", "'forever' is not a duration", "write for example 8h, 30m, 7d or 1h30m"),
        ("/extend 0h", "a duration of 0h is no time at all", "write for example /extend 2h"),
        ("/extend 2h @dave", "'2h @dave' is not a duration", "write for example 8h, 30m, 7d or 1h30m"),
    ],
)
def test_an_extension_says_by_how_much(granted: AnswerContext, line: str, why: str, hint: str) -> None:
    reply = ask(granted, ERIN, line)
    assert (reply.kind, reply.why, reply.hint) == ("refused", why, hint)


def test_an_extension_that_policy_denies_is_explained(granted: AnswerContext) -> None:
    reply = ask(granted, ERIN, "/extend 20h")
    assert reply.kind == "denied"
    assert "denied: " in words(granted, reply)
    assert granted.repo.forge.open_pulls() == ()


def test_what_has_ended_is_not_extended(granted: AnswerContext) -> None:
    reply = ask(granted, ERIN, "/extend 1h", at=AT.replace(hour=12))
    assert (reply.kind, reply.hint) == ("refused", "make a new request")
    assert reply.why.endswith("has ended")


@pytest.mark.parametrize("who", [ERIN, ALICE, BOB, CAROL])
def test_subject_requester_and_owners_may_end(granted: AnswerContext, access: Access, who: Account) -> None:
    reply = ask(granted, who, "/end\nno longer needed")
    assert (reply.kind, reply.what, reply.pull) == ("opened", "end", 2)
    (path,) = access.git("diff", "--name-status", "main...daypass/comment-1000").splitlines()
    assert path == f"D\tgrants/{reply.grants[0]}.yaml"
    assert "Nobody needs to approve less access" in words(granted, reply)
    assert granted.repo.forge.pull(2).title == f"End {reply.grants[0]}"


def test_others_may_not_end(granted: AnswerContext) -> None:
    reply = ask(granted, DAVE, "/end")
    assert reply.kind == "refused"
    assert reply.why.endswith("may be ended by erin or alice or bob or carol")


def test_a_second_run_of_a_comment_opens_nothing_twice(granted: AnswerContext) -> None:
    comment = inbox(granted).comment(1, ERIN, "/end")
    first, again = (answer_comment(granted, comment, at=AT) for _ in range(2))
    assert (first.kind, again.kind, again.pull) == ("opened", "there", 2)
    assert len(granted.repo.forge.open_pulls()) == 1


def test_what_is_gone_from_main_is_not_ended_again(granted: AnswerContext, access: Access) -> None:
    access.git("config", "user.email", "erin@example.com")  # the local forge takes whom git names for who asks
    ask(granted, ERIN, "/end")
    access.run("gate", "2", "--at", "2026-11-20T10:10:00Z")
    access.run("apply", "--at", "2026-11-20T10:11:00Z")
    fresh = replace(context(access), inbox=granted.inbox)
    reply = ask(fresh, ERIN, "/end")
    assert (reply.kind, reply.why) == ("refused", "nothing that #1 granted is left on main")
    reply = ask(fresh, ERIN, "/extend 1h")
    assert reply.why.endswith("gives no access now: it is gone from main")


def test_a_grant_that_reads_no_more_is_not_ended_by_guessing(granted: AnswerContext, access: Access) -> None:
    (path,) = access.git("ls-files", "grants").splitlines()
    access.write(path, "subject: [")
    access.commit("Break it")
    fresh = replace(context(access), inbox=granted.inbox)
    reply = ask(fresh, ERIN, "/end")
    assert (reply.kind, reply.why) == ("refused", f"{path[7:-5]} cannot be read")


def test_everybody_in_the_directory_may_ask_how_it_stands(granted: AnswerContext) -> None:
    reply = ask(granted, CAROL, "/status")
    said = words(granted, reply)
    assert "1 granted:" in said
    assert "live until 2026-11-20T11:10:00Z, 1h10m left" in said
    assert reply_line(reply) == "#1: status status by carol"


def test_status_tells_what_an_open_request_waits_for(granted: AnswerContext, access: Access) -> None:
    access.ask("2026-11-20T09:40:00Z")
    inbox(granted).write(2, ALICE, "", is_pull=True)
    said = words(granted, ask(granted, ERIN, "/status", on=2))
    assert "1 open:" in said
    assert "missing: 1 of 1 approval" in said or "missing:" in said


def test_status_of_what_ended_and_of_what_was_closed_says_so(granted: AnswerContext, access: Access) -> None:
    late = ask(granted, ERIN, "/status", at=AT.replace(hour=12))
    assert late.lost[0][1] == "its window is over"
    assert "gives nothing, its window is over" in words(granted, late)
    access.ask("2026-11-20T09:40:00Z")
    granted.repo.forge.close(2, reason="not needed", at=AT)
    inbox(granted).write(2, ALICE, "", is_pull=True)
    assert "#2: not needed" in words(granted, ask(granted, ERIN, "/status", on=2))


def test_status_says_what_is_merged_and_not_applied_yet(granted: AnswerContext, access: Access) -> None:
    access.grant("2026-11-20T09:40:00Z", "2026-11-20T09:41:00Z")
    fresh = replace(context(access), inbox=granted.inbox)
    inbox(fresh).write(2, ALICE, "", is_pull=True)
    reply = ask(fresh, ERIN, "/status", on=2)
    assert reply.lost[0][1] == "it was not applied yet"
    assert "it was not applied yet" in ask(fresh, ALICE, "/extend 1h", on=2).why


def test_what_was_merged_around_the_gate_is_shown_with_its_refusal(granted: AnswerContext, access: Access) -> None:
    access.ask("2026-11-20T09:40:00Z")
    site = access.repo()
    head, base = site.forge.pull(2).head, site.tip
    site.forge.merge(2, head=head, base=base, message="by hand", at=AT)
    access.run("apply", "--at", "2026-11-20T10:30:00Z", expect=None)
    fresh = replace(context(access), inbox=granted.inbox)
    inbox(fresh).write(2, ALICE, "", is_pull=True)
    reply = ask(fresh, ERIN, "/status", on=2)
    assert reply.lost[0][1].startswith("it was refused: ")


@pytest.mark.parametrize("line", ["/extend 1h", "/end"])
def test_nothing_is_extended_or_ended_before_it_is_merged(granted: AnswerContext, access: Access, line: str) -> None:
    access.ask("2026-11-20T09:40:00Z")
    inbox(granted).write(2, ALICE, "", is_pull=True)
    reply = ask(granted, ALICE, line, on=2)
    assert reply.why == f"#2 is not merged yet, so there is no access to {line.split(maxsplit=1)[0][1:]}"
    assert reply.hint == "close the pull request to take the request back"
    granted.repo.forge.close(2, reason="no", at=AT)
    reply = ask(granted, ALICE, line, on=2)
    assert (reply.why, reply.hint) == (
        f"#2 was closed without being merged, so there is no access to {line.split(maxsplit=1)[0][1:]}",
        "ask anew",
    )


def test_a_comment_on_the_issue_means_its_pull_request(granted: AnswerContext, access: Access) -> None:
    from daypass.pipeline.ask.answer import answer_issue

    inbox(granted).write(20, ALICE, answered(duration="1h"))
    answer_issue(granted, 20, at=AT)
    reply = ask(granted, ALICE, "/status", on=20)
    assert (reply.kind, reply.number, reply.pull) == ("status", 20, 2)


def test_an_issue_without_a_pull_request_of_ours_sends_people_there(granted: AnswerContext) -> None:
    reply = ask(granted, ALICE, "/end", on=12)
    assert (reply.kind, reply.why) == ("refused", "we opened no pull request for this issue")
    assert reply.hint == "write the command on the pull request itself"


def test_an_edited_comment_is_refused(granted: AnswerContext) -> None:
    reply = ask(granted, ERIN, "/end", edited=True)
    assert (reply.kind, reply.hint) == ("refused", "write it again in a new comment")
    assert granted.repo.forge.open_pulls() == ()


def test_a_stranger_is_told_once_that_nobody_knows_them(granted: AnswerContext) -> None:
    replies = [ask(granted, STRANGER, line) for line in ("/end", "/status", "/extend 1h")]
    assert {(reply.kind, reply.topic) for reply in replies} == {("refused", "stranger")}
    assert "the directory does not know mallory" in words(granted, replies[0])


@pytest.mark.parametrize("line", ["/approve", "/merge 1"])
def test_an_unknown_command_is_answered_with_help_once(granted: AnswerContext, line: str) -> None:
    reply = ask(granted, ERIN, line)
    assert (reply.kind, reply.topic) == ("help", "help")
    said = words(granted, reply)
    assert "- `/extend 2h` asks for two hours more" in said
    assert read_command(said) is None


@pytest.mark.parametrize(("line", "name"), [("/end now", "end"), ("/status please", "status")])
def test_a_command_with_more_on_its_line_does_nothing_and_is_told_so_each_time(
    granted: AnswerContext, line: str, name: str
) -> None:
    first, second = ask(granted, ERIN, line), ask(granted, ERIN, line)
    assert (first.kind, first.hint) == ("refused", f"write /{name} alone, in a new comment")
    assert f"nothing may stand behind `/{name}` on its line" in words(granted, first)
    assert first.topic != second.topic
    assert granted.repo.forge.open_pulls() == ()


MEANT = (
    "lgtm",
    "LGTM!",
    "Approved",
    "approve please",
    "+1",
    ":+1: from me",
    "\N{THUMBS UP SIGN}",
    "/approve",
    "looks good to me",
)


@pytest.fixture
def waiting(access: Access) -> AnswerContext:
    """Alice asked on issue 12; pull request 1 waits."""
    access.ask(T0)
    made = context(access)
    inbox(made).write(1, ALICE, "", labels=(), is_pull=True)
    return made


@pytest.mark.parametrize("line", MEANT)
def test_a_comment_that_means_to_approve_is_told_that_only_reviews_count(waiting: AnswerContext, line: str) -> None:
    reply = ask(waiting, BOB, line)
    assert (reply.kind, reply.topic, reply.pull) == ("approving", "approving", 1)
    said = words(waiting, reply)
    assert said.startswith("Comments and reactions approve nothing here")
    assert "`daypass approve 1`" in said
    assert not means_approval(said)
    assert read_command(said) is None
    assert waiting.repo.forge.reviews(1) == ()
    assert reply_line(reply).startswith("#1: told that only reviews count by bob")


@pytest.mark.parametrize("line", ["approval is missing", "> lgtm", "+12", "well\nlgtm", "lgtmx", "improved"])
def test_other_talk_means_no_approval(waiting: AnswerContext, line: str) -> None:
    assert ask(waiting, BOB, line).kind == "silent"


def test_an_approving_comment_of_a_machine_is_not_answered(waiting: AnswerContext) -> None:
    assert ask(waiting, ROBOT, "lgtm").kind == "silent"


def test_an_approving_comment_on_what_is_merged_is_talk(granted: AnswerContext) -> None:
    assert ask(granted, BOB, "lgtm").kind == "silent"


@pytest.mark.parametrize(
    ("by", "body", "on", "why"),
    [
        (ERIN, "thanks!", 1, "the comment is no command"),
        (ERIN, "> /end", 1, "the comment is no command"),
        (ERIN, "please\n/end", 1, "the comment is no command"),
        (ERIN, " /end", 1, "the comment is no command"),
        (ERIN, "/usr/bin is full", 1, "the comment is no command"),
        (ERIN, "<!-- daypass:topic:answer -->\n/end", 1, "the comment is no command"),
        (ROBOT, "/end", 1, "daypass-acme[bot] (id 4242) is no person"),
        (ERIN, "/end", 30, "the comment is on no request"),
    ],
)
def test_what_is_no_command_of_a_person_on_a_request_is_not_answered(
    granted: AnswerContext, by: Account, body: str, on: int, why: str
) -> None:
    inbox(granted).write(30, ALICE, "a bug", labels=("bug",))
    reply = ask(granted, by, body, on=on)
    assert (reply.kind, reply.why) == ("silent", why)
    assert words(granted, reply) == ""
    assert granted.repo.forge.open_pulls() == ()


def test_no_answer_of_ours_is_a_command(granted: AnswerContext) -> None:
    lines = ("/status", "/extend 1h", "/extend 20h", "/extend x", "/end", "/what")
    for reply in [ask(granted, ERIN, line) for line in lines] + [ask(granted, STRANGER, "/end")]:
        said = words(granted, reply)
        assert said
        assert read_command(said) is None


def test_without_an_app_people_get_links(granted: AnswerContext) -> None:
    alone = replace(granted, opens=False)
    longer = ask(alone, ERIN, "/extend 1h")
    assert longer.kind == "link"
    said = words(granted, longer)
    assert f"https://github.com/acme/access/edit/main/grants/{longer.grants[0]}.yaml" in said
    assert "until: 2026-11-20T12:10:00Z" in said
    ended = ask(alone, ERIN, "/end")
    assert f"https://github.com/acme/access/delete/main/grants/{ended.grants[0]}.yaml" in words(granted, ended)
    assert granted.repo.forge.open_pulls() == ()


def test_a_pull_request_of_many_grants_is_ended_whole_and_not_extended(access: Access) -> None:
    for name, who in (("one", "alice"), ("two", "alice")):
        access.write(
            f"grants/staging/{name}.yaml",
            f"version: 1\nsubject: {who}\nresource: staging\nrole: deploy\nreason: trying out {name} of two\n"
            "window: {duration: 2h}\n",
        )
    access.git("checkout", "-q", "-b", "both")
    access.commit("Ask for both", email="alice@example.com")
    access.git("checkout", "-q", "main")
    access.run("request", "--branch", "both", "--at", T0, acting="alice", expect=None)
    access.run("gate", "1", "--at", T1)
    access.run("apply", "--at", T2)
    made = context(access)
    inbox(made).write(1, ALICE, "", is_pull=True)
    assert ask(made, ALICE, "/extend 1h").why == "#1 changed 2 grants; a comment extends one"
    reply = ask(made, ALICE, "/end")
    assert reply.grants == ("staging/one", "staging/two")
    assert made.repo.forge.pull(2).title == "End 2 grants"


@given(st.text(max_size=60))
def test_any_text_is_a_command_or_none(body: str) -> None:
    found = read_command(body)
    if found is not None:
        assert body.startswith("/" + body[1 : 1 + len(found[0])])
        assert found[0].isascii()
        assert "\n" not in found[1]


def test_status_tells_of_this_requests_grants_alone_and_that_no_target_was_looked_at(
    granted: AnswerContext, access: Access
) -> None:
    other = access.grant("2026-11-20T09:40:00Z", "2026-11-20T09:41:00Z")
    access.run("apply", "--at", "2026-11-20T09:42:00Z")
    fresh = replace(context(access), inbox=granted.inbox)
    said = words(fresh, ask(fresh, CAROL, "/status"))
    assert "by the ledger's word: no target was looked at for this" in said
    assert "should be gone" not in said
    assert other not in said


def test_status_says_why_a_grant_gives_nothing_though_its_window_is_open(
    granted: AnswerContext, access: Access
) -> None:
    place = access.top / "policies/resources/orders-db.yaml"
    place.write_text(place.read_text().replace("member_of: orders_readonly", "member_of: orders_all"))
    access.commit("the role means something else")
    fresh = replace(context(access), inbox=granted.inbox)
    said = words(fresh, ask(fresh, CAROL, "/status"))
    assert "gives nothing: role means something else since approval" in said
    assert "h10m left" not in said
