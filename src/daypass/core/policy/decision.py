"""The decision: what policy says of a request.

Upholds: any denial denies; requirements add up; ``approve: automatically`` lifts only the default requirement; an
empty set of approvers, a rule that fails, and anything unknown is a denial with a code, never a pass (invariant 7);
and what is allowed today stays allowed at every later instant of its own window, or is refused today with the date
(invariant 10).

Everything wrong is said at once:

1. policies that cannot be read deny everything;
2. what a request names must exist, and must stay within the limits of role, purpose and settings;
3. the window must end before the data's retention and the subject's engagement do;
4. every rule is evaluated;
5. requirements are merged, and people must exist who can meet them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct

from daypass.core.bounds.outside import outside, over, to_come, unchecked_claims
from daypass.core.bounds.settings import Settings
from daypass.core.bounds.watch import unwatched
from daypass.core.finding import Finding, Place, near
from daypass.core.grant import IMPORT, Grant
from daypass.core.policy.cel.pattern import whole
from daypass.core.policy.details import WRONG_DETAILS, faults
from daypass.core.policy.facts import beside_words, coming, of_history, untold
from daypass.core.policy.held import UNREAD, Held, held_too_long
from daypass.core.policy.intervals import IntervalVerdicts, bounds_of, judge, too_long
from daypass.core.policy.policies import Policy
from daypass.core.policy.policies.renames import called_now
from daypass.core.policy.requirement import Requirement, merge, resolve, sponsored
from daypass.core.policy.rules import RULE_DENIES, Rule, Rules, RuleTrace, refusals, traced
from daypass.core.policy.shortage import clock_runs_out, shortage
from daypass.core.policy.sources import OWNERS, Ending, may_ask_for, written
from daypass.core.window import Window, format_instant

BROKEN = "policy-broken"
PAUSED = "giving is paused: limits.pause is set on main, and only ends go on"
DEFAULT = "default"
"""What stands for a rule's id where no rule asked."""

JUDGING = 6
"""Counts up when a release decides otherwise by the same policies, so that what was given before can be judged as it was.

1: ``approve: automatically`` held whoever asked. 2: it holds for oneself, and for others where the rule says ``on_behalf``.
3: rules that ask one source say the same of when it is reminded, escalated and closed. 4: a workload with claims gets nothing
at a target that does not check them. 5: nobody has a role for longer than it allows in all, by whatever grants.
6: what ends a grant (``ends_when``) is watched; before that nobody watched any of it.
"""
_FAULT_SINCE = {"chain-differs": 3, "manager-circle": 2}
TOTALS = 5
_ON_BEHALF, _CLAIMS, _TASKS = 2, 4, 6


class Request(Struct, frozen=True):
    """A grant that somebody asks for. ``kind``: "new", or "widen" where an existing grant is to give more.

    ``window`` is the window that a merge gives, where it is known; until then a duration is taken to start at
    ``opened_at``. ``judging`` says by which rules of this program it is decided: those of an earlier release where what
    that one let pass is looked at again. ``held`` is what is known of the ledger as of the place just before.
    """

    grant: Grant
    requester: str
    opened_at: datetime
    kind: str = "new"
    window: Window | None = None
    judging: int = JUDGING
    held: Held = UNREAD

    @property
    def access(self) -> Ending:
        """Whose access to what it asks for, and who asks."""
        return Ending(self.grant.resource, self.grant.subject, self.requester)


class Denial(Struct, frozen=True):
    """One reason why not. ``rule`` is the rule's id, "" for what daypass itself upholds.

    ``path`` is what of the grant's file it speaks of, "" for the grant as a whole.
    """

    code: str
    message: str
    hint: str = ""
    rule: str = ""
    path: str = ""

    @property
    def finding_code(self) -> str:
        """The code where the denial is shown as a finding in the grant's file: rules deny, the rest is invalid."""
        return "policy-denied" if self.rule else self.code

    def finding(self, file: str) -> Finding:
        """Return the denial as a finding in the grant's file."""
        return Finding(self.finding_code, Place(file, path=self.path), self.message, self.hint)


class Decision(Struct, frozen=True):
    """What policy says. ``automatic``: it may pass without a person. ``policy`` is the digest of what decided.

    ``rules`` are the ids of the rules that made it so, and ``applied`` of all that applied: one may have denied
    nothing, and asked for nothing. ``requirements`` come by source and are given even when it is
    denied. ``needs`` are the same with the people who could meet them when the request was opened.
    ``unread`` are the resources of which the ledger would have had to say who holds, or approved, something there, and
    ``untold`` what else of it, in words. Both are empty where no rule asks or it was read.
    """

    denials: tuple[Denial, ...]
    requirements: tuple[Requirement, ...]
    automatic: bool
    policy: str
    rules: tuple[str, ...] = ()
    applied: tuple[str, ...] = ()
    traces: tuple[RuleTrace, ...] = ()
    needs: tuple[Requirement, ...] = ()
    unread: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()

    @property
    def denied(self) -> bool:
        """Whether policy says no."""
        return bool(self.denials)

    @property
    def told(self) -> tuple[Denial, ...]:
        """The denials that people are told: where policies have faults only that, since the others may come of it."""
        return tuple(denial for denial in self.denials if denial.code == BROKEN) or self.denials


def without_rules(policy: Policy, request: Request) -> tuple[Denial, ...]:
    """Return the denials of a request that no rule makes: policies that differ in rules alone have the same.

    Only a request is held to its purpose, by the base's. What is merged was asked for as that was then.
    """
    grant, by, at, window = request.grant, request.requester, request.opened_at, _window(policy, request)
    asked, who = _plain(policy, request, window) or (None, None)
    longest = policy.undenied.get(asked, timedelta(0))
    if who in policy.undenied and grant.span.length <= longest:
        return ()
    wrong = faults(policy.catalogue, grant, by, at, window, whole)
    found = (
        *_broken(policy, request.judging),
        *_grant_denials(policy, grant, request.judging),
        *_request_denials(policy, request, window),
        *(Denial(*said) for said in outside(bounds_of(policy.catalogue, grant, window), window)),
        *(Denial(code, message, hint, path=path) for code, path, message, hint in wrong),
        *_total_denials(policy, request, window),
    )
    if asked is not None and not found and policy.catalogue.endless(grant.subject, grant.resource):
        policy.undenied.update({asked: max(longest, grant.span.length), who: timedelta(0)})
    return found


def _plain(policy: Policy, request: Request, window: Window) -> tuple[Hashable, Hashable] | None:
    """Return what alone `without_rules` goes by, beside the length, of a usual request: what is asked for, and who asks.

    Where each of the two was once part of what nothing denied or ends, and for as long, nothing denies them together at any
    time: an audit asks once. None for a request of which anything else may be denied.
    """
    grant, catalogue, judging = request.grant, policy.catalogue, request.judging
    resource, purpose = catalogue.resources.get(grant.resource), catalogue.purposes.get(grant.purpose)
    unusual = grant.details or grant.ends_when or grant.span.recurs or request.held.role
    ours = purpose is not None and (purpose.asked_by or purpose.ticket_pattern)
    late = policy.broken or catalogue.settings.limits.pause or window.ended(request.opened_at)
    if unusual or ours or late or resource is None or request.requester != grant.subject:
        return None
    return (grant.resource, grant.role, grant.purpose, bool(grant.ticket)), (grant.subject, resource.target, judging)


def _window(policy: Policy, request: Request) -> Window:
    span = request.grant.span
    known = request.window if span.recurs is None else None  # its intervals are this policy's to tell
    return known or policy.catalogue.window(span, request.opened_at)


class RuleFacts(Struct, frozen=True):
    """A request as rules are asked it, alike by policies that differ in rules alone. No facts: it names what is not there."""

    request: Request
    window: Window
    facts: Mapping[str, object]

    @classmethod
    def of(cls, policy: Policy, request: Request, *, history: bool) -> RuleFacts:
        """Work out what a policy's rules are asked of a request, with ``history`` what was before and stands beside it."""
        grant, window = request.grant, _window(policy, request)
        if not _known(policy, grant):
            return cls(request, window, {})
        by = policy.facts.of_request(request.requester, request.opened_at, request.kind, window)
        more = of_history(request.held, grant.subject, coming(window, request.opened_at)) if history else {}
        return cls(request, window, {**policy.facts.of_grant(grant), **by, **more})

    def judged(self, rules: Rules) -> IntervalVerdicts | None:
        """Return what rules say of it, None where there is nothing to ask them."""
        return judge(rules, self.facts, self.window, self.request.opened_at) if self.facts else None


def decide(policy: Policy, request: Request, *, trace: bool = False) -> Decision:
    """Decide on a request. The same policy and request give the same decision; no clock is read.

    ``trace`` adds what each rule did and why.
    """
    asked = RuleFacts.of(policy, request, history=bool(policy.rules.history))
    return decided(policy, asked, asked.judged(policy.rules), without_rules(policy, request), trace=trace)


def decided(
    policy: Policy, asked: RuleFacts, said: IntervalVerdicts | None, denied: tuple[Denial, ...], *, trace: bool = False
) -> Decision:
    """Decide by what the policy's rules said, None where they were not asked, and what is denied `without_rules`."""
    if said is None:
        return Decision(denied, (), automatic=False, policy=policy.digest)
    request, grant, denials = asked.request, asked.request.grant, list(denied)
    verdicts, throughout, during = said
    ahead = coming(asked.window, request.opened_at)
    # That a purpose's rule could not read a detail goes without saying where the detail is told to be wrong.
    told = bool(denials) and any(denial.code in WRONG_DETAILS for denial in denials)
    heard = [verdict for verdict in verdicts if not (told and verdict.failure and verdict.rule.purpose)]
    beside = partial(beside_words, request.held, grant.subject, ahead)
    denials += [Denial(*said) for said in refusals(heard, beside, during)]
    applied = [verdict.rule for verdict in verdicts if verdict.applies]
    required = [requirement for rule in applied for requirement in rule.require]
    lifting = {rule.id for rule in applied if rule.id in throughout and _lifts(rule, request)}
    if not required and not lifting:
        required = [Requirement(1, OWNERS, (DEFAULT,))]
    requirements = merge([*required, *sponsored(policy.catalogue, grant.subject)])
    access, unread = request.access, not request.held.known
    needs = resolve(policy.catalogue, access, requirements, request.opened_at, request.held)
    denials += [Denial(*said) for said in shortage(policy.catalogue, access, needs, request.opened_at)]
    denials += [Denial(*said) for said in clock_runs_out(needs, request.opened_at)]
    return Decision(
        denials=tuple(dict.fromkeys(denials)),
        requirements=requirements,
        automatic=not requirements and not denials,
        policy=policy.digest,
        rules=tuple(
            [v.rule.id for v in verdicts if v.applies and (v.rule.require or v.rule.id in lifting or v.denies)]
        ),
        applied=tuple([rule.id for rule in applied]),
        traces=tuple(traced(verdict, asked.facts) for verdict in verdicts) if trace else (),
        needs=needs,
        unread=tuple(sorted({name for need in needs for name in need.of_ledger})) if unread else (),
        untold=untold(policy.rules.history, grant.subject, f"{grant.role} of {grant.resource}", request.requester)
        if unread and policy.rules.history
        else (),
    )


def let_pass_then(policy: Policy, judging: int, requester: str, grant: Grant, *, approved: bool) -> bool:
    """Say whether an earlier release gave by what is no ground any more: see `JUDGING`."""
    by_claims = judging < _CLAIMS and unchecked_claims(policy.catalogue, grant) is not None
    return by_claims or (judging < _ON_BEHALF and requester != grant.subject and not approved)


def _lifts(rule: Rule, request: Request) -> bool:
    """Say whether a rule lets a request pass that no other asks anything of. What recurs may be standing access in parts."""
    alone = request.requester == request.grant.subject
    meant = request.grant.span.recurs is None or "grant.recurs" in rule.names
    return meant and rule.automatic and (alone or rule.on_behalf or request.judging < _ON_BEHALF)


def static_denials(policy: Policy, grant: Grant, window: Window | None = None) -> tuple[Denial, ...]:
    """Return the denials that need neither a request nor a clock: references, limits, dates to come, most rules.

    Meant for grants in bulk, merged ones too: a window that is over is no fault here, nor is what a bound ends at
    once. ``window`` is the one that the merge gave, where it is known; an absolute one is taken from the grant.
    """
    grant = policy.catalogue.by_todays_names(grant)
    denials = [*_broken(policy), *_grant_denials(policy, grant)]
    known = window or grant.span.window
    denials += (
        [Denial(*said) for said in to_come(bounds_of(policy.catalogue, grant, known), known)]
        if known is not None
        else []
    )
    if _known(policy, grant):
        denials += [Denial(*said) for said in refusals(policy.rules.judge_grant(policy.facts.of_grant(grant)))]
    return tuple(denials)


def ending_denials(policy: Policy, grant: Grant) -> tuple[Denial, ...]:
    """Return the denials of a merged grant that end it (``on_live: end``). A rule that fails ends nothing."""
    ending = policy.rules.ending
    denials = static_denials(policy, grant) if ending and not policy.broken else ()
    return tuple(one for one in denials if one.code == RULE_DENIES and one.rule in ending)


def _known(policy: Policy, grant: Grant) -> bool:
    catalogue, resource = policy.catalogue, policy.catalogue.resources.get(grant.resource)
    return grant.subject in catalogue.directory.subjects and resource is not None and grant.role in resource.roles


def _broken(policy: Policy, judging: int = JUDGING) -> tuple[Denial, ...]:
    broken = [fault for fault in policy.broken if _FAULT_SINCE.get(fault.code, 1) <= judging]
    if not broken:
        return ()
    first, more = broken[0], f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    message = f"the policies have faults, so nothing is granted: {first.place}: {first.message}{more}"
    return (Denial(BROKEN, message, first.hint or "daypass check lists all of them"),)


def _grant_denials(policy: Policy, grant: Grant, judging: int = JUDGING) -> list[Denial]:
    """Judge what the grant names, and how long it lasts."""
    catalogue = policy.catalogue
    subject = catalogue.directory.subjects.get(grant.subject)
    resource = catalogue.resources.get(grant.resource)
    purpose = catalogue.purposes.get(grant.purpose)
    found: list[Denial] = []
    if subject is None:
        hint = called_now("", grant.subject, catalogue.renames.subjects)
        hint = hint or near(grant.subject, catalogue.directory.subjects, "add them to policies/directory")
        found.append(Denial("unknown-subject", f"there is no subject {grant.subject!r} in the directory", hint))
    if resource is None:
        found.append(_no_resource(policy, grant))
    elif grant.role not in resource.roles:
        offered = f"it offers {', '.join(sorted(resource.roles))}"
        now = catalogue.renames.role(resource.name, grant.role)
        likely = f"{grant.role} is called {now} now" if now != grant.role else near(grant.role, resource.roles)
        hint = "; ".join(part for part in (likely, offered) if part).replace("?;", "?")
        found.append(Denial("unknown-role", f"{resource.name} offers no role {grant.role!r}", hint))
    elif (resource.name, grant.role) in policy.unfit:
        why, _ = policy.unfit[resource.name, grant.role]
        message = f"role {grant.role} of {resource.name} can be given to nobody: {why}"
        found.append(Denial("role-unfit", message, "whoever owns the resource mends its role first"))
    if subject is not None and resource is not None and not catalogue.principal(subject.handle, resource):
        message = f"{subject.handle} has no identity at target {resource.target}"
        hint = f"add identities: {{{resource.target}: …}} to {subject.handle} in policies/directory"
        found.append(Denial("no-identity", message, hint))
    if grant.purpose not in ("", IMPORT) and purpose is None:
        hint = near(grant.purpose, catalogue.purposes, "purposes are the files of policies/purposes")
        found.append(Denial("unknown-purpose", f"there is no purpose {grant.purpose!r}", hint))
    if purpose is not None and purpose.ticket_required and not grant.ticket:
        found.append(Denial("ticket-missing", f"purpose {purpose.name} demands a ticket", "add ticket: …"))
    found += [Denial(*told) for told in too_long(catalogue, grant)]
    # A reviewer would take it for a promise; where nothing watches it, only the window is one.
    watching = catalogue.settings if judging >= _TASKS else Settings()
    found += [Denial(*told) for told in unwatched(watching, grant.ends_when)]
    return found


def _no_resource(policy: Policy, grant: Grant) -> Denial:
    faults = policy.faulty.get(grant.resource, ())
    if faults:
        message = f"the catalogue's file of {grant.resource} has faults: {faults[0].place}: {faults[0].message}"
        return Denial("resource-broken", message, faults[0].hint or "mend it first; daypass check lists all of them")
    hint = called_now("", grant.resource, policy.catalogue.renames.resources)
    hint = hint or near(grant.resource, policy.catalogue.resources, "resources are the files of policies/resources")
    return Denial("unknown-resource", f"there is no resource {grant.resource!r} in the catalogue", hint)


def _request_denials(policy: Policy, request: Request, window: Window) -> list[Denial]:
    """Judge what depends on who asks and when."""
    found: list[Denial] = []
    grant, at = request.grant, request.opened_at
    if policy.catalogue.settings.limits.pause:
        hint = "it can be merged once limits.pause is taken out of policies/daypass.yaml"
        found.append(Denial("paused", PAUSED, hint))
    if request.requester not in policy.catalogue.directory.subjects:
        who = f"{request.requester!r}, who opened the request," if request.requester else "who opened the request"
        message = f"{who} is not known to the directory"
        hint = near(request.requester, policy.catalogue.directory.subjects, "add them to policies/directory")
        found.append(Denial("unknown-requester", message, hint))
    if window.ended(at):
        message = f"the window ended at {format_instant(window.closes)}, before the request was opened at {format_instant(at)}"
        found.append(Denial("window-past", message, "ask for a window that is still to come"))
    found += [Denial(*said) for said in over(bounds_of(policy.catalogue, grant), at)]
    unchecked = unchecked_claims(policy.catalogue, grant) if request.judging >= _CLAIMS else None
    found += [Denial(*unchecked, path="subject")] if unchecked is not None else []
    if not may_ask_for(policy.catalogue, request.access, at):
        who = written(policy.catalogue.settings.limits.ask_for_others or ())
        message = (
            f"{request.requester} asks for access of {grant.subject}, and limits.ask_for_others leaves that to {who}"
        )
        found.append(Denial("not-asked-for-them", message, f"let {grant.subject} ask, or one of these"))
    gone = policy.catalogue.absence(request.requester, at) if request.requester != grant.subject else ""
    if gone and request.requester in policy.catalogue.directory.subjects:
        message = f"{request.requester} {gone}, and opened the request at {format_instant(at)}"
        found.append(Denial("engagement-over", message, "extend the engagement in policies/directory first"))
    return found


def _total_denials(policy: Policy, request: Request, window: Window) -> list[Denial]:
    """Refuse what would add up, with what its subject has had and has, to longer than the role allows without a gap."""
    grant = request.grant
    resource = policy.catalogue.resources.get(grant.resource)
    role = resource.roles.get(grant.role) if resource is not None else None
    if role is None or request.judging < TOTALS:
        return []
    who, most = f"{grant.subject} would have role {grant.role} of {grant.resource}", role.max_total or role.max_duration
    return [Denial(*said) for said in held_too_long(who, most, request.held.role, window)]
