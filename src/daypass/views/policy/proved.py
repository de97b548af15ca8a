"""Promises and whether they are kept, in words and as data: a broken one with the first request that breaks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from daypass.core.files.grants import grant_text
from daypass.core.policy.analysis.prove import Broken, ProvedPromise
from daypass.core.window import format_instant
from daypass.views.findings import as_output, count, joined
from daypass.views.policy.compared import answer_words, decided_data


def proved_text(proofs: Sequence[ProvedPromise]) -> str:
    """Write of each promise whether it is kept, whether that is decided or only searched, and what breaks it."""
    lines: list[str] = []
    for proof in proofs:
        promise = proof.promise
        if proof.broken is not None:
            lines.append(f"BROKEN  {promise.id}" + (f": {promise.message}" if promise.message else ""))
            lines += _shown(proof.broken)
        elif proof.decided:
            lines.append(f"kept    {promise.id} (decided: every request, in {count(proof.cases, 'case')})")
        else:
            lines.append(
                f"kept    {promise.id} (searched: {count(proof.cases, 'case')}; samples of {', '.join(proof.sampled)})"
            )
    broken = sum(1 for proof in proofs if not proof.kept)
    lines.append(
        f"{len(proofs) - broken} kept, {broken} broken"
        if proofs
        else "nothing is promised: policies/promises/ is empty"
    )
    return joined(lines)


def _shown(broken: Broken) -> list[str]:
    request = broken.request
    lines = [f"  let through: {answer_words(broken.decision)}"]
    lines += [f"  with {', '.join(broken.brings)}"] if broken.brings else []
    lines.append(f"  for example, asked for by {request.requester} at {format_instant(request.opened_at)}:")
    return [*lines, *(f"    {line}" for line in grant_text(request.grant).splitlines() if not line.startswith("#"))]


def proved_json(proofs: Sequence[ProvedPromise]) -> str:
    """Write the same as JSON, version 1."""
    return as_output({"promises": [_data(proof) for proof in proofs]})


def _data(proof: ProvedPromise) -> dict[str, Any]:
    broken = proof.broken
    return {
        "id": proof.promise.id,
        "place": str(proof.promise.place),
        "message": proof.promise.message,
        "kept": proof.kept,
        "decided": proof.decided,
        "sampled": list(proof.sampled),
        "cases": proof.cases,
        "example": None
        if broken is None
        else {
            "requester": broken.request.requester,
            "opened_at": format_instant(broken.request.opened_at),
            "grant": broken.request.grant.to_dict(),
            "decision": decided_data(broken.decision),
            "brings": list(broken.brings),
        },
    }
