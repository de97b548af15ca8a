"""What a verification finds, and what it did not look at. Each code stands in docs/findings.md."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from daypass.core.audit.access import Sources
from daypass.core.finding import Severity
from daypass.core.ledger.chain import Head
from daypass.core.ledger.receipt import Admission, Receipt, Retirement
from daypass.core.plan import Action, Intended


class Difference(Struct, frozen=True):
    """One thing that does not agree. ``receipt`` is a sequence, None where no receipt is meant."""

    code: str
    message: str
    severity: Severity = Severity.ERROR
    grant: str = ""
    commit: str = ""
    receipt: int | None = None


class Verified(Struct, frozen=True):
    """What a verification found. ``proved`` receipts were read, with ``checked`` admissions held against git.

    ``since`` is the snapshot that was believed for what stands before it, None where every receipt was proved.
    """

    sources: Sources
    proved: int
    checked: int
    landings: int
    differences: tuple[Difference, ...]
    since: Head | None = None

    @property
    def not_looked_at(self) -> tuple[str, ...]:
        """What a verification from a snapshot on leaves out."""
        if self.since is None:
            return ()
        place, main = self.since.sequence, self.since.main[:12]
        return (
            f"receipts 0 to {place}: what they add up to is what the signer of snapshot {place} says",
            f"what main brought and removed up to {main}, where the snapshot was written",
            f"merge messages that name a receipt up to {place}, or none, as the ledger's last",
        )

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong; notes are no wrong."""
        return not any(found.severity is Severity.ERROR for found in self.differences)


def in_order(found: Iterable[Difference]) -> tuple[Difference, ...]:
    """Sort errors first, then by receipt, grant and message."""
    severities = list(Severity)

    def key(one: Difference) -> tuple[int, int, str, str, str]:
        receipt = -1 if one.receipt is None else one.receipt
        return severities.index(one.severity), receipt, one.grant, one.code, one.message

    return tuple(sorted(found, key=key))


def unentitled(receipt: Receipt) -> tuple[Difference, ...]:
    """Name an end that nobody was entitled to. The access ended all the same: that no end waits is worth more."""
    body = receipt.body
    if not isinstance(body, Admission | Retirement) or not body.lack:
        return ()
    if isinstance(body, Admission):
        commit, what = body.landing, f"commit {body.landing[:12]} narrowed {body.grant}"
    else:
        who = f"pull request {body.pull} of {body.by or 'somebody whom nobody knows'}" if body.pull else "a commit"
        commit, what = body.commit, f"{who} took {body.grant} from main at {body.commit[:12]}"
    message = f"{what}, which nobody was entitled to [{body.lack}]"
    return (Difference("end-unentitled", message, Severity.WARNING, body.grant, commit, receipt.sequence),)


def words_of(change: Intended) -> str:
    """Say in words what a change does."""
    verb = "giving" if change.action is Action.ADD else "removing"
    return f"{verb} {entitlement_words(change)}"


def entitlement_words(change: Intended) -> str:
    """Say in words what it is about."""
    entitlement = change.entitlement
    return f"{entitlement.privilege} on {entitlement.resource} to {entitlement.principal}"
