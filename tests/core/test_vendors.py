"""Vendors: what bounds the access of their people, who sponsors it, and how the directory states both."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_samples import AT, DIRECTORY, KINDS, RESOURCE, SETTINGS, files, grant, policy, shown

from daypass.core.bounds.vendors import Vendor
from daypass.core.grant import Bounded
from daypass.core.policy import policies
from daypass.core.policy.analysis.probe import probe, run_tests
from daypass.core.policy.decision import Request, decide, let_pass_then, static_denials
from daypass.core.policy.policies import Policy
from daypass.core.policy.requirement import approvers
from daypass.core.policy.sources import Ending
from daypass.core.window import LONG_AGO, Window, parse_moment

TERMS = {
    "sponsor": "bob",
    "agreement": "{from: 2026-01-01, until: 2026-12-01}",
    "dpa": "{until: 2026-11-25}",
    "resources": "[orders-db]",
    "data": "[personal, payment]",
    "purposes": "[support]",
}
RULES = "version: 1\nrules:\n  - {id: all, when: 'true', require: [{approvals: {at_least: 1, from: owners}}]}\n"
PASSES = "version: 1\nrules:\n  - {id: passes, when: 'true', approve: automatically, on_behalf: true}\n"


def stated(**terms: str | None) -> str:
    """Return the sample directory with a vendor that states its terms; None leaves one out."""
    said = {"title": "Acme Support", **TERMS, **terms}
    written = ", ".join(f"{key}: {value}" for key, value in said.items() if value is not None)
    more = DIRECTORY.replace("acme: {title: Acme Support, until: 2026-12-01}", f"acme: {{{written}}}")
    return more.replace("bob: {name", "bob: {manager: carol, name").replace(
        "carol: {name", "carol: {manager: dan, name"
    )


def with_vendor(*, rules: str = RULES, more: dict[str, str] | None = None, **terms: str | None) -> Policy:
    found = policy(
        directory_people=stated(**terms),
        purposes_support="version: 1\ntitle: Support\n",
        rules_base=rules,
        **(more or {}),
    )
    assert shown(found.findings) == []
    return found


def asked(found: Policy, requester: str = "alice", at: datetime = AT, window: Window | None = None, **changed: object):
    wanted = grant(**{"subject": "vera", "purpose": "support", **changed})
    return decide(found, Request(wanted, requester, at, window=window))


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_vendors_worker_needs_a_sponsor_beside_all_others() -> None:
    decision = asked(with_vendor())
    assert decision.denials == ()
    assert [(need.at_least, need.source, need.rules, need.eligible) for need in decision.needs] == [
        (1, "owners", ("all",), {"bob", "carol"}),
        (1, "sponsor", ("vendor acme",), {"bob"}),
    ]


def test_no_rule_lifts_the_sponsors_approval_and_without_any_the_owners_are_asked_as_well() -> None:
    passing = asked(with_vendor(rules=PASSES))
    assert (passing.automatic, [need.source for need in passing.needs]) == (False, ["sponsor"])
    plain = asked(with_vendor(rules=RULES.replace("'true'", "'false'")))
    assert [(need.source, need.rules) for need in plain.needs] == [
        ("owners", ("default",)),
        ("sponsor", ("vendor acme",)),
    ]


def test_a_rule_that_asks_the_sponsor_joins_with_it() -> None:
    rules = "version: 1\nrules:\n  - {id: two, when: 'true', require: [{approvals: {at_least: 2, from: sponsor}}]}\n"
    (need,) = asked(with_vendor(rules=rules, sponsor="[bob, carol]")).needs
    assert (need.at_least, need.rules, need.eligible) == (2, ("two", "vendor acme"), {"bob", "carol"})


@pytest.mark.parametrize(
    ("sponsor", "requester", "people"),
    [
        ("bob", "alice", ("bob",)),
        ("bob", "bob", ("carol",)),
        ("[bob, dan]", "bob", ("carol", "dan")),
        ("[bob, carol]", "bob", ("carol",)),
        ("dan", "dan", ()),
    ],
)
def test_the_next_one_up_stands_in_for_a_sponsor_who_asks(
    sponsor: str, requester: str, people: tuple[str, ...]
) -> None:
    catalogue = with_vendor(sponsor=sponsor).catalogue
    assert approvers(catalogue, Ending("orders-db", "vera", requester), "sponsor", AT) == people
    assert approvers(catalogue, Ending("orders-db", "alice", requester), "sponsor", AT) == ()


def test_nobody_of_the_vendor_stands_in_for_its_sponsor() -> None:
    below = (
        stated()
        .replace("bob: {manager: carol", "bob: {manager: wim")
        .replace("  vera: {", "  wim: {manager: dan, employment: vendor, vendor: acme}\n  vera: {")
    )
    catalogue = policy(directory_people=below).catalogue
    assert approvers(catalogue, Ending("orders-db", "vera", "bob"), "sponsor", AT) == ("dan",)


def test_a_sponsor_who_has_left_has_the_next_one_up_stand_in() -> None:
    left = stated().replace("bob: {manager", "bob: {until: 2026-11-20, manager")
    catalogue = policy(directory_people=left).catalogue
    assert approvers(catalogue, Ending("orders-db", "vera", "alice"), "sponsor", AT) == ("carol",)


OUTSIDE = [
    (
        {"resource": "wiki"},
        {},
        "vendor-resource",
        "the agreement with acme, vera's vendor, does not cover wiki",
        "extend the agreement, and the vendor's resources in policies/directory, first",
    ),
    (
        {},
        {"data": "[personal]"},
        "vendor-data",
        "the agreement with acme, vera's vendor, does not cover payment data, which orders-db holds",
        "extend the agreement, and the vendor's data in policies/directory, first",
    ),
    (
        {"purpose": ""},
        {},
        "vendor-purpose",
        "the agreement with acme, vera's vendor, does not cover access without a purpose",
        "ask for one of the vendor's purposes, which policies/directory names",
    ),
    (
        {"purpose": "incident", "ticket": "INC-1"},
        {},
        "vendor-purpose",
        "the agreement with acme, vera's vendor, does not cover purpose incident",
        "ask for one of the vendor's purposes, which policies/directory names",
    ),
    (
        {},
        {"agreement": "{from: 2026-11-21, until: 2026-12-01}"},
        "before-agreement",
        "the agreement with acme, vera's vendor, holds from 2026-11-21T00:00:00Z on only",
        "begin the window when the agreement does, or correct agreement.from in policies/directory",
    ),
]


@pytest.mark.parametrize(("wish", "terms", "code", "message", "hint"), OUTSIDE)
def test_nothing_outside_the_agreement_is_given(
    wish: dict[str, str], terms: dict[str, str], code: str, message: str, hint: str
) -> None:
    wiki = {"resources_wiki": WIKI_HOLDS}
    told = [(d.code, d.message, d.hint) for d in asked(with_vendor(more=wiki, **terms), **wish).denials]
    assert told == [(code, message, hint)]


WIKI_HOLDS = RESOURCE.replace("data: [personal, payment]", "data: []").replace("Orders database", "Wiki")


def test_a_resource_that_does_not_say_which_data_it_holds_is_outside() -> None:
    silent = RESOURCE.replace("data: [personal, payment]\n", "")
    (denial,) = asked(with_vendor(more={"resources_orders-db": silent})).denials
    assert (denial.code, denial.message, denial.hint) == (
        "vendor-data-unsaid",
        "orders-db does not say which data it holds, and the agreement with acme, vera's vendor, covers only some",
        "state data in the resource's file first, data: [] where it holds none",
    )
    empty = RESOURCE.replace("data: [personal, payment]\n", "data: []\n")
    assert asked(with_vendor(more={"resources_orders-db": empty})).denials == ()


@pytest.mark.parametrize(
    ("terms", "code", "message"),
    [
        (
            {"dpa": "{until: 2026-12-20}"},
            "beyond-agreement",
            "the agreement with acme, vera's vendor, holds until 2026-12-01T00:00:00Z, but access would last until "
            "2026-12-01T02:00:00Z: the grant would turn invalid on 2026-12-01",
        ),
        (
            {"agreement": "{from: 2026-01-01, until: 2027-01-01}", "dpa": "{until: 2026-12-01}"},
            "beyond-dpa",
            "the data-processing agreement with acme, vera's vendor, holds until 2026-12-01T00:00:00Z, but access would last "
            "until 2026-12-01T02:00:00Z: the grant would turn invalid on 2026-12-01",
        ),
    ],
)
def test_an_agreement_that_lapses_in_the_window_is_refused_with_its_date(
    terms: dict[str, str], code: str, message: str
) -> None:
    window = (day("2026-11-30T22:00:00"), day("2026-12-01T02:00:00"))
    (denial,) = asked(with_vendor(**terms), window=None, span=grant(window=window).span).denials
    assert (denial.code, denial.message, denial.hint) == (code, message, "end the window by 2026-12-01T00:00:00Z")


def test_a_request_after_the_end_of_an_agreement_is_denied_with_each_that_is_over() -> None:
    denials = asked(with_vendor(), at=day("2026-12-01T00:00:00")).denials
    assert [denial.code for denial in denials] == ["dpa-over", "agreement-over", "beyond-dpa", "beyond-agreement"]
    assert denials[0].message == (
        "the data-processing agreement with acme, vera's vendor, holds until 2026-11-25T00:00:00Z only, and the request was "
        "opened at 2026-12-01T00:00:00Z"
    )
    assert (denials[1].message, denials[1].hint) == (
        "the agreement with acme, vera's vendor, holds until 2026-12-01T00:00:00Z only, and the request was opened at "
        "2026-12-01T00:00:00Z",
        "extend the agreement in policies/directory first",
    )


def test_a_merged_grant_that_an_agreement_no_longer_covers_is_no_fault_of_its_file() -> None:
    """The next run ends it; who narrows an agreement is not stopped by what it is to end."""
    wanted, later = grant(subject="vera", purpose="support"), Window(AT, day("2026-12-02T00:00:00"))
    assert static_denials(with_vendor(), wanted, Window(AT, AT + timedelta(hours=4))) == ()
    assert static_denials(with_vendor(resources="[wiki]", data="[]", purposes="[incident]"), wanted) == ()
    assert [d.code for d in static_denials(with_vendor(resources="[wiki]"), wanted, later)] == [
        "beyond-dpa",
        "beyond-agreement",
    ]


def test_what_bounds_a_vendors_worker_is_in_the_one_list() -> None:
    catalogue = with_vendor(resources="[]").catalogue
    since = day("2025-12-31T00:00:00")
    ends = catalogue.bounds(Bounded("vera", "orders-db", "readonly", "support", since=since)).ends
    assert [(bound.code, bound.dated) for bound in ends] == [
        ("before-agreement", False),
        ("vendor-resource", False),
        ("beyond-dpa", True),
        ("beyond-agreement", True),
        ("beyond-engagement", True),
    ]
    assert ends[0].limit == LONG_AGO
    assert (ends[0].ended_at(AT), ends[0].ended_at(None), ends[2].ended_at(AT)) == (AT, LONG_AGO, ends[2].limit)
    second = timedelta(seconds=1)
    assert [ends[0].says(AT - second, AT), ends[0].says(AT + second, AT), ends[2].says(AT, AT)] == [True, False, False]
    assert ends[2].says(day("2026-11-25T00:00:00"), AT)
    assert [b.code for b in catalogue.bounds(Bounded("vera", "made-up")).ends] == [
        "beyond-dpa",
        "beyond-agreement",
        "beyond-engagement",
    ]


def test_a_vendors_worker_is_there_while_the_agreement_holds_and_approves_nothing_before_or_after() -> None:
    member = stated(agreement="{from: 2026-11-10, until: 2026-12-01}", dpa="{until: 2026-12-20}")
    found = policy(directory_people=member.replace("security: {members: [dan]}", "security: {members: [vera]}"))
    who = [
        approvers(found.catalogue, Ending("orders-db", "alice"), "group:security", day(f"2026-{at}T00:00:00"))
        for at in ("11-09", "11-10", "11-30", "12-01")
    ]
    assert who == [(), ("vera",), ("vera",), ()]
    assert found.catalogue.absence("vera", day("2026-12-01T00:00:00")) == (
        "was not there then: the agreement with acme, vera's vendor, holds until 2026-12-01T00:00:00Z"
    )
    assert found.catalogue.absence("vera", day("2026-11-09T00:00:00")) == (
        "was not there then: the agreement with acme, vera's vendor, holds from 2026-11-10T00:00:00Z on only"
    )
    assert found.catalogue.absence("vera", AT) == ""


# How the directory states it


@pytest.mark.parametrize("left", sorted(TERMS))
def test_each_term_is_stated_or_the_vendor_is_a_fault(left: str) -> None:
    (finding,) = policy(directory_people=stated(**{left: None}), purposes_support="version: 1\n").broken
    assert (finding.code, finding.message, finding.hint) == (
        "vendor-incomplete",
        f"vendor acme does not state its {left}: nobody can tell what its people may have",
        "state each; an empty list covers nothing",
    )


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (
            {"sponsor": "bobb"},
            "unknown-sponsor the sponsor of vendor acme, 'bobb', is no person of the directory [did you mean bob?]",
        ),
        (
            {"sponsor": "[bob, nightly]"},
            "unknown-sponsor the sponsor of vendor acme, 'nightly', is no person of the directory "
            "[sponsors are people of the directory]",
        ),
        (
            {"sponsor": "vera"},
            "unknown-sponsor vera, who sponsors vendor acme, works for it [name one of your own people]",
        ),
        (
            {"agreement": "{from: 2026-12-01, until: 2026-12-01}"},
            "vendor-contradicts the agreement with acme never holds: it ends before it begins [correct from or until]",
        ),
        (
            {"until": "2026-12-01"},
            "vendor-contradicts vendor acme has until beside sponsor, agreement, dpa, resources, data and purposes "
            "[write agreement: {from: …, until: …} in its place]",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_vendor_denies_everything_and_has_its_place(terms: dict[str, str], expected: str) -> None:
    found = policy(directory_people=stated(**terms), purposes_support="version: 1\n")
    assert [text.partition(" ")[2] for text in shown(found.broken)] == [expected]


def test_a_resource_or_purpose_of_a_vendor_that_there_is_not_covers_nothing_and_is_a_warning() -> None:
    found = policy(
        directory_people=stated(resources="[order-db]", purposes="[suport]"), purposes_support="version: 1\n"
    )
    assert found.broken == ()
    assert [text.partition(" ")[2] for text in shown(found.warnings)] == [
        "unknown-resource there is no resource 'order-db', which vendor acme may have [did you mean orders-db?]",
        "unknown-purpose there is no purpose 'suport', which vendor acme may have [did you mean support?]",
    ]


def test_a_vendor_of_an_earlier_release_is_bounded_as_it_was_and_a_warning() -> None:
    found = policy(rules_base=RULES)
    assert (found.findings, [need.source for need in asked(found, purpose="").needs]) == ((), ["owners"])
    assert shown(found.warnings) == [
        "13:9 vendor-unstated vendor acme has until in place of agreement, and nobody sponsors its people "
        "[state sponsor, agreement, dpa, resources, data and purposes; the next release refuses a vendor without them]"
    ]
    bare = policy(directory_people=DIRECTORY.replace(", until: 2026-12-01}", "}"))
    assert [f.message for f in bare.warnings] == ["vendor acme states nothing that its people are held to"]
    assert [bound.code for bound in bare.catalogue.bounds(Bounded("vera")).ends] == ["beyond-engagement"]


def test_a_vendors_worker_without_a_vendor_is_a_warning() -> None:
    found = policy(
        directory_people=DIRECTORY.replace(
            "vera: {name: Vera Sol, employment: vendor, vendor: acme,", "vera: {employment: vendor,"
        )
    )
    assert ("vendor-unnamed", "vera is engaged as vendor, and the directory does not say whose worker they are") in [
        (finding.code, finding.message) for finding in found.warnings
    ]
    assert found.broken == ()


@pytest.mark.parametrize(
    ("people", "said"),
    [
        ({}, None),
        ({"bob": "2026-11-25"}, None),  # carol stands in
        ({"bob": "2026-11-25", "carol": "2026-11-26", "dan": "2026-12-01"}, None),  # as long as the agreement
        (
            {"bob": "2026-11-25", "carol": "2026-11-26", "dan": "2026-11-30"},
            "nobody sponsors vendor acme from 2026-11-30T00:00:00Z on: bob, carol and dan will have left",
        ),
    ],
)
def test_sponsors_who_will_all_have_left_are_a_warning(people: dict[str, str], said: str | None) -> None:
    text = stated(dpa="{until: 2026-12-01}")
    for handle, until in people.items():
        text = text.replace(f"  {handle}: {{", f"  {handle}: {{until: {until}, ")
    found = policy(directory_people=text, purposes_support="version: 1\n")
    assert [f.message for f in found.warnings if f.code == "sponsor-gap"] == ([said] if said else [])
    triage = text.replace("owners: [dba]}", "owners: [dba], kind: agent, sponsor: dan}")
    told = [f.message for f in policy(directory_people=triage, purposes_support="version: 1\n").warnings]
    assert any("nobody sponsors agent nightly" in message for message in told) is ("dan" in people)


# Workloads and agents


def agent(
    more: str = "sponsor: bob", *, kind: str = "agent", settings: str | None = None, rules: str = PASSES
) -> Policy:
    said = ", ".join(part for part in (f"kind: {kind}", more) if part)
    directory = stated().replace("owners: [dba]}", f"owners: [dba], {said}}}")
    more_files = {"daypass": settings} if settings else {}
    return policy(directory_people=directory, rules_base=rules, purposes_support="version: 1\n", **more_files)


def test_an_agents_sponsor_is_always_asked() -> None:
    found = agent()
    assert (found.broken, found.catalogue.directory.subjects["nightly"].kind) == ((), "agent")
    decision = decide(found, Request(grant(subject="nightly"), "alice", AT))
    assert (decision.automatic, decision.denials) == (False, ())
    assert [(need.source, need.rules, need.eligible) for need in decision.needs] == [
        ("sponsor", ("agent nightly",), {"bob"})
    ]
    (own,) = decide(found, Request(grant(subject="nightly"), "bob", AT)).needs
    assert own.eligible == {"carol"}


def test_a_workload_that_is_no_agent_may_pass_and_has_a_sponsor_where_a_rule_asks_for_one() -> None:
    assert decide(agent(kind="workload"), Request(grant(subject="nightly"), "alice", AT)).automatic
    rules = RULES.replace("from: owners", "from: sponsor")
    found = agent("sponsor: [bob, dan]", kind="workload", rules=rules)
    (need,) = decide(found, Request(grant(subject="nightly"), "alice", AT)).needs
    assert (need.rules, need.eligible) == (("all",), {"bob", "dan"})


def test_an_agent_without_a_sponsor_is_a_fault() -> None:
    (finding,) = agent("").broken
    assert (finding.code, finding.message, finding.hint) == (
        "agent-without-sponsor",
        "agent nightly has no sponsor: a person answers for what it does, and is asked",
        "add sponsor: HANDLE",
    )
    (finding,) = agent("sponsor: alicia").broken
    assert finding.message == "the sponsor of nightly, 'alicia', is no person of the directory"


@pytest.mark.parametrize(
    ("directory", "subject", "why", "hint"),
    [
        (stated(), "alice", "alice works for no vendor, and has no sponsor", "name a further source in the rule"),
        (stated(), "nightly", "nightly has no sponsor", "add sponsor: … to nightly in policies/directory"),
        (
            DIRECTORY,
            "vera",
            "vendor acme, whose worker vera is, has no sponsor",
            "add sponsor: … to acme in policies/directory",
        ),
        (
            stated(sponsor="dan").replace("dan: {", "dan: {until: 2026-11-01, "),
            "vera",
            "neither the sponsor of vera (dan) nor anybody above may approve this, or they have left",
            "name another sponsor of vendor acme in policies/directory",
        ),
        (
            stated()
            .replace("owners: [dba]}", "owners: [dba], sponsor: dan}")
            .replace("dan: {", "dan: {until: 2026-11-01, "),
            "nightly",
            "neither the sponsor of nightly (dan) nor anybody above may approve this, or they have left",
            "name another sponsor of nightly in policies/directory",
        ),
    ],
)
def test_a_sponsor_who_is_nobody_is_a_denial_that_says_why(directory: str, subject: str, why: str, hint: str) -> None:
    rules = RULES.replace("from: owners", "from: sponsor")
    found = policy(directory_people=directory, rules_base=rules, purposes_support="version: 1\n")
    denials = decide(found, Request(grant(subject=subject, purpose="support"), "carol", AT)).denials
    assert ("no-approvers", f"nobody can give the approval from sponsor: {why}", hint) in [
        (denial.code, denial.message, denial.hint) for denial in denials
    ]


CLAIMS = "claims: {repository: acme/export}"


def test_a_workload_with_claims_gets_nothing_where_nobody_checks_them() -> None:
    found = agent(CLAIMS, kind="workload")
    request = Request(grant(subject="nightly"), "alice", AT)
    (denial,) = decide(found, request).denials
    assert (denial.code, denial.message, denial.hint, denial.path) == (
        "claims-unchecked",
        "nightly is known by claims of its token (repository), and target embedded (kind embedded) checks none: nobody would "
        "look at them",
        "ask for access at a target that checks claims, or say who it is by identities and take claims out",
        "subject",
    )
    assert static_denials(found, grant(subject="nightly")) == ()  # what was merged before goes on
    earlier = Request(grant(subject="nightly"), "alice", AT, judging=3)
    assert decide(found, earlier).denials == ()
    told = [let_pass_then(found, judging, "alice", earlier.grant, approved=True) for judging in (1, 3, 4)]
    assert told == [True, True, False]


def test_a_workload_with_claims_has_access_where_its_kind_of_target_checks_them() -> None:
    checking = {**KINDS, "embedded": KINDS["embedded"]._replace(checks_claims=True)}
    exact = "claims: {issuer: https://ci.example, subject: export}"
    directory = stated().replace("owners: [dba]}", f"owners: [dba], {exact}}}")
    read = policies.read_policies(
        files(directory_people=directory, rules_base=PASSES, purposes_support="version: 1\n"), kinds=checking
    )
    assert read.catalogue.settings.targets["embedded"].checks_claims
    assert decide(read, Request(grant(subject="nightly"), "alice", AT)).automatic
    assert {kind for kind, facts in KINDS.items() if facts.checks_claims} == {"vault"}  # as docs/formats.md says
    where = read.catalogue.resources["orders-db"]
    assert read.catalogue.principal("nightly", where) == '{"issuer":"https://ci.example","subject":"export"}'


@pytest.mark.parametrize(
    ("claims", "code", "why"),
    [
        ("", "claims-missing", "target embedded (kind embedded) knows workloads by claims of their tokens alone, and the directory states none of nightly"),
        ("claims: {subject: export}", "claims-loose", "the claims of nightly do not tell it apart at target embedded (kind embedded): they state no issuer"),
        ("claims: {issuer: https://ci.example}", "claims-loose", "the claims of nightly do not tell it apart at target embedded (kind embedded): they state no subject"),
        ('claims: {issuer: "https://*", subject: export}', "claims-loose", "the claims of nightly do not tell it apart at target embedded (kind embedded): their issuer is a pattern"),
        ('claims: {issuer: https://ci.example, subject: "*:export"}', "claims-loose", "the claims of nightly do not tell it apart at target embedded (kind embedded): their subject would be almost anything"),
        ('claims: {issuer: https://ci.example, subject: "repo:*"}', "claims-loose", "the claims of nightly do not tell it apart at target embedded (kind embedded): their subject would be almost anything"),
        ('claims: {issuer: https://ci.example, subject: "repo:acme*"}', "claims-loose", "the claims of nightly do not tell it apart at target embedded (kind embedded): their subject would be almost anything"),
        ('claims: {issuer: https://ci.example, subject: export, ref: "*"}', "claims-loose", "the claims of nightly do not tell it apart at target embedded (kind embedded): their ref would be almost anything"),
    ],
)  # fmt: skip
def test_where_claims_are_checked_a_subject_without_any_or_with_loose_ones_is_refused(
    claims: str, code: str, why: str
) -> None:
    checking = {**KINDS, "embedded": KINDS["embedded"]._replace(checks_claims=True)}
    directory = stated().replace("owners: [dba]}", f"owners: [dba], {claims}}}" if claims else "owners: [dba]}")
    read = policies.read_policies(
        files(directory_people=directory, rules_base=PASSES, purposes_support="version: 1\n"), kinds=checking
    )
    denials = decide(read, Request(grant(subject="nightly"), "alice", AT)).denials
    assert [(one.code, one.message, one.path) for one in denials] == [(code, why, "subject")]


# What rules read


def test_rules_read_the_terms_of_the_subjects_vendor() -> None:
    rules = "version: 1\nrules:\n" + "".join(
        f"  - {{id: {name}, when: '{when}', deny: true}}\n"
        for name, when in {
            "titled": 'vendor.title == "Acme Support" && grant.purpose in vendor.purposes',
            "ends": 'subject.vendor != "" && vendor.agreement_until < access.until + duration("720h")',
            "covers": '"orders-db" in vendor.resources && "payment" in vendor.data',
        }.items()
    )
    found = with_vendor(rules=rules)
    assert [denial.rule for denial in asked(found).denials] == ["covers", "ends", "titled"]
    assert [denial.rule for denial in asked(found, subject="alice", requester="alice", purpose="").denials] == []
    assert [finding for finding in probe(found) if finding.code == "rule-fails"] == []


def test_reading_the_end_of_an_agreement_that_there_is_not_fails_and_denies() -> None:
    rules = "version: 1\nrules:\n  - {id: ends, when: 'vendor.agreement_until < access.until', deny: true}\n"
    found = with_vendor(rules=rules)
    (denial,) = asked(found, subject="alice", purpose="").denials
    assert (denial.code, denial.rule) == ("rule-failed", "ends")
    assert "rule-fails" in [finding.code for finding in probe(found)]


def test_a_misspelt_purpose_of_a_vendor_is_found() -> None:
    rules = "version: 1\nrules:\n  - {id: odd, when: '\"suport\" in vendor.purposes', deny: true}\n"
    assert "there is no purpose 'suport'" in [finding.message for finding in probe(with_vendor(rules=rules))]


def test_only_what_signs_or_is_engaged_as_the_settings_ask_may_sponsor() -> None:
    only = SETTINGS + "limits: {approvers: {employment: [employee]}, unsigned: accept}\n"
    hired = stated().replace("bob: {manager", "bob: {employment: contractor, manager")
    catalogue = policy(directory_people=hired, daypass=only).catalogue
    assert approvers(catalogue, Ending("orders-db", "vera", "alice"), "sponsor", AT) == ("carol",)


# The source, wherever sources are named


def test_who_asks_for_a_purpose_and_for_others_may_be_the_sponsor() -> None:
    asks = {"purposes_support": "version: 1\ntitle: Support\nasked_by: [sponsor]\n"}
    found = policy(directory_people=stated(sponsor="[bob, dan]"), rules_base=RULES, **asks)
    assert asked(found, "bob").denials == ()
    (denial,) = asked(found, "carol").denials
    assert (denial.code, denial.hint) == (
        "not-asked-by",
        "sponsor may; have one of them ask, or choose another purpose",
    )
    limits = {"daypass": SETTINGS + "limits: {ask_for_others: [sponsor], unsigned: accept}\n"}
    found = with_vendor(more=limits, sponsor="[bob, dan]")
    assert asked(found, "bob").denials == ()
    assert [d.code for d in asked(found, "carol").denials] == ["not-asked-for-them"]


def test_an_agents_sponsor_asks_for_it_whatever_the_settings_leave_to_others() -> None:
    found = agent("sponsor: [bob, dan]", settings=SETTINGS + "limits: {ask_for_others: [manager], unsigned: accept}\n")
    told = {who: decide(found, Request(grant(subject="nightly"), who, AT)).denials for who in ("dan", "alice")}
    assert (told["dan"], [denial.code for denial in told["alice"]]) == ((), ["not-asked-for-them"])


def test_the_sponsor_is_taken_out_of_other_approvals_by_except() -> None:
    rules = RULES.replace("from: owners", "from: owners, except: [sponsor]")
    owners, sponsor = asked(with_vendor(rules=rules)).needs
    assert (owners.eligible, dict(owners.out)) == ({"carol"}, {"bob": "is of sponsor, who may not approve this"})
    assert sponsor.eligible == {"bob"}


def test_a_deputy_approves_in_the_place_of_a_sponsor() -> None:
    text = stated() + "deputies:\n  bob: {by: dan, from: 2026-11-19, until: 2026-11-27}\n"
    found = policy(directory_people=text, rules_base=RULES, purposes_support="version: 1\n")
    sponsor = next(need for need in asked(found).needs if need.source == "sponsor")
    assert (sponsor.eligible, sponsor.acting) == ({"bob", "dan"}, (("dan", "bob"),))


def test_policy_tests_expect_a_sponsor_and_the_rules_that_ask_one_are_covered() -> None:
    case = (
        "version: 1\ncases:\n  - name: support\n    request: {subject: vera, requester: alice, resource: orders-db, "
        "role: readonly, window: {duration: 1h}, purpose: support}\n    at: 2026-11-20T10:00:00Z\n"
        "    expect: {approvals: [{at_least: 1, from: owners}, {at_least: 1, from: sponsor}]}\n"
    )
    assert run_tests(with_vendor(more={"tests_vendors": case})).passed


def test_who_sponsors_and_is_no_employee_is_pointed_at() -> None:
    hired = stated().replace("dan: {", "dan: {employment: contractor, ").replace("sponsor: bob", "sponsor: dan")
    found = policy(directory_people=hired, rules_base=RULES, purposes_support="version: 1\n")
    assert "people who are no employees can approve: dan (contractor)" in [finding.message for finding in probe(found)]


NAMES = {"resources": ("orders-db", "wiki"), "data": ("personal", "payment"), "purposes": ("support", "incident")}
DATES = st.sampled_from(["2026-11-20T09:00:00Z", "2026-11-20T12:00:00Z", "2026-11-20T14:00:00Z", "2026-12-01"])


@st.composite
def narrowings(draw: st.DrawFn) -> tuple[Vendor, Vendor]:
    """Return a vendor, and the same with some of its terms narrowed."""
    wide = {key: draw(st.sets(st.sampled_from(names))) for key, names in NAMES.items()}
    start, until, dpa = (parse_moment(draw(DATES)) for _ in range(3))
    drawn = {
        key: tuple(sorted(draw(st.sets(st.sampled_from(sorted(some)))) if some else ())) for key, some in wide.items()
    }
    later, sooner, first = (parse_moment(draw(DATES)) for _ in range(3))
    before = Vendor(
        "acme", "", ("bob",), start, until, dpa, **{k: tuple(sorted(v)) for k, v in wide.items()}, stated=True
    )
    return before, Vendor(
        "acme", "", ("bob",), max(start, later), min(until, sooner), min(dpa, first), **drawn, stated=True
    )


@given(narrowings(), st.sampled_from(["support", "incident", ""]), st.sampled_from(["orders-db", "wiki"]))
def test_narrowing_an_agreement_only_takes_away(both: tuple[Vendor, Vendor], purpose: str, resource: str) -> None:
    of = Bounded("vera", resource, "readonly", purpose, since=AT)
    held = ("personal", "payment") if resource == "orders-db" else ()
    before, after = ([*vendor.bounds(of, held)] for vendor in both)
    assert min(bound.limit for bound in after) <= min(bound.limit for bound in before)
    assert {bound.code for bound in before if not bound.dated} <= {bound.code for bound in after if not bound.dated}
