"""A record that says anything but what could have been written is refused, by name, and never skipped."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from forge_world import World, minutes
from hypothesis import given
from hypothesis import strategies as st

from daypass.core.errors import EdgeError
from daypass.core.finding import LONGEST_TEXT, UNSEEN, shown
from daypass.core.ids import ABSENT, Oid, canonical
from daypass.edges.forges.local import records

RawEvent = Callable[..., Oid]
HEAD = "1" * 40


def plain(kind: str = "approved", **fields: object) -> dict[str, object]:
    return {"version": 1, "pull": 1, "kind": kind, "at": "2026-11-20T10:01:00Z", **fields}


def write(**fields: object) -> bytes:
    return canonical(plain(**fields)).encode()  # type: ignore[arg-type]  # some are wrong on purpose


def put(world: World, commit: Oid, name: str = "open") -> None:
    ref = f"refs/heads/daypass/{name}/1"
    world.git.update_refs({ref: (world.git.find(ref) or ABSENT, commit)}, reason="attack")


def refusal(world: World) -> str:
    with pytest.raises(EdgeError) as caught:
        world.forge().pull(1)
    kind = "done" if "refs/heads/daypass/done/1" in world.refs() else "open"
    assert caught.value.hint.startswith("restore it from another clone: git fetch REMOTE +refs/heads/daypass/")
    assert caught.value.hint.endswith(f": git update-ref -d refs/heads/daypass/{kind}/1")
    start = "the record of pull request 1 is corrupt: "
    assert caught.value.message.startswith(start)
    for pull in world.forge().open_pulls():  # listed by its number alone; as done it is not listed
        assert (pull.number, pull.title, pull.head, pull.opened_by.handle) == (1, "", ABSENT, "")
    return caught.value.message.removeprefix(start)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "an event cannot be read (Expecting value: line 1 column 1 (char 0))"),
        (b"[]", "an event cannot be read (list indices must be integers or slices, not str)"),
        (b"\xff", "an event cannot be read ('utf-8' codec can't decode byte 0xff in position 0: invalid start byte)"),
        (write(kind="blessed"), "an event cannot be read (expected one of opened, pushed, approved, rejected, withdrawn, "
         "merged, closed, got 'blessed')"),
        (write(), "an event cannot be read (expected the fields of 'approved', got ['at', 'kind', 'pull', 'version'])"),
        (write(commit=HEAD, more=1), "an event cannot be read (expected the fields of 'approved', got ['at', 'commit', "
         "'kind', 'more', 'pull', 'version'])"),
        (write(commit=7), "an event cannot be read (its commit is no text)"),
        (write(commit="HEAD"), "an event cannot be read (its commit is no commit id: 'HEAD')"),
        (write(kind="closed", reason="a\nb"), "an event cannot be read (its reason holds a character that cannot be seen, "
         "U+000A)"),
        (write(commit=HEAD, at="2026-11-20T10:01:00"), "an event cannot be read ('2026-11-20T10:01:00' names no time zone; "
         "write for example 2026-11-21T09:00:00Z)"),
        (write(commit=HEAD, pull=True), "an event cannot be read (expected a number and an instant, got (True, "
         "'2026-11-20T10:01:00Z'))"),
        (write(commit=HEAD, version=2), "an event cannot be read (expected the fields of 'approved', got ['at', 'commit', "
         "'kind', 'pull', 'version'])"),
        (write(commit=HEAD, main="main"), "an event cannot be read (its main is no commit id: 'main')"),
        (write(kind="rejected", commit=HEAD, main=HEAD), "an event cannot be read (expected the fields of 'rejected', got "
         "['at', 'commit', 'kind', 'main', 'pull', 'version'])"),
        (write(commit=HEAD, pull=2), "it holds an event of pull request 2"),
        (write(commit=HEAD) + b"\n", "an event is not written in the canonical form"),
        (write(commit=HEAD).replace(b'"at"', b'"at":"x","at"'), "an event is not written in the canonical form"),
        (write(commit=HEAD, at="2026-11-20T11:01:00+01:00"), "an event is not written in the canonical form"),
    ],
)  # fmt: skip
def test_an_event_that_nobody_would_write_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(EdgeError) as caught:
        records.decode(raw, 1)
    assert caught.value.message == f"the record of pull request 1 is corrupt: {why}"


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(EdgeError, match=r"^the record of pull request 1 is corrupt: an event cannot be read"):
        records.decode(b"[" * 8000 + b"]" * 8000, 1)


TEXT = st.text(st.characters(exclude_categories=tuple(UNSEEN)), min_size=1, max_size=300).filter(str.strip)


@given(
    number=st.integers(1, 10**9 - 1),
    at=st.datetimes().map(lambda d: d.replace(microsecond=0)),
    branch=TEXT,
    title=TEXT,
)
def test_what_is_written_is_read_back(number: int, at: object, branch: str, title: str) -> None:
    from datetime import UTC

    event = records.Event(number, "opened", at.replace(tzinfo=UTC), {"branch": branch, "head": HEAD, "title": title})  # type: ignore[attr-defined]
    raw = records.encode(event)
    assert records.decode(raw, number) == event
    with pytest.raises(EdgeError):
        records.decode(raw, number + 1)


def test_shown_text_holds_nothing_unseen() -> None:
    assert shown("a\x1b[2J\u202e\nb") == "a?[2J??b"
    assert len(shown("x" * 1000)) == LONGEST_TEXT


def opened(world: World) -> tuple[Oid, Oid]:
    world.opened()
    return world.tip("refs/heads/daypass/open/1"), world.forge().pull(1).head


MESSAGE = "daypass: pull request 1 approved\n"


def test_a_ref_at_an_ordinary_commit_is_refused(world: World) -> None:
    put(world, world.tip())
    assert refusal(world).endswith("is none that carries an event") or "holds more or less" in refusal(world)


def test_an_event_file_beside_others_is_refused(world: World, raw_event: RawEvent) -> None:
    tip, head = opened(world)
    made = raw_event(write(commit=head), (tip,), message=MESSAGE, at=minutes(1), name="events.json")
    put(world, made)
    assert refusal(world) == f"commit {made[:12]} holds more or less than event.json"


def test_another_message_is_refused(world: World, raw_event: RawEvent) -> None:
    tip, head = opened(world)
    made = raw_event(write(commit=head), (tip,), message="hello\n", at=minutes(1))
    put(world, made)
    assert refusal(world) == f"commit {made[:12]} has another message than its event"


def test_another_time_is_refused(world: World, raw_event: RawEvent) -> None:
    tip, head = opened(world)
    made = raw_event(write(commit=head), (tip,), message=MESSAGE, at=minutes(2))
    put(world, made)
    assert refusal(world) == f"commit {made[:12]} has another time than its event"


@pytest.mark.parametrize("parents", [0, 2])
def test_other_parents_are_refused(world: World, raw_event: RawEvent, parents: int) -> None:
    tip, head = opened(world)
    made = raw_event(write(commit=head), (tip, head)[:parents], message=MESSAGE, at=minutes(1))
    put(world, made)
    assert refusal(world) == f"commit {made[:12]} has other parents than its event asks for"


def test_a_chain_that_does_not_begin_with_an_opening_is_refused(world: World, raw_event: RawEvent) -> None:
    _, head = opened(world)
    put(world, raw_event(write(commit=head), (head,), message=MESSAGE, at=minutes(1)))
    assert refusal(world) in (
        f"commit {head[:12]} holds more or less than event.json",
        f"commit {head[:12]} is none that carries an event",
    )


def test_an_approval_of_another_commit_is_refused(world: World, raw_event: RawEvent) -> None:
    tip, head = opened(world)
    made = raw_event(write(commit=world.tip()), (tip,), message=MESSAGE, at=minutes(1))
    put(world, made)
    assert refusal(world) == f"event {made[:12]} is about {world.tip()[:12]}, the head was {head[:12]}"


def test_an_event_older_than_the_one_before_is_refused(world: World, raw_event: RawEvent) -> None:
    tip, head = opened(world)
    early = write(commit=head, at="2026-11-20T09:59:00Z")
    made = raw_event(early, (tip,), message=MESSAGE, at=minutes(-1))
    put(world, made)
    assert refusal(world) == f"event {made[:12]} is older than the one before it"


def test_two_openings_are_refused(world: World, raw_event: RawEvent) -> None:
    tip, head = opened(world)
    raw = write(kind="opened", branch="b1", head=head, title="x")
    made = raw_event(raw, (tip, head), message="daypass: pull request 1 opened\n", at=minutes(1))
    put(world, made)
    assert refusal(world) == f"commit {made[:12]} has other parents than its event asks for"


def test_an_end_that_is_not_last_or_not_done_is_refused(world: World, raw_event: RawEvent) -> None:
    tip, _head = opened(world)
    raw = write(kind="closed", reason="x")
    made = raw_event(raw, (tip,), message="daypass: pull request 1 closed\n", at=minutes(1))
    put(world, made)
    assert refusal(world) == f"its end at {made[:12]} is not where an end belongs"
    world.git.run("update-ref", "-d", "refs/heads/daypass/open/1")
    put(world, tip, "done")
    with pytest.raises(EdgeError, match=r"is corrupt: it is done and has no end$"):
        world.forge().pull(1)


def test_a_merge_record_must_name_the_merge_that_it_says(world: World, raw_event: RawEvent) -> None:
    tip, head = opened(world)
    raw = write(kind="merged", base=world.tip(), commit=world.tip(), head=head)
    made = raw_event(raw, (tip, world.tip()), message="daypass: pull request 1 merged\n", at=minutes(1))
    world.git.run("update-ref", "-d", "refs/heads/daypass/open/1")
    put(world, made, "done")
    with pytest.raises(EdgeError, match=rf"is corrupt: commit {world.tip()[:12]} is not the merge that it records$"):
        world.forge().pull(1)


def test_a_huge_event_is_not_read(world: World, raw_event: RawEvent) -> None:
    tip, _ = opened(world)
    put(world, raw_event(b"x" * 20_000, (tip,), message=MESSAGE, at=minutes(1)))
    with pytest.raises(EdgeError, match=r"is 20000 bytes long, at most 16384 are read$"):
        world.forge().pull(1)


def test_a_lost_object_is_said(world: World) -> None:
    tip, _ = opened(world)
    world.git.text("hash-object", "-t", "commit", "-w", "--stdin", stdin=world.git.run("cat-file", "commit", tip))
    blob = world.git.text("rev-parse", f"{tip}:event.json")
    (world.top / ".git/objects" / blob[:2] / blob[2:]).unlink()
    assert refusal(world) == f"object {blob[:12]} is no blob or is missing"
