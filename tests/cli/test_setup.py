"""`daypass setup` at the double: what it makes, in which order, what it asks, and that it may be run again."""

from __future__ import annotations

import json
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from administrator import REPOSITORY, TEAM, Administrator
from daypass.edges.forges.beginnings import FIRST_TARGETS
from github_double.state import Bypass, Rule
from hub import git

FIRST_FIVE = ["", "", "", "", "", "n"]
"""All but the self-test, for which workflows have to run: tests/e2e/test_setting_up.py."""


@pytest.fixture
def olga(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Administrator]:
    with Administrator(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def access(olga: Administrator) -> Path:
    olga.run("init", "access", "--github", REPOSITORY, answers=[TEAM])
    olga.questions.clear()
    return olga.top / "access"


def test_the_app_is_made_and_its_key_lies_in_the_environment_that_was_kept_for_main_before(olga, access):
    said = olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    assert list(olga.environment.policies.values()) == [("main", "branch")]
    (app,) = olga.double.apps.values()
    assert olga.environment.values["DAYPASS_APP_KEY"] == app.private_key
    assert "PRIVATE KEY" in olga.environment.values["DAYPASS_LEDGER_KEY"]
    assert olga.repo.extras["variables"] == {
        "DAYPASS_APP_ID": str(app.id),
        "DAYPASS_APP_INSTALLATION": str(app.installation),
    }
    assert app.repositories == [REPOSITORY]
    assert "PRIVATE KEY" not in said.out + said.err
    held = [path for path in olga.top.rglob("*") if path.is_file() and path.stat().st_size < 1 << 20]
    assert not [path for path in held if b"RSA PRIVATE KEY" in path.read_bytes()]
    settings = (access / "policies/daypass.yaml").read_text(encoding="utf-8")
    assert f'bot: {{login: "daypass-acme[bot]", id: {app.bot.id}}}' in settings
    sent = [f"{call.method} {call.path.rpartition('/')[2]}" for call in olga.double.calls if call.method != "GET"]
    assert sent.index("POST deployment-branch-policies") < sent.index("PUT DAYPASS_APP_KEY")
    assert olga.double.find(REPOSITORY).private


def test_what_is_there_is_found_and_nothing_is_made_twice(olga, access):
    olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    olga.double.calls.clear()
    olga.questions.clear()
    said = olga.run("setup", folder=access, answers=["n"], expect=14)
    assert len(olga.questions) == 1
    assert {call.method for call in olga.double.calls if "git-" not in call.path} == {"GET"}
    assert said.err.count("to do") == 2


def test_a_dry_run_says_what_it_would_do_and_does_nothing(olga, access):
    said = olga.run("setup", "--dry-run", folder=access, expect=13)
    assert "make the private repository acme/access, empty" in said.err
    assert olga.double.find(REPOSITORY) is None
    assert not olga.questions
    assert not olga.double.apps


def test_who_says_no_is_told_how_to_go_on(olga, access):
    said = olga.run("setup", folder=access, answers=["y", "n"], expect=14)
    assert "Run `daypass setup` again to go on." in said.out
    assert not olga.double.apps
    assert olga.environment.secrets == []


def test_a_key_is_written_to_a_file_only_where_that_is_asked_for(olga, access):
    place = olga.top / "the-app.pem"
    olga.run("setup", "--keep-app-key", str(place), folder=access, answers=["y", "y", "n"], expect=14)
    (app,) = olga.double.apps.values()
    assert place.read_text(encoding="ascii") == app.private_key
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_a_run_that_stopped_after_the_key_was_kept_makes_no_second_app(olga, access):
    olga.run("setup", folder=access, answers=["y", "y", "n"], expect=14)
    git(access, "reset", "-q", "--hard", "HEAD~1")
    olga.run("setup", folder=access, answers=["y", "n"], expect=14)
    assert len(olga.double.apps) == 1
    assert "daypass-acme[bot]" in (access / "policies/daypass.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("after_effect", [False, True])
def test_an_app_whose_number_was_not_kept_is_asked_for_and_none_is_made(olga, access, after_effect):
    olga.double.faults.add("POST", ".*/actions/variables", drop=True, after_effect=after_effect)
    olga.run("setup", folder=access, expect=1)
    olga.run("setup", folder=access, answers=["y", *([] if after_effect else ["daypass-acme"]), "n"], expect=14)
    (app,) = olga.double.apps.values()
    assert olga.repo.extras["variables"]["DAYPASS_APP_ID"] == str(app.id)
    assert f'bot: {{login: "daypass-acme[bot]", id: {app.bot.id}}}' in git(access, "show", "main:policies/daypass.yaml")


def test_an_app_of_somebody_else_is_not_taken_for_the_one_whose_key_is_kept(olga, access):
    olga.double.app("foreign", permissions={}, repositories=[]).owner = olga.me
    olga.double.faults.add("POST", ".*/actions/variables", drop=True)
    olga.run("setup", folder=access, expect=1)
    for named in ("foreign", "nowhere"):
        said = olga.run("setup", folder=access, answers=["y", named], expect=2)
        assert f"acme has no App {named}" in said.err
    assert "DAYPASS_APP_ID" not in olga.repo.extras["variables"]


@pytest.mark.parametrize("lost", ["POST /app-manifests/.*", "PUT .*/secrets/DAYPASS_APP_KEY"])
def test_an_app_whose_key_was_lost_is_said_with_where_to_delete_it(olga, access, lost, monkeypatch):
    method, _, path = lost.partition(" ")
    olga.double.faults.add(method, path, drop=True, after_effect=method == "POST", times=4)
    said = olga.run("setup", folder=access, expect=1)
    there = f"({olga.double.server_url}/organizations/acme/settings/apps/daypass-acme/advanced)"
    assert "an App was made, and its key is kept nowhere" in said.err
    assert f"hint: delete it {there}, and run the command again" in said.err
    olga.double.faults.clear()
    seen = []

    def opens(address: str) -> bool:
        if not seen:
            olga.deletes_the_app()
        seen.append(sys.stderr.getvalue())
        return olga.browse(address)

    monkeypatch.setattr("daypass.cli.founding.browse", opens)
    olga.run("setup", folder=access, answers=["y", "n"], expect=14)
    assert f"daypass-acme is there already. If its key is kept nowhere, delete it first {there}" in seen[0]
    (app,) = olga.double.apps.values()
    assert olga.environment.values["DAYPASS_APP_KEY"] == app.private_key


def test_the_app_of_another_repository_is_not_said_to_be_the_one_without_a_key(olga, access):
    olga.double.app("daypass-acme", permissions={}, repositories=[]).owner = olga.org
    olga.renames_to = "daypass-two"
    olga.double.faults.add("POST", "/app-manifests/.*", drop=True, after_effect=True, times=4)
    said = olga.run("setup", folder=access, expect=1)
    assert f"delete it ({olga.double.server_url}/organizations/acme/settings/apps)" in said.err


def test_an_answer_of_github_with_the_key_that_never_left_is_asked_for_again(olga, access):
    olga.double.faults.add("POST", "/app-manifests/.*", drop=True)
    olga.run("setup", folder=access, answers=["y", "y", "n"], expect=14)
    assert len(olga.double.apps) == 1


def test_without_a_browser_the_address_is_filled_in_and_the_key_comes_from_a_file(olga, access):
    pem = olga.top / "down.pem"

    def answer(question: str) -> str:
        if "name in its address" in question:
            (address,) = re.findall(r"http\S+/apps/new\?\S+", sys.stderr.getvalue())
            app = olga.makes_by_hand(address)
            pem.write_text(app.private_key, encoding="ascii")
            return app.slug
        return str(pem) if "private key" in question else "n" if "secrets" in question else ""

    def installs_elsewhere() -> None:
        (address,) = re.findall(r"http\S+/installations/new", sys.stderr.getvalue())
        olga.browse(address)

    olga.answer, olga.meanwhile = answer, installs_elsewhere
    olga.run("setup", "--no-browser", folder=access, expect=14)
    (app,) = olga.double.apps.values()
    assert olga.environment.values["DAYPASS_APP_KEY"] == app.private_key
    assert app.permissions["statuses"] == "write"


def test_an_installation_on_everything_is_not_taken(olga, access):
    olga.installs_everywhere = True

    def chooses_again() -> None:
        (app,) = olga.double.apps.values()
        app.everywhere, app.repositories[:] = False, [REPOSITORY]

    olga.double.repository("acme/other")
    olga.meanwhile = chooses_again
    said = olga.run("setup", folder=access, answers=["y", "y", "n"], expect=14)
    assert "it is installed on more than this repository" in said.err
    assert "installation: daypass-acme on acme/access alone" in said.err


def test_the_number_of_the_installation_is_kept_by_the_next_run_where_it_was_lost(olga, access):
    olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    variables = olga.repo.extras["variables"]
    kept = dict(variables)
    for lost in ("", "77"):
        variables.pop("DAYPASS_APP_INSTALLATION")
        variables |= {"DAYPASS_APP_INSTALLATION": lost} if lost else {}
        clicks = list(olga.clicks)
        said = olga.run("setup", folder=access, answers=["y", "n"], expect=14)
        assert variables == kept
        assert olga.clicks == clicks
        assert "installation: keep its number in the variable DAYPASS_APP_INSTALLATION" in said.err
        assert "open its installation page" not in said.err


def test_an_app_that_was_made_for_somebody_else_is_not_taken(olga, access):
    olga.for_myself = True
    said = olga.run("setup", folder=access, expect=1)
    assert "was made for olga-platform, not for acme" in said.err
    assert olga.environment.secrets == []


def test_another_main_is_not_pushed_over(olga, access):
    olga.double.seed(olga.double.repository(REPOSITORY), {"README.md": "mine\n"})
    olga.repo.collaborate(olga.me, "admin")
    said = olga.run("setup", folder=access, expect=1)
    assert "main of acme/access is not the main of this clone" in said.err


def test_who_does_not_administer_the_repository_is_told_before_anything_else(olga, access):
    repo = olga.double.repository(REPOSITORY)
    olga.org.members[olga.me.id] = "member"
    repo.collaborate(olga.me, "write")
    said = olga.run("setup", folder=access, expect=1)
    assert "your token does not administer acme/access" in said.err


def test_administrators_pass_until_the_last_step_and_the_doctor_says_so(olga, access):
    said = olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    assert (
        "daypass: administrators may pass main's rules until the last step of setup\n  hint: `daypass setup`"
        in said.err
    )
    again = olga.run("setup", folder=access, answers=["n"], expect=14)
    assert "main and the ledger have theirs; administrators may pass main's rules until the last step" in again.err
    assert (
        "; where setup was broken off, `daypass setup` ends this in its last step"
        in olga.run("doctor", folder=access, expect=13).out
    )
    (app,) = olga.double.apps.values()
    bypass = {one.name: [(who.actor_type, who.actor_id, who.mode) for who in one.bypass] for one in olga.repo.rulesets}
    assert bypass == {
        "daypass: main": [("Integration", app.id, "pull_request"), ("RepositoryRole", 5, "always")],
        "daypass: ledger": [("Integration", app.id, "always")],
    }
    told = json.loads(olga.run("doctor", "--format", "json", folder=access, expect=13).out)["complaints"]
    assert {one["code"] for one in told} == {"main-check", "main-bypass"}
    assert olga.repo.extras["selected_actions"]["github_owned_allowed"] is True
    assert {"daypass-request", "daypass", "daypass: waiting"} <= set(olga.repo.labels)


ADMINISTRATORS = ("RepositoryRole", 5)
BY_HAND = {
    "the App always": [("App", "always")],
    "the App always, and administrators": [("App", "always"), (ADMINISTRATORS, "always")],
    "the App as the page says": [("App", "pull_request")],
    "nobody": [],
    "administrators for pull requests": [("App", "pull_request"), (ADMINISTRATORS, "pull_request")],
}


@pytest.mark.parametrize("who", BY_HAND)
@pytest.mark.parametrize("name", ["daypass: main", "by hand"])
def test_whoever_main_s_ruleset_lets_pass_the_self_test_is_gone_through_and_the_app_alone_passes(
    olga, access, who, name
):
    olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    (main,) = [one for one in olga.repo.rulesets if one.name == "daypass: main"]
    (app,) = olga.double.apps.values()
    main.name = name
    main.bypass = [
        Bypass(*(("Integration", app.id) if actor == "App" else actor), mode) for actor, mode in BY_HAND[who]
    ]
    olga.meanwhile = olga.pipeline
    assert "Nothing unsafe was found" in olga.run("setup", folder=access).out
    assert [(one.actor_type, one.actor_id, one.mode) for one in main.bypass] == [
        ("Integration", app.id, "pull_request")
    ]
    assert [pull.merged for pull in olga.repo.pulls.values()] == [True, True]


def test_rules_of_the_organisation_that_bind_administrators_are_named_before_the_self_test(olga, access):
    olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    made = olga.double.ruleset(olga.repo, "all of acme", [Rule("pull_request")], include=["~DEFAULT_BRANCH"])
    made.source_type, made.source = "Organization", "acme"
    said = olga.run("setup", folder=access, expect=1)
    assert "daypass: the self-test pushes to main, and its ruleset all of acme binds you" in said.err
    assert f"Always, until setup is over: {olga.double.server_url}/{REPOSITORY}/settings/rules" in said.err
    assert not olga.repo.pulls


def test_a_merge_queue_is_refused_before_the_self_test_waits_for_a_merge_that_never_comes(olga, access):
    olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    (main,) = [one for one in olga.repo.rulesets if one.name == "daypass: main"]
    main.rules.append(Rule("merge_queue"))
    for options, unsafe in ((["--dry-run"], ""), ([], "daypass: administrators may pass main's rules")):
        said = olga.run("setup", *options, folder=access, expect=1)
        assert "daypass: main has a merge queue: what is in it waits for the check daypass" in said.err
        assert f"hint: take it out: {olga.double.server_url}/{REPOSITORY}/settings/rules; then run" in said.err
        assert unsafe in said.err
    assert not olga.waited
    assert not olga.repo.pulls
    main.rules.pop()
    olga.meanwhile = olga.pipeline
    assert "Nothing unsafe was found" in olga.run("setup", folder=access).out


def test_a_token_without_a_scope_is_refused_before_anything_is_made(olga, access):
    olga.double.tokens[olga.token].scopes = frozenset({"repo", "read:org"})
    said = olga.run("setup", folder=access, expect=1)
    assert "your token lacks the scope workflow and admin:org" in said.err
    assert "gh auth refresh --scopes repo,workflow,admin:org" in said.err
    assert olga.double.find(REPOSITORY) is None


def test_the_token_of_gh_is_offered_and_stays_where_it_is(olga, access):
    tools = olga.signs_in_to_gh()
    olga.run("setup", folder=access, answers=["n"], expect=1, token=False)
    assert olga.double.find(REPOSITORY) is None
    olga.run("setup", folder=access, answers=["y", "y", "n"], expect=14, token=False)
    assert olga.double.find(REPOSITORY) is not None
    held = [path for path in olga.top.rglob("*") if path.is_file() and path.parent != tools]
    assert not [path for path in held if path.stat().st_size < 1 << 20 and olga.token.encode() in path.read_bytes()]


def test_a_repository_that_acts_without_an_app_is_left_to_its_page(olga):
    olga.run("init", "other", "--github", REPOSITORY, "--auth", "token")
    said = olga.run("setup", folder=olga.top / "other", expect=2)
    assert "this repository acts by GITHUB_TOKEN, and setup makes an App" in said.err
    said = olga.run("init", "local")
    assert "The pages that messages name (docs/…) are in daypass's own repository" in said.out
    said = olga.run("setup", folder=olga.top / "local", expect=2)
    assert "the settings of main name no repository at GitHub" in said.err


def test_a_repository_that_acts_without_an_app_changes_to_one_as_its_page_says(olga):
    olga.run("init", "access", "--github", REPOSITORY, "--auth", "token", answers=[TEAM])
    access, repo = olga.top / "access", olga.double.repository(REPOSITORY, private=True)
    repo.collaborate(olga.me, "admin")
    host = olga.double.server_url.removeprefix("http://")
    git(access, "remote", "add", "origin", f"http://x-access-token:{olga.token}@{host}/{REPOSITORY}.git")
    git(access, "push", "-q", "origin", "main", "daypass-ledger")
    olga.double.protect(repo)
    assert "DAYPASS_APP_KEY" not in git(repo.path, "show", "main:.github/workflows/gate.yml")

    olga.run("init", ".", "--merge", "--upgrade", "--github", REPOSITORY, folder=access)
    git(access, "commit", "--quiet", "--all", "--message", "Act by an App")
    repo.rulesets.clear()
    olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    (app,) = olga.double.apps.values()
    assert "DAYPASS_APP_KEY" in git(repo.path, "show", "main:.github/workflows/gate.yml")
    assert f"app: {app.id}, " in git(repo.path, "show", "main:policies/daypass.yaml")
    assert all(
        ("Integration", app.id) in {(who.actor_type, who.actor_id) for who in one.bypass} for one in repo.rulesets
    )
    assert len(repo.rulesets) == 2


@pytest.mark.parametrize("kind", sorted(FIRST_TARGETS))
def test_what_init_asks_is_in_what_it_leaves_which_is_clean(olga, kind):
    olga.run("init", "new", "--github", REPOSITORY, answers=[TEAM, kind])
    assert len(olga.questions) == 2
    folder = olga.top / "new"
    assert f"owners: [{TEAM}]" in (folder / "policies/resources/example-db.yaml").read_text(encoding="utf-8")
    assert f"kind: {kind}" in (folder / "policies/daypass.yaml").read_text(encoding="utf-8")
    for verb in (["check"], ["policy", "test"], ["codeowners", "--check"], ["form", "--check"]):
        olga.run(*verb, folder=folder)
    (target,) = yaml.safe_load((folder / "policies/daypass.yaml").read_text(encoding="utf-8"))["targets"].values()
    apply = (folder / ".github/workflows/apply.yml").read_text(encoding="utf-8")
    assert [name for key, name in target.items() if key.endswith("_env") and f"secrets.{name} }}}}" not in apply] == []


@pytest.mark.parametrize("kind", sorted(FIRST_TARGETS))
def test_what_init_leaves_without_a_forge_is_clean_as_well(olga, kind):
    olga.run("init", "local", "--owners", TEAM, "--target", kind)
    for verb in (["check"], ["policy", "test"], ["codeowners", "--check"]):
        olga.run(*verb, folder=olga.top / "local")
    said = olga.run("doctor", "--format", "json", folder=olga.top / "local", expect=None)
    assert (said.code, json.loads(said.out)["complaints"]) == (0, [])


@pytest.mark.parametrize("kind", sorted(FIRST_TARGETS))
def test_whatever_the_first_resource_is_ten_questions_are_enough(olga, kind):
    key = olga.top / "key.pem"
    key.write_text("a key\n", encoding="ascii")

    def answer(question: str) -> str:
        said = {"first resource?": kind, "The file of": str(key), "EXAMPLE_": "https://example.org", "TARGETS_APP": "7"}
        return next((text for words, text in said.items() if words in question), "n" if "teams" in question else "")

    olga.answer = answer
    olga.signs_in_to_gh()
    olga.run("init", "access", "--github", REPOSITORY, token=False)
    olga.run("setup", folder=olga.top / "access", expect=14, token=False)
    assert len(olga.questions) + len(("labels, switches and rules", "the self-test")) <= 10, olga.questions
    assert {"DAYPASS_LEDGER_KEY"} <= olga.environment.values.keys()


def test_a_request_is_seen_through_and_then_the_check_is_required(olga, access):
    olga.meanwhile = olga.pipeline
    said = olga.run("setup", folder=access)
    assert "Nothing unsafe was found" in said.out
    assert re.search(
        r"signing key back: keep /\S+\.pem where back-ups of secrets lie, and not here\.\nNext: ", said.err
    )
    assert [pull.merged for pull in olga.repo.pulls.values()] == [True, True]
    assert not (access / "policies/rules/daypass-self-test.yaml").exists()


def test_with_yes_all_is_set_up_without_a_question_and_the_clicks_that_are_left_are_said(olga, access):
    olga.meanwhile = olga.pipeline
    said = olga.run("setup", "--yes", folder=access)
    assert "Nothing unsafe was found" in said.out
    assert not olga.questions
    for clicks in ("Continue, then Create GitHub App.", "Only select repositories, access, Install: "):
        assert f"In the browser: {clicks}" in said.err
    assert olga.clicks[:2] + olga.clicks[-1:] == ["Continue to GitHub", "Create GitHub App", "Install"]
    assert [pull.merged for pull in olga.repo.pulls.values()] == [True, True]


def test_with_yes_and_without_a_browser_nothing_is_asked_and_what_is_to_be_done_is_said(olga, access):
    said = olga.run("setup", "--yes", "--no-browser", folder=access, expect=2)
    assert "with --yes nobody is asked: The App's name in its address" in said.err
    assert not olga.questions
    assert not olga.double.apps


def test_with_yes_a_secret_is_taken_from_the_environment_or_refused(olga):
    olga.run("init", "access", "--github", REPOSITORY, "--owners", TEAM, "--target", "postgres")
    said = olga.run("setup", "--yes", folder=olga.top / "access", expect=2)
    assert "with --yes nobody is asked: EXAMPLE_DB_URL" in said.err
    assert "secrets are taken from variables of their names" in said.err
    assert "EXAMPLE_DB_URL" not in olga.environment.values
    olga.extra = {"EXAMPLE_DB_URL": "postgresql://daypass:word@db.example:5432/orders"}
    olga.run("setup", "--yes", folder=olga.top / "access", expect=1)  # no run looks at the self-test
    assert olga.environment.values["EXAMPLE_DB_URL"] == olga.extra["EXAMPLE_DB_URL"]
    assert not olga.questions


@pytest.mark.parametrize("waits", range(4))
def test_a_setup_that_is_interrupted_in_the_self_test_goes_on_from_there(olga, access, waits):
    olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    left = [waits]

    def stops() -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        olga.pipeline()

    olga.meanwhile = stops
    said = olga.run("setup", folder=access, expect=1 if waits < 2 else None)
    if "self-test" in git(olga.repo.path, "ls-tree", "-r", "--name-only", "main:policies"):
        assert (
            "daypass: main has the resource daypass-self-test and a rule that lets your requests for it pass"
            in said.err
        )
        told = olga.run("doctor", "--format", "json", folder=access, expect=13).out
        assert "setup-unfinished" in {one["code"] for one in json.loads(told)["complaints"]}
    olga.meanwhile = olga.pipeline
    said = olga.run("setup", folder=access)
    assert "Nothing unsafe was found" in said.out
    assert [pull.merged for pull in olga.repo.pulls.values()] == [True, True]
    assert "self-test" not in git(olga.repo.path, "ls-tree", "-r", "--name-only", "main")


def test_who_interrupts_setup_is_told_which_steps_were_carried_out_and_which_may_have_been(olga, access):
    def stops(_: str) -> str:
        raise KeyboardInterrupt

    olga.answer = stops
    said = olga.run("setup", folder=access, expect=1)
    assert said.err.endswith("daypass: interrupted; nothing was written at the forge or in the ledger\n")
    olga.answer = None
    olga.meanwhile = lambda: stops("")
    said = olga.run("setup", folder=access, expect=1)
    told = said.err.partition("daypass: interrupted; this was written and stands:\n")[2].splitlines()
    done = [line.removeprefix("  done: ") for line in said.err.splitlines() if line.startswith("  done: ")]
    assert len(done) >= 9
    assert [line.strip() for line in told] == [
        *done,
        "the step self-test may have gone through: the interruption came while it was made",
    ]


def test_a_self_test_that_policy_denies_ends_with_its_reason(olga, access):
    rule = "version: 1\nrules:\n  - {id: nobody, when: 'true', deny: true, message: Nobody gets anything here.}\n"
    (access / "policies/rules/nobody.yaml").write_text(rule, encoding="utf-8")
    git(access, "add", "-A")
    git(access, "commit", "-q", "-m", "Nobody")
    olga.meanwhile = olga.pipeline
    said = olga.run("setup", folder=access, expect=1)
    assert "#1 is refused: " in said.err
    assert f"/{REPOSITORY}/pull/1" in said.err


def test_a_self_test_that_no_run_looks_at_ends_after_a_while(olga, access):
    said = olga.run("setup", folder=access, expect=1)
    assert "#1 was not merged (see " in said.err
    assert "within 20 minutes" in said.err
    assert "run the command again: it goes on from here" in said.err


def test_somebody_of_no_directory_is_told_to_write_themselves_into_it(olga, access):
    people = access / "policies/directory/people.yaml"
    people.write_text(people.read_text(encoding="utf-8") + "# ours\n", encoding="utf-8")
    git(access, "commit", "-q", "-a", "-m", "Ours")
    said = olga.run("setup", folder=access, expect=1)
    assert "still to do: " in said.err
    assert people.read_text(encoding="utf-8").endswith("# ours\n")
    assert "the directory does not know the account olga-platform (id 583230)" in said.err


def test_the_team_that_says_who_left_is_named_with_its_numbers_and_asks_nothing(olga, access):
    carol = olga.double.user("carol-lind", 583233, name="Carol Lind")
    bosei = olga.double.account("bosei")
    olga.double.team(olga.org, "staff", [olga.me, bosei, carol])
    dry = olga.run("setup", "--dry-run", "--people", "acme/staff", folder=access, expect=13)
    assert "whoever is in it no more loses access within the hour" in dry.err
    said = olga.run("setup", "--people", "acme/staff", folder=access, answers=FIRST_FIVE, expect=14)
    assert len(olga.questions) == 6
    assert (
        "still to do: 1 of acme/staff not in the directory yet: `daypass people import --open` brings them" in said.err
    )
    main = git(olga.repo.path, "show", "main:policies/daypass.yaml")
    assert yaml.safe_load(main)["people"] == {"source": {"kind": "forge", "team": "acme/staff"}}
    assert 'source_id: "583230"' in git(olga.repo.path, "show", "main:policies/directory/people.yaml")
    again = olga.run("setup", folder=access, answers=["n"], expect=14)
    assert "leavers: team acme/staff says who has left" in again.err
    assert "people: teams and directory agree" in again.err
    del olga.org.teams["staff"].members[bosei.id]
    left = olga.run("people", "check", "--dry-run", "--format", "json", folder=access, expect=None)
    assert [(one["person"], one["code"]) for one in json.loads(left.out)["left"]] == [("bosei", "account-gone")]
    other = olga.run("setup", "--people", "acme/platform", folder=access, answers=["n"], expect=2)
    assert "the settings of main name another source of people: team acme/staff" in other.err


def test_people_of_another_source_who_are_not_in_the_team_are_not_taken_to_have_left(olga, access):
    olga.double.team(olga.org, "staff", [olga.me])
    ours = f"e-1,olga,{olga.me.login},{olga.me.id},"
    rows = ("id,handle,login,forge_id,name", ours, "e-2,zoe,zoe-lang,583299,Zoe Lang", "e-3,yan,,,Yan Li", "")
    (olga.top / "staff.csv").write_text("\n".join(rows), encoding="utf-8")
    olga.run("people", "import", "--csv", str(olga.top / "staff.csv"), folder=access)
    git(access, "add", "-A")
    git(access, "commit", "-q", "-m", "Bring people from a table")
    assert "source_id: e-1" in git(access, "show", "main:policies/directory/people.yaml")
    said = olga.run("setup", "--people", "acme/staff", folder=access, answers=FIRST_FIVE, expect=1)
    assert "and are not in acme/staff, so they would be taken to have left: yan, zoe\n" in said.err
    assert "take source_id out of these; then run setup again" in said.err
    assert "people:" not in (access / "policies/daypass.yaml").read_text(encoding="utf-8")
    for path in (access / "policies/directory").glob("*.yaml"):
        text = re.sub(r"^ *source_id: e-[23]\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        path.write_text(text, encoding="utf-8")
    git(access, "commit", "-q", "-a", "-m", "Say no more that they are from there")
    said = olga.run("setup", "--people", "acme/staff", folder=access, answers=["", "", "n"], expect=14)
    assert "these are not in acme/staff, which will not say when they leave: bosei, yan, zoe; add whoever" in said.err
    assert 'source_id: "583230"' in git(olga.repo.path, "show", "main:policies/directory/people.yaml")
    left = olga.run("people", "check", "--dry-run", "--format", "json", folder=access, expect=None)
    assert json.loads(left.out)["left"] == []


@pytest.mark.parametrize("named", ["staff", "elsewhere/staff", "acme/a/b"])
def test_a_team_of_others_says_of_nobody_that_they_left(olga, access, named):
    said = olga.run("setup", "--people", named, folder=access, expect=2)
    assert f"'{named}' is no team of acme" in said.err


def test_a_team_that_is_not_there_is_told_and_setup_goes_on_once_it_is(olga, access):
    said = olga.run("setup", "--people", "acme/staff", folder=access, expect=1)
    assert "acme has no team staff, or none that you are shown" in said.err
    olga.double.team(olga.org, "staff", [olga.me])
    said = olga.run("setup", "--people", "acme/staff", folder=access, answers=["", "", "n"], expect=14)
    assert "done: leavers: team acme/staff says who has left" in said.err


def test_a_team_that_is_named_later_is_named_on_main_as_well(olga, access):
    olga.run("setup", folder=access, answers=FIRST_FIVE, expect=14)
    olga.run("setup", "--people", f"acme/{TEAM}", folder=access, answers=["", "n"], expect=14)
    assert f"team: acme/{TEAM}" in git(olga.repo.path, "show", "main:policies/daypass.yaml")


def test_a_person_owns_a_repository_without_teams(olga):
    olga.run("init", "mine", "--github", "olga-platform/access", "--owners", TEAM)
    olga.named = "olga-platform/access"
    olga.meanwhile = olga.pipeline
    said = olga.run("setup", folder=olga.top / "mine", expect=13)
    assert [line.rpartition("[")[2] for line in said.out.splitlines() if "unsafe:" in line] == ["no-organisation]"]
    (app,) = olga.double.apps.values()
    assert "members" not in app.permissions
    again = olga.run("setup", "--dry-run", folder=olga.top / "mine", expect=0)
    assert "] installation: daypass-" in again.err
    assert ", not looked at: GitHub shows where it is installed to itself and to owners alone" in again.err


def test_a_persons_app_that_was_not_installed_yet_is_found_and_installed_by_the_next_run(olga, monkeypatch):
    olga.run("init", "mine", "--github", "olga-platform/access", "--owners", TEAM)
    olga.named, mine = "olga-platform/access", olga.top / "mine"
    browse = olga.browse

    def breaks_off(address: str) -> bool:
        if "/installations/new" in address:
            raise KeyboardInterrupt
        return browse(address)

    monkeypatch.setattr("daypass.cli.founding.browse", breaks_off)
    olga.run("setup", folder=mine, expect=1)
    monkeypatch.setattr("daypass.cli.founding.browse", browse)
    (app,) = olga.double.apps.values()
    assert app.uninstalled
    assert "] installation: to do" in olga.run("setup", "--dry-run", folder=mine, expect=13).err
    olga.meanwhile = olga.pipeline
    asked = "The number at the end of the address of its installation"
    olga.answer = lambda question: "settings/installations/1" if asked in question else ""
    assert "is no number of an installation" in olga.run("setup", folder=mine, expect=2).err
    olga.answer = lambda question: str(app.installation) if asked in question else ""
    olga.run("setup", folder=mine, expect=13)
    assert list(olga.double.apps.values()) == [app]
    assert (app.uninstalled, app.repositories) == (False, ["olga-platform/access"])
    assert olga.repo.extras["variables"]["DAYPASS_APP_INSTALLATION"] == str(app.installation)
    assert olga.run("setup", "--dry-run", folder=mine).err.count(": to do") == 0


def test_rules_that_a_plan_does_not_have_are_not_taken_for_set(olga, access):
    words = {"message": "Upgrade to GitHub Pro or make this repository public to enable this feature."}
    olga.double.faults.add("GET", f"/repos/{REPOSITORY}/rules.*", status=403, body=words, times=99)
    said = olga.run("setup", folder=access, expect=1)
    assert "still unsafe: cannot tell " in said.err
    assert "Upgrade to GitHub Pro or make this repository public to enable this feature. [main-protection]" in said.err
    assert not olga.repo.pulls


PINS = {
    "postgres": 'host: "example.org"',
    "github": "app: 7",
    "vault": 'host: "example.org"',
    "ssh": "ca: ssh-ed25519 ",
}


@pytest.mark.parametrize("kind", sorted(PINS))
def test_main_says_where_credentials_go_wherever_setup_stops_between_them(olga, kind):
    key = olga.top / "key.pem"
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    said = {"first resource?": kind, "The file of": str(key), "EXAMPLE_": "https://example.org", "TARGETS_APP": "7"}
    olga.answer = lambda question: next((text for words, text in said.items() if words in question), "")
    olga.run("init", "access", "--github", REPOSITORY)
    access = olga.top / "access"
    said |= {"Try it": "n"}
    path = f"/repos/{REPOSITORY}/environments/daypass/secrets/(?!DAYPASS_APP)[A-Z_]+"
    stops, code = 0, 1
    while code == 1:
        olga.double.faults.clear()
        olga.double.faults.add("PUT", path, times=4, drop=True, after_effect=True)
        code = olga.run("setup", folder=access, expect=None).code
        stops += code == 1
    assert stops == len(olga.environment.values.keys() - {"DAYPASS_APP_KEY"}) >= 2
    assert PINS[kind] in git(olga.repo.path, "show", "main:policies/daypass.yaml")
    told = json.loads(olga.run("doctor", "--format", "json", folder=access, expect=None).out)["complaints"]
    assert "unpinned" not in {one["code"] for one in told}


def test_what_a_run_wrote_of_where_credentials_go_and_did_not_commit_is_committed_by_the_next(olga):
    olga.run("init", "access", "--github", REPOSITORY, "--owners", TEAM, "--target", "postgres")
    access = olga.top / "access"
    olga.extra = {"EXAMPLE_DB_URL": "postgresql://daypass:word@db.example/orders"}
    olga.double.faults.add(
        "PUT", f"/repos/{REPOSITORY}/environments/daypass/secrets/DAYPASS_LEDGER_KEY", times=4, drop=True
    )
    olga.run("setup", folder=access, expect=1)
    git(access, "reset", "-q", "HEAD~1")
    assert 'host: "db.example"' not in git(access, "show", "main:policies/daypass.yaml")
    olga.double.faults.clear()
    olga.run("setup", folder=access, answers=["", "n"], expect=14)
    assert 'host: "db.example"' in git(access, "show", "main:policies/daypass.yaml")
