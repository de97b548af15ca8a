"""Who is behind the sources of `limits.end` and `limits.revoke`."""

import pytest
from policy_samples import AT, FILES, SETTINGS, read_policies

from daypass.core.policy.policies import Policy
from daypass.core.policy.sources import Ending, may_end, may_revoke, owners, revokers

ALICES = Ending("orders-db", "alice", "vera")


def policy(limits: str = "") -> Policy:
    settings = SETTINGS + (f"limits: {limits}\n" if limits else "")
    return read({**FILES, "policies/daypass.yaml": settings})


def read(files: dict[str, str]) -> Policy:
    return read_policies({path: text.encode() for path, text in files.items()})


def test_subject_requester_and_owners_end_by_default() -> None:
    assert may_end(policy().catalogue, ALICES, AT) == ("alice", "vera", "bob", "carol")


def test_owners_and_security_revoke_by_default() -> None:
    catalogue = policy().catalogue
    assert revokers(catalogue) == ("owners", "group:security")
    assert may_revoke(catalogue, ALICES, AT) == ("bob", "carol", "dan")


def test_where_there_is_no_security_owners_alone_revoke() -> None:
    files = {path: text.replace("security", "guards") for path, text in FILES.items()}
    assert revokers(read(files).catalogue) == ("owners",)


def test_settings_name_who_revokes() -> None:
    catalogue = policy("{revoke: ['person:dan']}").catalogue
    assert may_revoke(catalogue, ALICES, AT) == ("dan",)


def test_the_manager_and_the_sponsor_end_what_they_asked_for_as_well() -> None:
    directory = FILES["policies/directory/people.yaml"].replace("owners: [dba]}", "owners: [dba], sponsor: dan}")
    settings = SETTINGS + "limits: {end: [manager, sponsor]}\n"
    catalogue = read(
        {**FILES, "policies/daypass.yaml": settings, "policies/directory/people.yaml": directory}
    ).catalogue
    assert may_end(catalogue, Ending("orders-db", "alice", "bob"), AT) == ("bob",)
    assert may_end(catalogue, Ending("orders-db", "nightly", "dan"), AT) == ("dan",)


def test_who_has_left_ends_nothing() -> None:
    late = AT.replace(year=2027)  # vera's vendor has ended by then
    assert may_end(policy().catalogue, ALICES, late) == ("alice", "bob", "carol")


def test_where_only_what_is_signed_counts_who_has_no_key_ends_nothing() -> None:
    assert may_end(policy("{unsigned: refuse}").catalogue, ALICES, AT) == ()
    assert may_revoke(policy("{unsigned: refuse}").catalogue, ALICES, AT) == ()


def test_workloads_and_strangers_end_nothing() -> None:
    catalogue = policy().catalogue
    assert may_end(catalogue, Ending("orders-db", "nightly", "nobody"), AT) == ("bob", "carol")


def test_a_resource_that_nobody_knows_has_no_owners() -> None:
    assert owners(policy().catalogue, Ending("gone", "alice"), AT) == ()
    assert may_end(policy().catalogue, Ending("gone", "alice"), AT) == ("alice",)


def test_pausing_is_off_until_it_is_said() -> None:
    assert not policy().catalogue.settings.limits.pause
    assert policy("{pause: true}").catalogue.settings.limits.pause


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ("{end: ['group:nobody']}", "unknown-group"),
        ("{revoke: ['person:nobody']}", "unknown-member"),
        ("{end: ['on-call:x']}", "bad-pattern"),
        ("{revoke: [subject]}", "bad-pattern"),
        ("{end: []}", "too-few"),
    ],
)
def test_sources_that_make_no_sense_are_findings(limits: str, code: str) -> None:
    assert [f.code for f in policy(limits).broken] == [code]
