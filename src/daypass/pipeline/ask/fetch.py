"""What a grant hands over, for its subject and for nobody else.

It is read from the ledger, which was verified. Many may read the ledger, so nothing that lies there opens anything by
itself: a certificate needs the subject's private key, and so does a secret. Asking who is there keeps people from
taking what is not theirs by mistake, and is no lock.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from daypass.core.errors import DeniedError, MissingError
from daypass.core.forge import Account
from daypass.core.ids import GrantId
from daypass.core.ledger.receipt import Admission, Outcome, Receipt
from daypass.core.ledger.standing import Handed, Standing
from daypass.core.window import format_instant


def fetch(standing: Standing, grant: GrantId, who: Account, *, at: datetime) -> Handed:
    """Return what was handed over last for a grant's entitlement and is good at an instant.

    Several grants may give one entitlement, and what one of them handed over serves the others. Raises DeniedError
    when it is not for ``who``, or when the grant was refused, and MissingError when there is nothing to fetch now.
    """
    admission = standing.admission(grant)
    if admission is None:
        refusal = standing.refusals.get(grant)
        if refusal is not None:
            raise DeniedError(f"{grant} was refused: {refusal.message}", hint="it gives no access")
        raise MissingError(
            f"the ledger knows of no live grant {grant}",
            hint="it is not merged, not applied yet, or has ended and was tidied away; `daypass status` lists what is live",
        )
    if not who.person or who.handle != admission.subject:
        stranger = ", whom the directory does not know" if who.person else ""
        whose = who.handle or f"{who.name}{stranger}"
        raise DeniedError(
            f"what {grant} hands over is for {admission.subject}, and this is {whose}",
            hint="only the subject can use it; they run this themselves",
        )
    return _of(standing, admission, at)


def _of(standing: Standing, admission: Admission, at: datetime) -> Handed:
    grant, entitlement = admission.grant, admission.entitlement
    known = [h for h in standing.handed(entitlement.target, at) if h.entitlement == entitlement]
    good = [one for one in known if not one.ended]
    if good:
        return good[-1]
    if at >= admission.window.end:
        raise MissingError(
            f"{grant} ended at {format_instant(admission.window.end)}", hint="`daypass request` asks for access anew"
        )
    if at < admission.window.start:
        raise MissingError(f"{grant} opens at {format_instant(admission.window.start)}", hint="come back then")
    if known:
        raise MissingError(f"{grant} was ended early", hint="`daypass audit history --grant` says by whom")
    if entitlement in standing.holdings:
        raise MissingError(
            f"{grant} hands nothing over: access at {entitlement.target} needs nothing of the kind",
            hint="use it as you always do",
        )
    raise MissingError(
        f"{grant} has not been given yet", hint="the next `daypass apply` gives it, or says why it does not"
    )


def find_serial(receipts: Iterable[Receipt], serial: int) -> tuple[Receipt, Outcome] | None:
    """Return the receipt that tells of a certificate with a serial number, and the outcome in it; None where none does.

    The number stands at the end of a certificate's line, after its key id.
    """
    for receipt in receipts:
        body = receipt.body
        if isinstance(body, Outcome) and any(line.endswith(f" {serial}") for line in body.handover.splitlines()):
            return receipt, body
    return None
