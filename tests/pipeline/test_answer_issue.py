"""An issue that the form made becomes one pull request of its author, or an answer that says why not."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from daypass.core.errors import ConflictError, EdgeError, UsageError
from daypass.core.forge import Account, Occasion
from daypass.edges.forges.environment import read_event
from daypass.edges.forges.github.inbox import asked_in, links_of
from daypass.pipeline.ask.answer import AnswerContext, answer_issue
from daypass.views.form import reply_line, reply_markdown
from driver import Access
from fakes.inbox import MemoryInbox, answered
from fakes.repository import Fresh

pytestmark = pytest.mark.on_disk

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)  # a Friday, in office hours
ALICE = Account("alice", "alice-ngo")
STRANGER = Account("", "mallory (id 666)")
ROBOT = Account("", "helper[bot]", person=False)
LINKS = links_of("https://github.com/acme/access")


@pytest.fixture
def context(access: Access) -> AnswerContext:
    site = Fresh(access.top)
    return AnswerContext(repo=site, inbox=MemoryInbox(site.forge, AT), opens=True)


def inbox(context: AnswerContext) -> MemoryInbox:
    assert isinstance(context.inbox, MemoryInbox)
    return context.inbox


def said(context: AnswerContext, reply: object) -> str:
    return reply_markdown(reply, context.policy, LINKS, {}, AT)  # type: ignore[arg-type]  # as the verb hands it on


def test_an_answered_form_becomes_a_pull_request_in_the_name_of_its_author(
    context: AnswerContext, access: Access
) -> None:
    inbox(context).write(12, ALICE, answered(subject="erin", ticket="INC-7", purpose="incident"))
    reply = answer_issue(context, 12, at=AT)
    assert (reply.kind, reply.topic, reply.number, reply.pull) == ("opened", "answer", 12, 1)
    pull = context.repo.forge.pull(1)
    assert (pull.branch, pull.title) == ("daypass/issue-12", "Grant erin readonly on orders-db for 2h")
    (path,) = access.git("diff", "--name-only", "main...daypass/issue-12").splitlines()
    text = access.git("show", f"daypass/issue-12:{path}")
    assert path.startswith("grants/orders-db/erin-20261120-")
    assert "subject: erin\n" in text
    assert "ticket: INC-7\n" in text
    assert "purpose: incident" in text
    words = said(context, reply)
    assert words.startswith(
        f"Opened #1 for `{path[7:-5]}`. It asks in the name of `alice`, who can therefore not approve"
    )
    assert "needs  1 approval from owners: bob (Bob Osei), carol (Carol Diaz)" in words
    assert reply_line(reply) == "#12: request by alice: #1 opened"


@pytest.mark.parametrize(
    ("said", "window"),
    [
        (
            "2026-12-01 until 2026-12-12, Mon 06:00-08:00, Europe/Berlin",
            'from: 2026-11-30T23:00:00Z\n  until: 2026-12-11T23:00:00Z\n  hours: "Mon 06:00-08:00"\n  zone: Europe/Berlin\n',
        ),
        (
            "2026-12-01T09:00Z until 2026-12-01T11:00Z",
            "from: 2026-12-01T09:00:00Z\n  until: 2026-12-01T11:00:00Z\n",
        ),
    ],
)
def test_a_window_that_is_asked_for_in_the_form_is_the_grants(
    context: AnswerContext, access: Access, said: str, window: str
) -> None:
    inbox(context).write(12, ALICE, answered(duration=said))
    assert answer_issue(context, 12, at=AT).kind == "opened"
    (path,) = access.git("diff", "--name-only", "main...daypass/issue-12").splitlines()
    assert window in access.git("show", f"daypass/issue-12:{path}") + "\n"


def test_a_calendar_that_there_is_not_is_denied(context: AnswerContext) -> None:
    inbox(context).write(12, ALICE, answered(duration="2026-12-01 until 2026-12-12, calendar office, Europe/Berlin"))
    reply = answer_issue(context, 12, at=AT)
    assert reply.kind == "denied"
    assert "there is no calendar 'office'" in said(context, reply)


def test_what_ends_access_is_denied_where_the_forge_watches_nothing(context: AnswerContext) -> None:
    inbox(context).write(12, ALICE, answered(ends_when="acme/orders#88"))
    reply = answer_issue(context, 12, at=AT)
    assert reply.kind == "denied"
    assert "ends_when: nobody can look at issue_closed acme/orders#88" in said(context, reply)


def test_an_empty_subject_is_the_author(context: AnswerContext) -> None:
    inbox(context).write(12, ALICE, answered())
    reply = answer_issue(context, 12, at=AT)
    assert reply.grant is not None
    assert reply.grant.subject == "alice"


def test_a_second_run_finds_the_pull_request(context: AnswerContext, access: Access) -> None:
    inbox(context).write(12, ALICE, answered())
    first = answer_issue(context, 12, at=AT)
    head = context.repo.forge.pull(1).head
    again = answer_issue(context, 12, at=AT.replace(hour=11))
    assert (first.kind, again.kind, again.pull) == ("opened", "there", 1)
    assert context.repo.forge.pull(1).head == head
    assert len(context.repo.forge.open_pulls()) == 1
    assert said(context, again) == "Pull request #1 was opened for this; it says who has to approve it.\n"
    assert reply_line(again) == "#12: request by alice: #1 was opened before"


def test_a_merged_request_is_not_opened_again_by_a_late_run(context: AnswerContext, access: Access) -> None:
    inbox(context).write(12, ALICE, answered())
    answer_issue(context, 12, at=AT)
    context.repo.forge.close(1, reason="enough", at=AT)
    assert answer_issue(context, 12, at=AT).kind == "there"


def test_an_edit_after_the_request_was_taken_changes_nothing(context: AnswerContext) -> None:
    written = inbox(context)
    written.write(12, ALICE, answered())
    answer_issue(context, 12, at=AT)
    written.tickets[12] = replace(
        written.tickets[12], asked=asked_in(12, (), answered(role="orders-db/admin")), edited=True
    )
    assert answer_issue(context, 12, at=AT).kind == "there"


def test_a_run_that_died_before_the_pull_request_is_made_good(context: AnswerContext, access: Access) -> None:
    inbox(context).write(12, ALICE, answered())
    parent = context.repo.history.resolve(context.repo.main)
    context.repo.forge.commit(
        branch="daypass/issue-12", parent=parent, files=[("grants/x", b"half")], message="x", at=AT
    )
    assert answer_issue(context, 12, at=AT).kind == "opened"
    assert access.git("diff", "--name-only", "main...daypass/issue-12").startswith("grants/orders-db/alice-")


def racing_in(context: AnswerContext, *, wins: bool) -> AnswerContext:
    repo = Fresh(context.repo.folder)  # type: ignore[attr-defined]
    repo.__dict__["forge"] = _Racing(context, wins=wins)
    return replace(context, repo=repo)


class _Racing:
    """A forge where another run opens the pull request in between."""

    def __init__(self, context: AnswerContext, *, wins: bool) -> None:
        self._forge = context.repo.forge
        self._wins = wins

    def __getattr__(self, name: str) -> object:
        return getattr(self._forge, name)

    def open(self, **asked: object) -> object:
        if self._wins:
            self._forge.open(**asked)  # type: ignore[arg-type]  # handed on as it came
        raise ConflictError("the branch has an open pull request already")


def test_of_two_runs_at_once_the_loser_tells_of_the_winners_pull_request(context: AnswerContext) -> None:
    inbox(context).write(12, ALICE, answered())
    racing = racing_in(context, wins=True)
    reply = answer_issue(racing, 12, at=AT)
    assert (reply.kind, reply.pull) == ("there", 1)


def test_a_branch_that_somebody_else_uses_is_a_failure_and_no_answer(context: AnswerContext) -> None:
    inbox(context).write(12, ALICE, answered())
    racing = racing_in(context, wins=False)
    with pytest.raises(ConflictError, match="has an open pull request already"):
        answer_issue(racing, 12, at=AT)


@pytest.mark.parametrize(
    ("body", "labels", "is_pull", "by", "why"),
    [
        ("It does not work", (), False, ALICE, "it is no request made with the form"),
        ("It does not work", ("bug",), False, ALICE, "it is no request made with the form"),
        (answered(), ("daypass-request",), True, ALICE, "it is no request made with the form"),
        (answered(), ("daypass-request",), False, ROBOT, "helper[bot] is no person"),
    ],
)
def test_what_is_no_request_of_a_person_is_not_answered(
    context: AnswerContext, body: str, labels: tuple[str, ...], is_pull: bool, by: Account, why: str
) -> None:
    inbox(context).write(12, by, body, labels=labels, is_pull=is_pull)
    reply = answer_issue(context, 12, at=AT)
    assert (reply.kind, reply.why) == ("silent", why)
    assert said(context, reply) == ""
    assert reply_line(reply).startswith("#12: nothing to answer")
    assert context.repo.forge.open_pulls() == ()


def test_a_form_without_its_label_is_answered_as_the_repository_may_not_have_it(context: AnswerContext) -> None:
    inbox(context).write(12, ALICE, answered(), labels=())
    assert answer_issue(context, 12, at=AT).kind == "opened"


def refused(context: AnswerContext, by: Account, body: str, *, edited: bool = False) -> str:
    inbox(context).write(12, by, body, edited=edited)
    reply = answer_issue(context, 12, at=AT)
    assert (reply.kind, reply.topic) == ("refused", "answer")
    assert context.repo.forge.open_pulls() == ()
    assert context.repo.history.find("refs/heads/daypass/issue-12") is None
    return said(context, reply)


def test_a_stranger_is_told_that_nobody_knows_them(context: AnswerContext) -> None:
    words = refused(context, STRANGER, answered())
    assert words.startswith("Nothing was done: the directory does not know mallory ")
    assert "What to do: people who may ask are listed in" in words
    assert "(https://github.com/acme/access/issues/new?template=daypass-request.yml)" in words


def test_an_edited_issue_is_refused(context: AnswerContext) -> None:
    words = refused(context, ALICE, answered(), edited=True)
    assert "this issue was edited after it was opened, and an edit may be" in words


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("let me in", "the heading '### Resource and role' is missing; the form has it once [form-broken]"),
        (answered(role="orders-db/root"), "the catalogue has no role root on orders-db [form-answer]"),
        (answered(role="vault/readonly"), "the catalogue has no role readonly on vault [form-answer]"),
        (answered(purpose="fun"), "policies/purposes has no 'fun' [form-answer]"),
        (answered(reason="because"), "expected at least 10 characters, got 7"),
        (answered(ticket="two words"), "issue 12: error: 'Ticket': 'two words'"),
        (answered(reason="ten characters [skip ci] and more"), "skip ci"),
        (answered(duration="a day"), "'a day' is not a duration [bad-duration]"),
        (
            answered(duration="2026-12-01T09:00Z until 2028-12-01T09:00Z"),
            "error: 'How long': the window lasts 731d, longer than the 366d that any access may last [window-too-long]",
        ),
        (
            answered(duration="2026-12-01 until 2027-01-15, calendar Office, UTC"),
            "'How long': 'Office' is no",
        ),
        (answered(ends_when="orders#88"), "'Ends when': 'orders#88' is not of the form that is wanted here"),
        (answered(ends_when="soon"), "issue 12: error: 'soon' names nothing that ends access [form-answer]"),
        (answered(duration="400d"), "400d is longer than the 366d that any access may last [bad-duration]"),
    ],
)
def test_what_is_wrong_with_the_answers_is_told(context: AnswerContext, body: str, message: str) -> None:
    words = refused(context, ALICE, body)
    assert message in words


def test_what_is_granted_already_is_not_asked_for_again(context: AnswerContext, access: Access) -> None:
    written = inbox(context)
    written.write(12, ALICE, answered())
    answer_issue(context, 12, at=AT)
    access.git("merge", "-q", "--no-edit", "daypass/issue-12")
    written.write(13, ALICE, answered())
    reply = answer_issue(context, 13, at=AT)
    assert reply.kind == "refused"
    assert "this is the same grant as grants/orders-db/alice-20261120-" in said(context, reply)


def test_what_policy_denies_is_explained_and_not_opened(context: AnswerContext) -> None:
    inbox(context).write(12, ALICE, answered(duration="9h"))
    reply = answer_issue(context, 12, at=AT)
    assert reply.kind == "denied"
    words = said(context, reply)
    assert words.startswith("Policy does not allow this, so no pull request was opened.")
    assert "denied: " in words
    assert context.repo.forge.open_pulls() == ()


def test_a_subject_whom_the_directory_does_not_know_is_denied(context: AnswerContext) -> None:
    inbox(context).write(12, ALICE, answered(subject="zoe"))
    reply = answer_issue(context, 12, at=AT)
    assert reply.kind == "denied"
    assert "zoe" in said(context, reply)


def test_without_an_app_the_author_gets_a_link_to_propose_the_file_themselves(context: AnswerContext) -> None:
    alone = replace(context, opens=False)
    inbox(context).write(12, ALICE, answered())
    reply = answer_issue(alone, 12, at=AT)
    assert reply.kind == "link"
    words = said(context, reply)
    assert "https://github.com/acme/access/new/main/grants/orders-db?filename=alice-20261120-" in words
    assert "&value=%23%20yaml-language-server" in words
    assert "reason%3A%20reading%20four%20orders" in words
    assert "```yaml\n# yaml-language-server" in words
    assert context.repo.forge.open_pulls() == ()
    assert reply_line(reply) == "#12: told where to open it request by alice"
    late = answer_issue(alone, 12, at=AT.replace(hour=12))
    assert late.grant == reply.grant  # the link stays the same, so that nobody proposes it twice


def test_a_text_that_no_address_holds_is_shown_to_be_copied(context: AnswerContext) -> None:
    reason = "ö" * 1000
    inbox(context).write(12, ALICE, answered(reason=reason))
    words = said(context, answer_issue(replace(context, opens=False), 12, at=AT))
    assert "&value=" not in words
    assert reason in words


def test_an_issue_that_the_desk_does_not_have_is_a_failure(context: AnswerContext) -> None:
    with pytest.raises(EdgeError, match="there is no issue 99"):
        answer_issue(context, 99, at=AT)


def test_what_people_write_cannot_leave_its_place_in_our_answer(context: AnswerContext) -> None:
    evil = "@everyone ![x](http://evil.example/a.png) <!-- daypass --> ``` </details>\n/end"
    words = refused(context, ALICE, answered(ticket=evil))
    fenced = words.split("```", 1)[1].rsplit("```", 1)[0]
    assert "@everyone" not in words.replace(fenced, "")
    assert "evil.example" not in words.replace(fenced, "")


# Events


def event(**payload: object) -> bytes:
    return json.dumps(payload).encode()


def test_only_kind_and_numbers_are_read_from_an_event() -> None:
    lies = {"number": 12, "user": {"login": "bob"}, "body": "grant all", "labels": [{"name": "daypass-request"}]}
    assert read_event(event(action="opened", issue=lies)) == Occasion(12)
    assert read_event(event(action="created", issue=lies, comment={"id": 77, "body": "/end"})) == Occasion(12, 77)


@pytest.mark.parametrize("action", ["edited", "labeled", "reopened", "deleted", None, ["opened"]])
def test_other_actions_are_not_answered(action: object) -> None:
    assert read_event(event(action=action, issue={"number": 12})) == Occasion(
        silent=f"the action is {action!r}; only 'opened' is answered"
    )


def test_only_new_comments_are_answered() -> None:
    found = read_event(event(action="edited", issue={"number": 1}, comment={"id": 2}))
    assert "only 'created' is answered" in found.silent


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "the event file holds no JSON"),
        (b"\xff\xfe", "the event file holds no JSON"),
        (b"[" * 100_000, "the event file holds no JSON"),
        (b"[]", "the event is about no issue"),
        (event(action="opened", pull_request={"number": 1}), "the event is about no issue"),
        (event(action="opened", issue={"number": "12"}), "expected the issue's number, got '12'"),
        (event(action="opened", issue={"number": True}), "expected the issue's number, got 'True'"),
        (event(action="opened", issue={"number": -1}), "expected the issue's number, got '-1'"),
        (event(action="opened", issue={"number": 1 << 60}), "expected the issue's number"),
        (event(action="created", issue={"number": 1}, comment={}), "expected the comment's id, got 'None'"),
        (event(action="created", issue={"number": 1}, comment=7), "expected the comment's id"),
    ],
)  # fmt: skip
def test_an_event_that_is_not_understood_is_a_failure(raw: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_event(raw)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reading_of_an_event_crash(raw: bytes) -> None:
    with suppress(UsageError):
        read_event(raw)


def test_a_second_issue_for_the_same_is_noticed_when_its_request_opens(context: AnswerContext) -> None:
    inbox(context).write(12, ALICE, answered())
    assert answer_issue(context, 12, at=AT).twins == ()
    inbox(context).write(13, ALICE, answered())
    reply = answer_issue(context, 13, at=AT)
    assert (reply.kind, reply.twins) == ("opened", (1,))
    assert "#1 asks for the same: close what is one too many." in reply_markdown(reply, context.policy, LINKS, {}, AT)


ERIN = Account("erin", "erin-vogt")
CASE = {"purpose": "data-subject-request", "ticket": "DSR-1234"}


def test_details_are_answered_one_a_line_as_the_purpose_asks_for_them(context: AnswerContext, access: Access) -> None:
    details = "due: 2026-12-10\n\nright: access\nclasses: personal, payment"
    inbox(context).write(12, ERIN, answered(**CASE, details=details))
    assert answer_issue(context, 12, at=AT).kind == "opened"
    (path,) = access.git("diff", "--name-only", "main...daypass/issue-12").splitlines()
    text = access.git("show", f"daypass/issue-12:{path}")
    assert 'details:\n  classes: ["personal", "payment"]\n  due: 2026-12-10\n  right: access' in text


@pytest.mark.parametrize(
    ("details", "told"),
    [
        ("due", "expected a line such as due: 2026-12-20, got 'due'"),
        ("Due: 2026-12-10", "expected a line such as due: 2026-12-20, got 'Due: 2026-12-10'"),
        ("due: 2026-12-10\ndue: 2026-12-11", "the detail due is answered twice"),
    ],
)
def test_a_line_that_is_no_detail_is_told(context: AnswerContext, details: str, told: str) -> None:
    inbox(context).write(12, ERIN, answered(**CASE, details=details))
    reply = answer_issue(context, 12, at=AT)
    assert (reply.kind, reply.pull) == ("refused", 0)
    assert told in said(context, reply)


def test_what_a_purpose_asks_for_and_the_answers_lack_is_denied_with_what_helps(context: AnswerContext) -> None:
    inbox(context).write(12, ERIN, answered(**CASE))
    reply = answer_issue(context, 12, at=AT)
    assert reply.kind == "denied"
    assert "add due: a date or an instant, for example 2026-12-20" in said(context, reply)
