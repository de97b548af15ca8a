"""The bars: each verb, what it is held against, and how many times that it may take."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.example import Example
from benchmarks.hosted import HostedPlace
from benchmarks.measure import Command, Row, run
from benchmarks.place import Place
from benchmarks.policies import NOW

AT = ("--at", f"{NOW:%Y-%m-%dT%H:%M:%SZ}")
MEMORY = 200
"""Megabytes that no process of a check may reach."""
AUDIT_MEMORY = 400
"""Megabytes that no process of an audit may reach, which holds all that is in force at once."""

_PASS = Command([sys.executable, "-c", "pass"])
_CHECK = ("check", "--revision", "main")
_ASK = ("audit", "access", "--resource", "archive-db-009", *AT)
_GIT = "git cat-file"
_PYTHON = "python -c pass"


@dataclass(frozen=True)
class Scale:
    """Where repositories are kept, and how large they are: grants, a tenth, a hundredth, and merges of the long one."""

    folder: Path
    many: int = 100_000
    fewer: int = 10_000
    few: int = 1_000
    merges: int = 200_000

    def grants(self, count: int) -> Place:
        """Return a repository of so many live grants, with three receipts each."""
        return Place(self.folder, count, 0, receipts=True)

    def hosted(self, live: int, *, past: bool = True) -> HostedPlace:
        """Return a repository at GitHub's double, of as many merges and receipts however many grants live, or of few."""
        gone = (self.merges - live) // 2 if past else live // 2
        return HostedPlace(self.folder, live, gone, told=past and live < self.many)

    def waiting(self, count: int) -> HostedPlace:
        """Return the one with a few live grants and as short a past, where so many requests are open, or none."""
        return HostedPlace(self.folder, self.few, self.few // 2, told=True, waiting=count)

    def long(self) -> Place:
        """Return the repository with the long history: three quarters of the merges bring a grant, the rest remove it."""
        return Place(self.folder, self.merges // 2, self.merges // 4, receipts=False)


def _start(tool: Command, bar: float) -> Row:
    return Row(tool, _PASS, _PYTHON, bar, rounds=11, of_processor=True)


def _help(_: Scale) -> Row:
    return _start(Command([sys.executable, "-m", "daypass", "--help"]), 5)


def _completion(_: Scale) -> Row:
    words = {"_DAYPASS_COMPLETE": "bash_complete", "COMP_WORDS": "daypass ", "COMP_CWORD": "1"}
    return _start(Command([sys.executable, "-m", "daypass"], words), 5)


def _can(scale: Scale) -> Row:
    place = scale.grants(scale.many)
    return _start(place.daypass("can", "p0000", "archive-db-009", "readonly"), 5)


def _on_example(bar: float, *arguments: str) -> Callable[[Scale], Row]:
    return lambda scale: _start(Example(scale.folder).daypass(*arguments), bar)


def _explain(scale: Scale) -> Row:
    example = Example(scale.folder)
    return _start(example.daypass("explain", example.grant, "--requester", "alice"), 18)


_CHECKED = ("verdicts.sqlite", "answers.sqlite")


def _check_cold(scale: Scale) -> Row:
    place = scale.grants(scale.many)
    cold = place.without(_CHECKED, place.daypass(*_CHECK))
    return Row(cold, place.blobs(), _GIT, 10, rounds=3, most=MEMORY)


def _check_memory(scale: Scale) -> Row:
    many, fewer = scale.grants(scale.many), scale.grants(scale.fewer)
    return Row(
        many.without(_CHECKED, many.daypass(*_CHECK)),
        fewer.without(_CHECKED, fewer.daypass(*_CHECK)),
        f"memory at {scale.fewer}",
        1.25,
        rounds=1,
        most=MEMORY,
        of_memory=True,
    )


def _check_warm(scale: Scale) -> Row:
    place = scale.grants(scale.many)
    return Row(place.daypass(*_CHECK), place.blobs(), _GIT, 0.35)


def _check_one_more(scale: Scale) -> Row:
    place = scale.grants(scale.many)
    run(place.daypass(*_CHECK))
    one_more = place.from_here("verdicts.sqlite", place.daypass("check", "--revision", "refs/bench/next"))
    return Row(one_more, place.blobs(), _GIT, 0.35)


def _check_request(scale: Scale) -> Row:
    asked = ("check", "--base", "main", "--head", "pull", "--requester", "p0100", *AT)
    return Row(
        scale.grants(scale.many).daypass(*asked),
        scale.grants(scale.few).daypass(*asked),
        f"the same at {scale.few}",
        1.5,
    )


def _check_runner(scale: Scale) -> Row:
    many, few = scale.hosted(scale.many), scale.hosted(scale.few)
    tool, limit = (place.checked("--requester", "p0100", *AT) for place in (many, few))
    against = f"{scale.few} live, as long a past; {many.fetched(tool)}, {few.fetched(limit)}"
    return Row(tool, limit, against, 1.5, rounds=3, of_processor=True)


_APPLY = ("apply", *AT)
_GATE = ("gate", *AT)


def _bare(bar: float, *verb: str, anew: bool = False) -> Callable[[Scale], Row]:
    """Hold many live grants against few, with the same history. ``anew``: where something has moved since the last run."""

    def row(scale: Scale) -> Row:
        many, few = scale.hosted(scale.many), scale.hosted(scale.few)
        tool, limit = many.runner(*verb, anew=anew), few.runner(*verb, anew=anew)
        against = f"{scale.few} live, as long a past; {many.fetched(tool)}, {few.fetched(limit)}"
        return Row(tool, limit, against, bar, rounds=3, of_processor=True)

    return row


def _bare_moved(scale: Scale) -> Row:
    """Hold a run at which one grant has ended, since one that found nothing to do, to the same with few live grants."""
    many, few = scale.hosted(scale.many), scale.hosted(scale.few)
    tool, limit = many.ended("apply"), few.ended("apply")
    against = f"{scale.few} live, as long a past; {many.fetched(tool)}, {few.fetched(limit)}"
    return Row(tool, limit, against, 0, rounds=3, of_processor=True)


def _bare_past(bar: float, *verb: str) -> Callable[[Scale], Row]:
    """Hold a long history against a short one, with the same live grants."""

    def row(scale: Scale) -> Row:
        long, short = scale.hosted(scale.few), scale.hosted(scale.few, past=False)
        tool, limit = long.runner(*verb), short.runner(*verb)
        against = f"as many live, a hundredth of the past; {long.fetched(tool)}, {short.fetched(limit)}"
        return Row(tool, limit, against, bar, rounds=3, of_processor=True)

    return row


def _gate_open(scale: Scale) -> Row:
    place, none = scale.waiting(min(100, scale.few // 4)), scale.waiting(0)
    tool, limit = place.runner(*_GATE), none.runner(*_GATE)
    against = f"nothing open; {place.calls(tool)} calls against {none.calls(limit)}"
    return Row(tool, limit, against, 1.5, rounds=3, of_processor=True)


def _plan(scale: Scale) -> Row:
    place = scale.grants(scale.many)
    return Row(place.daypass("plan", "--detailed-exitcode", *AT), place.blobs(), _GIT, 0.6)


def _apply(scale: Scale) -> Row:
    place = scale.grants(scale.many)
    return Row(place.daypass("apply", "--detailed-exitcode", *AT), place.blobs(), _GIT, 1)


def _moved(verb: str, bar: float) -> Callable[[Scale], Row]:
    """Hold a run at which one grant has ended since the last one to git."""

    def row(scale: Scale) -> Row:
        place = scale.grants(scale.many).copied("ended")
        run(place.daypass("plan", *AT))  # it reads the ledger
        before = ("apply", "--at", place.first_end())
        for _ in range(2):  # the first one takes something away and leaves a snapshot, the second finds nothing to do
            run(place.daypass(*before))
        ended = place.daypass(verb, "--at", place.first_end())
        return Row(place.as_now(ended), place.blobs(), _GIT, bar, rounds=3, of_processor=True)

    return row


def _anew(verb: str) -> Callable[[Scale], Row]:
    """Hold a run that knows of no earlier one to git: the first one of a release."""

    def row(scale: Scale) -> Row:
        place = scale.grants(scale.many)
        command = place.daypass(verb, "--detailed-exitcode", *AT)
        return Row(place.without(("answers.sqlite",), command), place.blobs(), _GIT, 3, rounds=3)

    return row


def _signatures(place: Place, tool: Command) -> Row:
    bare = Command([sys.executable, "-m", "benchmarks.signatures", str(place.receipts())])
    return Row(tool, bare, "bare Ed25519", 2, rounds=1, of_processor=True, most=AUDIT_MEMORY)


def _chain(scale: Scale) -> Row:
    place = scale.grants(scale.many)
    return _signatures(place, Command([sys.executable, "-m", "benchmarks.signatures", str(place.git)]))


def _verify(scale: Scale) -> Row:
    place = scale.grants(scale.many)
    return _signatures(place, place.daypass("audit", "verify", *AT))


def _index(scale: Scale) -> Row:
    place = scale.long()
    return Row(place.without(("audit.sqlite",), place.daypass(*_ASK)), place.log("main"), "git log", 1.5, rounds=3)


def _index_more(scale: Scale) -> Row:
    place = scale.long()
    span = "refs/bench/before..refs/bench/tip"
    place.move_main("refs/bench/before")
    run(place.daypass(*_ASK))
    place.move_main("refs/bench/tip")
    return Row(place.from_here("audit.sqlite", place.daypass(*_ASK)), place.log(span), "git log", 4)


def _question(scale: Scale) -> Row:
    return Row(scale.long().daypass(*_ASK), _PASS, _PYTHON, 12)


def _access(scale: Scale) -> Row:
    return _start(scale.grants(scale.many).daypass(*_ASK), 10)


def _history(scale: Scale) -> Row:
    asked = ("audit", "history", "--subject", "p0013", *AT)
    return _start(scale.grants(scale.many).daypass(*asked), 10)


def _replay(scale: Scale) -> Row:
    place = scale.grants(scale.fewer)
    head = place.changed("policies/rules/access.yaml", "600h", "500h")
    return Row(place.daypass("policy", "replay", "main", head, *AT), place.blobs(), _GIT, 20, of_processor=True)


def _replay_moving(scale: Scale) -> Row:
    place = scale.grants(scale.fewer)
    one = "at_least: 1, from: group:security-leads"
    head = place.changed("policies/rules/access.yaml", one, one.replace("1", "2"))
    return Row(place.daypass("policy", "replay", "main", head, *AT), place.blobs(), _GIT, 20, of_processor=True)


def _policy_test(scale: Scale) -> Row:
    few, many = (Example(scale.folder / f"{count}-cases", cases=count) for count in (1, 200))
    return Row(many.daypass("policy", "test"), few.daypass("policy", "test"), "one case", 2, of_processor=True)


ROWS: Mapping[str, Callable[[Scale], Row]] = {
    "help": _help,
    "completion": _completion,
    "can": _can,
    "example, can": _on_example(5, "can", "alice", "orders-db", "readonly"),
    "example, status": _on_example(20, "status"),
    "example, plan": _on_example(20, "plan"),
    "example, check": _on_example(18, "check"),
    "example, explain": _explain,
    "check, cold": _check_cold,
    "check, memory": _check_memory,
    "check, warm": _check_warm,
    "check, one grant more": _check_one_more,
    "check one request": _check_request,
    "check at a runner": _check_runner,
    "apply, bare runner": _bare(3, *_APPLY),
    "apply, bare, anew": _bare(0, *_APPLY, anew=True),
    "apply, bare, one ended": _bare_moved,
    "apply, long past": _bare_past(1.3, *_APPLY),
    "gate, bare runner": _bare(2, *_GATE),
    "gate, long past": _bare_past(1.3, *_GATE),
    "gate, 100 open": _gate_open,
    "plan, warm": _plan,
    "plan, one has ended": _moved("plan", 0.8),
    "plan, reckoned anew": _anew("plan"),
    "apply, nothing to do": _apply,
    "apply, one has ended": _moved("apply", 1),
    "apply, reckoned anew": _anew("apply"),
    "audit verify, chain": _chain,
    "audit verify": _verify,
    "audit access": _access,
    "audit history": _history,
    "policy replay": _replay,
    "replay, third moves": _replay_moving,
    "policy test": _policy_test,
    "index, built": _index,
    "index, 1,000 more": _index_more,
    "index, question": _question,
}
"""Every bar by name."""
