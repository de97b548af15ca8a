"""Nobody approves access for themselves, by any name (invariant 3)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from daypass.core.approval.exclusion import excluded_people
from daypass.core.approval.stages import Excluded
from daypass.core.catalogue import Directory, Subject, frozen
from daypass.core.forge import Account, Pull
from daypass.core.ids import Oid

COMMIT = Oid("c" * 40)
T0 = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
DIRECTORY = Directory(
    frozen(
        {
            "alice": Subject("alice", emails=("alice@example.com", "alice@home.example"), login="Alice-Ngo"),
            "bob": Subject("bob", emails=("bob@example.com",), login="bob-b"),
            "carol": Subject("carol", emails=("carol@example.com",), login="carol"),
        }
    ),
    frozen({}),
)
ALICE = Account("alice", "Alice")


@dataclass(frozen=True)
class Made:
    """A commit as far as it matters here."""

    author_email: str = "alice@example.com"
    committer_email: str = "alice@example.com"
    message: str = "Add a grant\n"
    oid: Oid = COMMIT


def pull(by: Account = ALICE, *pushers: Account) -> Pull:
    return Pull(7, "x", "open", by, T0, "b1", Oid("a" * 40), (by, *pushers))


def found(commit: Made | None = None, by: Account = ALICE, *pushers: Account, subject: str = "alice") -> Excluded:
    return excluded_people(pull(by, *pushers), [commit] if commit else [], subject, DIRECTORY)


def test_the_subject_and_the_opener_are_excluded() -> None:
    assert dict(found(subject="carol").people) == {"alice": "opened the request", "carol": "receives the access"}
    assert dict(found().people) == {"alice": "receives the access and opened the request"}
    assert found().unresolved == ()


@pytest.mark.parametrize("email", ["bob@example.com", "BOB@Example.COM", " bob@example.com "])
@pytest.mark.parametrize("who", ["author_email", "committer_email"])
def test_authors_and_committers_are_excluded_by_any_spelling(email: str, who: str) -> None:
    excluded = found(Made(**{who: email}))
    verb = "authored" if who == "author_email" else "committed"
    assert excluded.people["bob"] == f"{verb} commit cccccccccccc"
    assert excluded.unresolved == ()


def test_a_second_address_is_the_same_person() -> None:
    assert "authored" in found(Made("alice@home.example", "bob@example.com"), subject="carol").people["alice"]


@pytest.mark.parametrize(
    "trailer",
    [
        "Co-authored-by: Bob <bob@example.com>",
        "co-authored-by: bob <bob@example.com>",
        "CO-AUTHORED-BY:Bob<BOB@EXAMPLE.COM>",
        "Co-Authored-By : Bob B. <bob@example.com>",
        "Co-authored-by: Bob <Bob@Example.com> (dba)",
        "Co-authored-by: bob@example.com",
        "Co-authored-by: Carol <carol@example.com>, Bob <bob@example.com>",
        "Co-authored-by:\n Bob\n <bob@example.com>",
        "Co-authored-by: Bob\n\t<bob@example.com>\n",
        "Coauthored-by: Bob <bob@example.com>",
        "Co-author: x <carol@example.com>\nCo-authored by: Bob <bob@example.com>",
        "  Co-authored-by: Bob <bob@example.com>",
        "Co-authored-by: Bob <bob@example.com>\r\n",
        "Co-authored-by: Bob <bob@example.com>\n\nand then more text\n",
        "Co-authored-by: Bob <12345+BOB-b@users.noreply.github.com>",
    ],
)
def test_coauthors_are_excluded_however_the_trailer_is_written(trailer: str) -> None:
    excluded = found(Made(message=f"Add\n\nwhy\n\n{trailer}"))
    assert excluded.people["bob"] == "co-authored commit cccccccccccc"
    assert excluded.unresolved == ()


@pytest.mark.parametrize(
    "line",
    [
        "> Co-authored-by: Bob <bob@example.com>",
        ">> | Co-authored-by: Bob <bob@example.com>",
        "- Co-authored-by: Bob <bob@example.com>",
        "* **Co-authored-by:** Bob <bob@example.com>",
        "\u2022 Co-authored-by: Bob <bob@example.com>",
        "1. Co-authored-by: Bob (bob@example.com)",
        "`Co-authored-by: bob@example.com`",
        "Co\u2011authored\u2011by: Bob <bob@example.com>",
        "Co\u2013authored\u2013by: Bob <bob@example.com>",
        "Co\u2212authored \u2014 by: Bob <bob@example.com>",
        "Co\u00adauthored\u00adby: Bob <bob@example.com>",
        "Co-auth\u200bored-by: Bob <bob@exam\u200bple.com>",
        "\u2066Co-authored-by\u2069: Bob <bob@example.com>",
        "C\u043e-\u0430uth\u043ered-by: Bob <bob@example.com>",
        "C\u00f3-authored-by: Bob <bob@example.com>",
        "\uff23\uff4f-authored-by\uff1a Bob <bob\uff20example.com>",
        "Co-authored-by\ua789 Bob <bob@example.com>",
        "Co-authored by Bob <bob@example.com>",
        "Co-Developed-By: Bob <bob@example.com>",
        "Coauthors: Carol <carol@example.com>, Bob <bob@example.com>",
        "Pair-programmed-with: Bob <bob@example.com>",
        "Author: Bob <bob@example.com>",
        "Fix it. Co-authored-by: Bob <bob@example.com>",
        "Charge once, co-authored by Bob <bob@example.com>",
        "(#7) Co-authored-by: Bob <bob@example.com>",
        "Implemented-by: Bob <bob@example.com>",
        "Contributed by: Bob <bob@example.com>",
        "Mob-programmed-with: Bob <bob@example.com>",
        "Original-patch-by: Bob <bob@example.com>",
        "Based-on-patch-by: Bob <bob@example.com>",
    ],
)
def test_whom_a_person_would_read_as_having_made_the_change_is_excluded(line: str) -> None:
    excluded = found(Made(message=f"Add\n\n{line}\n"))
    assert excluded.people["bob"] == "co-authored commit cccccccccccc"
    assert excluded.unresolved == ()


@pytest.mark.parametrize("line", ["Signed-off-by: Bob <bob@example.com>", "> signed off by: bob@example.com"])
def test_who_signed_off_is_excluded(line: str) -> None:
    assert found(Made(message=f"Add\n\n{line}\n")).people["bob"] == "signed off commit cccccccccccc"


@pytest.mark.parametrize(
    "line",
    [
        "Explain co-authored-by: see bob@example.com",
        "the co-author agrees: bob@example.com",
        "Reviewed-by: Bob <bob@example.com>",
        "Reported-by: Bob <bob@example.com>",
        "\u0421\u043e\u0430\u0432\u0442\u043e\u0440\u0441\u0442\u0432\u043e: bob@example.com",
        "\u65e5\u672c\u8a9e\u306e\u9577\u3044\u884c\u3067\u3059: bob@example.com",
        "what? is this: bob@example.com",
        "\u00e9t\u00e9? bob@example.com",
        "authority: bob@example.com",
        "Contributed goods: bob@example.com",
        "made by hand, and mailed to bob@example.com",
        "Suggested-by: Bob <bob@example.com>",
    ],
)
def test_text_about_people_is_no_line_that_names_who_made_it(line: str) -> None:
    excluded = found(Made(message=f"Add\n\n{line}\n"))
    assert set(excluded.people) == {"alice"}
    assert excluded.unresolved == ()


def test_the_address_of_an_assistant_blocks_and_says_how_to_go_on() -> None:
    (said,) = found(Made(message="x\n\nCo-Authored-By: Helper <noreply@helper.example>")).unresolved
    assert said.startswith("commit cccccccccccc was co-authored by 'noreply@helper.example', which nobody")
    assert said.endswith("for a program, take the line out of the message, and push the branch again")


@pytest.mark.parametrize(
    ("commit", "said"),
    [
        (Made(author_email="eve@x.example"), "commit cccccccccccc was authored by 'eve@x.example'"),
        (Made(committer_email=""), "commit cccccccccccc was committed by ''"),
        (Made(message="x\n\nCo-authored-by: Eve"), "commit cccccccccccc was co-authored by 'Eve'"),
        (Made(message="x\n\nCo-authored-by:"), "commit cccccccccccc was co-authored by ''"),
        (
            Made("7+eve@users.noreply.github.com"),
            "commit cccccccccccc was authored by '7+eve@users.noreply.github.com'",
        ),
    ],
)
def test_an_identity_that_nobody_has_is_a_refusal(commit: Made, said: str) -> None:
    (told,) = found(commit).unresolved
    assert told.startswith(f"{said}, which nobody in the directory has: for a person, add the address to theirs")


def test_everybody_who_pushed_is_excluded() -> None:
    excluded = found(None, ALICE, Account("bob", "Bob"), Account("carol", "Carol"), ALICE)
    assert excluded.people["bob"] == excluded.people["carol"] == "pushed to the branch"


def test_an_opener_by_another_spelling_of_the_login_is_the_same_person() -> None:
    for by in (Account("", "alice-NGO"), Account("ALICE-ngo", "x")):
        excluded = found(None, by, subject="carol")
        assert excluded.people["alice"] == "opened the request"
        assert excluded.unresolved == ()


def test_an_opener_or_pusher_whom_nobody_knows_is_a_refusal() -> None:
    assert found(None, Account("", "Eve <eve@x.example>")).unresolved == (
        "pull request 7 was opened by 'Eve <eve@x.example>', whom the directory does not know",
    )
    assert found(None, ALICE, Account("", "Eve")).unresolved == (
        "pull request 7 was pushed to by 'Eve', whom the directory does not know",
    )


def test_an_opener_or_pusher_who_cannot_be_proved_is_a_refusal() -> None:
    unproved = Account("bob", "Bob", proved=False)
    excluded = found(None, ALICE, unproved)
    assert excluded.people["bob"] == "pushed to the branch"
    assert excluded.unresolved == (
        "pull request 7 was pushed to by bob without the signature that the directory asks of them",
    )


def test_of_several_commits_the_first_is_named() -> None:
    commits = [Made("bob@example.com", oid=Oid(c * 40)) for c in "ef"]
    assert excluded_people(pull(), commits, "carol", DIRECTORY).people["bob"] == "authored commit eeeeeeeeeeee"


def test_very_many_who_are_named_are_found_quickly_a_few_by_name_and_the_rest_by_number() -> None:
    people = {f"p{number}": Subject(f"p{number}", emails=(f"p{number}@example.com",)) for number in range(500)}
    trailers = [f"Co-authored-by: X <x{number}@example.org>" for number in range(100_000)]
    message = "ask\n\n" + "\n".join([*trailers, "Co-authored-by: P <p499@example.com>"])
    began = time.process_time()
    excluded = excluded_people(pull(), [Made(message=message)], "alice", Directory(frozen(people), frozen({})))
    assert time.process_time() - began < 8, "it took seventeen seconds"
    assert excluded.people["p499"] == "co-authored commit cccccccccccc"
    assert len(excluded.unresolved) == 21
    assert "'x0@example.org'" in str(excluded.unresolved)
    assert excluded.unresolved[-1].endswith("more are named on its commits whom nobody in the directory is")
