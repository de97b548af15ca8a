"""Purposes with fields: who asks, the form of the ticket, and details that are of the fields' kinds and end access."""

from datetime import UTC, datetime, timedelta

import pytest
from policy_samples import AT, DIRECTORY, files, grant, policy, read_policies, shown

from daypass.core.bounds.purposes import DetailField
from daypass.core.finding import Place
from daypass.core.grant import Bounded, narrows
from daypass.core.policy.analysis.probe import probe
from daypass.core.policy.cel.pattern import fault, whole
from daypass.core.policy.decision import Request, decide, static_denials
from daypass.core.policy.details import as_written, early_ends, expected, typed
from daypass.core.policy.intervals import room
from daypass.core.window import Window

HOUR = timedelta(hours=1)
DUE = "2026-11-20T16:00:00Z"
CASE = """version: 1
title: Data subject request
asked_by: [group:dba, "person:alice"]
ticket: {required: true, pattern: "DSR-[0-9]{4,}"}
fields:
  due: {kind: moment, required: true, ends_access: true, title: Answer due by}
  right: {kind: choice, of: [access, erasure], required: true}
  classes: {kind: names, of: [personal, payment]}
  tags: {kind: names}
  rows: {kind: number}
  advisor: {kind: person}
  letter: {kind: text, pattern: "L[0-9]+", title: Letter}
max_duration: 8h
guide: Read the case first.
"""
DETAILS = {"due": DUE, "right": "access"}


def case(text=CASE, **more):
    return policy(purposes_case=text, **more)


def details(**changed):
    said = {name: value for name, value in (DETAILS | changed).items() if value is not None}
    return tuple(sorted(said.items()))


def asking(ticket="DSR-1234", purpose="case", said=None, **more):
    return grant(purpose=purpose, ticket=ticket, details=details() if said is None else said, **more)


def denied(wanted, found=None, *, requester="alice", at=AT, window=None):
    decision = decide(found or case(), Request(wanted, requester, at, window=window))
    return [(d.code, d.path, d.message, d.hint) for d in decision.denials]


def test_a_purpose_says_who_asks_which_ticket_and_which_details():
    found = case().catalogue.purposes["case"]
    assert case().findings == ()
    assert (found.asked_by, found.ticket_required) == (("group:dba", "person:alice"), True)
    assert found.ticket_pattern == "DSR-[0-9]{4,}"
    assert found.guide == "Read the case first."
    assert list(found.fields) == ["advisor", "classes", "due", "letter", "right", "rows", "tags"]
    assert found.fields["due"] == DetailField("due", "moment", "Answer due by", required=True, ends_access=True)
    assert denied(asking()) == []


def test_only_whom_a_purpose_names_may_ask_for_it():
    assert denied(asking(), requester="bob") == []
    assert denied(asking(), requester="dan") == [
        (
            "not-asked-by",
            "purpose",
            "dan may not ask for purpose case",
            "group:dba, person:alice may; have one of them ask, or choose another purpose",
        )
    ]
    own = case(CASE.replace('[group:dba, "person:alice"]', "[subject]"))
    assert denied(asking(), own) == []
    assert [code for code, *_ in denied(asking(), own, requester="bob")] == ["not-asked-by"]
    everybody = case(CASE.replace('asked_by: [group:dba, "person:alice"]\n', ""))
    assert denied(asking(), everybody, requester="dan") == []


def test_who_has_left_may_not_ask_and_who_nobody_knows_may_not():
    gone = case(directory_people=DIRECTORY.replace("name: Bob Ray,", "name: Bob Ray, until: 2026-11-20T09:00:00Z,"))
    assert "not-asked-by" in [code for code, *_ in denied(asking(), gone, requester="bob")]
    assert ("not-asked-by", "purpose", "somebody unknown may not ask for purpose case") in [
        told[:3] for told in denied(asking(), requester="")
    ]


@pytest.mark.parametrize("ticket", ["INC-1", "DSR-123", "xDSR-1234", "DSR-1234x", "DSR-1234\n"])
def test_a_case_number_in_another_form_is_denied(ticket):
    assert denied(asking(ticket)) == [
        (
            "ticket-form",
            "ticket",
            f"ticket {ticket!r} is not of the form that purpose case asks for",
            "write it as DSR-[0-9]{4,}",
        )
    ]


def test_a_ticket_that_is_missing_is_told_once():
    assert [code for code, *_ in denied(asking(""))] == ["ticket-missing"]


@pytest.mark.parametrize(
    ("said", "expected_"),
    [
        (
            {"rigth": "access"},
            ("unknown-detail", "details.rigth", "purpose case has no field 'rigth'", "did you mean right?"),
        ),
        (
            {"right": None},
            (
                "detail-missing",
                "details",
                "purpose case asks for details.right, which is missing",
                "add right: one of access, erasure",
            ),
        ),
        (
            {"right": "erase"},
            (
                "detail-invalid",
                "details.right",
                "details.right: expected one of access, erasure, got 'erase'",
                "did you mean erasure?",
            ),
        ),
        (
            {"right": "zzz"},
            (
                "detail-invalid",
                "details.right",
                "details.right: expected one of access, erasure, got 'zzz'",
                "choose one of them",
            ),
        ),
        (
            {"right": ("access",)},
            (
                "detail-invalid",
                "details.right",
                "details.right: expected one of the choices, got a list",
                "write one value",
            ),
        ),
        (
            {"classes": "personal"},
            (
                "detail-invalid",
                "details.classes",
                "details.classes: expected a list of names, got 'personal'",
                "write [personal]",
            ),
        ),
        (
            {"classes": ("personal", "helth")},
            (
                "detail-invalid",
                "details.classes",
                "details.classes: expected some of personal, payment, got 'helth'",
                "choose of them",
            ),
        ),
        (
            {"tags": ("a", "a")},
            ("detail-invalid", "details.tags", "details.tags: 'a' stands twice", "remove one"),
        ),
        (
            {"tags": ("a b",)},
            ("detail-invalid", "details.tags", "details.tags: 'a b' is no name", "write letters, digits and . _ -"),
        ),
        (
            {"rows": "ten"},
            (
                "detail-invalid",
                "details.rows",
                "details.rows: expected a whole number, got 'ten'",
                "write for example 25",
            ),
        ),
        (
            {"advisor": "Carol!"},
            (
                "detail-invalid",
                "details.advisor",
                "details.advisor: expected the handle of a person, got 'Carol!'",
                "policies/directory names people",
            ),
        ),
        (
            {"advisor": "caro"},
            (
                "detail-invalid",
                "details.advisor",
                "details.advisor: there is no person 'caro' in the directory",
                "did you mean carol?",
            ),
        ),
        (
            {"advisor": "nightly"},
            (
                "detail-invalid",
                "details.advisor",
                "details.advisor: there is no person 'nightly' in the directory",
                "policies/directory names people",
            ),
        ),
        (
            {"letter": "X1"},
            (
                "detail-invalid",
                "details.letter",
                "details.letter (Letter): 'X1' is not of the form that the purpose asks for",
                "write it as L[0-9]+",
            ),
        ),
        (
            {"due": "2026-02-30"},
            (
                "detail-invalid",
                "details.due",
                "details.due (Answer due by): '2026-02-30' is no possible date",
                "write for example 2026-12-31",
            ),
        ),
    ],
)
def test_a_detail_that_no_field_takes_is_denied_at_its_place(said, expected_):
    assert denied(asking(said=details(**said))) == [expected_]


def test_details_of_each_kind_are_taken():
    said = details(classes=("personal", "payment"), tags=("x",), rows="-5", advisor="carol", letter="L12")
    assert denied(asking(said=said)) == []


def test_details_without_a_purpose_are_denied_and_of_an_unknown_one_nothing_is_said_of_them():
    assert denied(grant(details=details())) == [
        (
            "details-without-purpose",
            "details",
            "there are details, and no purpose that asks for them",
            "add purpose: …, whose fields they are, or remove details",
        )
    ]
    assert [code for code, *_ in denied(asking(purpose="cas"))] == ["unknown-purpose"]
    assert denied(grant(purpose="incident", ticket="INC-1", details=(("due", DUE),))) == [
        ("unknown-detail", "details.due", "purpose incident has no field 'due'", "remove it")
    ]
    assert denied(asking(said=())) == [
        (
            "detail-missing",
            "purpose",
            "purpose case asks for details.due (Answer due by), which is missing",
            "add due: a date or an instant, for example 2026-12-20",
        ),
        (
            "detail-missing",
            "purpose",
            "purpose case asks for details.right, which is missing",
            "add right: one of access, erasure",
        ),
    ]


def test_a_denial_is_found_at_its_place():
    decision = decide(case(), Request(asking("INC-1"), "alice", AT))
    assert decision.denials[0].finding("grants/a.yaml").place == Place("grants/a.yaml", path="ticket")


def test_a_merged_grant_is_no_fault_because_its_purpose_asks_for_more_by_now():
    wanted = asking("DSR-1234")
    stricter = case(
        CASE.replace("DSR-", "CASE-")
        .replace('[group:dba, "person:alice"]', "[group:security]")
        .replace("rows: {kind: number}", "rows: {kind: number, required: true}")
        .replace("[access, erasure]", "[erasure]")
    )
    assert static_denials(stricter, wanted) == ()
    assert {code for code, *_ in denied(wanted, stricter)} == {
        "not-asked-by",
        "ticket-form",
        "detail-missing",
        "detail-invalid",
    }


# The moment that ends access


def test_a_moment_that_ends_access_is_one_more_of_its_bounds():
    catalogue, wanted = case().catalogue, asking()
    of = catalogue.bounded(wanted)
    assert of == Bounded("alice", "orders-db", "readonly", "case", (("due", AT + 6 * HOUR),))
    found = catalogue.bounds(of)
    assert [(b.limit, b.code, b.what, b.cuts) for b in found.ends] == [
        (AT + 6 * HOUR, "beyond-detail", "details.due (Answer due by) lets it last", True)
    ]
    assert found.longest == 8 * HOUR
    assert found.latest(AT) == AT + 6 * HOUR
    assert found.latest(AT - 4 * HOUR) == AT + 4 * HOUR
    assert found.over(AT + 6 * HOUR) == found.ends[0]
    assert found.over(AT + 5 * HOUR) is None
    assert early_ends(case().catalogue, wanted) == found.ends
    assert room(case().catalogue, wanted, Window(AT, AT + HOUR)) == 5 * HOUR
    # Once it is merged the moment stands, whatever becomes of purpose and field.
    assert policy().catalogue.bounds(of).ends[0].what == "details.due lets it last"


def test_a_window_may_be_longer_than_the_moment_that_ends_it_but_must_begin_before():
    later = datetime(2026, 11, 20, 15, tzinfo=UTC)
    assert denied(asking(), window=Window(later, later + 4 * HOUR)) == []
    over = datetime(2026, 11, 20, 16, tzinfo=UTC)
    assert denied(asking(), window=Window(over, over + HOUR)) == [
        (
            "beyond-detail",
            "details",
            "details.due (Answer due by) lets it last until 2026-11-20T16:00:00Z, and access would begin at "
            "2026-11-20T16:00:00Z: nothing is left",
            "correct the moment, or the window",
        )
    ]
    assert static_denials(case(), asking(), Window(over, over + HOUR)) == ()


def test_a_moment_that_is_none_ends_nothing_and_is_denied():
    wanted = asking(said=details(due="soon"))
    assert case().catalogue.bounded(wanted).due == ()
    assert [code for code, *_ in denied(wanted)] == ["detail-invalid"]
    listed = asking(said=details(due=("2026-12-20",)))
    assert case().catalogue.bounded(listed).due == ()
    plain = case(CASE.replace(", ends_access: true", ""))
    assert plain.catalogue.bounded(asking()).due == ()


def test_details_may_not_be_narrowed():
    assert narrows(asking(), None, asking(hours=2))
    assert not narrows(asking(), None, asking(said=details(due="2026-11-20T12:00:00Z")))


def test_details_are_part_of_what_a_grant_means():
    assert asking().digest != asking(said=details(right="erasure")).digest
    assert asking(said=details(tags=("a", "b"))).to_dict()["details"] == {**DETAILS, "tags": ["a", "b"]}
    assert "details" not in grant().to_dict()


# Purposes that contradict themselves


@pytest.mark.parametrize(
    ("old", "new", "expected_"),
    [
        (
            "right: {kind: choice, of: [access, erasure], required: true}",
            "right: {kind: choice}",
            ["7:17 field-contradicts field right has no choices [add of: [a, b]]"],
        ),
        (
            "rows: {kind: number}",
            "rows: {kind: number, ends_access: true}",
            [
                "10:37 field-contradicts field rows is of kind number, which takes no ends_access: moment do "
                "[remove ends_access, or write kind: moment]"
            ],
        ),
        (
            "rows: {kind: number}",
            "rows: {kind: number, of: [a]}",
            [
                "10:28 field-contradicts field rows is of kind number, which takes no of: choice, names do "
                "[remove of, or write kind: choice]"
            ],
        ),
        (
            "of: [personal, payment]",
            "of: [personal, personal]",
            ["8:41 duplicate-name 'personal' stands twice [remove one]"],
        ),
        (
            '"L[0-9]+"',
            '"L[0-9"',
            [
                "12:33 pattern-invalid the pattern can match nothing: invalid regular expression: missing ]: [0-9 "
                "[write a regular expression of RE2, without look-around and back-references]"
            ],
        ),
        (
            '"DSR-[0-9]{4,}"',
            '"(?=DSR)"',
            [
                "4:35 pattern-invalid the pattern can match nothing: invalid regular expression: invalid perl operator: (?= "
                "[write a regular expression of RE2, without look-around and back-references]"
            ],
        ),
        (
            "[group:dba,",
            "[group:dbx,",
            ["3:12 unknown-group there is no group 'dbx' in the directory [did you mean dba?]"],
        ),
        (
            '"person:alice"]',
            '"person:alic"]',
            ["3:23 unknown-member there is no person 'alic' in the directory [did you mean alice?]"],
        ),
    ],
)
def test_a_purpose_that_contradicts_itself_denies_everything(old, new, expected_):
    found = case(CASE.replace(old, new))
    assert shown(found.broken) == expected_


def test_sources_of_a_purpose_are_not_looked_up_where_the_directory_does_not_read():
    found = read_policies(files(purposes_case=CASE, directory_people="nonsense"))
    assert {finding.place.file for finding in found.broken} == {"policies/directory/people.yaml"}


def test_a_purpose_that_promises_more_time_than_any_role_gives_is_pointed_at():
    def told(text):
        return [(f.place.file, f.message, f.hint) for f in probe(case(text)) if f.code == "purpose-out-of-reach"]

    assert told(CASE) == []
    assert told(CASE.replace("max_duration: 8h", "max_duration: 120h")) == []
    assert told(CASE.replace("max_duration: 8h\n", "")) == []
    assert told(CASE.replace("max_duration: 8h", "max_duration: 121h")) == [
        ("policies/purposes/case.yaml", "purpose case allows 5d1h, and no role more than 5d", "write at most 5d")
    ]


# Patterns


def test_a_pattern_is_of_the_whole_text_and_takes_no_longer_for_evil_ones():
    assert whole("a|b", "b")
    assert not whole("a|b", "ab")
    assert not whole("(?m)a", "a\nb")
    assert not whole("(a+)+b", "a" * 400)
    assert not whole("[", "[")
    assert fault("(a+)+b") == ""
    assert fault("a)|(?:b").startswith("invalid regular expression")
    assert fault("\\Qa").startswith("invalid regular expression")


# Words for whoever fills in a form


def test_a_field_says_what_it_takes_and_reads_what_was_answered():
    fields = case().catalogue.purposes["case"].fields
    assert [expected(fields[name]) for name in ("right", "classes", "tags", "rows", "letter")] == [
        "one of access, erasure",
        "some of personal, payment, with commas between",
        "names, with commas between",
        "a whole number",
        "a text of the form L[0-9]+",
    ]
    assert as_written(fields["classes"], "personal, payment,") == ("personal", "payment")
    assert as_written(fields["classes"], ",") == ","
    assert as_written(fields["right"], "access, erasure") == "access, erasure"
    assert as_written(None, "a,b") == "a,b"
    assert typed(fields["rows"], "12") == 12
    assert typed(fields["due"], "2026-12-20") == datetime(2026, 12, 20, tzinfo=UTC)
    assert typed(fields["tags"], ("a", "b")) == ["a", "b"]
