"""What is shown of a request, before any words: lines, effects, whom to ask, and how it stands."""

from __future__ import annotations

import pytest

from daypass.core.finding import Severity
from daypass.core.request import MOST_ASKED, Report
from daypass.pipeline.judge.report import MOST_ANNOTATIONS, notice_of
from daypass.views.findings import printable
from driver import Access
from report_world import GRANT, T, propose, told

FILE = "grants/orders-db/alice-double-charges.yaml"


def notice(report: Report):
    return notice_of(report, title="t", summary="s", comment="c", plain=printable)


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("readonly", "readonli", "unknown-role", 4),
        ("subject: alice", "subject: alicia", "unknown-subject", 2),
        ("8h", "9h", "too-long", 8),
        ("ticket: INC-1234", "purpose: incidents", "unknown-purpose", 6),
        ("resource: orders-db", "resource: payroll", "folder-mismatch", 3),
    ],
)
def test_what_is_wrong_is_annotated_at_its_line(access: Access, old: str, new: str, code: str, line: int) -> None:
    propose(access, T("10:00"), {FILE: GRANT.replace(old, new)})
    shown = notice(told(access, "1", T("10:01"))).findings
    assert (code, FILE, line, Severity.ERROR) in {(f.code, f.place.file, f.place.line, f.severity) for f in shown}
    assert all(f.hint for f in shown)


def test_a_rule_that_denies_is_named(access: Access) -> None:
    text = GRANT.replace("orders-db", "payroll").replace("8h", "1h")
    propose(access, "2026-11-21T10:00:00Z", {"grants/payroll/x.yaml": text})
    report = told(access, "1", "2026-11-21T10:01:00Z")
    (one,) = (f for f in notice(report).findings if f.code == "policy-denied")
    assert one.message.startswith("rule restricted-in-office-hours: Restricted data is opened in office hours only")
    assert (report.state, notice(report).conclusion) == ("refused", "failure")


def test_a_window_that_is_over_is_annotated_where_it_stands(access: Access) -> None:
    window = "  from: 2026-11-20T10:30:00Z\n  until: 2026-11-20T11:00:00Z\n"
    propose(access, T("10:00"), {FILE: GRANT.replace("  duration: 8h\n", window)})
    shown = notice(told(access, "1", T("11:30"))).findings
    assert ("window-past", 9) in {(f.code, f.place.line) for f in shown}


def test_what_has_no_file_is_in_the_words_and_in_no_annotation(access: Access) -> None:
    access.git("switch", "-q", "-c", "skip")
    access.write(FILE, GRANT)
    access.commit("Ask [skip ci]", email="alice@example.com")
    access.git("switch", "-q", "main")
    access.run("request", "--branch", "skip", "--at", T("10:00"), acting="alice", expect=None)
    report = told(access, "1", T("10:01"))
    assert [f.place.file for f in report.findings if f.place.file.startswith("commit ")]
    assert notice(report).findings == ()
    assert report.state == "invalid"


def test_names_that_no_reader_could_show_are_not_sent(access: Access) -> None:
    propose(access, T("10:00"), {"grants/orders-db/a\nb.yaml": GRANT, "grants/orders-db/c d.yaml": GRANT})
    report = told(access, "1", T("10:01"))
    assert {f.place.file for f in report.findings} == {"grants/orders-db/a\nb.yaml", "grants/orders-db/c d.yaml"}
    assert {f.place.file for f in notice(report).findings} == {"grants/orders-db/c d.yaml"}


def test_annotations_are_bounded(access: Access) -> None:
    many = {f"grants/orders-db/G{n:03}.yaml": GRANT for n in range(MOST_ANNOTATIONS + 5)}
    propose(access, T("10:00"), many)
    assert len(notice(told(access, "1", T("10:01"))).findings) == MOST_ANNOTATIONS


@pytest.mark.parametrize(
    ("reviews", "state", "conclusion", "ask"),
    [
        ((), "waiting", "", ("dave", "bob", "erin", "carol")),
        ((("approve", "bob"),), "waiting", "", ("dave", "erin")),
        ((("approve", "bob"), ("approve", "dave")), "approved", "success", ()),
        ((("approve", "bob"), ("reject", "dave")), "refused", "failure", ()),
    ],
)
def test_how_it_stands_follows_the_reviews(access: Access, reviews, state: str, conclusion: str, ask) -> None:
    propose(access, T("10:00"), {FILE: GRANT})
    for verb, who in reviews:
        access.run(verb, "1", "--at", T("10:01"), acting=who)
    found = notice(told(access, "1", T("10:02")))
    assert (found.state, found.conclusion, found.ask) == (state, conclusion, ask)


def test_success_is_said_of_nothing_that_the_gate_would_not_merge(access: Access) -> None:
    propose(access, T("10:00"), {"docs.txt": "hello\n"})
    found = notice(told(access, "1", T("10:01")))
    assert (found.state, found.conclusion) == ("invalid", "failure")


def test_whoever_opened_it_is_not_asked(access: Access) -> None:
    propose(access, T("10:00"), {FILE: GRANT}, acting="bob")
    assert told(access, "1", T("10:01")).ask == ("dave", "carol", "erin")


def test_no_more_people_are_asked_than_a_forge_takes(access: Access) -> None:
    place = access.top / "policies/directory/people.yaml"
    names = [f"p{n:02}" for n in range(40)]
    text = place.read_text(encoding="utf-8").replace("groups:", "".join(
        f"  {name}: {{name: P, email: {name}@example.com}}\n" for name in names) + "groups:")  # fmt: skip
    place.write_text(
        text.replace("dba: {members: [bob, carol]}", f"dba: {{members: [{', '.join(names)}]}}"), encoding="utf-8"
    )
    access.commit("Hire")
    propose(access, T("10:00"), {FILE: GRANT})
    ask = told(access, "1", T("10:01")).ask
    assert len(ask) == MOST_ASKED
    assert {"dave", "erin"} < set(ask)
