"""Other GitHubs than github.com, and what keeps us out of one: each is said with what to do, and nothing ends late for it."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest
import requests

from daypass.core.window import format_instant
from doctor_world import write
from github_double.double import Double
from hub import REPOSITORY, Hub

SETTINGS, PEOPLE = "policies/daypass.yaml", "policies/directory/people.yaml"
ORDERS = "policies/resources/orders-db.yaml"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path, simulated=True) as made:
        yield made


def at(hub: Hub) -> tuple[str, str]:
    return "--at", format_instant(hub.now())


def given(hub: Hub, *, apply: bool = True) -> None:
    """Let alice have access, until two hours from now."""
    number = hub.request_pull("alice", hub.grant())
    for who in ("bob", "dave"):
        hub.approve(number, who)
    hub.run("gate", *at(hub))
    if apply:
        hub.run("apply", *at(hub))


KEPT_OUT: list[tuple[str, Callable[[Hub], object], str, str]] = [
    (
        "addresses",
        lambda hub: hub.double.allow_lists.add("acme"),
        "the `acme` organization has an IP allow list enabled",
        "hint: the organisation lets in other addresses than this machine's: run it on a machine of yours",
    ),
    (
        "renamed",
        lambda hub: hub.double.rename(hub.repo, "access2"),
        "GitHub has moved /repos/acme/access/installation elsewhere",
        "hint: the repository was renamed or moved: name it anew in policies/daypass.yaml",
    ),
    (
        "archived",
        lambda hub: setattr(hub.repo, "archived", True),
        "does not take daypass-ledger: remote: This repository was archived so it is read-only.",
        "hint: unarchive the repository: nothing can be recorded there meanwhile",
    ),
]


@pytest.mark.parametrize(("what", "spoil", "said", "hint"), KEPT_OUT, ids=[row[0] for row in KEPT_OUT])
def test_what_has_ended_is_taken_away_while_github_keeps_us_out_and_recorded_once_it_does_not(
    hub: Hub, what: str, spoil: Callable[[Hub], object], said: str, hint: str
) -> None:
    given(hub)
    hub.double.advance(hours=2, minutes=1)
    spoil(hub)
    run = hub.run("expire", *at(hub), expect=14)
    assert said in run.err
    assert hint in run.err
    assert re.search(r"ok +- alice", run.out)
    if what == "renamed":
        return  # a name is changed in the settings, by a reviewed change
    hub.double.allow_lists.clear()
    hub.repo.archived = False
    hub.run("expire", *at(hub))
    assert "No changes: 0 live" in hub.run("apply", *at(hub)).out


@pytest.mark.parametrize(
    ("what", "expect", "said"),
    [
        ("addresses", 1, "answered 403 to GET /repos/acme/access/installation"),
        ("renamed", 1, "GitHub has moved /repos/acme"),
    ],
)
def test_the_gate_merges_nothing_while_github_keeps_it_out(hub: Hub, what: str, expect: int, said: str) -> None:
    number = hub.request_pull("alice", hub.grant())
    next(row[1] for row in KEPT_OUT if row[0] == what)(hub)
    run = hub.run("gate", str(number), *at(hub), expect=expect)
    assert said in run.err
    assert next(row[3] for row in KEPT_OUT if row[0] == what) in run.err


def test_a_request_in_an_archived_repository_stays_open_with_the_reason(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    for who in ("bob", "dave"):
        hub.approve(number, who)
    hub.repo.archived = True
    run = hub.run("gate", *at(hub), expect=14)
    assert "it was not merged: GitHub refused to merge #1 (403): Repository was archived so is read-only." in run.out
    assert "unarchive the repository: nothing is merged, given or recorded meanwhile" in run.out


@pytest.mark.parametrize("silent", [False, True])
def test_a_gate_that_github_s_rules_refuse_is_green_where_the_request_says_so(tmp_path: Path, silent: bool) -> None:
    with Hub(tmp_path, simulated=True, protected=True) as hub:
        number = hub.request_pull("alice", hub.grant(resource="staging", role="deploy"))  # which policy lets pass
        hub.repo.rulesets[0].bypass.clear()
        if silent:
            hub.double.faults.add("POST", rf"/repos/{REPOSITORY}/issues/{number}/comments", status=403, times=9)
        told = tmp_path / "told"
        run = hub.run("gate", *at(hub), expect=14, environ={"DAYPASS_TOLD": str(told)})
        assert "everything is there, but GitHub does not let it be merged" in run.out
        assert told.exists() is not silent


def test_a_token_that_the_organisation_s_saml_was_not_asked_for_is_told_where_it_is_authorised(hub: Hub) -> None:
    given(hub)
    hub.double.sso.add("acme")
    by_git = hub.run("status", *at(hub), who="olga", expect=1)
    assert "The `acme' organization has enabled or enforced SAML SSO." in by_git.err
    assert "hint: authorise this token for the organisation, or act as the App, which needs none\n" in by_git.err
    hub.run("gate", *at(hub))  # the App's needs no authorising
    hub.run("expire", *at(hub))


def test_where_a_token_is_authorised_is_named_as_github_says_it(hub: Hub) -> None:
    address = "https://github.com/orgs/acme/sso?authorization_request=A1"
    body = {"message": "Resource protected by organization SAML enforcement. You must grant your token access to it."}
    sso = {"X-GitHub-SSO": f"required; url={address}"}
    hub.double.faults.add("GET", f"/repos/{REPOSITORY}", status=403, headers=sso, body=body, times=9)
    run = hub.run("doctor", who="olga", expect=1)
    assert (
        f"hint: authorise this token for the organisation at {address}, or act as the App, which needs none" in run.err
    )


def test_managed_users_ask_and_approve_by_their_own_logins(hub: Hub) -> None:
    """Their logins end in the enterprise's short code: alice-ngo_acme."""
    for user in hub.people.values():
        user.login = f"{user.login}_acme"
    write(hub, PEOPLE, lambda text: re.sub(r"login: ([A-Za-z0-9-]+)", r"login: \1_acme", text))
    number = hub.request_pull("alice", hub.grant())
    hub.run("gate", str(number), *at(hub), expect=12)
    for who in ("bob", "dave"):
        hub.approve(number, who)
    hub.run("gate", str(number), *at(hub))
    hub.run("apply", *at(hub))
    assert hub.pull(number)["merged"] is True


def pinned(hub: Hub, **options: str) -> None:
    told = "".join(f"{key}: {value}, " for key, value in options.items())
    write(hub, SETTINGS, lambda text: text.replace("repository: ", f"{told}repository: "))


def test_another_server_is_named_by_the_settings_alone(hub: Hub) -> None:
    pinned(hub, server_url=f'"{hub.double.server_url}"')
    unsaid = {"GITHUB_API_URL": "", "GITHUB_SERVER_URL": ""}
    number = hub.request_pull("alice", hub.grant())
    for who in ("bob", "dave"):
        hub.approve(number, who)
    hub.run("gate", str(number), *at(hub), environ=unsaid)
    hub.run("apply", *at(hub), environ=unsaid)
    assert hub.pull(number)["merged"] is True


def test_data_residency_is_named_by_the_settings_alone(tmp_path: Path) -> None:
    with Hub(tmp_path, simulated=True, residency=True) as hub:
        pinned(hub, server_url=f'"{hub.double.server_url}"', api_url=f'"{hub.double.url}"')
        unsaid = {"GITHUB_API_URL": "", "GITHUB_SERVER_URL": ""}
        number = hub.request_pull("alice", hub.grant())
        for who in ("bob", "dave"):
            hub.approve(number, who)
        hub.calls.clear()
        hub.run("gate", *at(hub), environ=unsaid)  # without a number it asks by GraphQL
        assert "/graphql" in {call.path for call in hub.calls}
        assert "window opened" in hub.run("apply", *at(hub), environ=unsaid).out
        assert hub.pull(number)["merged"] is True
        olga = {"Authorization": f"Bearer {hub.tokens['olga']}"}
        there = [hub.double.url, f"{hub.double.server_url}/api/v3"]
        found = [requests.get(f"{api}/repos/{REPOSITORY}", headers=olga, timeout=10).ok for api in there]
        assert found == [True, False]


class Listener:
    """Somebody else's server, that counts who connects and says nothing."""

    def __enter__(self) -> Self:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(0)
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        return self

    def __exit__(self, *failure: object) -> None:
        self.socket.close()

    def connected(self) -> int:
        """How many connections came since this was asked last."""
        count = 0
        while True:
            try:
                self.socket.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1


@pytest.mark.parametrize("overwritten", [True, False], ids=["overwritten", "as main names it"])
def test_a_target_s_secret_that_a_writer_overwrote_is_sent_nowhere_and_other_targets_go_on(
    hub: Hub, overwritten: bool
) -> None:
    with Listener() as theirs:
        host = "db.example.com:5432" if overwritten else theirs.address
        target = f'  example: {{kind: postgres, url_env: EXAMPLE_DB_URL, host: "{host}"}}'
        line = "  embedded: {kind: embedded}"
        write(hub, SETTINGS, lambda text: text.replace(line, f"{line}\n{target}"))
        write(hub, ORDERS, lambda text: text.replace("target: embedded", "target: example"))
        given(hub, apply=False)
        hub.request_pull("carol", hub.grant(subject="carol", resource="staging", role="deploy"))  # policy lets it pass
        hub.run("gate", *at(hub))
        secret = {"EXAMPLE_DB_URL": f"postgresql://daypass:a-long-secret@{theirs.address}/orders?connect_timeout=2"}
        run = hub.run("apply", *at(hub), environ=secret, expect=14)
        assert ("[secret-elsewhere]" in run.out + run.err) is overwritten
        assert (theirs.connected() == 0) is overwritten
        assert "a-long-secret" not in run.out + run.err
        assert re.search(r"ok +\+ carol .* on staging", run.out)
        assert not re.search(r"ok +\+ alice", run.out)


def test_no_token_goes_to_a_server_that_the_settings_do_not_name(
    hub: Hub, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pinned(hub, server_url=f'"{hub.double.server_url}"')
    with Double(tmp_path_factory.mktemp("other")) as other:
        for variable, value in (("GITHUB_API_URL", other.url), ("GITHUB_SERVER_URL", other.server_url)):
            run = hub.run("gate", *at(hub), environ={variable: value}, expect=1)
            assert f"{variable} names another GitHub than main's settings" in run.err
            assert "[secret-elsewhere]" in run.err
        assert other.calls == []


def test_another_app_than_main_names_asks_nothing_and_does_nothing(hub: Hub) -> None:
    hub.calls.clear()
    run = hub.run("gate", *at(hub), environ={"DAYPASS_APP_ID": "99"}, expect=1)
    assert (
        "DAYPASS_APP_ID names another App than main's settings, which say app: 77001 (forge.app in policies/" in run.err
    )
    assert hub.calls == []
