"""`daypass setup` where GitHub, the App, the clone or an answer is another than setup is written for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from administrator import REPOSITORY, TEAM, Administrator
from github_double.state import Rule
from hub import git

FIRST_FIVE = ["", "", "", "", "", "n"]
WHOLE = {"id": 7, "slug": "daypass-acme", "owner": {"login": "acme"}, "pem": "a key"}
"""What GitHub tells of an App that was made, but for its key, which is none."""


@pytest.fixture
def olga(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Administrator]:
    with Administrator(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def access(olga: Administrator) -> Path:
    olga.run("init", "access", "--github", REPOSITORY, answers=[TEAM])
    olga.questions.clear()
    return olga.top / "access"


@pytest.mark.parametrize("lost", [*WHOLE, "all but the key's sense"])
def test_an_answer_about_the_app_that_lacks_something_keeps_nothing_and_says_what_to_delete(olga, access, lost):
    told = {name: value for name, value in WHOLE.items() if name != lost}
    olga.double.faults.add("POST", "/app-manifests/.*", status=201, body=told, after_effect=True, times=9)
    said = olga.run("setup", folder=access, expect=1)
    assert "daypass: an App was made, and its key is kept nowhere: " in said.err
    there = f"{olga.double.server_url}/organizations/acme/settings/apps/daypass-acme/advanced"
    assert f"hint: delete it ({there}), and run the command again" in said.err
    assert "DAYPASS_APP_KEY" not in olga.environment.secrets
    assert "DAYPASS_APP_ID" not in olga.repo.extras.get("variables", {})


@pytest.mark.parametrize("wrong", ["no key", "another's key", "another's App"])
def test_a_key_that_is_not_the_apps_is_not_kept_and_the_next_run_asks_again(olga, access, wrong):
    pem, foreign = olga.top / "down.pem", olga.double.app("foreign", permissions={}, repositories=[])
    foreign.owner = olga.me
    other = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    kept = {"no key": b"hello\n", "another's key": other, "another's App": foreign.private_key.encode()}[wrong]
    seen: list[str] = []

    def answer(question: str) -> str:
        if "name in its address" in question:
            seen.append(sys.stderr.getvalue())
            if len(seen) == 1:
                (address,) = re.findall(r"(?m)^  (http\S+/apps/new\?\S+)$", seen[0])
                del olga.double.apps[foreign.id]
                pem.write_bytes(kept)
                olga.makes_by_hand(address)
                olga.double.apps[foreign.id] = foreign
                return "foreign" if wrong == "another's App" else "daypass-acme"
            (app,) = (one for one in olga.double.apps.values() if one is not foreign)
            pem.write_text(app.private_key, encoding="ascii")
            return app.slug
        return str(pem) if "private key" in question else "n" if "secrets" in question else ""

    olga.answer = answer
    said = olga.run("setup", "--no-browser", folder=access, expect=None)
    assert said.code in (1, 2)
    told = {
        "no key": "the App's key is no private key in PEM",
        "another's key": "GitHub takes this key for none of the App daypass-acme: A JSON web token could not be decoded\n"
        f"  hint: Generate a private key on its page ({olga.double.server_url}/organizations/acme/settings/apps/daypass-acme)",
        "another's App": "acme has no App foreign",
    }[wrong]
    assert told in said.err
    assert "DAYPASS_APP_KEY" not in olga.environment.secrets

    def installs_elsewhere() -> None:
        olga.browse(re.findall(r"http\S+/installations/new", sys.stderr.getvalue())[0])

    olga.meanwhile = installs_elsewhere
    olga.run("setup", "--no-browser", folder=access, expect=14)
    assert (
        "daypass-acme is there already. If it was made for acme/access, Generate a private key on its page" in seen[1]
    )
    assert olga.environment.values["DAYPASS_APP_KEY"] == pem.read_text(encoding="ascii")


@pytest.mark.parametrize("place", ["there", "no/folder"])
def test_where_the_apps_key_is_to_be_written_is_looked_at_before_the_app_is_made(olga, access, place):
    (olga.top / "there").write_text("mine\n", encoding="ascii")
    said = olga.run("setup", "--keep-app-key", str(olga.top / place), folder=access, expect=2)
    assert ("is there already" if place == "there" else "cannot be written to") in said.err
    assert (olga.top / "there").read_text(encoding="ascii") == "mine\n"
    assert not olga.double.apps


def test_who_wants_the_key_of_an_app_that_is_there_in_a_file_is_told_that_it_is_told_once(olga, access):
    olga.run("setup", folder=access, answers=["y", "y", "n"], expect=14)
    place = olga.top / "the-app.pem"
    said = olga.run("setup", "--keep-app-key", str(place), folder=access, answers=["n"], expect=14)
    assert f"nothing is written to {place}: GitHub tells the key once, when the App is made" in said.err
    git(access, "reset", "-q", "--hard", "HEAD~1")
    said = olga.run("setup", "--keep-app-key", str(place), folder=access, answers=["y", "n"], expect=14)
    assert f"nothing is written to {place}: " in said.err
    assert not place.exists()


@pytest.mark.parametrize(
    ("owner", "told"),
    [
        ("bob-other", "bob-other is another person's account, and your token is of olga-platform"),
        ("nobody", "GitHub has no account nobody, or none that you are shown"),
    ],
)
def test_nothing_is_made_for_an_owner_who_is_somebody_else_or_nobody(olga, owner, told):
    olga.double.user("bob-other", 999)
    olga.run("init", "mine", "--github", f"{owner}/access", "--owners", TEAM)
    said = olga.run("setup", folder=olga.top / "mine", expect=1)
    assert (
        f"daypass: {told}\n  hint: name your own account or an organisation of yours: forge.repository in" in said.err
    )
    assert not olga.double.repositories


def test_the_number_of_another_app_in_the_variable_is_put_right_by_what_main_says(olga, access):
    olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    (app,) = olga.double.apps.values()
    main = git(access, "rev-parse", "main")
    olga.repo.extras["variables"]["DAYPASS_APP_ID"] = "999"
    said = olga.run("setup", folder=access, answers=["", "n"], expect=14)
    assert f"done: GitHub App: daypass-acme (id {app.id}, " in said.err
    assert olga.repo.extras["variables"]["DAYPASS_APP_ID"] == str(app.id)
    assert git(access, "rev-parse", "main") == main


def test_a_clone_that_is_behind_takes_over_what_others_pushed_before_it_commits(olga, access):
    olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    git(olga.top, "clone", "-q", str(olga.repo.path), "other")
    other = olga.top / "other"
    (other / "NOTES.md").write_text("Ours.\n", encoding="utf-8")
    git(other, "add", "-A")
    git(other, "commit", "-q", "-m", "Say more")
    git(other, "push", "-q", "origin", "main")
    olga.run("setup", "--people", f"acme/{TEAM}", folder=access, answers=["", "n"], expect=14)
    assert git(access, "log", "-3", "--format=%s", "main").splitlines()[:2] == [
        "Name the team that says who has left",
        "Say more",
    ]
    assert git(access, "rev-parse", "main") == git(olga.repo.path, "rev-parse", "main")


def test_an_archived_repository_is_told_before_anything_is_asked(olga, access):
    olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    olga.questions.clear()
    olga.repo.archived = True
    said = olga.run("setup", folder=access, expect=1)
    assert "daypass: acme/access is archived: nothing can be changed there\n  hint: unarchive it (" in said.err
    assert not olga.questions


def test_an_installation_that_is_suspended_is_none_until_it_is_let_go_on(olga, access):
    olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    (app,) = olga.double.apps.values()
    app.suspended = True

    def lets_go_on() -> None:
        app.suspended = False

    olga.meanwhile = lets_go_on
    said = olga.run("setup", folder=access, answers=["", "n"], expect=14)
    where = f"{olga.double.server_url}/organizations/acme/settings/installations"
    assert f"its installation is suspended: Unsuspend it ({where})" in said.err
    assert "done: installation: daypass-acme on selected repositories" in said.err


def test_a_self_test_that_nobody_answers_says_where_its_runs_are(olga, access):
    said = olga.run("setup", folder=access, expect=1)
    runs = f"{olga.double.server_url}/{REPOSITORY}/actions"
    assert f"hint: see what its runs say ({runs}), then run the command again: it goes on from here" in said.err


@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "Members of acme cannot make private repositories"), (422, "name already exists on this account")],
)
def test_who_may_not_make_the_repository_is_told_who_may(olga, access, status, words):
    olga.double.faults.add("POST", "/orgs/acme/repos", status=status, body={"message": words})
    said = olga.run("setup", folder=access, expect=1)
    assert (
        f"daypass: you cannot make acme/access: {words}\n  hint: have an owner make it, empty and private, or"
        in said.err
    )


@pytest.mark.parametrize("name", ["https://github.com/organizations/acme/settings/apps/daypass-acme", " ", "é"])
def test_what_is_no_name_of_an_app_is_refused_with_what_one_looks_like(olga, access, name):
    olga.answer = lambda question: name if "NAME" in question else ""
    said = olga.run("setup", "--no-browser", folder=access, expect=2)
    assert "is no name of an App\n  hint: what stands last in the address of its page, as in daypass-acme\n" in said.err


def test_a_pause_that_github_asks_for_is_said(olga, access):
    olga.double.faults.secondary_limit("POST", "/orgs/acme/repos", retry_after=60)
    said = olga.run("setup", folder=access, answers=["", "n"], expect=14)
    assert "  GitHub asks for a pause of 60 s\n  done: repository: " in said.err
    assert olga.waited == 60


def test_an_environment_that_lets_runs_wait_is_mended_and_what_it_was_is_said(olga, access):
    olga.run("setup", folder=access, answers=["", "n"], expect=14)
    olga.environment.wait, olga.environment.reviewers = 30, [olga.me]
    said = olga.run("setup", folder=access, answers=["", "n"], expect=14)
    told = "each run that gives or takes access waits for 30 minutes and somebody's approval: the environment daypass"
    assert f"environment: mend this: {told} asks for it [environment-waits]" in said.err
    assert (olga.environment.wait, olga.environment.reviewers) == (0, [])
    assert list(olga.environment.policies.values()) == [("main", "branch")]


@pytest.mark.parametrize("stop", range(1, 5))
def test_a_self_test_that_is_killed_at_each_wait_in_turn_is_gone_through_in_the_end(olga, access, stop):
    olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    waits: list[str] = []

    def breaks_off() -> None:
        waits.append("")
        olga.pipeline()
        if len(waits) == stop:
            raise KeyboardInterrupt

    olga.meanwhile = breaks_off
    first = olga.run("setup", folder=access, expect=None)
    assert (first.code == 1) == (len(waits) >= stop)
    olga.meanwhile = olga.pipeline
    assert "Nothing unsafe was found" in olga.run("setup", folder=access).out
    assert "daypass-self-test" not in git(olga.repo.path, "ls-tree", "-r", "--name-only", "main")
    assert git(access, "status", "--short") == ""


def test_a_self_test_that_is_run_again_soon_after_it_passed_is_not_denied(olga, access):
    olga.meanwhile = olga.pipeline
    fault = olga.double.faults.add("PUT", f"/repos/{REPOSITORY}/rulesets/.*", status=500, times=99)
    olga.run("setup", folder=access, expect=1)
    assert fault.hits
    assert "done: self-test: asked for" in olga.run("setup", folder=access, expect=1).err
    olga.double.faults.clear()
    assert "Nothing unsafe was found" in olga.run("setup", folder=access).out


def test_changes_here_that_stand_in_the_way_of_what_others_pushed_are_told(olga, access):
    olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    git(olga.top, "clone", "-q", str(olga.repo.path), "other")
    for place in (olga.top / "other", access):
        path = place / "policies/daypass.yaml"
        path.write_text(f"{path.read_text(encoding='utf-8')}# of {place.name}\n", encoding="utf-8")
    git(olga.top / "other", "commit", "-q", "-a", "-m", "Say more")
    git(olga.top / "other", "push", "-q", "origin", "main")
    said = olga.run("setup", "--people", f"acme/{TEAM}", folder=access, expect=1)
    assert "what is changed here stands in the way of what main has at GitHub: policies/daypass.yaml\n" in said.err
    assert "hint: commit or stash it (git stash), and run the command again" in said.err


def test_a_key_that_github_cannot_be_sent_is_said_to_be_lost(olga, access):
    odd = {"key": "no key", "key_id": "1"}
    olga.double.faults.add("GET", ".*/secrets/public-key", status=200, body=odd, times=9)
    said = olga.run("setup", folder=access, expect=1)
    assert (
        "an App was made, and its key is kept nowhere: GitHub's key for secrets is no key\n  hint: delete it"
        in said.err
    )


def test_a_request_of_the_self_test_that_is_refused_says_how_to_go_on(olga, access):
    olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    rule = "version: 1\nrules:\n  - {id: never, when: 'true', deny_unless: 'false', message: Not now.}\n"
    (access / "policies/rules/never.yaml").write_text(rule, encoding="utf-8")
    git(access, "add", "-A")
    git(access, "commit", "-q", "-m", "Let nobody in")
    olga.meanwhile = olga.pipeline
    said = olga.run("setup", folder=access, expect=1)
    assert "daypass: #1 is refused: denied by policy\n  hint: see http" in said.err
    assert "/pull/1; put it right, close this one, and run the command again" in said.err


def test_without_a_terminal_a_question_says_that_nobody_answers(olga, access):
    told = {"GH_TOKEN": olga.token, "GITHUB_API_URL": olga.double.url, "GITHUB_SERVER_URL": olga.double.server_url}
    done = subprocess.run(
        [sys.executable, "-m", "daypass", "setup"], cwd=access, env={**os.environ, **told}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "\ndaypass: a question was asked, and the input has ended; nothing was written at the forge" in done.stderr
    assert "hint: answer at a terminal, or see `--help` for what is asked without one" in done.stderr


def test_an_app_that_is_made_anew_keeps_its_number_until_main_names_it(olga, access):
    olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    (old,) = olga.double.apps.values()
    olga.deletes_the_app()
    olga.environment.secrets.remove("DAYPASS_APP_KEY")
    for _ in range(2):
        said = olga.run("setup", folder=access, expect=2)
        (app,) = olga.double.apps.values()
        assert app.id != old.id
        assert f'app: {app.id}, bot: {{login: "daypass-acme[bot]", id: {app.bot.id}}}' in said.err
        assert olga.repo.extras["variables"]["DAYPASS_APP_ID"] == str(app.id)


def test_an_app_that_lacks_something_is_said_before_the_self_test_waits_for_it(olga, access):
    olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    (app,) = olga.double.apps.values()
    del app.permissions["statuses"]
    said = olga.run("setup", folder=access, expect=1)
    assert "daypass: the App daypass-acme lacks statuses: write [app-narrow]\n  hint: give it that (" in said.err
    assert not olga.repo.pulls
    assert not olga.waited


@pytest.mark.parametrize("kept", [False, True])
def test_the_branches_of_the_self_test_go_with_it_as_far_as_they_may(olga, access, kept):
    olga.meanwhile = olga.pipeline
    if kept:
        olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
        olga.double.ruleset(olga.repo, "all", [Rule("deletion")], include=["~ALL"])
    olga.run("setup", folder=access)
    heads = git(olga.repo.path, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()
    tests = ["daypass-self-test-end", "daypass-self-test-try"]
    assert heads == ["daypass-ledger", *(tests if kept else []), "main"]


def test_a_limit_and_a_fence_are_not_taken_for_a_repository_that_may_not_be_made(olga, access):
    olga.double.faults.primary_limit("POST", "/orgs/acme/repos", resets_in=1800)
    said = olga.run("setup", folder=access, expect=1)
    assert "daypass: GitHub's rate limit turns away POST /orgs/acme/repos until " in said.err
    words = {"message": "Resource protected by organization SAML enforcement."}
    olga.double.faults.add("POST", "/orgs/acme/repos", status=403, body=words)
    assert "hint: authorise this token for the organisation" in olga.run("setup", folder=access, expect=1).err
