from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import pytest
import requests

from conformance.suite import NAME, TargetContract
from daypass.core.bounds.settings import TargetSettings
from daypass.core.ids import canonical
from daypass.core.plan import Entitlement
from daypass.edges.targets.github.target import GitHubTarget, open_github
from daypass.edges.targets.registry import Known
from daypass.ports import Dated, Fingerprinting, Inviting, Numbering, Observing, Target, Timed
from github_double import App, Double

LEAST: Mapping[str, str] = {"administration": "write", "members": "write", "metadata": "read"}
"""What the whole contract runs with, as docs/targets/github.md gives it."""

WEAK = {"administration": "read", "members": "read"}


class Place:
    """An organisation with one repository and one team; whoever is welcome is a member of it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.hub = Double(folder).__enter__()
        self.org = self.hub.org("acme", 50_000_001)
        self.hub.team(self.org, "dba")
        self.repository = self.hub.repository("acme/app")
        self.app = self.make_app("daypass-targets", LEAST)
        self.waits: list[float] = []

    def make_app(self, slug: str, permissions: Mapping[str, str]) -> App:
        return self.hub.app(slug, permissions=permissions, repositories=["acme/app"])

    def close(self) -> None:
        self.hub.faults.clear()
        self.hub.__exit__(None, None, None)


class TestGitHub(TargetContract):
    kind = "github"
    abilities = frozenset({Observing, Fingerprinting, Inviting, Dated, Numbering, Timed})
    observing = 17  # 2 for a token, 11 for the repository, 4 for the team
    examples = 8
    principals = ("700001", "700002", "700003")
    privileges = ({"repository": "acme/app", "permission": "push"}, {"team": "dba", "role": "member"})
    lacks = MappingProxyType(
        {
            "resources": "GitHub holds no word of ours beside a membership; two resources that name one place are refused",
            "principals' names": "a principal is the account's number: its login may change, and is asked for when it is needed",
        }
    )

    @pytest.fixture(autouse=True)
    def _places(self) -> Iterator[None]:
        self.places: dict[Path, Place] = {}
        yield
        for place in self.places.values():
            place.close()

    def place(self, folder: Path) -> Place:
        if folder not in self.places:
            self.places[folder] = Place(folder)
        return self.places[folder]

    def make(self, folder: Path) -> GitHubTarget:
        return self._open(folder, self.place(folder).app)

    def _open(self, folder: Path, app: App | None, token: str = "") -> GitHubTarget:
        place = self.place(folder)
        credential = {"app_id_env": "ID", "app_key_env": "KEY"} if app is not None else {"token_env": "TOKEN"}
        environ = {"ID": str(app.id), "KEY": app.private_key} if app is not None else {"TOKEN": token}
        options = {"organisation": "acme", "api_url": place.hub.url, **credential}
        named = frozenset(("orders-db", canonical(dict(privilege))) for privilege in self.privileges)
        return open_github(TargetSettings(NAME, "github", options), environ, Known(named), place.waits.append)

    def forget(self, folder: Path) -> None:
        if folder in self.places:
            self.places.pop(folder).close()

    def spoil(self, target: Target) -> None:
        for place in self.places.values():
            place.app.uninstalled = True

    def enters(self, folder: Path, one: Entitlement, handover: str) -> bool:
        """Ask for the repository as that person, with a token of their own."""
        place = self.place(folder)
        hub = place.hub
        token = hub.token(hub.accounts[int(one.principal)])
        url = f"{hub.url}/repositories/{place.repository.id}"
        answer = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=15)
        assert answer.status_code in (200, 404)
        return answer.status_code == 200 and answer.json()["permissions"]["push"] is True

    def calls(self, folder: Path) -> int:
        return len(self.place(folder).hub.calls)

    def welcome(self, folder: Path, ones: Iterable[Entitlement]) -> None:
        place = self.place(folder)
        for one in ones:
            number = int(one.principal)
            if number not in place.hub.accounts:
                place.hub.user(f"person-{number}", number)
            place.org.members[number] = "member"

    def give_many(self, target: Target, folder: Path, ones: Sequence[Entitlement]) -> None:
        first, *others = ones
        self.give(target, first)
        place = self.place(folder)
        for one in others:  # each would take four calls
            place.repository.collaborate(place.hub.accounts[int(one.principal)], "write")

    def takes(self, principal: str) -> bool:
        return re.fullmatch(r"[1-9][0-9]{0,15}", principal, re.ASCII) is not None

    def numbered(self, n: int) -> str:
        return str(800_000 + n)

    def stranger(self, folder: Path) -> Entitlement:
        return self.named("999999")

    def strange_privilege(self, folder: Path) -> Entitlement:
        return self.one()._replace(privilege=canonical({"team": "no-such-team"}))

    def cut(self, folder: Path, moment: str) -> None:
        faults = self.place(folder).hub.faults
        if moment == "before":
            faults.add("*", ".*", times=10**6, drop=True)
        else:
            for verb in ("PUT", "DELETE"):
                faults.add(verb, ".*", times=9, drop=True, after_effect=moment == "after")

    def mend(self, folder: Path) -> None:
        self.place(folder).hub.faults.clear()

    def rename_place(self, folder: Path, one: Entitlement) -> None:
        place = self.place(folder)
        place.hub.rename(place.repository, "renamed")

    def anew_place(self, folder: Path, one: Entitlement) -> None:
        place = self.place(folder)
        del place.hub.repositories["acme/app"]
        shutil.rmtree(place.repository.path)
        place.repository = place.hub.repository("acme/app")

    def with_credential(self, folder: Path, state: str) -> tuple[Target, str, str]:
        place = self.place(folder)
        if state in ("wrong", "expired"):
            token = "github_pat_nobodys" if state == "wrong" else place.hub.token(place.hub.user("boss", 700_009))
            if state == "expired":
                place.hub.tokens[token].expires_at = place.hub.now() - timedelta(days=1)
            return self._open(folder, None, token), "Bad credentials", token
        permissions, words = {
            "too weak": (WEAK, "administration"),
            "too strong": ({**LEAST, "contents": "write"}, "contents: write"),
        }[state]
        app = place.make_app("another", permissions)
        return self._open(folder, app), words, app.private_key

    def least_privilege(self) -> str:
        return "".join(f"{name}: {level}\n" for name, level in LEAST.items())

    def slowed(self, folder: Path, seconds: int) -> tuple[Target, Sequence[float]]:
        place = self.place(folder)
        body = {"message": "You have exceeded a secondary rate limit"}
        place.hub.faults.add("GET", "/repos/.*", status=429, headers={"Retry-After": str(seconds)}, body=body)
        return self.make(folder), place.waits
