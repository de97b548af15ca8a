"""From bytes to a grant: what a good file means, and what each bad one is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daypass.core.files.grants import _WORDS, grant_text, read_grant
from daypass.core.finding import Finding
from daypass.core.grant import Grant
from daypass.core.ids import GrantId
from daypass.core.window import Recurrence, Span, Window
from examples import examples

PATH = "grants/orders-db/a.yaml"
GOOD = """# yaml-language-server: $schema=../../.schemas/grant.schema.json
version: 1
subject: alice
resource: orders-db
role: readonly
reason: Duplicate charges reported by support.
ticket: INC-1234
window:
  duration: 8h   # from the merge
purpose: incident
ends_when:
  issue_closed: acme/orders#88
"""


def told(text: str, path: str = PATH) -> list[str]:
    found = read_grant(path, text.encode())
    assert isinstance(found, tuple), "the file was accepted"
    return [f"{f.place.line}:{f.place.column} [{f.place.path}] {f.code}: {f.message} ({f.hint})" for f in found]


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def grant(text: str) -> Grant:
    found = read_grant(PATH, text.encode())
    assert isinstance(found, Grant), found
    return found


def test_a_good_file_is_a_grant() -> None:
    assert grant(GOOD) == Grant(
        id=GrantId("orders-db/a"),
        subject="alice",
        resource="orders-db",
        role="readonly",
        reason="Duplicate charges reported by support.",
        span=Span(duration=timedelta(hours=8)),
        ticket="INC-1234",
        purpose="incident",
        ends_when=(("issue_closed", "acme/orders#88"),),
    )


def test_the_smallest_file_is_a_grant() -> None:
    text = "version: 1\nsubject: no\nresource: orders-db\nrole: on\nreason: 0123456789\nwindow: {duration: 1m}\n"
    found = grant(text)
    assert (found.subject, found.role, found.reason, found.ticket) == ("no", "on", "0123456789", "")


def test_a_ticket_of_digits_stays_text() -> None:
    assert grant(changed("INC-1234", "0012345")).ticket == "0012345"


def test_an_absolute_window_is_read_in_utc() -> None:
    text = changed("duration: 8h ", "{from: 2026-11-21T09:00:00+01:00, until: 2026-11-21T17:00:00Z}").replace(
        "window:\n  {", "window: {"
    )
    start, end = datetime(2026, 11, 21, 8, tzinfo=UTC), datetime(2026, 11, 21, 17, tzinfo=UTC)
    assert grant(text).span == Span(window=Window(start, end))


def test_layout_and_quotes_do_not_change_the_digest() -> None:
    flow = (
        '{"version": 1, "subject": "alice", resource: orders-db, role: readonly, ticket: INC-1234, purpose: incident, '
        "reason: 'Duplicate charges reported by support.', window: {duration: 480m}, ends_when: {issue_closed: acme/orders#88}}"
    )
    assert grant(flow).digest == grant(GOOD).digest


NAME = "write lower-case letters, digits and hyphens, a letter or digit first"
WHO = "subject: who receives access: a handle of the directory, for example alice"
SHAPE = "is not of the form that is wanted here"


def absolute(start: str, end: str) -> str:
    return changed("  duration: 8h", f"  from: {start}\n  until: {end}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (changed("subject: alice\n", ""), [f"2:1 [subject] missing-key: the key 'subject' is missing ({WHO})"]),
        (
            changed("subject:", "subjcet:"),
            [
                f"2:1 [subject] missing-key: the key 'subject' is missing ({WHO})",
                "3:1 [subjcet] unknown-key: the key 'subjcet' is not known here (did you mean subject?)",
            ],
        ),
        (
            changed("subject:", "\u0455ubject:"),
            [
                f"2:1 [subject] missing-key: the key 'subject' is missing ({WHO})",
                "3:1 [\u0455ubject] unknown-key: the key '\u0455ubject' is not known here (did you mean subject?)",
            ],
        ),
        (
            changed("purpose:", "zzz:"),
            [
                "10:1 [zzz] unknown-key: the key 'zzz' is not known here "
                "(known here: details, ends_when, purpose, reason, resource, role, subject, ticket, version, window)"
            ],
        ),
        (changed("version: 1", "version: 2"), ["2:10 [version] wrong-value: expected 1, got 2 ()"]),
        (
            changed("version: 1", "version: '1'"),
            ["2:10 [version] wrong-type: expected a whole number without quotes, got '1' ()"],
        ),
        (
            changed("version: 1", "version: 01"),
            ["2:10 [version] wrong-type: expected a whole number without quotes, got '01' ()"],
        ),
        (changed("alice", "[alice]"), ["3:10 [subject] wrong-type: expected text, got a list ()"]),
        (changed("alice", "{a: b}"), ["3:10 [subject] wrong-type: expected text, got keys with values ()"]),
        (changed("alice", "Alice"), [f"3:10 [subject] bad-pattern: 'Alice' {SHAPE} ({NAME})"]),
        (changed("alice", '"alice\\n"'), [f"3:10 [subject] bad-pattern: 'alice\\n' {SHAPE} ({NAME})"]),
        (changed("alice", "\u0430lice"), [f"3:10 [subject] bad-pattern: '\u0430lice' {SHAPE} ({NAME})"]),
        (changed("alice", ""), [f"3:9 [subject] too-short: the value is empty ({NAME})"]),
        (changed("alice", "a" * 64), [f"3:10 [subject] too-long: expected at most 63 characters, got 64 ({NAME})"]),
        (
            changed("INC-1234", '"INC-1\\u0661"'),
            [
                f"7:9 [ticket] bad-pattern: 'INC-1\u0661' {SHAPE} "
                "(write letters, digits and . _ # / : -, a letter or digit first)"
            ],
        ),
        (
            changed("acme/orders#88", "acme/orders#0"),
            [
                f"12:17 [ends_when.issue_closed] bad-pattern: 'acme/orders#0' {SHAPE} (write an issue, for example acme/orders#88)"
            ],
        ),
        (
            changed("Duplicate charges reported by support.", "because"),
            [
                "6:9 [reason] too-short: expected at least 10 characters, got 7 "
                "(Why, in words that a reviewer and an auditor understand.)"
            ],
        ),
        (
            changed("Duplicate charges reported by support.", "'     because     '"),
            [
                "6:9 [reason] too-short: expected at least 10 characters, got 7 beside spaces "
                "(say why, so that a reviewer understands)"
            ],
        ),
        (
            changed("Duplicate charges reported by support.", "x" * 1001),
            [
                "6:9 [reason] too-long: expected at most 1000 characters, got 1001 "
                "(Why, in words that a reviewer and an auditor understand.)"
            ],
        ),
        (
            changed("by support.", "by [Skip CI] support."),
            ["6:9 [reason] skip-directive: '[Skip CI]' would make the forge skip its workflows (remove these words)"],
        ),
        (
            changed("Duplicate charges reported by support.", '"Duplicate charges\\nskip-checks: true"'),
            [
                "6:9 [reason] skip-directive: 'skip-checks: true' would make the forge skip its workflows (remove these words)"
            ],
        ),
        (
            changed("resource: orders-db", "resource: payroll"),
            [
                "4:11 [resource] folder-mismatch: the file is in the folder 'orders-db', its resource is 'payroll' "
                "(the folder decides whose approval is asked; move the file or correct the resource)"
            ],
        ),
        (
            changed("  duration: 8h", "  from: 2026-11-21T09:00:00Z"),
            [
                "9:3 [window] window-without-end: the window has no end: until is missing (add until; access always ends)"
            ],
        ),
        (
            changed("  duration: 8h", "  until: 2026-11-21T09:00:00Z"),
            [
                "9:3 [window] window-without-start: the window has no start: from is missing "
                "(add from, or write duration instead)"
            ],
        ),
        (
            changed("  duration: 8h", "  {}"),
            [
                "9:3 [window] empty-window: the window has no end: duration, or from and until, are missing "
                "(write for example duration: 8h)"
            ],
        ),
        (
            changed("  duration: 8h", "  duration: 8h\n  until: 2026-11-21T09:00:00Z"),
            [
                "9:3 [window] two-windows: a window has either duration, or from and until, not both (keep one of the two)"
            ],
        ),
        (
            changed("  duration: 8h", "  8h"),
            ["9:3 [window] wrong-type: expected keys with values, got '8h' ()"],
        ),
        (
            changed("window:\n  duration: 8h   # from the merge\n", ""),
            ["2:1 [window] missing-key: the key 'window' is missing (window: when)"],
        ),
        (
            changed("8h", "0h"),
            ["9:13 [window.duration] bad-duration: a duration of 0h is no time at all ()"],
        ),
        (
            changed("8h", "-8h"),
            ["9:13 [window.duration] bad-duration: '-8h' is not a duration (write for example 8h, 30m, 7d or 1h30m)"],
        ),
        (
            changed("8h", "8 hours"),
            [
                "9:13 [window.duration] bad-duration: '8 hours' is not a duration (write for example 8h, 30m, 7d or 1h30m)"
            ],
        ),
        (
            changed("8h", "18262d"),
            ["9:13 [window.duration] bad-duration: 18262d is longer than the 366d that any access may last ()"],
        ),
        (
            absolute("2026-11-21T09:00:00", "2026-11-21T17:00:00Z"),
            [
                "9:9 [window.from] bad-instant: '2026-11-21T09:00:00' names no time zone "
                "(write for example 2026-11-21T09:00:00Z)"
            ],
        ),
        (
            absolute("2026-11-21T09:00:00Z", "2026-11-31T17:00:00Z"),
            [
                "10:10 [window.until] bad-instant: '2026-11-31T17:00:00Z' is no possible time: day is out of range for month ()"
            ],
        ),
        (
            absolute("2026-13-21T09:00:00Z", "tomorrow"),
            [
                "10:10 [window.until] bad-instant: 'tomorrow' is not an instant (write for example 2026-11-21T09:00:00Z)",
            ],
        ),
        (
            absolute("2026-11-21T17:00:00Z", "2026-11-21T09:00:00Z"),
            [
                "10:10 [window.until] until-before-from: until (2026-11-21T09:00:00Z) is not after from "
                "(2026-11-21T17:00:00Z) (a window ends after it begins)"
            ],
        ),
        (
            absolute("2026-11-21T09:00:00Z", "2026-11-21T09:00:00Z"),
            [
                "10:10 [window.until] until-before-from: until (2026-11-21T09:00:00Z) is not after from "
                "(2026-11-21T09:00:00Z) (a window ends after it begins)"
            ],
        ),
        (
            absolute("2026-11-21T09:00:00Z", "2076-11-21T09:00:00Z"),
            [
                "10:10 [window.until] window-too-long: the window lasts 18263d, longer than the 366d that any access may last "
                "(ask for less, and again later)"
            ],
        ),
    ],
)
def test_bad_grants_are_told_why(text: str, expected: list[str]) -> None:
    found = told(text)
    assert [line for line in found if "comment" not in line] == expected


def test_all_that_is_wrong_is_told_at_once() -> None:
    text = "version: 3\nsubject: Alice\nrole: &x readonly\nreason: x\nwindow: {durration: 8h}\nresource: orders-db\n"
    codes = [(f.place.line, f.code) for f in _findings(text)]
    assert codes == [
        (1, "wrong-value"),
        (2, "bad-pattern"),
        (3, "anchor"),
        (4, "too-short"),
        (5, "empty-window"),
        (5, "unknown-key"),
    ]


def test_meaning_is_judged_whole() -> None:
    text = absolute("2026-11-21T09:00:00Z", "2026-11-20T09:00:00Z").replace("orders-db", "payroll")
    text = text.replace("INC-1234", "INC").replace("by support", "[skip ci]")
    assert [f.code for f in _findings(text)] == ["folder-mismatch", "skip-directive", "until-before-from"]


@pytest.mark.parametrize("path", ["grants/orders-db-2/a.yaml", "grants/a.yaml", "elsewhere/orders-db/a.yaml"])
def test_another_folder_is_a_mismatch(path: str) -> None:
    (line,) = told(GOOD, path)
    assert "folder-mismatch" in line


def test_findings_end_somewhere() -> None:
    assert len(_findings(GOOD + "".join(f"k{n}: v\n" for n in range(1000)))) == 100


def test_words_are_kept_for_what_cannot_be_read() -> None:
    assert _WORDS["window.duration"]("8h") is None
    assert _WORDS["window.until"]("x") == (
        "bad-instant",
        "'x' is not an instant",
        "write for example 2026-11-21T09:00:00Z",
    )


def _findings(text: str) -> tuple[Finding, ...]:
    found = read_grant(PATH, text.encode())
    assert isinstance(found, tuple)
    return found


names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
instants = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda t: t.replace(microsecond=0, tzinfo=UTC))  # noqa: DTZ001  (hypothesis takes naive bounds)
lengths = st.integers(1, 366 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z", "M"], max_codepoint=0x2FF), min_size=10)
spans = st.one_of(
    lengths.map(lambda length: Span(duration=length)),
    st.builds(lambda start, length: Span(window=Window(start, start + length)), instants, lengths),
)
grants = st.builds(
    Grant,
    id=st.just(GrantId("orders-db/a")),
    subject=names,
    resource=st.just("orders-db"),
    role=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True),
    reason=texts.filter(lambda text: "[" not in text and "*" not in text),
    span=spans,
    ticket=st.one_of(st.just(""), st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._#/:-]{0,63}", fullmatch=True)),
    purpose=st.one_of(st.just(""), names),
    ends_when=st.sampled_from([(), (("issue_closed", "acme/orders#88"),)]),
)


@given(grants)
def test_what_is_written_is_read_back(wanted: Grant) -> None:
    assert grant(grant_text(wanted)) == wanted


KEYS: dict[str, Any] = {
    "version": "1",
    "subject": "alice",
    "resource": "orders-db",
    "role": "readonly",
    "reason": "Duplicate charges reported by support.",
    "ticket": "INC-1234",
    "window": "{duration: 8h}",
    "purpose": "incident",
    "ends_when": "{issue_closed: acme/orders#88}",
}
REQUIRED = {"version", "subject", "resource", "role", "reason", "window"}
VALUES = [
    "",
    "~",
    "null",
    "true",
    "no",
    "2",
    "-1",
    "1.0",
    "0x1",
    "[]",
    "{}",
    "[x]",
    "{a: b}",
    "'1'",
    '"8h"',
    "x y",
    "|\n  1",
]


def lay(pairs: list[tuple[str, str]]) -> str:
    return "".join(f"{key}: {value}\n" for key, value in pairs)


@pytest.mark.parametrize("key", KEYS)
def test_a_dropped_key_is_refused_or_was_optional(key: str) -> None:
    found = read_grant(PATH, lay([(k, v) for k, v in KEYS.items() if k != key]).encode())
    if key in REQUIRED:
        assert isinstance(found, tuple)
        assert [f.code for f in found] == ["missing-key"]
    else:
        assert isinstance(found, Grant)
        whole = grant(lay(list(KEYS.items()))).to_dict()
        whole.pop(key)
        assert found.to_dict() == whole


@pytest.mark.parametrize("key", KEYS)
def test_a_doubled_key_is_refused(key: str) -> None:
    found = read_grant(PATH, lay([*KEYS.items(), (key, KEYS[key])]).encode())
    assert isinstance(found, tuple)
    assert [f.code for f in found] == ["duplicate-key"]


@given(st.sampled_from(sorted(KEYS)), st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_-]{0,12}", fullmatch=True))
def test_a_renamed_key_is_refused(key: str, other: str) -> None:
    if other in KEYS:
        return
    found = read_grant(PATH, lay([(other if k == key else k, v) for k, v in KEYS.items()]).encode())
    assert isinstance(found, tuple)
    assert "unknown-key" in [f.code for f in found]


# "#" at its start would make a comment of the line, which says as little as a line that is not there.
@given(st.sampled_from(sorted(KEYS)), st.integers(0, 20), st.characters(codec="utf-8", exclude_characters="#"))
def test_a_mistyped_key_is_refused_or_means_the_same(key: str, at: int, letter: str) -> None:
    mistyped = key[: at % len(key)] + letter + key[at % len(key) + 1 :]
    found = read_grant(PATH, lay([(mistyped if k == key else k, v) for k, v in KEYS.items()]).encode())
    assert isinstance(found, tuple) or found == grant(lay(list(KEYS.items())))


@given(st.sampled_from(sorted(KEYS)), st.sampled_from(VALUES))
@settings(max_examples=examples(300))
def test_a_value_of_another_type_is_refused_or_is_that_text(key: str, value: str) -> None:
    found = read_grant(PATH, lay([(k, value if k == key else v) for k, v in KEYS.items()]).encode())
    if isinstance(found, Grant):
        # Only where text is wanted can another value stand, and then it is exactly the text that is written.
        assert key in {"subject", "role", "ticket", "purpose"}
        assert found.to_dict()[key] == value.strip("'\"")


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(raw: bytes) -> None:
    found = read_grant(PATH, raw)
    assert isinstance(found, Grant) or found


@given(st.integers(0, len(GOOD)), st.integers(0, 8), st.text(max_size=4))
@settings(max_examples=examples(300))
def test_no_edit_of_a_good_file_makes_it_raise(at: int, cut: int, new: str) -> None:
    found = read_grant(PATH, (GOOD[:at] + new + GOOD[at + cut :]).encode())
    assert isinstance(found, Grant) or (found and all(f.message and f.place.file == PATH for f in found))


def test_details_are_read_as_they_are_written() -> None:
    found = grant(GOOD + 'details: {due: 2026-12-20, right: "access", classes: [personal, payment], rows: 010}\n')
    assert found.details == (
        ("classes", ("personal", "payment")),
        ("due", "2026-12-20"),
        ("right", "access"),
        ("rows", "010"),
    )
    assert read_grant(PATH, grant_text(found).encode()) == found


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ("{Due: x}", "13:11 [details.Due] bad-name: 'Due' is no name that may stand here (write lower-case letters, "
         "digits and underscores, a letter first)"),
        ("[a]", "13:10 [details] wrong-type: expected keys with values, got a list ()"),
        ("{a: {b: c}}", "13:14 [details.a] wrong-type: expected one line of at most 500 characters, or a list of 1 to 50 "
         "of at most 100, got keys with values ()"),
        ("{a: []}", "13:14 [details.a] wrong-type: expected one line of at most 500 characters, or a list of 1 to 50 of "
         "at most 100, got a list ()"),
        ('{a: "one\\ntwo"}', "13:14 [details.a] wrong-type: expected one line of at most 500 characters, or a list of 1 "
         "to 50 of at most 100, got 'one\\ntwo' ()"),
    ],
)  # fmt: skip
def test_details_of_another_shape_are_told(details: str, expected: str) -> None:
    assert told(GOOD + f"details: {details}\n") == [expected]


def test_a_detail_may_silence_no_workflow() -> None:
    found = told(GOOD + 'details: {note: "see [skip ci]", all: [ok, "[ci skip]"]}\n')
    assert all("would make the forge skip its workflows" in line for line in found)
    assert [line.split(" ")[1] for line in found] == ["[details.note]", "[details.all]"]


# Windows that recur

RECURS = GOOD.replace(
    "  duration: 8h   # from the merge\n",
    '  from: 2026-12-01\n  until: 2027-01-15\n  hours: "Mon 06:00-08:00"\n  zone: Europe/Berlin\n',
)


def test_a_window_may_recur_by_the_hours_of_a_zone() -> None:
    found = grant(RECURS).span
    assert found.recurs == Recurrence("Mon 06:00-08:00", "Europe/Berlin")
    assert found.window is not None
    assert len(found.window.parts) == 6
    assert grant(RECURS).to_dict()["window"] == {
        "from": "2026-11-30T23:00:00Z",
        "until": "2027-01-14T23:00:00Z",
        "hours": "Mon 06:00-08:00",
        "zone": "Europe/Berlin",
    }
    assert grant(grant_text(grant(RECURS))) == grant(RECURS)


def test_a_window_may_recur_by_a_calendar_whose_intervals_the_policies_tell() -> None:
    text = RECURS.replace('hours: "Mon 06:00-08:00"', "calendar: office")
    found = grant(text).span
    assert found.recurs == Recurrence(zone="Europe/Berlin", calendar="office")
    assert found.window is not None
    assert found.window.parts == ()
    assert grant(grant_text(grant(text))) == grant(text)


@pytest.mark.parametrize(
    ("old", "new", "code", "message", "hint"),
    [
        ("  until: 2027-01-15\n", "", "window-without-end", "the window has no end: until is missing", "add until;"),
        ("  zone: Europe/Berlin\n", "", "hours-without-zone", "hours need the zone whose clock shows them", "add for"),
        ("  zone: Europe/Berlin\n", "  calendar: office\n", "two-windows", "either hours or a calendar, not both", ""),
        ('  hours: "Mon 06:00-08:00"\n', "", "zone-without-hours", "zone says where hours hold", "add hours"),
        ("  from: 2026-12-01\n  until: 2027-01-15\n", "  duration: 8h\n", "two-windows", "a duration has no hours", ""),
        ("Europe/Berlin", "Europe/Berln", "bad-zone", "'Europe/Berln' is no time zone", "write for example"),
        ("Mon 06:00", "Mo 06:00", "bad-hours", "'Mo 06:00-08:00' are no hours", "write for example"),
        ("2027-01-15", "2026-12-05", "window-without-interval", "holds at no time between", "move from or until"),
        ("2027-01-15", "2028-01-15", "window-too-long", "longer than the 366d", "ask for less"),
        ("2027-01-15", "2027-02-30", "bad-instant", "", ""),
        (
            '2027-01-15\n  hours: "Mon 06:00-08:00"',
            '2027-04-15\n  hours: "Sun 02:30-03:30"',
            "window-in-clock-change",
            "no clock in Europe/Berlin shows 02:30 on 2027-03-28",
            "choose hours",
        ),
    ],
)
def test_a_window_that_recurs_and_cannot_be_told_is_refused(old, new, code, message, hint) -> None:
    assert old in RECURS
    (found,) = told(RECURS.replace(old, new, 1))
    assert f" {code}: " in found
    assert message in found
    assert f"({hint}" in found


def test_a_date_without_a_zone_is_no_instant() -> None:
    lone = RECURS.replace('  hours: "Mon 06:00-08:00"\n  zone: Europe/Berlin\n', "")
    found = told(lone)
    assert [one.partition("] ")[2] for one in found] == [
        "bad-instant: '2026-12-01' names no time zone (write for example 2026-11-21T09:00:00Z)",
        "bad-instant: '2027-01-15' names no time zone (write for example 2026-11-21T09:00:00Z)",
    ]
    calendar = RECURS.replace('  hours: "Mon 06:00-08:00"\n  zone: Europe/Berlin\n', "  calendar: office\n")
    assert "bad-instant: 2026-12-01 is a date, and the window names no zone (add zone: …" in told(calendar)[0]
