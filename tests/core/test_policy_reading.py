"""From the files below policies/ to one value."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_samples import DIRECTORY, FILES, KINDS, PURPOSE, RESOURCE, SETTINGS, files, policy, read_policies, shown

from daypass.core.bounds.limits import Limits
from daypass.core.bounds.settings import Settings


def test_the_whole_reads_without_a_fault():
    found = policy()
    assert found.findings == ()
    assert found.broken == ()
    assert list(found.catalogue.resources) == ["orders-db", "wiki"]
    orders = found.catalogue.resources["orders-db"]
    assert (orders.target, orders.environment, orders.classification) == ("embedded", "production", "restricted")
    assert (orders.owners, orders.data, orders.exclusive) == (("dba",), ("personal", "payment"), False)
    assert orders.file == "policies/resources/orders-db.yaml"
    assert orders.roles["readonly"].max_duration == timedelta(hours=8)
    assert dict(orders.roles["readonly"].privilege) == {"member_of": "orders_readonly"}
    assert [rule.id for rule in found.rules.rules] == [
        "low-risk-passes",
        "production-needs-two",
        "restricted-in-office-hours",
    ]


def test_a_role_without_privilege_gives_its_own_name():
    assert dict(policy().catalogue.resources["orders-db"].roles["admin"].privilege) == {"role": "admin"}


def test_settings_say_how_things_are_reached():
    text = SETTINGS + (
        "ledger: {branch: books, keys: [a.pub, b.pub], signer: 'file:key'}\n"
        "environments: [production, staging]\nclassifications: [internal, restricted]\n"
        "limits: {max_duration: 14d, open_request: 2d, brake: {removals: 10%, additions: 5}}\nclock: simulated\n"
    )
    text = text.replace("{kind: embedded}", "{kind: embedded, path: data/access.sqlite}")
    found = policy(daypass=text).catalogue.settings
    assert found.forge_kind == "local"
    assert (found.ledger_branch, found.ledger_keys, found.ledger_signer) == ("books", ("a.pub", "b.pub"), "file:key")
    assert found.environments == ("production", "staging")
    assert found.limits == Limits(
        timedelta(days=14), open_request=timedelta(days=2), brake_removals="10%", brake_additions="5"
    )
    assert found.simulated_clock
    assert dict(found.targets["embedded"].options) == {"path": "data/access.sqlite"}


def test_what_settings_do_not_say_keeps_its_default():
    found = policy(daypass=SETTINGS).catalogue.settings
    usual = Settings()
    assert found.limits == usual.limits
    assert (found.ledger_keys, found.environments) == (usual.ledger_keys, usual.environments)
    assert not found.simulated_clock


def test_without_settings_the_defaults_hold_and_everything_is_denied():
    found = policy(daypass=None)
    assert shown(found.broken) == [
        "0:0 settings-missing there are no settings [daypass init writes one; deleting the settings lifts no limit]"
    ]
    assert found.broken[0].place.file == "policies/daypass.yaml"
    assert found.catalogue.settings == Settings()
    assert found.catalogue.resources  # their references could not be checked, which is no fault of theirs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            SETTINGS.replace("kind: embedded", "kind: embeded"),
            "4:20 unknown-target-kind target embedded is of kind 'embeded', which is not known; "
            f"known: {', '.join(sorted(KINDS))} [did you mean embedded?]",
        ),
        (
            SETTINGS + "environments: [production, staging, production]\n",
            "5:37 duplicate-name 'production' stands twice in environments [remove one]",
        ),
        (
            SETTINGS + "limits: {max_duration: 9999d}\n",
            "5:24 bad-duration 9999d is longer than the 366d that any access may last",
        ),
        (
            SETTINGS + "limits: {brake: {removals: 101%}}\n",
            "5:28 brake-range 101% is more than all [write at most 100%]",
        ),
    ],
)
def test_settings_that_make_no_sense_deny_everything(text, expected):
    found = policy(daypass=text)
    assert shown(found.broken) == [expected]
    assert found.catalogue.settings.limits.max_duration == timedelta(days=30)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            RESOURCE.replace("owners: [dba]", "owners: [dba, dbaa]"),
            "7:15 unknown-group there is no group 'dbaa' in the directory [did you mean dba?]",
        ),
        (
            RESOURCE.replace("target: embedded", "target: postgres"),
            "3:9 unknown-target target 'postgres' is not one of the settings' targets: embedded "
            "[policies/daypass.yaml lists them]",
        ),
        (
            RESOURCE.replace("restricted", "restrictd"),
            "5:17 unknown-classification classification 'restrictd' is not one of the settings' classifications: public, "
            "internal, confidential, restricted [did you mean restricted?]",
        ),
        (
            RESOURCE.replace("max_duration: 8h", "max_duration: 31d"),
            "9:28 too-long 31d is longer than the 30d that the settings allow [write at most 30d]",
        ),
        (
            RESOURCE.replace("max_duration: 8h", "max_duration: 0h"),
            "9:28 bad-duration a duration of 0h is no time at all",
        ),
        (
            RESOURCE + "retention_until: 2026-02-30\n",
            "11:18 bad-instant '2026-02-30' is no possible date [write for example 2026-12-31]",
        ),
        (
            RESOURCE + "retention_until: 2026-02-20T25:00:00Z\n",
            "11:18 bad-instant '2026-02-20T25:00:00Z' is no possible time: hour must be in 0..23",
        ),
    ],
)
def test_a_resource_with_a_fault_stops_only_itself(text, expected):
    found = policy(resources_orders_db=text)
    assert shown(found.findings) == [expected]
    assert found.broken == ()
    assert found.faulty == {"orders-db": found.findings}
    assert list(found.catalogue.resources) == ["wiki"]


def test_a_resource_that_nobody_could_approve_is_a_fault():
    found = policy(directory_people=DIRECTORY.replace("members: [bob, carol]", "members: [nightly]"))
    (first,) = [finding for finding in found.findings if "orders-db" in finding.place.file]
    assert shown([first]) == [
        "7:9 empty-approvers nobody could approve: the owners (dba) have no people "
        "[add people to the group in policies/directory]"
    ]


def test_a_resource_of_the_wrong_shape_stops_only_itself():
    found = policy(resources_orders_db="version: 1\ntitle: [\n")
    assert found.broken == ()
    assert list(found.faulty) == ["orders-db"]
    assert list(found.catalogue.resources) == ["wiki"]


def test_the_file_names_of_resources_and_purposes_are_names():
    found = read_policies({**files(), "policies/resources/Orders DB.yaml": RESOURCE.encode()})
    assert shown(found.findings) == [
        "0:0 bad-name 'Orders DB' is no name that can be referred to "
        "[use lower-case letters, digits and hyphens, at most 63]"
    ]
    assert found.broken == ()
    bad = read_policies({**files(), "policies/purposes/In cident.yaml": PURPOSE.encode()})
    assert [finding.code for finding in bad.broken] == ["bad-name"]


def test_dates_are_their_first_instant_and_instants_are_taken_to_utc():
    found = policy(resources_orders_db=RESOURCE + "retention_until: 2026-12-31\nexclusive: true\n")
    assert found.catalogue.resources["orders-db"].retention_until == datetime(2026, 12, 31, tzinfo=UTC)
    assert found.catalogue.resources["orders-db"].exclusive
    found = policy(resources_orders_db=RESOURCE + "retention_until: 2026-12-31T01:00:00+02:00\n")
    assert found.catalogue.resources["orders-db"].retention_until == datetime(2026, 12, 30, 23, tzinfo=UTC)


def test_purposes_are_read():
    found = policy().catalogue.purposes["incident"]
    assert (found.title, found.emergency, found.ticket_required) == ("Incident", True, True)
    assert found.max_duration == timedelta(hours=4)
    plain = policy(purposes_incident="version: 1\n").catalogue.purposes["incident"]
    assert (plain.title, plain.emergency, plain.ticket_required, plain.max_duration) == ("", False, False, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            PURPOSE.replace("4h", "31d"),
            "5:15 too-long 31d is longer than the 30d that the settings allow [write at most 30d]",
        ),
        (PURPOSE.replace("4h", "0h"), "5:15 bad-duration a duration of 0h is no time at all"),
    ],
)
def test_a_purpose_with_a_fault_denies_everything(text, expected):
    assert shown(policy(purposes_incident=text).broken) == [expected]


def test_a_purpose_of_the_wrong_shape_denies_everything():
    assert policy(purposes_incident="version: 2\n").broken


def test_faults_of_one_file_are_not_blamed_on_others():
    found = policy(directory_people="version: 1\npeople: {alice: {nam: x}}\n")
    assert {finding.place.file for finding in found.findings} == {"policies/directory/people.yaml"}
    assert found.broken == found.findings
    found = policy(daypass="version: 1\n")
    assert {finding.place.file for finding in found.findings} == {"policies/daypass.yaml"}


@pytest.mark.parametrize(("folder", "denies"), [("rules", True), ("tests", False)])
def test_a_file_whose_name_is_no_text_is_refused_and_of_a_test_named_alone(folder, denies):
    found = read_policies({**files(), f"policies/{folder}/\udcff.yaml": b"version: 1\n"})
    (said,) = [finding for finding in found.findings if finding.code == "stray-policy-file"]
    assert said.message == "its name is no UTF-8, and nothing reads it"
    assert (said in found.broken) is denies


@pytest.mark.parametrize("what", ["retired: {ledger.pub: 7}", "revoked: {ledger.pub: 7}"])
def test_a_key_that_signs_and_is_bounded_at_once_is_named(what):
    found = policy(daypass=f"{SETTINGS}ledger: {{branch: daypass-ledger, keys: [ledger.pub], {what}}}\n")
    assert [finding.code for finding in found.broken] == ["ledger-key-twice"]
    other = what.replace("ledger.pub", "old.pub")
    assert policy(daypass=f"{SETTINGS}ledger: {{branch: daypass-ledger, keys: [ledger.pub], {other}}}\n").broken == ()


@pytest.mark.parametrize(
    "path",
    ["policies/rule/more.yaml", "policies/rules/deep/more.yaml", "policies/rules/more.yml", "policies/more.yaml"],
)
def test_a_file_that_nobody_reads_denies_everything(path):
    found = read_policies({**files(), path: b"version: 1\n"})
    assert [(finding.code, finding.place.file) for finding in found.broken] == [("stray-policy-file", path)]
    assert found.broken[0].message == "nothing reads this file"
    assert found.broken[0].hint == (
        "policies are policies/daypass.yaml and the .yaml files directly in calendars, directory, promises, purposes, "
        "resources, rotas, rules, tests"
    )


def test_words_for_people_beside_the_policies_do_no_harm():
    assert read_policies({**files(), "policies/README.md": b"# Policies\n"}).findings == ()


def test_public_keys_are_kept_as_they_are():
    found = read_policies({**files(), "policies/ledger.pub": b"\x00key", "policies/rules/no.pub": b"x"})
    assert dict(found.keys) == {"ledger.pub": b"\x00key"}


def test_the_digest_covers_every_file_but_the_tests():
    before = read_policies(files()).digest
    assert before.startswith("sha256:")
    assert read_policies({**files(), "policies/tests/a.yaml": b"version: 1\ncases: []\n"}).digest == before
    for path, raw in files().items():
        assert read_policies({**files(), path: raw + b"# changed\n"}).digest != before
        moved = {(path.replace(".yaml", "2.yaml") if one == path else one): text for one, text in files().items()}
        assert read_policies(moved).digest != before


def test_the_order_of_files_does_not_count():
    base = files()
    found = {read_policies(dict(order)).digest for order in list(permutations(base.items()))[:50]}
    assert len(found) == 1


@given(st.sampled_from(sorted(FILES)), st.binary(max_size=200))
def test_no_bytes_make_reading_raise(path, raw):
    found = read_policies({**files(), path: raw})
    assert found.findings
    assert all(finding.place.file for finding in found.findings)


@given(st.sampled_from(sorted(FILES)), st.data())
def test_a_file_without_any_one_line_is_read_or_refused_and_never_raises(path, data):
    lines = FILES[path].splitlines(keepends=True)
    gone = data.draw(st.integers(0, len(lines) - 1))
    found = read_policies({**files(), path: "".join(lines[:gone] + lines[gone + 1 :]).encode()})
    assert found.digest != read_policies(files()).digest


CALENDAR = "version: 1\nzone: Europe/Berlin\nhours: Mon-Fri 08:00-19:00\nexcept: [2026-12-24..2026-12-26]\n"


def test_a_calendar_is_read_under_the_name_of_its_file():
    found = policy(calendars_office=CALENDAR + "title: Office\nyears: [2027]\n")
    office = found.catalogue.calendars["office"]
    assert not found.findings
    assert (office.name, office.title, office.zone, office.hours) == (
        "office",
        "Office",
        "Europe/Berlin",
        "Mon-Fri 08:00-19:00",
    )
    assert [str(days) for days in office.without] == ["2026-12-24..2026-12-26"]
    assert office.spoken == {2026, 2027}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CALENDAR.replace("Berlin", "Bonn"), "2:7 calendar-invalid 'Europe/Bonn' is no time zone"),
        (CALENDAR.replace("08:00", "8"), "3:8 calendar-invalid 'Mon-Fri 8-19:00' are no hours"),
        (CALENDAR.replace("-24..", "-32.."), "4:10 calendar-invalid '2026-12-32..2026-12-26' are no days"),
        (CALENDAR.replace("-24..", "-27.."), "4:10 calendar-invalid '2026-12-27..2026-12-26' ends before it begins"),
        # At the ends of time there is no day before or after that could be reckoned.
        (
            CALENDAR.replace("2026-12-26", "9999-12-31"),
            "4:10 calendar-invalid '2026-12-24..9999-12-31' lies in no year from",
        ),
        (
            CALENDAR.replace("2026-12-24", "0001-01-01"),
            "4:10 calendar-invalid '0001-01-01..2026-12-26' lies in no year from",
        ),
        (
            "version: 1\nzone: UTC\nexcept: [2026-12-24]\n",
            "1:1 calendar-invalid calendar office holds no time [give it hours",
        ),
    ],
)
def test_a_fault_in_a_calendar_denies_everything(text, expected):
    found = policy(calendars_office=text)
    assert [line for line in shown(found.broken) if line.startswith(expected)] == shown(found.broken) != []


def test_a_calendar_of_the_wrong_shape_denies_everything():
    found = policy(calendars_office="version: 1\nhours: 8\n")
    assert found.broken
    assert not found.catalogue.calendars
