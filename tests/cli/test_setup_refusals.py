"""Where `daypass setup` stops, what it says then, and that nothing was made of what it could not finish."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from administrator import REPOSITORY, TEAM, Administrator
from daypass.core.errors import EdgeError
from daypass.edges.forges.github.founding.sealed import seal
from hub import git


@pytest.fixture
def olga(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Administrator]:
    with Administrator(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def access(olga: Administrator) -> Path:
    olga.run("init", "access", "--github", REPOSITORY, "--owners", TEAM, "--target", "postgres")
    return olga.top / "access"


def test_without_a_token_nothing_is_asked_of_github(olga, access, monkeypatch):
    monkeypatch.setattr("daypass.cli.founding._gh", lambda *_: "")
    said = olga.run("setup", folder=access, token=False, expect=1)
    assert (
        "there is no token of yours here\n  hint: gh auth login --hostname 127.0.0.1 --scopes repo,workflow,admin:org, or set GH_TOKEN"
        in said.err
    )
    assert not olga.double.calls


def test_the_ledgers_key_has_to_be_here(olga, access):
    shutil.rmtree(next(Path.home().rglob("keys")))
    said = olga.run("setup", folder=access, expect=1)
    assert "the signing key of the ledger is not on this machine" in said.err
    assert "DAYPASS_LEDGER_KEY" not in olga.environment.secrets


def test_what_a_target_is_reached_by_may_come_from_the_environment(olga, access, monkeypatch):
    olga.extra = {"EXAMPLE_DB_URL": "postgresql://daypass:a-secret-word@db.example:5432/orders"}
    said = olga.run("setup", folder=access, answers=["", "", "", "n"], expect=14)
    assert "put EXAMPLE_DB_URL into the environment daypass (from your environment)" in said.err
    assert olga.environment.values["EXAMPLE_DB_URL"].endswith("@db.example:5432/orders")
    settings = (access / "policies/daypass.yaml").read_text(encoding="utf-8")
    assert 'url_env: EXAMPLE_DB_URL, host: "db.example:5432"' in settings
    assert "a-secret-word" not in settings + said.out + said.err


def test_the_private_key_of_a_target_comes_from_a_file(olga):
    olga.run("init", "hosts", "--github", REPOSITORY, "--owners", TEAM, "--target", "ssh")
    key = olga.top / "ca.pem"
    private = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(*private))
    olga.answer = lambda question: "n" if "teams" in question else str(key) if "EXAMPLE_SSH_CA" in question else ""
    said = olga.run("setup", folder=olga.top / "hosts", expect=14)
    assert "put EXAMPLE_SSH_CA into the environment daypass (from a file that you name)" in said.err
    assert olga.environment.values["EXAMPLE_SSH_CA"] == key.read_text(encoding="ascii")
    settings = (olga.top / "hosts/policies/daypass.yaml").read_text(encoding="utf-8")
    assert "ca_key_env: EXAMPLE_SSH_CA, ca: ssh-ed25519 " in settings


def test_nothing_is_committed_on_another_branch(olga, access):
    git(access, "switch", "-q", "-c", "mine")
    said = olga.run("setup", folder=access, expect=1)
    assert "another branch than main is checked out here\n  hint: git switch main" in said.err


def test_two_people_of_one_handle_are_told_apart_by_whoever_owns_the_directory(olga, access):
    other = olga.double.user("olga", 999)
    olga.org.teams[TEAM].members[other.id] = "member"
    olga.extra = {"EXAMPLE_DB_URL": "postgresql://daypass@db.example:5432/orders"}
    said = olga.run("setup", folder=access, expect=1)
    assert "the directory has another olga than the account olga" in said.err


@pytest.mark.parametrize(
    ("name", "told"),
    [("Not A Name", "'Not A Name' is no name of an App"), ("daypass-acme", "the key cannot be read from ")],
)
def test_an_app_that_was_made_by_hand_is_named_and_its_key_is_there(olga, access, name, told):
    olga.answer = lambda question: (
        name if "name in its address" in question else "/nowhere/at.pem" if "file" in question else ""
    )
    said = olga.run("setup", "--no-browser", folder=access, expect=None)
    assert said.code in (1, 2)
    assert told in said.err
    assert "DAYPASS_APP_KEY" not in olga.environment.secrets


@pytest.mark.parametrize("key", ["", "AAAA", "not base64!"])
def test_what_is_no_key_of_githubs_seals_nothing(key):
    with pytest.raises(EdgeError, match="GitHub's key for secrets is no key"):
        seal(key, "a secret")
