"""`daypass doctor` at the double: a sound repository, each single defect, what mends it, and who may see what."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daypass.edges.forges.github.doctor.checks import TOPICS
from doctor_world import (
    all_of,
    asked,
    asking,
    environment,
    file,
    ledger,
    main,
    may,
    of_actions,
    of_environment,
    of_repository,
    our_mode,
    passing,
    restored,
    sound,
    source,
    state,
    team,
    unheard,
    without,
)
from github_double import Rule
from hub import REPOSITORY, Hub

TOP = Path(__file__).parents[2]
ROOT = f"/repos/{REPOSITORY}"
OWNERS = ".github/CODEOWNERS"
PEOPLE = "policies/directory/people.yaml"


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("HOME", str(home))
        patch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        with Hub(tmp_path_factory.mktemp("doctor")) as made:
            sound(made)
            yield made


@pytest.fixture
def hub(acme: Hub) -> Iterator[Hub]:
    with restored(acme):
        acme.calls.clear()
        yield acme


def complaints(hub: Hub, *more: str, who: str = "olga", expect: int | None = None) -> list[dict[str, object]]:
    said = hub.run("doctor", "--format", "json", *more, who=who, expect=expect)
    found: list[dict[str, object]] = json.loads(said.out)["complaints"]
    return found


def codes(hub: Hub, *more: str, who: str = "olga", expect: int | None = None) -> list[object]:
    return [one["code"] for one in complaints(hub, *more, who=who, expect=expect)]


def test_a_repository_set_up_as_recommended_gives_no_complaint(hub):
    said = hub.run("doctor", who="olga")
    assert said.err == (
        "note: who is in acme/dba, acme/engineering, acme/payroll and acme/security has to be able to write here, and so may "
        "overwrite Actions secrets: docs/trust.md#who-can-write-secrets says what that reaches. Asking takes only read.\n"
    )
    assert re.fullmatch(r"Nothing unsafe was found \(\d+ requests to GitHub\)\.\n", said.out)
    assert [call.method for call in hub.calls if call.path.startswith(("/repos", "/orgs"))].count("GET") == len(
        [call for call in hub.calls if call.path.startswith(("/repos", "/orgs"))]
    )


Spoil = Callable[[Hub], None]
CHECKS = "required_status_checks"


def reviewed(hub: Hub) -> None:
    """Somebody has to approve each run."""
    environment(hub).reviewers = [hub.people["bob"]]


MENDED: list[tuple[str, Spoil, str]] = [
    ("main-pull-request", without(main, "pull_request"), "main takes changes without a pull request"),
    ("main-approvals", asking(required_approving_review_count=0), "main takes pull requests without any approval"),
    ("main-code-owners", asking(require_code_owner_review=False), "main does not ask its code owners to review"),
    ("main-stale-approvals", asking(dismiss_stale_reviews_on_push=False), "an approval outlives a push that comes after it"),
    ("main-last-push", asking(require_last_push_approval=False), "who pushes last may be the one whose approval counts"),
    ("main-check", without(main, CHECKS), "main does not ask for the check daypass"),
    ("main-check-source", source(None), "main takes the check daypass from others than the App daypass-acme"),
    ("main-check-source", source(15368), "main takes the check daypass from others than the App daypass-acme"),
    ("main-force-push", without(main, "non_fast_forward"), "main can be force-pushed"),
    ("main-deletion", without(main, "deletion"), "main can be deleted"),
    ("main-linear", asking(allowed_merge_methods=["merge", "squash"]), "main takes merge commits, which can hold what no"),
    ("main-bypass", passing(main, "RepositoryRole", 5, "always"), "the rules of main do not bind RepositoryRole 5 (always) in 'main'"),
    ("main-bypass", passing(main, "OrganizationAdmin", None, "pull_request"), "do not bind OrganizationAdmin (pull_request) in"),
    ("main-bypass", passing(main, "Integration", 15368, "pull_request"), "do not bind Integration 15368 (pull_request) in"),
    ("main-bypass", our_mode(main, "exempt"), "do not bind Integration 77001 (exempt) in 'main'"),
    ("main-bypass", our_mode(main, "always"), "do not bind Integration 77001 (always) in 'main'"),
    ("ledger-open", without(ledger, "update"), "anybody who may push can make updates of daypass-ledger and daypass-ledger-lane/*, where the ledger is"),
    ("ledger-open", without(ledger, "non_fast_forward"), "can make force pushes of daypass-ledger"),
    ("ledger-bypass", passing(ledger, "DeployKey", None, "always"), "the rules of the ledger's branches do not bind DeployKey (always) in"),
    ("ledger-locked", unheard(ledger), "daypass cannot write to the ledger's branches: 'ledger' does not let it"),
    ("merge-methods", of_repository(methods={"squash", "merge"}), "pull requests are merged by merge and squash, and only"),
    ("squash-message", of_repository(squash_message="PR_BODY"), "[skip ci] in it keeps apply from starting"),
    ("forking", of_repository(allow_forking=True), "the repository may be forked"),
    ("actions-off", of_actions(enabled=False), "no workflow runs here"),
    ("actions-unpinned", of_actions(sha_pinning_required=False), "workflows may use actions by a tag"),
    ("job-permissions", of_actions(default_workflow_permissions="write"), "a workflow that asks for nothing may write"),
    ("actions-approve", of_actions(can_approve_pull_request_reviews=True), "workflows may approve pull requests"),
    ("workflow-off", state("apply", "disabled_inactivity"), "the workflow apply does not run: GitHub has switched it off for inactivity"),
    ("workflow-off", state("expire", "disabled_manually"), "the workflow expire does not run: its state is disabled_manually"),
    ("environment-open", of_environment(custom=False), "every branch's workflow can read the secrets of the environment"),
    ("environment-open", of_environment(custom=False, protected=True), "open to the set of all protected branches"),
    ("environment-open", of_environment(policies={1: ("main", "branch"), 2: ("v*", "tag")}), "is open to the tag v*"),
    ("environment-open", of_environment(policies={}), "no branch may use the environment daypass"),
    ("environment-waits", of_environment(wait=30), "each run that gives or takes access waits for 30 minutes: the environment"),
    ("environment-waits", reviewed, "waits for somebody's approval: the environment daypass asks for it"),
    ("team-secret", team("dba", privacy="secret"), "the team acme/dba is secret, and GitHub asks no secret team to review"),
    ("team-cannot-write", team("dba", role="read"), "the team acme/dba may not write here"),
    ("team-cannot-write", team("dba", role=""), "the team acme/dba may not write here"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "spoil", "words"), MENDED, ids=[f"{n}-{row[0]}" for n, row in enumerate(MENDED)])
def test_each_defect_gives_its_complaint_and_fix_mends_it(hub, code, spoil, words):
    spoil(hub)
    (found,) = complaints(hub, expect=13)
    assert (found["code"], found["told"]) == (code, True)
    assert words in str(found["message"])
    assert found["remedy"]
    assert str(found["fix"]).startswith(("http://", "gh "))
    assert codes(hub, "--fix", "--yes", expect=0) == []  # having looked again


BY_HAND: list[tuple[str, Spoil, str]] = [
    ("main-queue", lambda hub: main(hub).rules.append(Rule("merge_queue")), "main has a merge queue: what is in it waits for the check daypass"),
    ("archived", of_repository(archived=True), "the repository is archived: nothing is merged or recorded there, so no"),
    ("public", of_repository(private=False), "the repository is public: everybody reads who has access to what"),
    ("workflow-missing", file(".github/workflows/expire.yml", None), "main has no workflow .github/workflows/expire.yml"),
    ("secret-exposed", lambda hub: hub.repo.extras.update(secrets=["DAYPASS_APP_KEY", "OTHER"]), "DAYPASS_APP_KEY lies in the repository's own secrets"),
    ("secret-missing", of_environment(secrets=["DAYPASS_APP_KEY"]), "the environment daypass has no secret DAYPASS_LEDGER_KEY"),
    ("codeowners-missing", file(OWNERS, None), "main has no .github/CODEOWNERS: nobody's review is asked for"),
    ("codeowners-stale", file(OWNERS, lambda text: text + "# more\n"), "main's .github/CODEOWNERS is not what main's catalogue makes"),
    ("workflows-unowned", file(OWNERS, lambda text: text + "/.github/\n"), "who owns .github/CODEOWNERS on main is nobody"),
    ("workflows-unowned", file(OWNERS, lambda text: text + "*.yml @acme/dba\n"), "who owns .github/workflows/apply.yml on main is @acme/dba; it decides"),
    ("team-missing", team("payroll", gone=True), "no team acme/payroll for the group payroll can be seen"),
    ("team-differs", team("dba", members=["bob", "alice"]), "differ: the team lacks carol; the group lacks alice-ngo (id 583231)"),
    ("team-differs", team("dba", members=["bob"]), "the team acme/dba and the group dba differ: the team lacks carol"),
    ("team-small", all_of(team("payroll", members=["carol"]), file(PEOPLE, lambda text: text.replace("payroll: {members: [carol, erin]}", "payroll: {members: [carol]}"))), "the team acme/payroll has fewer than two people"),
    ("writers", lambda hub: hub.repo.collaborate(hub.double.user("mallory", 666), "write"), "mallory (id 666) may write here and so overwrite its secrets"),
    ("person-without-id", file(PEOPLE, lambda text: text.replace(", id: 583235", "")), "erin has no numeric id in the directory, and can neither ask nor approve"),
    ("app-wide", may(workflows="write"), "the App daypass-acme may do more than it needs: workflows: write"),
    ("app-wide", may(administration="write"), "the App daypass-acme may do more than it needs: administration: write"),
    ("app-narrow", may(checks="read", members="none"), "the App daypass-acme lacks checks: write and members: read"),
    ("app-narrow", may(statuses="none"), "the App daypass-acme lacks statuses: write"),
    ("clock-skew", lambda hub: hub.advance(minutes=10), "this machine's clock is "),
]  # fmt: skip


@pytest.mark.parametrize(("code", "spoil", "words"), BY_HAND, ids=[f"{n}-{row[0]}" for n, row in enumerate(BY_HAND)])
def test_each_defect_that_only_people_can_mend_gives_its_complaint(hub, code, spoil, words):
    spoil(hub)
    (found,) = complaints(hub, expect=13)
    assert (found["code"], found["told"], found["remedy"]) == (code, True, None)
    assert words in str(found["message"])
    assert found["fix"]


def test_a_missing_environment_is_made_and_its_secrets_are_asked_for(hub):
    hub.repo.extras["environments"].clear()
    (found,) = complaints(hub, expect=13)
    assert found["code"] == "environment-missing"
    (left,) = complaints(hub, "--fix", "--yes", expect=13)
    assert left["message"] == "the environment daypass has no secret DAYPASS_APP_KEY and DAYPASS_LEDGER_KEY"
    assert list(environment(hub).policies.values()) == [("main", "branch")]


def test_a_ruleset_that_is_switched_off_is_as_none_and_a_new_one_is_made(hub):
    main(hub).enforcement = "disabled"
    found = codes(hub, expect=13)
    assert found == ["main-pull-request", "main-check", "main-force-push", "main-deletion"]
    assert codes(hub, "--fix", "--yes", expect=0) == []
    assert [one.name for one in hub.repo.rulesets] == ["main", "ledger", "daypass: main", "daypass: check"]
    for made in hub.repo.rulesets[2:]:
        made.enforcement = "evaluate"
    assert codes(hub, "--fix", "--yes", expect=0) == []  # those of these names are changed, no others are made
    assert len(hub.repo.rulesets) == 4


@pytest.mark.parametrize(
    "unfit", [lambda hub: hub.repo.checks.clear(), lambda hub: hub.advance(days=8), may(statuses="read")]
)
def test_a_check_that_github_does_not_take_yet_leaves_the_rest_mended(hub, unfit):
    main(hub).rules = [rule for rule in main(hub).rules if rule.type not in {CHECKS, "deletion"}]
    unfit(hub)
    before = codes(hub)
    said = hub.run("doctor", "--fix", "--yes", who="olga", expect=14)
    assert "cannot be the source of daypass" in said.err
    assert (
        "then for the check daypass (GitHub takes it once our App may write statuses and has posted it lately"
        in said.err
    )
    assert set(before) - set(codes(hub)) == {"main-deletion"}


def test_a_wider_ruleset_is_left_alone_and_keeps_what_it_asks(hub):
    main(hub).include = ["~ALL"]
    main(hub).exclude = ["refs/heads/daypass-ledger", "refs/heads/daypass-ledger-lane/*"]
    asked(hub)["required_approving_review_count"] = 0
    assert codes(hub, expect=13) == ["main-approvals"]
    assert codes(hub, "--fix", "--yes", expect=0) == []
    assert asked(hub)["required_approving_review_count"] == 0
    assert hub.repo.rulesets[-1].include == ["~DEFAULT_BRANCH"]


def test_what_a_ruleset_asks_beyond_our_wishes_stays(hub):
    asked(hub).update(required_approving_review_count=3, require_last_push_approval=False)
    asked(hub, CHECKS)["required_status_checks"].append({"context": "lint"})
    assert codes(hub, "--fix", "--yes", expect=0) == []
    assert asked(hub)["required_approving_review_count"] == 3
    assert {check["context"] for check in asked(hub, CHECKS)["required_status_checks"]} == {"lint", "daypass"}


def test_several_complaints_of_one_remedy_are_mended_by_one_change(hub):
    asked(hub).update(required_approving_review_count=0, require_code_owner_review=False)
    said = hub.run("doctor", "--fix", "--yes", who="olga")
    assert [
        call.method
        for call in hub.calls
        if call.method in {"PUT", "POST", "PATCH", "DELETE"} and "/repos/" in call.path
    ] == ["PUT"]
    assert "main takes pull requests without any approval [main-approvals]\n" in said.err
    assert "done: have the ruleset 'main' ask for all that is needed, of everybody but our App\n" in said.err
    assert codes(hub, expect=0) == []


CLASSIC = {
    "required_status_checks": {"strict": False, "checks": [{"context": "daypass", "app_id": 77001}]},
    "enforce_admins": True,
    "required_pull_request_reviews": {
        "dismiss_stale_reviews": True, "require_code_owner_reviews": True, "require_last_push_approval": True,
        "required_approving_review_count": 1,
    },
    "required_linear_history": True,
    "restrictions": None,
}  # fmt: skip


def test_classic_protection_counts_where_it_binds_administrators_too(hub):
    hub.repo.rulesets.remove(main(hub))
    hub.repo.protections["main"] = {**CLASSIC}
    assert codes(hub, expect=0) == []
    hub.repo.protections["main"] = {**CLASSIC, "enforce_admins": None}
    (found,) = complaints(hub, expect=13)
    assert found["message"] == "the rules of main do not bind RepositoryRole 5 (always) in 'branch protection'"


def test_who_may_pass_classic_protection_s_reviews_may_push(hub):
    hub.repo.rulesets.remove(main(hub))
    hub.repo.protections["main"] = {**CLASSIC}
    path = f"{ROOT}/branches/main/protection"
    shown = hub.api("olga", "GET", path)
    teams = [{"id": 9, "slug": "dba"}]
    shown["required_pull_request_reviews"]["bypass_pull_request_allowances"] = {"users": [], "teams": teams, "apps": []}
    hub.double.faults.add("GET", f"^{path}$", status=200, body=shown)
    (found,) = complaints(hub, expect=13)
    assert found["message"] == "the rules of main do not bind Team 9 (always) in 'branch protection'"


def test_classic_protection_that_asks_for_little_lacks_the_rest(hub):
    hub.repo.rulesets.remove(main(hub))
    none = {"required_status_checks": None, "required_pull_request_reviews": None, "restrictions": None}
    hub.repo.protections["main"] = {**none, "enforce_admins": True, "allow_force_pushes": True, "allow_deletions": True}
    found = codes(hub, expect=13)
    assert found == ["main-pull-request", "main-check", "main-force-push", "main-deletion"]


# What is not shown


UNTOLD = [
    (f"{ROOT}/rules/branches/main", "main-protection"),
    (f"{ROOT}/rulesets", "main-protection"),
    (f"{ROOT}/actions/permissions", "actions"),
    (f"{ROOT}/actions/permissions/workflow", "job-permissions"),
    (f"{ROOT}/actions/workflows", "workflow-off"),
    (f"{ROOT}/environments/daypass", "environment-open"),
    (f"{ROOT}/environments/daypass/deployment-branch-policies", "environment-open"),
    (f"{ROOT}/environments/daypass/secrets", "secret-missing"),
    (f"{ROOT}/actions/secrets", "secret-exposed"),
    (f"{ROOT}/codeowners/errors", "codeowners-errors"),
    (f"{ROOT}/teams", "teams"),
    (f"{ROOT}/collaborators", "writers"),
    ("/orgs/acme/teams/dba/members", "team-differs"),
    ("/apps/daypass-acme", "app"),
]


@pytest.mark.parametrize(("path", "code"), UNTOLD, ids=[path for path, _ in UNTOLD])
def test_what_is_refused_is_a_complaint_of_its_own_and_never_a_pass(hub, path, code):
    hub.double.faults.add("GET", f"^{re.escape(path)}$", status=403, body={"message": "Resource not accessible"})
    found = complaints(hub, expect=14)
    assert [(one["code"], one["told"]) for one in found if one["code"] == code] == [(code, False)]
    assert all(not one["told"] for one in found)
    assert "Resource not accessible" in str(next(one for one in found if one["code"] == code)["message"])
    assert codes(hub, expect=0) == []


@pytest.mark.parametrize(("path", "code"), UNTOLD, ids=[path for path, _ in UNTOLD])
def test_what_fails_is_an_error_and_no_answer(hub, path, code):
    del code
    hub.double.faults.add("GET", f"^{re.escape(path)}$", status=422, body={"message": "Something else"})
    said = hub.run("doctor", who="olga", expect=1)
    assert said.out == ""
    assert f"GitHub answered 422 to GET {path}: Something else" in said.err


def test_rules_that_cannot_be_read_for_another_reason_are_an_error(hub):
    for path in (f"{ROOT}/rulesets/{main(hub).id}", f"{ROOT}/branches/main/protection"):
        hub.double.faults.add("GET", f"^{path}$", status=422, body={"message": "Something else"})
        assert f"GitHub answered 422 to GET {path}" in hub.run("doctor", who="olga", expect=1).err


def test_a_hidden_ruleset_and_hidden_protection_leave_it_open(hub):
    number = main(hub).id
    hub.double.faults.add("GET", f"^{ROOT}/rulesets/{number}$", status=404, body={"message": "Not Found"})
    assert [(one["code"], one["told"]) for one in complaints(hub, expect=14)] == [("main-bypass", False)]
    asked(hub)["required_approving_review_count"] = 0
    hub.double.faults.add(
        "GET", f"^{ROOT}/branches/main/protection$", status=403, body={"message": "Must have admin rights"}
    )
    (found,) = complaints(hub, expect=14)
    assert (found["code"], found["told"]) == ("main-protection", False)
    assert "makes up for this: main takes pull requests without any approval" in str(found["message"])


def test_a_team_that_may_be_there_is_not_said_to_be_missing(hub):
    team("payroll", gone=True)(hub)
    hub.double.faults.add("GET", "^/orgs/acme/teams$", status=403, body={"message": "no"})
    (found,) = complaints(hub, expect=14)
    assert (found["code"], found["told"]) == ("team-missing", False)


def test_who_only_writes_is_told_what_they_cannot_see(hub):
    found = complaints(hub, who="alice", expect=14)
    codes_ = [one["code"] for one in found]
    assert codes_ == ["main-bypass", "ledger-bypass", "actions", "job-permissions"]
    assert all(not one["told"] for one in found)


def test_the_app_sees_all_but_bypass_lists_and_secrets(hub):
    found = complaints(hub, who="app", expect=14)
    assert [(one["code"], one["told"]) for one in found] == [
        ("main-bypass", False), ("ledger-bypass", False), ("secret-exposed", False), ("secret-missing", False),
    ]  # fmt: skip
    assert "or look there: http" in str(found[0]["fix"])


def test_unsafe_and_untold_together_exit_14_and_both_are_said(hub):
    hub.repo.allow_forking = True
    said = hub.run("doctor", who="app", expect=14)
    assert "unsafe: the repository may be forked" in said.out
    assert "cannot tell: whom the rules of main do not bind" in said.out
    assert "1 unsafe and 4 that cannot be told (" in said.out
    assert "daypass doctor --fix would switch forking off" in said.out


# Asking before a change


def test_nothing_is_changed_that_nobody_agrees_to(hub, monkeypatch):
    import io

    hub.repo.allow_forking = True
    hub.repo.methods = {"squash", "merge"}
    monkeypatch.setattr("sys.stdin", io.StringIO("n\ny\n"))
    said = hub.run("doctor", "--fix", who="olga", expect=13)
    assert "Allow squash merging only? [y/N]" in said.err
    assert "left as it is: allow squash merging only\n" in said.err
    assert "done: switch forking off\n" in said.err
    assert (hub.repo.methods, hub.repo.allow_forking) == ({"squash", "merge"}, False)
    assert "[merge-methods]" in said.out
    assert "[forking]" not in said.out


def test_a_change_that_is_refused_is_told_and_stops_no_other(hub):
    hub.repo.allow_forking = True
    hub.repo.squash_message = "PR_BODY"
    hub.double.faults.add("PATCH", f"^{ROOT}$", status=403, body={"message": "Must have admin rights"})
    said = hub.run("doctor", "--fix", "--yes", who="olga", expect=14)
    assert "failed: GitHub answered 403 to PATCH /repos/acme/access: Must have admin rights" in said.err
    assert "done: switch forking off" in said.err
    assert "[squash-message]" in said.out


def test_options_and_places_that_make_no_sense_are_refused(hub):
    assert "--yes goes with --fix" in hub.run("doctor", "--yes", who="olga", expect=2).err
    file(PEOPLE, lambda _: "version: 2\n")(hub)
    assert "nothing can be held against them" in hub.run("doctor", who="olga", expect=10).err


# Without an App


def test_without_an_app_the_check_comes_from_actions_and_nobody_passes(tmp_path):
    with Hub(tmp_path, auth="token") as hub:
        sound(hub)
        assert codes(hub, expect=0) == []
        hub.repo.extras["actions"]["can_approve_pull_request_reviews"] = (
            True  # opens removals; code owners still review
        )
        assert codes(hub, expect=0) == []
        asking(require_code_owner_review=False)(hub)
        assert codes(hub, expect=13) == ["main-code-owners", "actions-approve"]
        source(77001)(hub)
        passing(main, "Integration", 15368, "pull_request")(hub)
        without(ledger, "deletion")(hub)
        found = complaints(hub, expect=13)
        assert [one["code"] for one in found] == [
            "main-code-owners", "main-check-source", "main-bypass", "ledger-open", "actions-approve",
        ]  # fmt: skip
        assert found[1]["message"] == "main takes the check daypass from others than GitHub Actions"
        assert codes(hub, "--fix", "--yes", expect=0) == []


def test_the_number_of_requests_is_as_documented(hub):
    page = (TOP / "docs" / "doctor.md").read_text(encoding="utf-8")
    (stated,) = re.findall(r"with its two rulesets and four teams, takes (\d+) requests", page)
    assert f"({stated} requests to GitHub)" in hub.run("doctor", who="olga").out


def test_every_complaint_has_its_row_in_the_document(hub):
    page = (TOP / "docs" / "doctor.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))
    at_github = rows - {"pushes-rewrite"}
    assert at_github == {topic.code for topic in TOPICS if topic.code} | {
        each.code for topic in TOPICS for each in topic.checks
    }
