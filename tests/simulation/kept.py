"""Stories that once ended badly, made short: what was wrong is mended, and they are played whenever tests run."""

from __future__ import annotations

from simulation.story import Step, Wish

_BOB = Wish("bob", "orders", "admin", 136, 30)
_ALICE = Wish("alice", "orders", "read", None, 480)
_HENRY = Wish("henry", "orders", "read", None, 480)
_EDIT = Wish("bob", "wiki", "edit", None, 300)


def _granted(at: int, name: str, grant: str, wish: Wish) -> tuple[Step, ...]:
    """Let a request be opened, approved and merged, a minute each."""
    return (
        Step(at, "opens", name, wish.subject, wish, grant),
        Step(at + 1, "approves", name, "carol"),
        Step(at + 2, "approves", name, "erin"),
        Step(at + 3, "gates"),
    )


_HOURS = ((550, 580), (600, 640), (700, 730), (800, 860))
KEPT: dict[str, tuple[Step, ...]] = {
    # Who began at the snapshot did not know of the main that the snapshot's own receipt names.
    "a snapshot is the first to be written on a main": (
        *(Step(at, "opens", f"r{at}", "alice", _ALICE._replace(length=600), f"orders/g{at}") for at in range(1, 6)),
        Step(10, "expire"),
        Step(11, "changes the rules", number=0),
    ),
    # The audit judged it by the whole window, of which the calendar's last interval was over.
    "somebody asks for a window whose last interval by the calendar is over": (
        Step(1, "changes the calendar", number=0),
        Step(224, "opens", "r1", "alice", Wish("alice", "host", "login", 214, 60, on_duty=True), "host/g1"),
    ),
    # The audit asked when an interval ends by the instant at which another grant had opened, before it began.
    "an interval opens while another grant gives the same already": (
        *_granted(26, "r1", "orders/g1", Wish("alice", "orders", "read", 116, 5000, _HOURS)),
        Step(229, "apply"),
        *_granted(244, "r2", "orders/g2", Wish("alice", "orders", "read", None, 30)),
        Step(267, "apply"),
    ),
    # What had ended and was tidied meanwhile counted whole against what was proved late.
    "what cannot be proved at first is judged by what was there when it was merged": (
        Step(45, "opens", "r1", "henry", Wish("henry", "code", "push", None, 30), "code/g1"),
        Step(50, "approves", "r1", "carol"),
        Step(96, "opens", "r2", "henry", Wish("henry", "code", "push", None, 400), "code/g2"),
        Step(97, "approves", "r2", "bob"),
        Step(99, "gates"),
        Step(142, "expire"),
        Step(161, "gates"),
        Step(162, "apply without the forge"),
    ),
    # The audit took the second outcome of a change for one that nobody intended.
    "a run looks up how another's change ended before that one writes it": (
        *_granted(136, "r1", "orders/g1", _BOB),
        Step(158, "expire"),
        Step(173, "apply", fault="OVERTAKEN", after=16),
    ),
    # No receipt said who held what was there.
    "a backup brings back what had ended, and a grant gives the same": (
        *_granted(62, "r1", "orders/g1", _ALICE),
        Step(82, "apply"),
        Step(83, "is engaged until", who="alice", number=84),
        Step(109, "expire"),
        Step(110, "is engaged until", who="alice"),
        Step(111, "apply"),
        Step(112, "is restored from a backup", "one", number=0),
        *_granted(555, "r2", "orders/g2", _ALICE),
    ),
    # The audit held what had been meant before against the shorter window.
    "a run dies before it tells what it gave, and the grant is narrowed": (
        *_granted(9, "r1", "orders/g1", _HENRY),
        Step(22, "apply", fault="DIES_BEFORE", call="ledger.append", after=1),
        Step(23, "opens", "r2", "carol", _HENRY._replace(length=240), "orders/g1"),
        Step(46, "gates"),
    ),
    # The audit let one outcome stand for two intents of the same change.
    "two runs begin the same, one of them after it did not find it": (
        *_granted(9, "r1", "wiki/g1", _EDIT),
        Step(89, "apply", fault="CROSSED", call="target.carry_out"),
    ),
    # A run wrote a second time what another had settled while it took away what had ended.
    "a run settles what landed while another takes away what has ended": (
        *_granted(1, "r1", "orders/g1", _ALICE._replace(length=60)),
        Step(45, "apply"),
        Step(46, "writes to main", wish=Wish("alice", "orders", "read", 46, 15), grant="orders/g1"),
        Step(112, "apply", fault="OVERTAKEN", after=12),
    ),
    # Nobody read the reviews of what could not be judged any more.
    "somebody rejects a request whose window has passed meanwhile": (
        Step(70, "opens", "r1", "frank", Wish("bob", "orders", "admin", 70, 45), "orders/g1"),
        Step(181, "rejects", "r1", "henry"),
    ),
    # A run wrote a second time what had landed, and the audit named it.
    "the outcome is written, and the run is told that another was first": (
        *_granted(1, "r1", "orders/g1", _ALICE._replace(length=60)),
        Step(19, "apply", fault="TWICE", call="ledger.append", after=1),
    ),
    # A run without the remote went by the window of the grant, and left what its target was to end sooner.
    "a bound set an end, and the remote is away when it comes": (
        *_granted(1, "r1", "orders/g1", _ALICE),
        Step(5, "apply"),
        Step(47, "is engaged until", who="alice", number=92),
        Step(68, "apply"),
        Step(130, "apply without the remote"),
    ),
    # What was back under the name that the account had by then was nobody's.
    "a backup brings back what an account with another name had": (
        Step(117, "apply"),
        Step(133, "apply"),
        *_granted(139, "r3", "code/g3", Wish("alice", "code", "push", None, 30)),
        Step(144, "expire"),
        Step(145, "is renamed", who="alice", number=28),
        Step(146, "apply"),
        Step(171, "apply"),
        Step(174, "apply"),
        Step(175, "is restored from a backup", "three", number=10),
    ),
    # The removal stayed open for want of a number, of what had been taken away meanwhile.
    "a removal that another run made first is found begun under a name that is gone": (
        *_granted(112, "r6", "code/g4", Wish("alice", "code", "push", None, 90)),
        Step(135, "apply"),
        Step(137, "is renamed", who="alice", number=28),
        Step(228, "apply without the remote", fault="DIES_BEFORE", call="target.recall"),
        Step(243, "apply on the other machine"),
    ),
    # The oracle took what a calendar had cut since for what nobody had counted.
    "what a calendar has cut since adds up with what is merged": (
        Step(8, "changes the calendar", number=0),
        *_granted(10, "r1", "orders/g1", Wish("alice", "orders", "read", 10, 3000, on_duty=True)),
        Step(36, "changes the calendar", number=3),
        Step(210, "expire"),
        *_granted(250, "r5", "orders/g5", Wish("alice", "orders", "read", None, 300)),
        *_granted(643, "r7", "orders/g7", Wish("alice", "orders", "read", None, 240))[:-1],
        Step(660, "merges around the gate", "r7", "carol"),
        Step(661, "apply"),
    ),
}
"""By what happened."""
