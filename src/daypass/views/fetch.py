"""What was fetched, told to the person who fetched it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from daypass.core.ledger.receipt import Outcome, Receipt
from daypass.core.window import format_instant
from daypass.views.findings import joined


def certificate_text(
    *,
    serial: int,
    resource: str,
    until: datetime,
    principals: Sequence[str],
    critical: Mapping[str, str],
    file: str = "",
) -> str:
    """Tell what a certificate is good for, and how ssh is told to use it; ``file`` is where it lies."""
    lines = [
        f"SSH certificate {serial} for {resource}: logs in as {', '.join(principals)} until {format_instant(until)}"
    ]
    if "source-address" in critical:
        lines.append(f"  only from {critical['source-address']}")
    if "force-command" in critical:
        lines.append(f"  runs only: {critical['force-command']}")
    if file:
        lines.append(f"  hint: ssh -o CertificateFile={file} -i YOUR-KEY USER@HOST")
    return joined(lines)


def sealed_text(*, resource: str, until: datetime, file: str = "") -> str:
    """Tell how a secret that is encrypted to the subject's key is opened."""
    return joined(
        [
            f"A secret for {resource}, encrypted to your own key, good until {format_instant(until)}",
            f"  hint: age -d -i ~/.ssh/id_ed25519 {file or 'FILE'}",
        ]
    )


def serial_text(serial: int, receipt: Receipt, outcome: Outcome) -> str:
    """Tell whose certificate a serial number is, and what gave it."""
    change = outcome.change
    until = f", until {format_instant(change.until)}" if change.until is not None else ""
    return joined(
        [
            f"Certificate {serial}: {change.entitlement.principal} on {change.entitlement.resource}"
            f" ({change.entitlement.target}){until}",
            *(f"  grant {grant}" for grant in change.grants),
            f"  receipt {receipt.sequence}, handed over at {format_instant(receipt.at)}",
        ]
    )
