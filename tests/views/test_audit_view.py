"""Answers as people, programs and spreadsheets read them."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

from daypass.core.audit.access import AccessAnswer, HeldAccess, Sources
from daypass.core.audit.events import EventKind, HistoryEvent
from daypass.core.audit.selection import HistoryAnswer
from daypass.core.audit.stats import Durations, Stats
from daypass.core.audit.verified import Difference, Verified
from daypass.core.finding import Severity
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.receipt import Admission
from daypass.core.ledger.records import ApprovalRecord
from daypass.core.plan import Action, Entitlement, Intended, Reason
from daypass.core.window import Window
from daypass.views.audit import audit_csv, audit_json, audit_text
from daypass.views.findings import printable

T0 = datetime(2026, 11, 21, 9, tzinfo=UTC)
MAIN, LEDGER = Oid("a" * 40), Oid("b" * 40)
E = Entitlement("embedded", "orders-db", "alice_db", "ro")
HEADER = (
    "{title}, at 2026-11-21T11:00:00Z\n"
    "main aaaaaaaaaaaa, ledger bbbbbbbbbbbb with 7 receipts, the last at 2026-11-21T09:00:00Z\n"
    "what happened at the targets after 2026-11-21T09:00:00Z is not in the ledger\n"
    "\n"
)


def sources(**changes):
    fields = {"main": MAIN, "ledger": LEDGER, "receipts": 7, "last_at": T0, "at": T0 + timedelta(hours=2)}
    return Sources(**(fields | changes))


def admission():
    return Admission(
        GrantId("orders-db/one"),
        Oid("1" * 40),
        Oid("2" * 40),
        7,
        Oid("3" * 40),
        Oid("4" * 40),
        T0,
        T0,
        "alice",
        "alice",
        "orders-db",
        "readonly",
        Window(T0, T0 + timedelta(hours=1)),
        E,
        "sha256:g",
        "sha256:p",
        "sha256:m",
        approvals=(ApprovalRecord("bob", "owners", Oid("3" * 40), T0, "r"),),
    )


def access_answer(*found):
    return AccessAnswer(sources(), "orders-db", found)


ONE = (GrantId("orders-db/one"),)


def held(grants=ONE, until=T0 + timedelta(hours=1), **changes):
    change = Intended(Action.ADD, E, grants, Reason.WINDOW_OPENED, T0, until)
    return HeldAccess(**({"change": change, "since": T0, "receipt": 3, "basis": (admission(),)} | changes))


def test_access_reads_as_a_table_with_what_it_rests_on():
    assert audit_text(access_answer(held())) == HEADER.format(title="Who could reach orders-db") + (
        "SUBJECT  PRIVILEGE  SINCE                 UNTIL                         GRANTS         APPROVED BY   PULL  RECEIPT  TICKET  REASON\n"
        "alice    ro         2026-11-21T09:00:00Z  2026-11-21T10:00:00Z overdue  orders-db/one  bob (owners)  #7    3        -       -\n"
        "\n"
        "alice_db still had access 1h after its end\n"
    )


def test_doubt_is_said_in_words():
    text = audit_text(access_answer(held(until=None, basis=(), grants=(), doubt="it failed: x")))
    assert "a rule" not in text  # without a proof nobody knows who or what approved it
    assert "alice_db  ro         2026-11-21T09:00:00Z  - ?" in text
    assert text.endswith("alice_db may have had access (?): receipt 3 tried to give it; it failed: x\n")


def test_nobody_is_said_and_bounded():
    text = audit_text(access_answer())
    assert text.endswith("Nobody, as far as daypass gave access to orders-db.\n")


def test_access_as_json_has_a_version_and_plain_values():
    data = json.loads(audit_json(access_answer(held())))
    assert data["version"] == 1
    assert data["sources"]["at"] == "2026-11-21T11:00:00Z"
    (row,) = data["access"]
    assert (row["subject"], row["overdue"], row["certain"], row["pulls"], row["approvers"]) == (
        "alice",
        True,
        True,
        [7],
        ["bob (owners)"],
    )


def event(**changes):
    fields = {
        "kind": EventKind.REMOVED,
        "at": T0,
        "grants": (GrantId("orders-db/one"),),
        "subject": "alice",
        "late": 90,
    }
    return HistoryEvent(**(fields | changes))


def test_history_shows_lateness_and_absent_values():
    text = audit_text(
        HistoryAnswer(sources(), "subject", "alice", (event(), event(late=None, at=None, pull=3, receipt=5)))
    )
    lines = text.splitlines()
    assert lines[0] == "History of subject alice, at 2026-11-21T11:00:00Z"
    assert lines[5].split("  ")[0] == "2026-11-21T09:00:00Z"
    assert lines[5].endswith("1m30s late")
    assert lines[6].startswith("-  ")
    assert "#3" in lines[6]


def test_history_without_events_says_so():
    assert "\nNo events.\n" in audit_text(HistoryAnswer(sources(), "grant", "x/y", ()))


def test_a_merge_message_cannot_move_the_cursor():
    text = audit_text(HistoryAnswer(sources(), "grant", "x/y", (event(by="\x1b[2Jeve\u202e", detail="a\nb"),)))
    assert "\\x1b[2Jeve\\u202e" in text
    assert "a\\nb" in text
    assert printable("é ok") == "é ok"


def test_csv_has_every_column_and_disarms_formulas():
    answer = HistoryAnswer(sources(), "grant", "x/y", (event(by='=HYPERLINK("x")', approvers=("bob", "carol")),))
    (row,) = csv.DictReader(io.StringIO(audit_csv(answer)))
    assert (row["event"], row["by"], row["approvers"], row["receipt"], row["late_seconds"]) == (
        "access removed",
        '\'=HYPERLINK("x")',
        "bob; carol",
        "",
        "90",
    )
    assert json.loads(audit_json(answer))["events"][0]["by"] == '=HYPERLINK("x")'


def test_csv_without_rows_keeps_its_header():
    assert audit_csv(access_answer()).startswith("subject,principal,resource")
    assert audit_csv(access_answer(held())).splitlines()[1].startswith("alice,alice_db,orders-db,embedded,ro,readonly")


def verified(*found):
    return Verified(sources(), 7, 2, 4, found)


def test_verification_that_is_clean_says_how_much_was_proved():
    assert audit_text(verified()).endswith("OK: 7 receipts and 2 admissions proved over 4 landings.\n")


def test_verification_names_each_difference():
    answer = verified(Difference("anchor-missing", "gone", commit="c"), Difference("no-trailers", "hm", Severity.NOTE))
    assert audit_text(answer).splitlines()[4:] == [
        "error   anchor-missing: gone",
        "note    no-trailers: hm",
        "",
        "1 difference; 7 receipts and 2 admissions proved over 4 landings.",
    ]
    data = json.loads(audit_json(answer))
    assert (data["clean"], data["checked"]) == (False, {"receipts": 7, "admissions": 2, "landings": 4})
    assert audit_csv(answer).splitlines()[1] == "error,anchor-missing,,c,,gone"


def stats_answer():
    none = Durations(0)
    return Stats(sources(), Durations(2, 90.0, 120, 120), none, none, 0, 0, 1, 0, 0, 0, 0)


def test_figures_show_a_dash_where_nothing_was_measured():
    text = audit_text(stats_answer())
    lines = text.splitlines()
    assert lines[5].split() == ["request", "to", "usable", "access", "2", "1m30s", "2m", "2m"]
    assert lines[6].split() == ["approval", "to", "usable", "access", "0", "-", "-", "-"]
    assert "       1  live grants" in lines


def test_figures_as_json_are_seconds_and_null():
    data = json.loads(audit_json(stats_answer()))["stats"]
    assert data["request_to_usable_seconds"] == {"count": 2, "median": 90.0, "p95": 120, "worst": 120}
    assert data["lateness_seconds"]["median"] is None
    assert "lateness_seconds.median," in audit_csv(stats_answer()).splitlines()


def test_an_index_built_anew_is_said():
    text = audit_text(AccessAnswer(sources(rebuilt="main was rewritten", last_at=None), "r", ()))
    assert text.splitlines()[1:3] == [
        "main aaaaaaaaaaaa, ledger bbbbbbbbbbbb with 7 receipts",
        "the index was built anew: main was rewritten",
    ]
