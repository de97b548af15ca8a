"""Errors, findings and the exit code that wins."""

from __future__ import annotations

import time
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.core import errors
from daypass.core.errors import DaypassError, ElsewhereError, ExitCode, InvalidError, worst
from daypass.core.finding import Finding, Place, Severity, near, ordered, shown


def test_the_worst_code_wins_in_the_order_of_the_table() -> None:
    table = [1, 14, 10, 11, 12, 13]
    for place, code in enumerate(table):
        for other in table[place:]:
            assert worst([ExitCode(other), ExitCode.OK, ExitCode(code)]) == code
    assert worst([]) is ExitCode.OK
    assert worst([ExitCode.OK]) is ExitCode.OK
    assert worst([ExitCode.NO, ExitCode.OK]) is ExitCode.NO


def test_the_order_of_codes_does_not_matter() -> None:
    for some in permutations([ExitCode.CHANGES, ExitCode.PARTIAL, ExitCode.DENIED, ExitCode.OK]):
        assert worst(some) is ExitCode.PARTIAL


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("UsageError", 2), ("InvalidError", 10), ("DeniedError", 11), ("RefusedError", 1),
        ("LedgerError", 1), ("ConflictError", 1), ("EdgeError", 1),
    ],
)  # fmt: skip
def test_each_error_has_its_exit_code_and_keeps_message_and_hint(name, code) -> None:
    error = getattr(errors, name)("what went wrong", hint="what to do")
    assert isinstance(error, DaypassError)
    assert (error.exit_code, error.message, error.hint, str(error)) == (
        code,
        "what went wrong",
        "what to do",
        "what went wrong",
    )


def test_invalid_files_carry_their_findings() -> None:
    finding = Finding("bad", Place("a.yaml", 1, 2), "is bad")
    assert InvalidError("no", (finding,)).findings == (finding,)
    assert InvalidError("no").findings == ()


def test_a_place_is_a_line_only_where_there_is_one() -> None:
    assert str(Place("a.yaml", 3, 7, "window.until")) == "a.yaml:3:7"
    assert str(Place("a.yaml")) == "a.yaml"


FINDINGS = st.builds(
    Finding,
    st.sampled_from(["a", "b"]),
    st.builds(Place, st.sampled_from(["x", "y"]), st.integers(0, 2), st.integers(0, 2)),
    st.sampled_from(["one", "two"]),
)


@given(st.lists(FINDINGS), st.randoms(use_true_random=False))
def test_findings_come_in_one_order_and_each_once(found, random) -> None:
    first = ordered(found)
    random.shuffle(found)
    assert ordered(found + found) == first
    assert len(set(first)) == len(first)
    assert list(first) == sorted(first, key=lambda f: (f.place, f.code, f.message))


def test_only_errors_make_a_file_invalid() -> None:
    place = Place("a")
    assert Finding("c", place, "m").is_error
    assert not Finding("c", place, "m", severity=Severity.WARNING).is_error
    assert not Finding("c", place, "m", severity=Severity.NOTE).is_error


def test_the_likeliest_of_few_names_and_of_many_is_suggested() -> None:
    few = ["alice", "bob", "carol"]
    many = [*few, *(f"worker-{number:04d}" for number in range(2_000))]
    for names in (few, many):
        assert near("alcie", names) == "did you mean alice?"
        assert near("zzzzzzzz", names, "add them") == "add them"
    assert near("a", many) == ""


def test_suggesting_is_bounded_whoever_chose_the_names() -> None:
    beyond = [f"worker-{number:05d}" for number in range(5_001)]
    assert near("worker-00001", beyond, "add them") == "add them"
    assert near("alice" * 21, ["alice" * 21], "add them") == "add them"
    people = [f"worker-{number:04d}" for number in range(1_000)]
    began = time.process_time()
    assert all(near(f"wroker-{number:04d}", people) for number in range(300))
    assert time.process_time() - began < 5, "comparing each with each took twenty seconds"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, Zoë", "plain, Zoë"),
        ("a\x1b[2Jb\nc", "a?[2Jb?c"),
        ("\u202eevil\u2028", "?evil?"),
        ("x" * 400, "x" * 300),
    ],
)
def test_text_of_others_can_neither_act_on_a_terminal_nor_pass_for_another_line(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_what_points_elsewhere_says_so_by_its_code() -> None:
    error = ElsewhereError("DB_URL points to evil.example", hint="pin it")
    assert (str(error.message), error.hint) == ("DB_URL points to evil.example [secret-elsewhere]", "pin it")
    assert error.exit_code is ExitCode.FAILED
