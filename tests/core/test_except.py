"""Four eyes: whom rules take out of those who may approve."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_samples import AT, DIRECTORY, grant, policy, read_policies
from policy_samples import files as sample_files

from daypass.core.approval.judgement import judge
from daypass.core.approval.stages import Excluded
from daypass.core.forge import Account, Review
from daypass.core.ids import Oid
from daypass.core.policy.analysis.probe import probe, run_tests
from daypass.core.policy.decision import Decision, Request, decide
from daypass.core.policy.held import UNREAD, Held
from daypass.core.policy.policies import Policy
from daypass.core.policy.requirement import Requirement, merge, resolve
from daypass.core.policy.sources import Ending

HEAD = Oid("a" * 40)
ACCESS = Ending("orders-db", "alice", "alice")


def asks(approvals: str) -> str:
    return f"version: 1\nrules:\n  - id: eyes\n    when: 'true'\n    require: [{{approvals: {approvals}}}]\n"


def needs(approvals: str, **more: str) -> Policy:
    return policy(rules_base=asks(approvals), **more)


def held(**of: dict[str, set[str]]) -> Held:
    """Make what the ledger says: ``holders`` and ``approvers``, by resource."""
    return Held(**{kind: {name: frozenset(who) for name, who in told.items()} for kind, told in of.items()}, known=True)


def ask(found: Policy, known: Held = UNREAD) -> Decision:
    return decide(found, Request(grant(), "alice", AT, held=known))


OTHERS = "{at_least: 1, from: owners, except: ['approvers:wiki', 'holders:wiki']}"


def test_who_holds_or_approved_something_elsewhere_is_taken_out() -> None:
    found = needs(OTHERS)
    (need,) = ask(found, held(holders={"wiki": {"carol", "alice"}})).needs
    assert (need.eligible, need.out) == ({"bob"}, (("carol", "holds something on wiki"),))
    (need,) = ask(found, held(approvers={"wiki": {"bob", "dan"}})).needs
    assert need.out == (("bob", "approved something on wiki in the last 30 days"),)
    assert need.asked == "owners except approvers:wiki, holders:wiki"


def test_people_of_other_resources_are_not_taken_out() -> None:
    (need,) = ask(needs(OTHERS), held(holders={"orders-db": {"bob"}}, approvers={"orders-db": {"carol"}})).needs
    assert (need.eligible, need.out) == ({"bob", "carol"}, ())


def test_who_has_everybody_taken_out_is_denied_and_told_why() -> None:
    (denial,) = ask(needs(OTHERS), held(holders={"wiki": {"carol"}}, approvers={"wiki": {"bob"}})).denials
    assert denial.code == "no-approvers"
    assert denial.message == (
        "nobody can give the approval from owners except approvers:wiki, holders:wiki: "
        "bob approved something on wiki in the last 30 days; carol holds something on wiki"
    )


def test_a_group_is_taken_out_and_so_are_people_and_managers() -> None:
    found = needs("{at_least: 1, from: ['group:engineering', 'group:security'], except: ['group:security', manager]}")
    (need,) = ask(found).needs
    assert (need.eligible, dict(need.out)) == (
        {"alice", "carol"},
        {
            "bob": "is of manager, who may not approve this",
            "dan": "is of group:security, who may not approve this",
        },
    )


def test_an_escalation_does_not_let_in_whom_the_rule_takes_out() -> None:
    rule = asks(OTHERS).replace("}]\n", ", escalate: {after: 1h, to: 'group:security'}}]\n")
    (need,) = ask(policy(rules_base=rule), held(holders={"wiki": {"dan"}})).needs
    assert (need.escalated, need.out) == (frozenset(), (("dan", "holds something on wiki"),))


def test_a_decision_says_what_it_does_not_know_where_no_ledger_was_read() -> None:
    found = needs(OTHERS)
    assert ask(found).unread == ("wiki",)
    assert ask(found, held()).unread == ()
    assert ask(policy()).unread == ()


REQUIREMENTS = st.lists(
    st.builds(
        lambda n, source, without: Requirement(n, source, ("r",), without=tuple(sorted(without))),
        st.integers(1, 3),
        st.sampled_from(["owners", "group:engineering"]),
        st.sets(st.sampled_from(["holders:wiki", "group:security", "person:bob"])),
    ),
    min_size=1,
    max_size=4,
)


@given(REQUIREMENTS, st.sets(st.sampled_from(["alice", "bob", "carol"])))
def test_what_is_merged_lets_nobody_approve_whom_a_part_takes_out(parts: list[Requirement], holders: set[str]) -> None:
    known, catalogue = held(holders={"wiki": holders}), policy().catalogue
    whole = {need.source: need for need in resolve(catalogue, ACCESS, merge(parts), AT, known)}
    for part in resolve(catalogue, ACCESS, parts, AT, known):
        assert whole[part.source].eligible <= part.eligible


def review(by: str, state: str = "approved") -> Review:
    return Review(Account(by, by), state, HEAD, AT, by)


def judged(known: Held, *reviews: Review):
    found = needs(OTHERS)
    asked = resolve(found.catalogue, ACCESS, ask(found).requirements, AT, known)
    return judge(asked, reviews, head=HEAD, excluded=Excluded({"alice": "opened it"}), opened_at=AT, at=AT)


def test_the_approval_of_somebody_taken_out_does_not_count_and_is_told_why() -> None:
    told = judged(held(holders={"wiki": {"carol"}}), review("carol"))
    assert not told.met
    assert [one.why for one in told.ignored] == ["carol holds something on wiki"]
    assert judged(held(holders={"wiki": {"carol"}}), review("bob")).met
    assert judged(held(), review("carol")).met


def test_the_no_of_somebody_taken_out_is_heard() -> None:
    told = judged(held(holders={"wiki": {"carol"}}), review("bob"), review("carol", "rejected"))
    assert not told.met
    assert [one.by.handle for one in told.rejections] == ["carol"]


@pytest.mark.parametrize(
    ("part", "code", "hint"),
    [
        ("'holders:wik'", "unknown-resource", "did you mean wiki?"),
        ("'approvers:nowhere'", "unknown-resource", "resources are the files of policies/resources"),
        ("'group:dbaa'", "unknown-group", "did you mean dba?"),
        ("'holders'", "bad-pattern", ""),
    ],
)
def test_taking_out_nobody_that_there_is_is_a_finding(part: str, code: str, hint: str) -> None:
    (finding,) = needs(f"{{at_least: 1, from: owners, except: [{part}]}}").broken
    assert (finding.code, hint in finding.hint) == (code, True)


def test_nobody_approves_by_holding_something() -> None:
    assert [f.code for f in needs("{at_least: 1, from: 'holders:wiki'}").broken] == ["bad-pattern"]


CASE = """version: 1
cases:
  - name: owners who do not hold staging
    request: {subject: alice, resource: orders-db, role: readonly, window: {duration: 1h}}
    at: 2026-11-20T10:00:00Z
    expect: {approvals: [{at_least: 1, from: owners%s}]}
"""


@pytest.mark.parametrize(
    ("without", "passed"),
    [(", except: ['holders:wiki', 'approvers:wiki']", True), ("", False), (", except: ['holders:wiki']", False)],
)
def test_a_policy_test_says_who_is_taken_out(without: str, passed: bool) -> None:
    files = sample_files(rules_base=asks(OTHERS)) | {"policies/tests/a.yaml": (CASE % without).encode()}
    assert run_tests(read_policies(files)).passed is passed


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("from: 'group:dbaa'", "unknown-group"),
        ("from: [owners, 'on-call:x']", "unknown-rota"),
        ("from: owners, except: ['holders:wik']", "unknown-resource"),
    ],
)
def test_a_policy_test_that_expects_an_unknown_source_is_a_finding(source: str, code: str) -> None:
    text = (CASE % "").replace("from: owners", source)
    files = sample_files(rules_base=asks(OTHERS)) | {"policies/tests/a.yaml": text.encode()}
    assert [finding.code for finding in read_policies(files).findings] == [code]
    broken = files | {"policies/directory/more.yaml": b"version: 1\npeople: []\n"}
    assert code not in [finding.code for finding in read_policies(broken).findings]  # nobody can tell


def test_what_leaves_nobody_whatever_the_ledger_says_is_found_before_anybody_asks() -> None:
    found = probe(needs("{at_least: 1, from: 'group:security', except: ['person:dan']}", directory_people=DIRECTORY))
    assert [f.code for f in found if f.code == "requirement-unmeetable"] == ["requirement-unmeetable"]
