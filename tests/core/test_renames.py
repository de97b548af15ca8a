"""What has another name by now: merged grants go on by it, and nothing new is asked for by the old one."""

import pytest
from policy_samples import AT, DIRECTORY, RESOURCE, WIKI, grant, policy
from test_claims import BLOB, GIVEN, WINDOW

from daypass.core.files.codeowners import wanted_lines
from daypass.core.ids import GrantId
from daypass.core.plan import AdmittedGrant, Reason
from daypass.core.planning.claims import ClaimMaker
from daypass.core.policy.analysis.compare import compare
from daypass.core.policy.analysis.renamed import unsaid
from daypass.core.policy.decision import Request, decide, static_denials
from daypass.core.policy.sources import Ending, may_end

PEOPLE = DIRECTORY.replace("  alice: {", "  alicia: {was: [alice], identities: {embedded: alice}, ").replace(
    "members: [alice]", "members: [alicia]"
)
ROLES = RESOURCE.replace("readonly: {", "reader: {was: [readonly], ")
RENAMED = policy(
    directory_people=PEOPLE,
    resources_orders_db=None,
    resources_orders=ROLES + "was: [orders-db]\nretention_until: 2026-11-20T12:00:00Z\n",
)
ANYBODY = "version: 1\nrules:\n  - {id: one, when: grant.subject == 'carol', deny: true}\n"


def claim(now, meaning=""):
    known = policy().catalogue
    means = meaning or known.meaning(known.resources["orders-db"], known.resources["orders-db"].roles["readonly"])
    row = (GrantId("orders-db/one"), BLOB, BLOB, "alice", "orders-db", "readonly", WINDOW, GIVEN, means)
    return ClaimMaker(now, now, {}).claim(AdmittedGrant(*row))


def test_a_grant_gives_by_old_names_what_it_gave_and_what_bounds_it_is_todays():
    found = claim(RENAMED)
    assert (found.entitlement, found.blocked, found.window.end) == (GIVEN, None, AT.replace(hour=12))
    assert claim(RENAMED, "sha256:other").blocked is Reason.MEANING_MOVED


def test_who_is_somebody_else_at_the_target_by_the_new_name_is_given_nothing():
    moved = policy(directory_people=PEOPLE.replace("identities: {embedded: alice}", "identities: {embedded: root}"))
    assert claim(moved).blocked is Reason.PRINCIPAL_MOVED
    unsaid_ = policy(directory_people=PEOPLE.replace("was: [alice], ", ""))
    assert claim(unsaid_).blocked is Reason.GRANT_INVALID
    narrower = policy(resources_orders_db=ROLES.replace("orders_readonly", "orders_some"))
    assert claim(narrower).blocked is Reason.MEANING_MOVED


def test_check_finds_no_fault_in_a_merged_grant_for_its_old_names_and_judges_it_by_todays():
    assert static_denials(RENAMED, grant()) == ()
    denied = policy(directory_people=PEOPLE, rules_base=ANYBODY.replace("carol", "alicia"))
    assert [one.rule for one in static_denials(denied, grant())] == ["one"]


def test_nothing_new_is_asked_for_by_an_old_name_and_the_hint_says_the_new_one():
    told = decide(RENAMED, Request(grant(), "bob", AT)).denials
    assert [(one.code, one.hint) for one in told[:2]] == [
        ("unknown-subject", "alice is called alicia now"),
        ("unknown-resource", "orders-db is called orders now"),
    ]
    (role, *_) = decide(RENAMED, Request(grant(subject="bob", resource="orders"), "bob", AT)).denials
    assert role.hint == "readonly is called reader now; it offers admin, reader"


def test_a_group_is_known_to_conditions_by_its_old_name_and_named_by_the_new_one():
    people = DIRECTORY.replace("  dba: {", "  database: {was: [dba], ").replace("include: [dba]", "include: [database]")
    people = people.replace("owners: [dba]", "owners: [database]")
    owners = {"resources_orders_db": RESOURCE.replace("[dba]", "[database]"), "resources_wiki": None}
    rule = (
        'version: 1\nrules:\n  - {id: one, when: \'"dba" in subject.groups && "dba" in resource.owners\', deny: true}\n'
    )
    now = policy(directory_people=people, rules_base=rule, **owners)
    assert now.broken == ()
    assert [one.rule for one in static_denials(now, grant(subject="bob"))] == ["one"]
    assert now.facts.groups_of("bob") == ["database", "dba", "engineering"]
    told = policy(directory_people=people, **owners).broken
    assert [(one.code, one.hint) for one in told] == [("unknown-group", "group dba is called database now")]
    told = policy(directory_people=people, rules_base=rule, resources_wiki=None).findings
    assert ("unknown-group", "group dba is called database now") in [(one.code, one.hint) for one in told]


def test_an_old_name_is_claimed_once_and_is_nobodys_who_exists():
    both = PEOPLE.replace("  carol: {", "  carol: {was: [alice, dan], ").replace(
        "  dba: {", "  dba: {was: [security, a], "
    )
    both = both.replace("  security: {", "  security: {was: [a], ").replace("  nightly: {", "  nightly: {was: [bob], ")
    wiki = WIKI + "was: [orders-db, old]\n"
    found = policy(directory_people=both, resources_wiki=wiki, resources_orders_db=RESOURCE + "was: [old]\n")
    assert sorted((one.code, one.place.path, one.message) for one in found.findings) == [
        ("rename-of-existing", "groups.dba.was[0]", "group dba was called 'security', which is the name of a group that exists"),
        ("rename-of-existing", "people.carol.was[1]", "subject carol was called 'dan', which is the name of a subject that exists"),
        ("rename-of-existing", "was[0]", "resource wiki was called 'orders-db', which is the name of a resource that exists"),
        (
            "rename-of-existing",
            "workloads.nightly.was[0]",
            "subject nightly was called 'bob', which is the name of a subject that exists",
        ),
        (
            "rename-twice",
            "groups.security.was[0]",
            "both dba and security were called 'a': nobody can tell whose its grants are",
        ),
        ("rename-twice", "people.carol.was[0]", "both alicia and carol were called 'alice': nobody can tell whose its grants are"),
        ("rename-twice", "was[1]", "both orders-db and wiki were called 'old': nobody can tell whose its grants are"),
    ]  # fmt: skip


def test_an_old_name_of_a_role_is_claimed_once_too():
    wiki = WIKI.replace("  editor: {", "  editor: {was: [x], ") + "  other: {max_duration: 1d, was: [x, editor]}\n"
    assert [(one.code, one.message) for one in policy(resources_wiki=wiki).findings] == [
        ("rename-twice", "both editor and other were called 'x': nobody can tell whose its grants are"),
        ("rename-of-existing", "role other was called 'editor', which is the name of a role that exists"),
    ]


def test_owners_and_the_person_themselves_end_what_goes_by_an_old_name():
    found = may_end(RENAMED.catalogue, Ending("orders-db", "alice", "alice"), AT)
    assert found == ("alicia", "bob", "carol")
    lines = {line.pattern: line.owners for line in wanted_lines(RENAMED.catalogue)}
    assert lines["/grants/orders-db/"] == lines["/grants/orders/"]


def test_names_of_before_are_found_for_whoever_counts_by_them():
    now = RENAMED.catalogue.renames
    assert now.names_of_subject("alicia") == ("alicia", "alice")
    assert now.names_of_resource("orders") == ("orders", "orders-db")
    assert now.names_of_role("orders", "reader") == ("reader", "readonly")
    assert not policy().catalogue.renames


def test_a_change_that_renames_alone_moves_no_decision():
    quiet = {"rules_base": ANYBODY}
    before = policy(**quiet)
    after = policy(directory_people=PEOPLE, **quiet)
    assert compare(before, after, Request(grant(), "alice", AT)).after.denials == ()


@pytest.mark.parametrize(
    ("many", "said"), [(1, "1 merged grant names alice: it"), (2, "2 merged grants name alice: they")]
)
def test_a_rename_that_is_not_said_is_found_where_grants_go_by_the_old_name(many, said):
    silent = policy(
        directory_people=PEOPLE.replace("was: [alice], ", ""),
        resources_orders_db=None,
        resources_orders=ROLES.replace("was: [readonly], ", ""),
    )
    before = policy().catalogue
    found = list(unsaid(before, silent.catalogue, [("alice", "wiki", "editor")] * many))
    assert [(one.code, one.message, one.hint) for one in found] == [
        (
            "rename-without-was",
            f"subject alice is called alicia now, and {said} would give nothing any more",
            "write was: [alice] on alicia, or end them first",
        )
    ]
    found = list(unsaid(before, silent.catalogue, [("bob", "orders-db", "readonly")]))
    assert [one.message.partition(",")[0] for one in found] == [
        "resource orders-db is called orders now",
        "role readonly is called reader now",
    ]
    assert list(unsaid(before, silent.catalogue, [("bob", "wiki", "editor"), ("bob", "gone", "editor")])) == []
    assert list(unsaid(before, RENAMED.catalogue, [("alice", "orders-db", "readonly")])) == []


def test_who_shares_no_mark_and_what_gives_otherwise_is_no_rename():
    other = DIRECTORY.replace("  vera: {name: Vera Sol,", "  verena: {name: Vera Sol,")
    after = policy(directory_people=other, resources_wiki=WIKI.replace("editor:", "writer:"))
    assert list(unsaid(policy().catalogue, after.catalogue, [("vera", "wiki", "editor")])) == []
