"""People, groups, vendors and workloads."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_samples import DIRECTORY, files, policy, read_policies, shown

from daypass.core.bounds.limits import Limits
from daypass.core.bounds.settings import Settings
from daypass.core.catalogue import Catalogue, Directory, Role, Subject, frozen
from daypass.core.grant import Bounded
from daypass.core.record import replace

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJvYg4ugYlBJJ0qn5xkUxz8TnBVDTTWrxCiwpFUU9Kr"


def directory(text):
    return policy(
        directory_people="version: 1\n" + text, resources_orders_db=None, resources_wiki=None, rules_base=None
    )


def test_people_are_read_with_all_that_they_are_known_by():
    found = directory(
        "people:\n  al: {name: Al, email: Al@Example.com, also: [al@home.example, AL@example.com], manager: bo,\n"
        "    forge: {login: Al-X, id: 7}, employment: contractor, until: 2027-01-01T00:00:00Z,\n"
        f"    identities: {{postgres: al_p}}, ssh_keys: ['{KEY} al@laptop']}}\n  bo: {{}}\n"
    )
    assert found.findings == ()
    assert found.catalogue.directory.subjects["al"] == Subject(
        handle="al",
        name="Al",
        emails=("al@example.com", "al@home.example"),
        login="Al-X",
        forge_id=7,
        manager="bo",
        employment="contractor",
        until=datetime(2027, 1, 1, tzinfo=UTC),
        keys=(KEY,),
        identities={"postgres": "al_p"},
    )
    assert found.catalogue.directory.subjects["bo"] == Subject("bo")


def test_workloads_are_subjects_that_are_no_people():
    more = DIRECTORY.replace("owners: [dba]}", "owners: [dba], claims: {sub: repo/acme}}")
    found = policy(directory_people=more).catalogue.directory.subjects["nightly"]
    assert (found.kind, found.name, found.owners, dict(found.claims)) == (
        "workload",
        "Nightly export",
        ("dba",),
        {"sub": "repo/acme"},
    )
    assert not found.is_person


def test_groups_hold_the_people_of_the_groups_they_include():
    found = policy().catalogue.directory
    assert found.groups["engineering"] == {"alice", "bob", "carol"}
    assert found.groups_of("bob") == ("dba", "engineering")
    assert found.groups_of("vera") == ()


def test_several_files_are_read_as_one():
    found = read_policies(
        {**files(), "policies/directory/more.yaml": b"version: 1\ngroups: {all: {members: [alice], include: [dba]}}\n"}
    )
    assert found.findings == ()
    assert found.catalogue.directory.groups["all"] == {"alice", "bob", "carol"}


def test_what_two_files_define_is_a_fault_in_the_second():
    more = b"version: 1\npeople:\n  alice: {}\ngroups:\n  dba: {}\nvendors:\n  acme: {}\nworkloads:\n  bob: {}\n"
    found = read_policies({**files(), "policies/directory/z.yaml": more})
    hint = " [one definition counts: remove or rename this one]"
    assert shown(found.broken) == [
        f"3:10 duplicate-name 'alice' is defined twice; the first is at policies/directory/people.yaml:3:10{hint}",
        f"5:8 duplicate-name 'dba' is defined twice; the first is at policies/directory/people.yaml:9:8{hint}",
        f"7:9 duplicate-name 'acme' is defined twice; the first is at policies/directory/people.yaml:13:9{hint}",
        f"9:8 duplicate-name 'bob' is defined twice; the first is at policies/directory/people.yaml:4:8{hint}",
    ]
    assert found.catalogue.directory.subjects["bob"].is_person


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "people: {alice: {manager: bop}, bob: {}}\n",
            "2:27 unknown-manager the manager of alice, 'bop', is nobody in the directory [did you mean bob?]",
        ),
        ("people: {alice: {manager: alice}}\n", "2:27 unknown-manager alice is their own manager"),
        (
            "people: {alice: {manager: robot}}\nworkloads: {robot: {}}\n",
            "2:27 unknown-manager the manager of alice, 'robot', is nobody in the directory "
            "[managers are people of the directory]",
        ),
        (
            "people: {alice: {vendor: acm}}\nvendors: {acme: {}}\n",
            "2:26 unknown-vendor the vendor of alice, 'acm', is not in the directory [did you mean acme?]",
        ),
        (
            "workloads: {robot: {owners: [opps]}}\ngroups: {ops: {}}\n",
            "2:30 unknown-group there is no group 'opps' in the directory [did you mean ops?]",
        ),
        (
            "people: {alice: {}}\ngroups: {ops: {members: [alise]}}\n",
            "3:26 unknown-member group ops has a member 'alise' who is not in the directory [did you mean alice?]",
        ),
        (
            "groups: {ops: {include: [ops-leads]}, ops-lead: {}}\n",
            "2:26 unknown-group group ops includes 'ops-leads', which is no group [did you mean ops-lead?]",
        ),
        (
            "groups: {ops: {include: [ops]}}\n",
            "2:25 group-circle group ops includes itself by way of other groups [break the circle]",
        ),
        (
            "people: {alice: {until: 2026-02-30}}\n",
            "2:25 bad-instant '2026-02-30' is no possible date [write for example 2026-12-31]",
        ),
        (
            "people: {alice: {ssh_keys: [ssh-ed25519]}}\n",
            "2:29 bad-key 'ssh-ed25519' is no public SSH key [paste the line of a .pub file]",
        ),
        (
            "people: {alice: {ssh_keys: [-----BEGIN OPENSSH PRIVATE KEY----- abcdefghijkl]}}\n",
            "2:29 bad-key '-----BEGIN OPENSSH PRIVATE KEY----- a...' is no public SSH key [paste the line of a .pub file]",
        ),
    ],
)
def test_what_is_wrong_with_the_directory_denies_everything(text, expected):
    assert shown(directory(text).broken) == [expected]


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        ("email: A@x.example", "also: [a@X.example]", "email address as alice: a@x.example"),
        ("forge: {login: Ali}", "forge: {login: aLI}", "login as alice: ali"),
        ("forge: {login: a, id: 7}", "forge: {login: b, id: 7}", "forge id as alice: 7"),
        (f"ssh_keys: ['{KEY} home']", f"ssh_keys: ['{KEY}']", f"SSH key as alice: {KEY}"),
    ],
)
def test_nobody_can_be_taken_for_somebody_else(one, other, what):
    found = directory(f"people:\n  alice: {{{one}}}\n  bob: {{{other}}}\n")
    assert shown(found.broken) == [
        f"4:8 same-person bob has the same {what} [one could be taken for the other; give each their own]"
    ]


def test_a_longer_circle_of_groups_is_told_for_each_group_in_it():
    found = directory("groups: {a: {include: [b]}, b: {include: [c]}, c: {include: [b]}}\n")
    assert [finding.message.split()[1] for finding in found.broken] == ["b", "c"]


def test_people_are_found_by_address_and_login_whatever_the_case():
    found = policy().catalogue.directory
    assert found.by_email(" Alice@EXAMPLE.com ").handle == "alice"
    assert found.by_login("ALICE-NGO").handle == "alice"
    assert found.by_email("") is None
    assert found.by_login(" ") is None
    assert found.by_login("nobody") is None


def test_an_engagement_ends_with_the_vendors_when_that_is_sooner():
    found = policy().catalogue
    assert found.bounds(Bounded("vera")).ends[0].limit == datetime(2026, 12, 1, tzinfo=UTC)
    assert found.bounds(Bounded("alice")).ends == ()
    assert found.bounds(Bounded("nobody")).ends == ()
    sooner = policy(directory_people=DIRECTORY.replace("until: 2027-03-01", "until: 2026-11-25")).catalogue
    assert sooner.bounds(Bounded("vera")).ends[0].limit == datetime(2026, 11, 25, tzinfo=UTC)


def test_bounds_are_told_alike_however_many_names_were_asked_for_before():
    found = policy().catalogue
    before = [found.bounds(Bounded(name)) for name in ("vera", "alice")]
    for number in range(10_100):
        assert found.bounds(Bounded("alice", f"nothing-{number}")).ends == ()
    assert [found.bounds(Bounded(name)) for name in ("vera", "alice")] == before


def test_the_ends_asked_for_alone_are_those_of_all_bounds():
    people = DIRECTORY.replace("manager: bob}", "manager: bob, until: 2026-12-24}")
    for found in (policy().catalogue, policy(directory_people=people).catalogue):
        kept = found.resources | {
            "kept": replace(
                found.resources["orders-db"], name="kept", retention_until=datetime(2026, 12, 1, tzinfo=UTC)
            )
        }
        found = replace(found, resources=kept)  # noqa: PLW2901
        for who in ("vera", "alice", "bob", "nobody"):
            for what in ("", "orders-db", "kept", "nothing"):
                assert found.ends(Bounded(who, what)) == found.bounds(Bounded(who, what)).ends
    assert [end.code for end in found.ends(Bounded("alice", "kept"))] == ["beyond-retention", "beyond-engagement"]


def test_a_principal_is_looked_up_by_the_targets_name_before_its_kind():
    settings = "version: 1\ntargets: {db: {kind: postgres}, embedded: {kind: embedded}}\n"
    people = DIRECTORY.replace("manager: bob}", "manager: bob, identities: {postgres: al}}").replace(
        "dan: {", "dan: {identities: {postgres: d, db: dd}, "
    )
    found = read_policies(files(daypass=settings, directory_people=people))
    assert found.findings == ()
    resource = found.catalogue.resources["orders-db"]
    at_db = type(resource)(**{name: getattr(resource, name) for name in resource.__slots__} | {"target": "db"})
    assert found.catalogue.principal("alice", at_db) == "al"
    assert found.catalogue.principal("dan", at_db) == "dd"
    assert found.catalogue.principal("bob", at_db) == ""
    assert found.catalogue.principal("bob", resource) == "bob"
    assert found.catalogue.principal("nobody", resource) == ""


def test_meaning_moves_with_what_a_role_gives_and_how_its_target_is_reached():
    found = policy().catalogue
    resource = found.resources["orders-db"]
    role = resource.roles["readonly"]
    before = found.meaning(resource, role)
    assert before != found.meaning(resource, resource.roles["admin"])
    assert before == found.meaning(resource, Role("other", role.max_duration, role.privilege))
    moved = policy(daypass="version: 1\ntargets: {embedded: {kind: embedded, path: elsewhere}}\n").catalogue
    assert before != moved.meaning(resource, role)


def test_shares_are_counts_or_percentages():
    assert Limits(brake_removals="7", brake_additions="25%").brake(1000) == (7, 250)
    assert Limits(brake_removals="25%", brake_additions="0").brake(8) == (10, 0)


def test_an_empty_catalogue_is_possible():
    found = Catalogue(Settings(), frozen({}), Directory(frozen({}), frozen({})), frozen({}))
    assert found.bounds(Bounded("x")).ends == ()


NAMES = st.sampled_from(["a", "b", "c", "d"])
GROUPS = st.dictionaries(NAMES, st.tuples(st.sets(st.sampled_from(["p", "q", "r"])), st.sets(NAMES)), min_size=1)


@given(GROUPS)
def test_membership_is_the_union_over_all_that_can_be_reached(groups):
    text = "people: {p: {}, q: {}, r: {}}\ngroups:\n" + "".join(
        f"  {name}: {{members: [{', '.join(sorted(members))}], include: [{', '.join(sorted(included))}]}}\n"
        for name, (members, included) in groups.items()
    )
    found = directory(text).catalogue.directory.groups
    reached = {name: {name} for name in groups}
    for _ in groups:
        for seen in reached.values():
            seen |= {one for name in list(seen) for one in groups[name][1] if one in groups}
    for name in groups:
        assert found[name] == {person for one in reached[name] for person in groups[one][0]}
