"""Calendars: looked at, made of public holidays, and asked by rules about the time of access."""

from __future__ import annotations

import builtins
import json

import pytest

from daypass.core.ids import Oid
from daypass.core.window import parse_instant
from daypass.edges.holidays import public_holidays
from driver import Access

T = "2026-11-20T{}:00Z".format  # a Friday
OFFICE = "version: 1\ntitle: Office hours\nzone: Europe/Berlin\nhours: Mon-Fri 08:00-19:00\nexcept: [2026-12-24..2026-12-26]\n"
RULE = """version: 1
rules:
  - id: in-office-hours
    when: 'true'
    deny_unless: covered_by(access.from, access.until, "office")
    message: Access lies within office hours.
"""


@pytest.fixture
def hours(access: Access) -> Access:
    access.write("policies/calendars/office.yaml", OFFICE)
    access.write("policies/rules/hours.yaml", RULE)
    access.commit("Keep office hours")
    return access


@pytest.mark.on_disk
def test_what_was_asked_for_in_office_hours_is_not_merged_at_night(hours: Access) -> None:
    number = hours.ask(T("14:55"))
    for who in ("bob", "dave"):
        hours.run("approve", number, "--at", T("14:56"), acting=who)
    said = hours.run("gate", number, "--at", T("21:07"), expect=11)
    assert "Access lies within office hours." in said.out
    assert 'passes when covered_by(access.from, access.until, "office")' in said.out
    monday = "2026-11-23T08:00:00Z"
    assert "merged" in hours.run("gate", number, "--at", monday).out


@pytest.mark.on_disk
def test_what_somebody_else_merged_at_night_is_not_given(hours: Access) -> None:
    number = hours.ask(T("14:55"))
    for who in ("bob", "dave"):
        hours.run("approve", number, "--at", T("14:56"), acting=who)
    forge, base = hours.repo().forge, Oid(hours.git("rev-parse", "main"))
    pull = forge.pull(int(number))
    forge.merge(pull.number, head=pull.head, base=base, message="Merge it\n", at=parse_instant(T("21:07")))
    said = hours.run("apply", "--at", T("21:08"), expect=14)
    assert "Access lies within office hours." in said.out + said.err
    found = hours.run("audit", "access", "--resource", "orders-db", "--format", "json", "--at", T("21:09")).out
    assert json.loads(found)["access"] == []


def test_a_window_for_the_night_is_refused_when_it_is_asked_for(hours: Access) -> None:
    asked = ("--from", T("21:00"), "--until", T("22:00"))
    said = hours.run(
        "request",
        "--resource",
        "orders-db",
        "--role",
        "readonly",
        "--reason",
        "looking at four orders",
        *asked,
        "--at",
        T("09:00"),
        acting="alice",
        expect=11,
    )
    assert "Access lies within office hours." in said.err + said.out


def test_shows_what_a_calendar_holds(access: Access) -> None:
    assert access.run("calendar", "show").out == "There are no calendars: they are the files of policies/calendars.\n"
    access.write("policies/calendars/office.yaml", OFFICE)
    said = access.run("calendar", "show", "office", "--at", "2026-08-20T10:00:00Z").out
    assert said.startswith(
        "office  Office hours\n"
        "  Mon-Fri 08:00-19:00; without 2026-12-24..2026-12-26, by the clock of Europe/Berlin\n"
        "  speaks of 2026 and of no other year\n"
        "  2026-08-20T10:00:00Z to 2026-08-20T17:00:00Z\n"
        "  2026-08-21T06:00:00Z to 2026-08-21T17:00:00Z\n"
    )
    assert said.endswith("  … 55 more up to 2026-11-20T10:00:00Z\n")
    late = access.run("calendar", "show", "office", "--at", "2026-12-20T10:00:00Z").out
    assert "gets no answer: calendar office says nothing about 2027, since it has days of its own (except)" in late
    data = json.loads(access.run("calendar", "show", "--format", "json").out)["calendars"]
    assert [(one["name"], one["years"], one["spans"]) for one in data] == [("office", [2026], None)]


def test_a_calendar_that_is_not_there_is_named_with_the_likeliest(access: Access) -> None:
    access.write("policies/calendars/office.yaml", OFFICE)
    said = access.run("calendar", "show", "offce", expect=2)
    assert said.err == "daypass: there is no calendar 'offce' in policies/calendars\n  hint: did you mean office?\n"


@pytest.mark.parametrize(
    ("verb", "folder", "text", "code"),
    [
        ("calendar", "calendars", OFFICE.replace("2026-12-26", "9999-12-31"), "calendar-invalid"),
        ("calendar", "calendars", OFFICE.replace("zone:", "zones:"), "unknown-key"),
        ("rota", "rotas", "version: 1\nzone: UTC\nturns: [alice]\nsince: 9999-12-31\n", "rota-invalid"),
        ("rota", "rotas", "version: 1\nzone: UTC\nturn: [alice]\n", "unknown-key"),
    ],
)
def test_nothing_is_shown_of_a_file_with_a_fault(access: Access, verb: str, folder: str, text: str, code: str) -> None:
    access.write(f"policies/{folder}/office.yaml", text)
    for name in ("office", ""):
        said = access.run(verb, "show", *filter(None, [name]), expect=10)
        assert said.out == ""
        assert f"[{code}]" in said.err


def test_prints_public_holidays_that_read_as_a_calendar(access: Access) -> None:
    text = access.run("calendar", "holidays", "DE-BE", "--years", "2027,2026").out
    assert text.startswith("# Public holidays of DE-BE in 2026, 2027, by the library holidays ")
    assert "\nzone: Europe/Berlin\ndays:\n  - 2026-01-01  # " in text
    access.write("policies/calendars/holidays.yaml", text)
    assert "speaks of 2026, 2027 and of no other year" in access.run("calendar", "show", "holidays").out
    assert access.run("check").code == 0


@pytest.mark.parametrize(
    ("place", "years", "more", "said"),
    [
        ("Mars", "2027", (), "nobody knows the holidays of 'Mars'\n  hint: write a country"),
        ("DE-XX", "2027", (), "nobody knows a part XX of DE\n  hint: its parts are "),
        ("DE", "soon", (), "'soon' are no years\n  hint: write --years 2027"),
        ("DE", "2027,", (), "'2027,' are no years\n"),
        ("DE", "2027", ("--zone", "Mars"), "'Mars' is no time zone"),
    ],
)
def test_no_holidays_are_guessed(access: Access, place: str, years: str, more: tuple[str, ...], said: str) -> None:
    assert f"daypass: {said}" in access.run("calendar", "holidays", place, "--years", years, *more, expect=2).err


def test_without_the_library_it_says_what_to_install(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: object, **more: object) -> object:
        if name == "holidays":
            raise ImportError(name)
        return real(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", missing)
    said = access.run("calendar", "holidays", "DE", "--years", "2027", expect=2)
    assert 'hint: pip install "daypass[holidays]"' in said.err


def test_the_first_zone_of_a_country_is_taken_where_none_is_named() -> None:
    assert [public_holidays(place, [2027]).zone for place in ("GB", "DE", "JP")] == [
        "Europe/London",
        "Europe/Berlin",
        "Asia/Tokyo",
    ]
