"""What is live although the policies of today would deny it: said, and left to people; it ends by its own window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from daypass.core.files.reading import read_grant
from daypass.core.grant import Grant, Oid, grant_path
from daypass.core.plan import Claim, Denied
from daypass.core.policy.decision import static_denials
from daypass.core.policy.policies import Policy
from daypass.pipeline.judge.check import Clean, judge_file
from daypass.ports import History, VerdictStore

Deny = Callable[[Policy, Mapping[Claim, Oid]], tuple[Denied, ...]]
"""Says of live grants, with their blobs, what policies deny of them."""

_BOUNDS = frozenset({"beyond-retention", "beyond-engagement"})
"""Of what ends a grant early its claim says so already."""


def deny_nothing(_policy: Policy, _live: Mapping[Claim, Oid]) -> tuple[Denied, ...]:
    """Judge nothing."""
    return ()


def denied_live(
    history: History, verdicts: VerdictStore, program: str, policy: Policy, live: Mapping[Claim, Oid]
) -> tuple[Denied, ...]:
    """Judge live grants by policies that read; what a check or an earlier run found clean is not judged again."""
    if policy.broken or not live:
        return ()
    context = f"{program}/{policy.digest}"
    known = verdicts.known(context, [bytes.fromhex(blob) for blob in dict.fromkeys(live.values())])
    fresh = [(claim, blob) for claim, blob in live.items() if bytes.fromhex(blob) not in known]
    contents = dict(history.blobs(dict.fromkeys(blob for _, blob in fresh))) if fresh else {}
    clean: list[Clean] = []
    found: list[Denied] = []
    for claim, blob in fresh:
        verdict = judge_file(policy, grant_path(claim.grant), blob, contents[blob])
        if isinstance(verdict, Clean):
            clean.append(verdict)
        else:
            found += _denials(policy, claim, contents[blob])
    if clean:
        verdicts.store(context, clean)
    return tuple(sorted(found))


def _denials(policy: Policy, claim: Claim, raw: bytes) -> Iterable[Denied]:
    grant = read_grant(grant_path(claim.grant), raw)
    if isinstance(grant, Grant):  # else its form is not today's: the check says so
        for denial in static_denials(policy, grant, claim.window):
            if denial.code not in _BOUNDS:
                yield Denied(claim.grant, claim.entitlement, denial.rule, denial.code, denial.message)
