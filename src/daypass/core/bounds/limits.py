"""The settings' limits: bounds that hold whatever rules say."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct


class Limits(Struct, frozen=True):
    """Bounds that hold whatever rules say; the defaults are the brake when the settings name none.

    ``approvers`` are the kinds of employment whose people may approve, empty where the settings do not say: all of them.
    ``unsigned``, on the local forge: accept or refuse what people without SSH keys do; "" accepts it, and check says so.
    ``end`` and ``revoke`` are the sources of those who may end somebody's access (`daypass.core.policy.sources`); None:
    the usual ones. ``ask_for_others`` are those of who may ask for somebody else; None: anybody. ``pause``: nothing is
    given for now, and what ends goes on ending.
    """

    max_duration: timedelta = timedelta(days=30)
    max_span: timedelta = timedelta(days=92)
    open_request: timedelta = timedelta(days=7)
    brake_removals: str = "25%"
    brake_additions: str = "100"
    approvers: tuple[str, ...] = ()
    end: tuple[str, ...] = ("subject", "requester", "owners")
    revoke: tuple[str, ...] | None = None
    ask_for_others: tuple[str, ...] | None = None
    pause: bool = False
    unsigned: str = ""

    def brake(self, live: int) -> tuple[int, int]:
        """Return how many removals and how many additions need no person's word while so many entitlements are live."""
        return _share(self.brake_removals, live), _share(self.brake_additions, live)


def _share(limit: str, live: int) -> int:
    """Read a count, or a percentage, which allows at least 10."""
    return max(10, live * int(limit[:-1]) // 100) if limit.endswith("%") else int(limit)
