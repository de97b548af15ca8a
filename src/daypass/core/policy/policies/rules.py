"""Reading policies/rules/*.yaml and policies/tests/*.yaml: rules, and examples of requests with the decision they must give.

Conditions are compiled here, and groups that rules name must exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from daypass.core.bounds.purposes import Purpose
from daypass.core.calendar.recurrence import SpanError, span_between
from daypass.core.files.grants import details_in
from daypass.core.finding import Place, near
from daypass.core.grant import Grant
from daypass.core.ids import GrantId
from daypass.core.policy.cel.expression import Condition, compile_condition
from daypass.core.policy.cel.source import spread
from daypass.core.policy.facts import declared
from daypass.core.policy.held import UNREAD, Held, HeldGrant
from daypass.core.policy.policies.chains import AskedOf, Ruled, check_chains, check_source, read_chain
from daypass.core.policy.policies.file import Key, PolicyFile
from daypass.core.policy.policies.named import Nameable, check_known
from daypass.core.policy.requirement import Requirement
from daypass.core.policy.rules import Rule, Rules
from daypass.core.policy.sources import parts, written
from daypass.core.record import replace
from daypass.core.window import Recurrence, Span, Window

if TYPE_CHECKING:
    from daypass.schema.models import WindowForm
    from daypass.schema.rule_models import (
        CaseForm,
        CaseHistory,
        ExpectForm,
        PolicyTestForm,
        PurposeForm,
        RequireForm,
        RuleForm,
    )

_ALONE = ("deny", "approve")


MOST_RULES = 1_000
"""Rules that policies may have altogether."""


def read_rules(files: Iterable[tuple[Purpose | None, Ruled]], known: Nameable) -> Rules:
    """Read every rule of every file. A rule with a finding is left out, and the finding denies everything meanwhile.

    ``known`` is what rules may name. Those in a purpose's file are its own, and may read its details.
    """
    found: list[Rule] = []
    first: dict[str, Place] = {}
    asked: list[AskedOf] = []
    for purpose, file in files:
        here = known if purpose is None else replace(known, details=declared(purpose))
        for index, entry in enumerate(file.data["rules"]):
            place = file.place("rules", index, "id")
            if len(first) >= MOST_RULES:
                message = f"there are more than {MOST_RULES} rules, and each is compiled whenever policies are read"
                hint = "join rules that do the same by || in one condition"
                file.fault("too-many-rules", ("rules", index, "id"), message, hint)
                return Rules.of(found)
            other = first.setdefault(entry["id"], place)
            if other != place:
                message = f"rule {entry['id']!r} is defined twice; the first is at {other}"
                file.fault("duplicate-rule", ("rules", index, "id"), message, "give each rule its own id")
            rule = _rule(file, index, entry, here)
            if rule is not None:
                rule = rule if purpose is None else replace(rule, purpose=purpose.name)
                _check_on_live(file, index, rule)
                found.append(rule)
                of = purpose.name if purpose is not None else ""
                asked += [
                    AskedOf(need, of, file, ("rules", index, "require", n)) for n, need in enumerate(rule.require)
                ]
    check_chains(asked)
    return Rules.of(found)


def _rule(file: Ruled, index: int, entry: RuleForm, known: Nameable) -> Rule | None:
    effects = [key for key in ("require", "deny_unless", "deny", "approve") if key in entry]
    if not effects:
        message = f"rule {entry['id']} does nothing"
        hint = "give it require, deny_unless, deny: true or approve: automatically"
        file.fault("rule-without-effect", ("rules", index), message, hint)
    alone = [key for key in _ALONE if key in effects and len(effects) > 1]
    if alone:
        message = f"rule {entry['id']} has {' and '.join(effects)}; {alone[0]} stands alone"
        file.fault("rule-contradicts", ("rules", index), message, "make two rules of it")
    if "on_behalf" in entry and "approve" not in entry:
        message = f"rule {entry['id']} has on_behalf, which says for whom approve: automatically holds"
        file.fault(
            "rule-contradicts", ("rules", index, "on_behalf"), message, "add approve: automatically, or remove it"
        )
    when = condition(file, entry["when"], known, "rules", index, "when")
    unless = None
    if "deny_unless" in entry:
        unless = condition(file, entry["deny_unless"], known, "rules", index, "deny_unless")
    require = [
        _requirement(file, entry["id"], one, known, "rules", index, "require", number)
        for number, one in enumerate(entry.get("require", ()))
    ]
    needs = tuple(one for one in require if one is not None)
    if when is None or (unless is None and "deny_unless" in entry) or len(needs) < len(require):
        return None
    return Rule(
        id=entry["id"],
        when=when,
        place=file.place("rules", index, "id"),
        require=needs,
        deny="deny" in entry,
        deny_unless=unless,
        automatic="approve" in entry,
        on_behalf="on_behalf" in entry,
        message=entry.get("message", ""),
        ends_live=entry.get("on_live") == "end",
    )


def _check_on_live(file: Ruled, index: int, rule: Rule) -> None:
    """Refuse a rule that is to end what is live and cannot say of it whether it is denied."""
    at = ("rules", index, "on_live")
    if rule.ends_live and not (rule.deny or rule.deny_unless is not None):
        message = f"rule {rule.id} has on_live: end, and denies nothing"
        file.fault("rule-contradicts", at, message, "add deny: true or deny_unless, or remove it")
    elif rule.ends_live and rule.asks:
        message = f"rule {rule.id} has on_live: end, and asks about a request; nobody asks for what is live any more"
        file.fault(
            "on-live-asks",
            at,
            message,
            "let it read the grant, its subject, resource and role alone, outside of purposes",
        )


def condition(file: Ruled, text: str, known: Nameable, *keys: Key) -> Condition | None:
    """Compile a condition of a file; None where it does not compile, which is then a finding at the very character."""
    place = file.place(*keys)
    where = spread(file.text, place.line, place.column, text)
    found = compile_condition(text, place, where, known.calendars, known.details)
    if isinstance(found, Condition):
        return found
    file.findings.extend(found)
    return None


def read_review(file: PolicyFile[PurposeForm], purpose: str, known: Nameable) -> Requirement | None:
    """Return what the review of a purpose's emergencies takes, None where there is none or it is at fault."""
    form = file.data.get("review")
    if form is None:
        return None
    entry: RequireForm = {"approvals": form["approvals"]}
    if "escalate" in form:
        entry["escalate"] = form["escalate"]
    if "clock" in form:
        entry["clock"] = form["clock"]
    found = _requirement(file, purpose, entry, known, "review")
    if found is not None and any(step.closes for step in found.escalate):
        message = "a review is not closed: what nobody reviews ends, and the review is missing"
        file.fault("review-contradicts", ("review", "escalate"), message, "escalate to further people only")
    return found


def _requirement(file: Ruled, rule: str, entry: RequireForm, known: Nameable, *keys: Key) -> Requirement | None:
    approvals = entry["approvals"]
    check_source(file, approvals["from"], known, *keys, "approvals", "from")
    without = approvals.get("except", ())
    for index, part in enumerate(without):
        check_known(file, part, known, *keys, "approvals", "except", index)
    chain = read_chain(file, entry, known, *keys)
    if chain is None:
        return None
    source = written(approvals["from"])
    return Requirement(approvals["at_least"], source, (rule,), tuple(sorted(set(without))), *chain)


class PolicyCase(Struct, frozen=True):
    """One example: this request, opened at this instant, must get this decision.

    ``expected`` is each approval (``1 from owners``), each denial (``denied: ``, a rule's id or a code), or ``automatic``.
    ``held`` is what stands beside it, and ``on_call`` who is on call by each rota. Where it says how the request stands
    at ``seen_at``, once people ``approved`` it, this is whom it waits for (``asked: ``, a handle), the sources asked
    (``waiting: ``) or given up on (``closed: ``), or ``met``.
    """

    name: str
    grant: Grant
    requester: str
    at: datetime
    expected: tuple[str, ...]
    place: Place
    held: Held = UNREAD
    approved: tuple[tuple[str, datetime], ...] = ()
    seen_at: datetime | None = None
    on_call: tuple[tuple[str, str], ...] = ()


def read_cases(file: PolicyFile[PolicyTestForm], known: Nameable | None) -> tuple[PolicyCase, ...]:
    """Read a file of tests. A case that cannot be read is a finding and is left out.

    A source that there is not is a finding as well, where it is ``known`` which there are.
    """
    if known is not None:
        _check_expected(file, known)
    found = [_case(file, index, case) for index, case in enumerate(file.data["cases"])]
    return tuple(case for case in found if case is not None)


def _check_expected(file: PolicyFile[PolicyTestForm], known: Nameable) -> None:
    for index, case in enumerate(file.data["cases"]):
        for number, each in enumerate(case["expect"].get("approvals", ())):
            at = ("cases", index, "expect", "approvals", number)
            for part in parts(written(each["from"])):
                check_known(file, part, known, *at, "from")
            for place, part in enumerate(each.get("except", ())):
                check_known(file, part, known, *at, "except", place)
        expect = case["expect"]
        named = [("asked", n, f"person:{handle}") for n, handle in enumerate(expect.get("asked", ()))]
        named += [("waiting", n, written(source)) for n, source in enumerate(expect.get("waiting", ()))]
        named += [("closed", n, written(source)) for n, source in enumerate(expect.get("closed", ()))]
        for key, number, source in named:
            for part in parts(source):
                check_known(file, part, known, "cases", index, "expect", key, number)
        calendar = case["request"]["window"].get("calendar", "")
        if calendar and calendar not in (names := [one.name for one in known.calendars]):
            hint = near(calendar, names, "calendars are the files of policies/calendars")
            where = ("cases", index, "request", "window", "calendar")
            file.fault("unknown-calendar", where, f"there is no calendar {calendar!r}", hint)
        for rota, handle in case.get("on_call", {}).items():
            check_known(file, f"on-call:{rota}", known, "cases", index, "on_call", rota)
            check_known(file, f"person:{handle}", known, "cases", index, "on_call", rota)
        for handle in case.get("approved_by", {}):
            check_known(file, f"person:{handle}", known, "cases", index, "approved_by", handle)


_STANDING = ("asked", "waiting", "met", "closed")
"""What a case may expect of how a request stands, which approvals change."""


def _case(file: PolicyFile[PolicyTestForm], index: int, case: CaseForm) -> PolicyCase | None:
    asked = case["request"]
    at = file.instant("cases", index, "at")
    span = _span(file, asked["window"], "cases", index, "request", "window")
    if at is None or span is None:
        return None
    grant = Grant(
        id=GrantId(f"{asked['resource']}/test"),
        subject=asked["subject"],
        resource=asked["resource"],
        role=asked["role"],
        reason=asked.get("reason", "test"),
        span=span,
        ticket=asked.get("ticket", ""),
        purpose=asked.get("purpose", ""),
        details=details_in(asked.get("details", {})),
    )
    requester = asked.get("requester", asked["subject"])
    held = _held(grant.subject, case.get("live", []), case.get("history", {}))
    if "held_for" in case.get("history", {}):
        so_long = file.duration("cases", index, "history", "held_for")
        if so_long is None:
            return None
        before = Window(span.starting(at).start - so_long, span.starting(at).start)
        held = replace(held, role=(HeldGrant.of(grant, before)._replace(grant=GrantId(f"{grant.resource}/before")),))
    given = {handle: file.instant("cases", index, "approved_by", handle) for handle in case.get("approved_by", {})}
    approved = tuple(
        sorted(((handle, when) for handle, when in given.items() if when is not None), key=lambda one: one[1])
    )
    seen = file.instant("cases", index, "seen_at")
    if len(approved) < len(given) or (seen is None and "seen_at" in case):
        return None
    standing = any(key in case["expect"] for key in _STANDING)
    if not standing and (approved or seen is not None):
        message = "what policy asks for does not depend on who approved when"
        hint = f"expect one of {', '.join(_STANDING)}, or remove approved_by and seen_at"
        file.fault("test-approvals", ("cases", index, "expect"), message, hint)
    if standing and seen is None:
        seen = approved[-1][1] if approved else at
    place, expected = file.place("cases", index), _expected(case["expect"])
    on_call = tuple(sorted(case.get("on_call", {}).items()))
    return PolicyCase(case["name"], grant, requester, at, expected, place, held, approved, seen, on_call)


def _held(subject: str, live: Sequence[str], history: CaseHistory) -> Held:
    """Return what stands beside a case's grant: what it says is live is so during the whole window."""
    grants = tuple(
        HeldGrant(GrantId(f"{resource}/live-{number}"), subject, resource, role, None)
        for number, (resource, _, role) in enumerate(one.partition("/") for one in live)
    )
    stated: dict[str, object] = {}
    if "days_held" in history:
        stated["subject.days_held"] = history["days_held"]
    if "denials" in history:
        stated["requester.denials"] = history["denials"]
    if "unreviewed" in history:
        stated["subject.unreviewed"] = history["unreviewed"]
    if "last_used" in history:
        stated |= {"subject.use_known": True, "subject.last_used": history["last_used"]}
    return Held(grants=grants, together=history.get("number_of_grants", 1), stated=stated)


def _span(file: PolicyFile[PolicyTestForm], window: WindowForm, *keys: Key) -> Span | None:
    if "duration" in window:
        length = file.duration(*keys, "duration")
        return None if length is None else Span(duration=length)
    recurs = Recurrence(window.get("hours", ""), window.get("zone", ""), window.get("calendar", ""))
    if recurs == Recurrence() and None in (file.instant(*keys, "from"), file.instant(*keys, "until")):
        return None
    try:
        return span_between(window["from"], window["until"], recurs)
    except SpanError as error:
        file.fault("test-window", (*keys,), error.message, error.hint)
        return None


def _expected(expect: ExpectForm) -> tuple[str, ...]:
    if "automatic" in expect:
        return ("automatic",)
    if "met" in expect:
        return ("met",)
    if "asked" in expect:
        return tuple(f"asked: {handle}" for handle in sorted(set(expect["asked"])))
    if "waiting" in expect:
        return tuple(f"waiting: {source}" for source in sorted(set(map(written, expect["waiting"]))))
    if "closed" in expect:
        return tuple(f"closed: {source}" for source in sorted(set(map(written, expect["closed"]))))
    asked = [
        Requirement(each["at_least"], written(each["from"]), without=tuple(sorted(set(each.get("except", ())))))
        for each in expect.get("approvals", ())
    ]
    approvals = sorted((each.at_least, each.asked) for each in asked)
    denials = sorted(set(expect.get("denied", ())))
    return (*(f"{count} from {source}" for count, source in approvals), *(f"denied: {name}" for name in denials))
