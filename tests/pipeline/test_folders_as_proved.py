"""A folder whose files are just those that were proved is passed by unread: by git's name of it, and never wrongly."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from daypass.core.ids import ABSENT, GrantId, Oid, grant_id
from daypass.core.ledger.standing import Standing
from daypass.core.plan import AdmittedGrant, Entitlement
from daypass.core.window import EVER
from daypass.pipeline.apply.admit import as_proved
from in_memory.history import MemoryHistory
from in_memory.objects import Objects

_NAMES = st.sampled_from(["a.yaml", "a-b.yaml", "a.yaml.yaml", "b", "é.yaml", "c/a.yaml", "c.yaml"])
_PATHS = st.builds("grants/{}/{}".format, st.sampled_from(["db", "db-2", "db.old"]), _NAMES)
_PLAIN = re.compile(r"grants/[^/]+/[^/]+\.yaml")
_TEXTS = st.sampled_from([b"", b"one\n", b"two\n"])
_FILES = st.dictionaries(_PATHS, _TEXTS, max_size=8)
_GIVEN = Entitlement("t", "r", "p", "{}")


def _row(grant: GrantId, blob: Oid) -> AdmittedGrant:
    return AdmittedGrant(grant, blob, ABSENT, "s", "r", "reader", EVER, _GIVEN, "m")


@given(files=_FILES, other=st.one_of(st.none(), _FILES), dropped=st.sets(_PATHS, max_size=1))
def test_what_is_passed_by_holds_what_was_proved_and_nothing_else(
    files: dict[str, bytes], other: dict[str, bytes] | None, dropped: set[str]
) -> None:
    objects = Objects()
    history = MemoryHistory(objects)

    def commit(held: dict[str, bytes]) -> Oid:
        at = datetime(2026, 11, 20, tzinfo=UTC)
        return objects.commit_files(ABSENT, list(held.items()), (), "all", author=("A", "a@example.com"), at=at)

    main = commit({"README": b"", **files})
    then = commit({"README": b"", **(files if other is None else other)})
    proved = {grant_id(e.path): e.oid for e in history.entries(then, "grants") if e.path not in dropped}
    rows = {grant: _row(grant, blob) for grant, blob in sorted(proved.items())}
    passed = as_proved(Standing(rows=rows), history.folders(main, "grants"))
    for folder in ("db", "db-2", "db.old"):
        entries = list(history.entries(main, f"grants/{folder}"))
        there = {grant_id(entry.path): entry.oid for entry in entries}
        known = {grant: blob for grant, blob in proved.items() if grant.startswith(f"{folder}/")}
        plain = all(_PLAIN.fullmatch(entry.path) for entry in entries)  # else ids are not the names of files
        assert (folder in passed) == (bool(there) and there == known and plain)
