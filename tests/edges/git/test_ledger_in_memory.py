"""The ledger that lives keep in memory answers as the real one does, refusals included, whoever wrote before."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_making import BEGIN, LATER, MAIN, addition, life, make, retirement

from daypass.core.errors import DaypassError
from daypass.core.ledger import snapshot
from daypass.core.ledger.receipt import Intent, Outcome
from daypass.core.ledger.standing import fold
from in_memory.ledger import Machine, MemoryLedger
from standings import same_state

_BODIES = {
    "life": life,
    "intent": lambda n: [Intent((addition(n),), "plan")],
    "failed": lambda n: [Outcome(addition(n), ok=False, error="timeout")],
    "given": lambda n: [Outcome(addition(n), ok=True)],
    "retired": lambda n: [retirement(n)],
}
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("load"), st.integers(0, 1), st.just(0)),
        st.tuples(st.sampled_from(sorted(_BODIES)), st.integers(0, 1), st.integers(2, 4)),
        st.tuples(st.just("stale"), st.integers(0, 1), st.integers(2, 4)),
        st.tuples(st.sampled_from(["snapshot", "anew"]), st.integers(0, 1), st.just(0)),
    ),
    max_size=8,
)


@given(steps=_STEPS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_two_machines_learn_the_same_from_memory_as_from_files(tmp_path_factory, steps):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "LEAST", 1)
        _play(tmp_path_factory.mktemp("ledgers"), steps)


def _play(tmp, steps):
    made = make(tmp / "repo", lives=1)
    keys = {"ledger.pub": made.public}
    files = [made.signed(path=tmp / f"{name}" / "standing.sqlite") for name in "ab"]
    memory = [MemoryLedger(made.ledger, Machine(), keys, lambda: made.signer) for _ in "ab"]
    first = files[0].load()
    memory[0].load()
    for number, (does, machine, n) in enumerate(steps):
        on_file, in_memory = files[machine], memory[machine]
        if does == "load":
            assert same_state(on_file.load(), in_memory.load())
            assert on_file.verified == in_memory.verified
            continue
        at = LATER + timedelta(minutes=number)
        if does == "anew":  # a machine whose files are gone, or another one
            files[machine] = made.signed(path=tmp / f"{number}" / "standing.sqlite")
            memory[machine] = MemoryLedger(made.ledger, Machine(), keys, lambda: made.signer)
            newest = max(made.ledger.snapshots(made.ledger.head()), default=0)
            assert same_state(files[machine].load(), fold(made.receipts()))
            assert same_state(memory[machine].load(), fold(made.receipts()))
            assert (files[machine].began, memory[machine].began) == (newest, newest)
            continue
        writer = (on_file, in_memory)[number % 2]
        if does == "stale":
            for ledger in (on_file, in_memory):
                before = made.ledger.head()
                if first.commit != before:
                    with pytest.raises(DaypassError, match="another run was first"):
                        ledger.append(first, life(n), at=at, main=MAIN, run="run")
                assert made.ledger.head() == before
            continue
        if does == "snapshot":
            writer.load()
            writer.ready()
            after = writer.snapshot(at=at, main=MAIN, run="run") or writer.load()
        else:
            after = writer.append(writer.load(), _BODIES[does](n), at=at, main=MAIN, run="run")
        assert same_state(after, on_file.load())
        assert same_state(after, in_memory.load())


def test_what_was_cut_off_or_forked_is_refused_in_memory_too(tmp_path):
    made = make(tmp_path / "repo")
    ledgers = [made.signed(), MemoryLedger(made.ledger, Machine(), {"ledger.pub": made.public}, lambda: made.signer)]
    for ledger in ledgers:
        ledger.load()
    tip = made.ledger.head()
    made.git_do("update-ref", "refs/heads/daypass-ledger", made.git.text("rev-parse", f"{tip}^"))
    said = []
    for ledger in ledgers:
        with pytest.raises(DaypassError, match="the ledger was rewritten") as caught:
            ledger.load()
        said.append(caught.value.message)
    assert said[0] == said[1]
    made.write(life(7), at=BEGIN + timedelta(minutes=5))
    for ledger in ledgers:
        with pytest.raises(DaypassError, match="does not contain what this machine has verified"):
            ledger.load()
