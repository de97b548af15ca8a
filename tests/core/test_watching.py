"""What ends access with its task: which conditions somebody watches by the settings, and which are looked at when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daypass.core.bounds.settings import Settings
from daypass.core.bounds.watch import (
    MOST,
    Condition,
    EndingTask,
    ends_said,
    is_end_of,
    looked_at,
    unwatched,
    watched_there,
)
from daypass.core.ids import GrantId

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
GITHUB = Settings(
    forge_kind="github",
    forge_options={
        "repository": "acme/access",
        "watch": {"repositories": ["acme/orders", "Platform/*"], "token_env": "DAYPASS_WATCH_TOKEN"},
    },
)


@pytest.mark.parametrize("sign", [" ", "=", " = "])
def test_what_ends_access_is_read_as_people_say_it(sign: str) -> None:
    said = [f"pull_merged{sign}acme/orders#91", f"issue_closed{sign}acme/orders#88"]
    assert ends_said(said, " ") == (("issue_closed", "acme/orders#88"), ("pull_merged", "acme/orders#91"))
    assert ends_said(said[:1], " ") == (("pull_merged", "acme/orders#91"),)
    assert ends_said(["acme/orders#88"], " ") == (("issue_closed", "acme/orders#88"),)
    assert ends_said([], " ") == ()


@pytest.mark.parametrize(
    "said", ["", "tomorrow", "issue_closed", "issue_closed=", "#88", "issue_opened a/b#1", "a b a/b#1"]
)
@pytest.mark.parametrize("sign", [" ", "="])
def test_what_names_nothing_is_refused_with_examples(said: str, sign: str) -> None:
    with pytest.raises(ValueError, match="names nothing that ends access") as found:
        ends_said([said], sign)
    examples = f"issue_closed{sign}acme/orders#88 or pull_merged{sign}acme/orders#91"
    assert str(found.value) == f"{said!r} names nothing that ends access; write for example {examples}"


def test_one_of_each_is_watched() -> None:
    with pytest.raises(ValueError, match="issue_closed is given twice; one of each is watched"):
        ends_said(["a/b#1", "issue_closed a/b#2"], " ")


@pytest.mark.parametrize(
    ("what", "watched"),
    [
        ("acme/access#1", True),
        ("Acme/Access#1", True),
        ("acme/orders#88", True),
        ("platform/anything#3", True),
        ("acme/orders-db#88", False),
        ("acme/payments#88", False),
        ("platform-2/anything#3", False),
    ],
)
def test_the_access_repository_and_those_of_the_settings_are_watched(what: str, watched: bool) -> None:
    assert watched_there(GITHUB, ("issue_closed", what)) is watched


def test_without_forge_watch_only_the_access_repository_is_watched() -> None:
    settings = Settings(forge_kind="github", forge_options={"repository": "acme/access"})
    conditions = [("issue_closed", "acme/access#1"), ("pull_merged", "acme/orders#2")]
    assert unwatched(settings, conditions) == [
        (
            "ends-when-unwatched",
            "ends_when: nobody can look at pull_merged acme/orders#2",
            "have acme/orders added to forge.watch in policies/daypass.yaml, or remove ends_when",
        )
    ]


def test_a_forge_without_issues_watches_nothing() -> None:
    ((code, message, hint),) = unwatched(Settings(), [("issue_closed", "acme/access#1")])
    assert (code, message) == ("ends-when-unwatched", "ends_when: nobody can look at issue_closed acme/access#1")
    assert hint == "remove ends_when: the local forge has no issues; the window ends the access"


def _many(count: int) -> list[Condition]:
    return [("issue_closed", f"acme/orders#{number}") for number in range(1, count + 1)]


def test_as_many_as_one_run_may_are_all_looked_at() -> None:
    assert looked_at(_many(MOST), AT) == tuple(sorted(_many(MOST)))


def test_more_are_looked_at_in_turns_and_none_is_left_out() -> None:
    conditions = _many(2 * MOST + 7)
    turns = [looked_at(conditions, AT + timedelta(minutes=10 * turn)) for turn in range(24)]
    assert {len(set(turn)) for turn in turns} == {MOST}
    assert {one for turn in turns for one in turn} == set(conditions)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("issue_closed", "issue acme/orders#88 was closed at 2026-11-20T09:00:00Z"),
        ("pull_merged", "pull request acme/orders#88 was merged at 2026-11-20T09:00:00Z"),
    ],
)
def test_what_came_about_is_said_in_words(key: str, words: str) -> None:
    assert EndingTask(GrantId("orders-db/a"), key, "acme/orders#88", AT).said == words


@pytest.mark.parametrize(
    ("code", "bound", "is_end"),
    [
        ("issue-closed", "issue acme/orders#8 was closed at 2026-11-20T09:00:00Z", True),
        ("issue-closed", "issue acme/orders#88 was closed at 2026-11-20T09:00:00Z", False),
        ("issue-closed", "pull request acme/orders#9 was merged at 2026-11-20T09:00:00Z", False),
        ("pull-merged", "pull request acme/orders#9 was merged at 2026-11-20T09:00:00Z", True),
        ("pull-merged", "issue acme/orders#8 was closed at 2026-11-20T09:00:00Z", False),
        ("issue-closed", "", False),
    ],
)
def test_an_end_is_one_of_the_grants_conditions_by_its_words(code: str, bound: str, is_end: bool) -> None:
    conditions = (("issue_closed", "acme/orders#8"), ("pull_merged", "acme/orders#9"))
    assert is_end_of(conditions, code, bound) is is_end
    assert not is_end_of((), code, bound)
