"""What runs remember of live grants that nothing denies never hides what is denied."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from policy_samples import AT, policy, rules

from daypass.core.ids import GrantId
from daypass.core.plan import Claim, Entitlement
from daypass.core.window import Window
from daypass.pipeline.judge.check import denied_live
from in_memory.history import MemoryHistory
from in_memory.objects import Objects

_ADMIN = '  - id: no-admin\n    when: grant.role == "admin"\n    deny: true\n    message: nobody\n'
_POLICIES = (policy(), rules(_ADMIN))
_GRANT = "version: 1\nsubject: {}\nresource: {}\nrole: {}\nreason: looking at orders\nwindow: {{duration: 1h}}\n"
_TEXTS = st.builds(
    _GRANT.format,
    st.sampled_from(["alice", "nobody"]),
    st.sampled_from(["orders-db", "wiki"]),
    st.sampled_from(["readonly", "admin"]),
)
_IDS = st.builds("{}/{}".format, st.sampled_from(["orders-db", "wiki"]), st.sampled_from("ab"))
_RUNS = st.lists(st.tuples(st.integers(0, 1), st.dictionaries(_IDS, _TEXTS)), min_size=2, max_size=5)


class _Kept:
    """Implements ports.VerdictStore."""

    def __init__(self) -> None:
        self._clean: dict[tuple[str, bytes], Any] = {}
        self._whole: dict[tuple[str, str], tuple[str, int]] = {}

    def known(self, context, blobs):
        return {blob: self._clean[context, blob] for blob in blobs if (context, blob) in self._clean}

    def store(self, context, rows):
        self._clean |= {(context, blob): (resource, meaning) for blob, resource, meaning in rows}

    def whole(self, context, folders):
        known = {name: self._whole.get((context, name), ("", 0)) for name in folders}
        return {name: count for name, (tree, count) in known.items() if tree == folders[name]}

    def store_whole(self, context, folders):
        self._whole |= {(context, name): (tree, count) for name, tree, count in folders}


@given(runs=_RUNS)
def test_a_run_that_remembers_says_what_one_says_that_does_not(runs: list[tuple[int, dict[str, str]]]) -> None:
    objects, kept = Objects(), _Kept()
    window = Window(AT, AT + timedelta(hours=1))
    for which, grants in runs:
        live = [
            (Claim(GrantId(name), Entitlement("t", name, "p", "{}"), window), objects.put(text.encode()))
            for name, text in grants.items()
        ]
        history = MemoryHistory(objects)
        anew = denied_live(history, _Kept(), "program", _POLICIES[which], live)
        assert denied_live(history, kept, "program", _POLICIES[which], live) == anew
        assert denied_live(history, kept, "program", _POLICIES[which], live) == anew


def test_what_is_clean_is_not_read_again() -> None:
    objects, kept = Objects(), _Kept()
    blob = objects.put(_GRANT.format("alice", "orders-db", "readonly").encode())
    window = Window(AT, AT + timedelta(hours=1))
    live = [(Claim(GrantId("orders-db/a"), Entitlement("t", "orders-db", "p", "{}"), window), blob)]
    assert denied_live(MemoryHistory(objects), kept, "program", policy(), live) == ()
    assert denied_live(MemoryHistory(Objects()), kept, "program", policy(), live) == ()
