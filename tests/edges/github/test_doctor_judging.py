"""What the doctor makes of facts that no run of the command line comes by easily: people's accounts, Apps unknown, odd rules."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from daypass.core.bounds.settings import Settings, TargetSettings
from daypass.core.catalogue import Catalogue, Directory, Resource, Subject
from daypass.core.files.codeowners import LARGEST, codeowners_text
from daypass.edges.forges.github.answers import Fields
from daypass.edges.forges.github.doctor.branches import asks_code_owners
from daypass.edges.forges.github.doctor.checks import judge
from daypass.edges.forges.github.doctor.facts import (
    Actor,
    App,
    BranchRule,
    BranchRules,
    Environment,
    Ruleset,
    Setup,
    Teams,
    UntoldError,
    listed,
)
from daypass.edges.forges.github.doctor.repository import WORKFLOWS

OURS = Actor("Integration", 7, "pull_request")
LEDGER_OURS = Actor("Integration", 7, "always")
REVIEWS = {
    "required_approving_review_count": 1,
    "require_code_owner_review": True,
    "dismiss_stale_reviews_on_push": True,
    "require_last_push_approval": True,
    "allowed_merge_methods": ["squash"],
}
CHECKS = {"required_status_checks": [{"context": "daypass", "integration_id": 7}]}
MAIN = (
    BranchRule("pull_request", REVIEWS, 1),
    BranchRule("required_status_checks", CHECKS, 1),
    BranchRule("deletion", {}, 1),
    BranchRule("non_fast_forward", {}, 1),
)
LEDGER = tuple(BranchRule(kind, {}, 2) for kind in ("creation", "update", "deletion", "non_fast_forward"))
SETS = {
    1: Ruleset(1, "main", True, ("~DEFAULT_BRANCH",), (), (OURS,)),
    2: Ruleset(2, "ledger", True, ("refs/heads/daypass-ledger",), (), (LEDGER_OURS,)),
}
RULES = BranchRules(MAIN, LEDGER, LEDGER, (), SETS, {"main": 1, "ledger": 2})
LEVELS = {
    "checks": "write", "contents": "write", "issues": "write", "members": "read", "metadata": "read",
    "pull_requests": "write", "statuses": "write",
}  # fmt: skip
PEOPLE = {101: "bosei", 102: "carol-d"}
REPOSITORY = {
    "archived": False, "default_branch": "main", "visibility": "private", "allow_forking": False,
    "owner": {"type": "Organization"},
    "allow_squash_merge": True, "allow_merge_commit": False, "allow_rebase_merge": False,
    "squash_merge_commit_title": "PR_TITLE", "squash_merge_commit_message": "BLANK",
}  # fmt: skip


def repository(**changes: object) -> Fields:
    return Fields("the repository", {**REPOSITORY, **changes})


def team(privacy: str | None = "closed") -> Fields:
    return Fields("a team", {"privacy": privacy, "permissions": {"push": True}})


def fault(line: int, kind: str, source: str, column: int) -> Fields:
    return Fields("a fault", {"line": line, "kind": kind, "source": source, "column": column})


FACTS = Setup(
    "acme/access",
    "https://github.com/acme/access",
    Catalogue(Settings(), {}, Directory({}, {}), {}),
    None,
    True,
    general=repository(),
    rules=RULES,
    actions=Fields("Actions", {"enabled": True, "sha_pinning_required": True, "allowed_actions": "all"}),
    jobs=Fields("jobs", {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": False}),
    workflows={f".github/workflows/{name}.yml": "active" for name in WORKFLOWS},
    environment=Environment(((5, "branch", "main"),), frozenset({"DAYPASS_LEDGER_KEY", "DAYPASS_APP_KEY"})),
    secrets=frozenset(),
    owners_faults=(),
    teams=Teams({slug: team() for slug in ("dba", "security")}, dict.fromkeys(("dba", "security"), PEOPLE)),
    writers=(),
    any_app=App(7, "daypass-acme", LEVELS, False),
    skew=timedelta(seconds=-3),
)


def catalogue(**options: object) -> Catalogue:
    people = {
        "bob": Subject("bob", login="bosei", forge_id=101),
        "carol": Subject("carol", login="carol-d", forge_id=102),
        "robot": Subject("robot", kind="workload"),
    }
    groups = {name: frozenset({"bob", "carol"}) for name in ("dba", "security")}
    resource = Resource("orders-db", "Orders", "pg", "production", "internal", ("dba",), {})
    targets = {"pg": TargetSettings("pg", "postgres", {"url_env": "ORDERS_DB_URL", "host": "db.example.com"})}
    forge = {"repository": "acme/access", "app": "7", **options}
    settings = Settings(forge_kind="github", forge_options=forge, targets=targets)
    return Catalogue(settings, {"orders-db": resource}, Directory(people, groups), {})


def case(facts: Setup = FACTS, *, codeowners: bytes | None = b"", by_app: bool = True, **options: object) -> Setup:
    made = catalogue(**options)
    held = codeowners_text(made).encode() if codeowners == b"" else codeowners
    return replace(facts, catalogue=made, codeowners=held, by_app=by_app)


def judged(one: Setup) -> list[tuple[str, str]]:
    return [(each.code, each.message) for each in judge(one)]


def codes(one: Setup) -> list[str]:
    return [code for code, _ in judged(one)]


def test_sound_facts_give_no_complaint():
    assert judged(case()) == []


def test_a_change_of_keys_that_was_begun_and_not_finished_is_told():
    begun = case()
    settings = replace(begun.catalogue.settings, ledger_keys=("ledger-2.pub", "ledger.pub"))
    ((code, message),) = judged(replace(begun, catalogue=replace(begun.catalogue, settings=settings)))
    assert (code, message.partition(":")[0]) == ("key-rotation", "ledger.pub may sign the ledger beside ledger-2.pub")


def test_what_secrets_decide_alone_is_told_with_what_main_would_have_to_say():
    settings = Settings(
        forge_kind="github",
        forge_options={"repository": "acme/access"},
        targets={
            "pg": TargetSettings("pg", "postgres", {"url_env": "ORDERS_DB_URL"}),
            "hub": TargetSettings("hub", "github", {"app_id_env": "A", "app_key_env": "B", "app": "8"}),
            "bastion": TargetSettings("bastion", "ssh", {"ca_key_env": "CA"}),
            "bank": TargetSettings("bank", "vault", {"url_env": "VAULT_ADDR", "host": "vault.example.com"}),
        },
        ledger_signer="hv:ledger",
    )
    held = case()
    found = [
        (one.code, one.message, one.advice)
        for one in judge(replace(held, catalogue=replace(held.catalogue, settings=settings)))
    ]
    said = ", so that whoever may write secrets decides it"
    assert [row for row in found if row[0] == "unpinned"] == [
        (
            "unpinned",
            f"target pg: main does not say which host it is at{said}",
            "write host: … beside url_env into policies/daypass.yaml",
        ),
        (
            "unpinned",
            f"target bastion: main does not say which CA signs{said}",
            "write ca: … beside ca_key_env into policies/daypass.yaml",
        ),
        (
            "unpinned",
            f"the forge: main does not say which App acts{said}",
            "write app: 7 beside repository into policies/daypass.yaml",
        ),
        (
            "unpinned",
            f"the ledger: main does not say where the signer's key service is{said}",
            "write host: … beside signer into policies/daypass.yaml",
        ),
    ]


def test_who_may_write_and_owns_nothing_is_named_and_asking_takes_only_read():
    def may_write(number: int, login: str, *, admin: bool = False) -> Fields:
        return Fields("who may write", {"id": number, "login": login, "permissions": {"push": True, "admin": admin}})

    writers = (may_write(101, "bosei"), may_write(900, "olga", admin=True), may_write(901, "mallory"))
    assert judged(case(replace(FACTS, writers=writers))) == [
        ("writers", "mallory (id 901) may write here and so overwrite its secrets: asking takes only read")
    ]
    hidden = Teams({slug: team() for slug in ("dba", "security")}, {"dba": UntoldError("hidden"), "security": PEOPLE})
    found = [(one.code, one.told) for one in judge(case(replace(FACTS, writers=writers, teams=hidden)))]
    assert ("writers", False) in found


def test_a_default_branch_other_than_main_is_unsafe():
    found = replace(FACTS, general=repository(default_branch="trunk"))
    assert judged(case(found)) == [
        ("default-branch", "the default branch is 'trunk': schedules and issues run its workflows, not main's")
    ]


def test_merge_settings_that_are_not_shown_are_not_sound():
    told = {name: value for name, value in REPOSITORY.items() if name != "allow_squash_merge"}
    why = "GitHub shows it only to those who may write"
    assert judged(case(replace(FACTS, general=Fields("the repository", told)))) == [
        ("merge-methods", f"cannot tell how pull requests are merged: {why}")
    ]


def test_a_person_s_account_has_no_teams_and_needs_no_members_permission():
    levels = {name: level for name, level in LEVELS.items() if name != "members"}
    found = replace(
        FACTS,
        general=repository(owner={"type": "User"}),
        teams=Teams({}, {}),
        any_app=App(7, "daypass-acme", levels, False),
    )
    assert judged(case(found)) == [
        ("no-organisation", "acme is a person's account, and has no teams: .github/CODEOWNERS names nobody")
    ]


def test_teams_of_another_organisation_are_no_owners():
    found = judged(case(teams={"dba": "other/dba"}))
    assert found == [
        ("team-missing", "the team other/dba of the group dba is of another organisation than the repository")
    ]


def test_a_team_whose_privacy_or_people_github_does_not_say_is_not_sound():
    teams = Teams({"dba": team(None), "security": team()}, {"dba": PEOPLE})
    found = judge(case(replace(FACTS, teams=teams)))
    assert [(one.code, one.told) for one in found] == [("team-secret", False), ("team-differs", False)]


def test_a_team_that_is_there_but_not_here_may_not_write():
    teams = Teams({"dba": team()}, {"dba": PEOPLE}, frozenset({"dba", "security"}))
    assert codes(case(replace(FACTS, teams=teams))) == ["team-cannot-write"]


@pytest.mark.parametrize(("permission", "found"), [("push", []), ("admin", []), ("pull", ["team-cannot-write"])])
def test_a_team_told_by_its_one_permission_is_judged_by_that(permission, found):
    told = Fields("a team", {"privacy": "closed", "permission": permission})
    teams = Teams({"dba": told, "security": team()}, dict.fromkeys(("dba", "security"), PEOPLE))
    assert codes(case(replace(FACTS, teams=teams))) == found


def test_unknown_people_of_a_group_are_told_once_and_known_by_login_till_then():
    made = case()
    people = {**made.catalogue.directory.subjects, "carol": Subject("carol", login="Carol-D")}
    held = replace(made.catalogue, directory=replace(made.catalogue.directory, subjects=people))
    found = judge(replace(made, catalogue=held))
    assert [one.code for one in found] == ["person-without-id"]


# CODEOWNERS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "* @acme/security\n[x] @a\n",
            "cannot be told: line 2 may decide, and ranges in [ ] do not work in CODEOWNERS",
        ),
        ("", "is nobody; it decides who gets access, and belongs to @acme/security"),
        ("#" * LARGEST, f".github/CODEOWNERS has {LARGEST} bytes"),
    ],
)
def test_what_github_makes_nobody_s_or_what_cannot_be_told_is_unowned(text, words):
    one = replace(case(), codeowners=text.encode())
    ((code, message),) = judged(one)
    assert code == "workflows-unowned"
    assert words in message


def test_whose_it_should_be_is_nobody_where_the_catalogue_names_none():
    made = catalogue()
    empty = replace(made, resources={}, directory=replace(made.directory, groups={}))
    one = replace(case(), catalogue=empty, codeowners=b"* @a\n")
    assert "who owns .github/CODEOWNERS on main is @a; it decides who gets access, and belongs to nobody" in [
        message for _, message in judged(one)
    ]


def test_faults_of_the_file_are_told_unless_a_team_explains_them():
    line = "/grants/x/ @acme/dba @mallory"
    faults = (fault(5, "Unknown owner", line, 12), fault(5, "Unknown owner", line, 22))
    found = judged(case(replace(FACTS, owners_faults=faults)))
    assert found == [
        ("codeowners-errors", f"GitHub skips a part of line 5 of .github/CODEOWNERS: Unknown owner: {line}")
    ]
    beyond = (fault(1, "Unknown owner", "", 9),)
    assert codes(case(replace(FACTS, owners_faults=beyond))) == ["codeowners-errors"]
    unseen = judge(case(replace(FACTS, owners_faults=faults[:1], teams=UntoldError("no"))))
    assert [(one.code, one.told) for one in unseen] == [("codeowners-errors", True), ("teams", False)]


# The App


def test_an_app_that_is_not_named_leaves_it_open_and_is_given_nothing():
    found = judge(case(replace(FACTS, any_app=None)))
    assert [(one.code, one.told) for one in found] == [("main-bypass", False), ("ledger-bypass", False), ("app", False)]
    assert found[-1].message == "cannot tell which App is ours: the settings do not name its bot"
    lacking = replace(RULES, main=MAIN[:2], ledger=LEDGER[:1])
    broken = judge(case(replace(FACTS, any_app=None, rules=lacking)))
    assert {one.code: one.remedy for one in broken if one.told} == dict.fromkeys(
        ("main-force-push", "main-deletion", "ledger-open")
    )


def test_somebody_beside_an_unknown_app_passes_for_certain():
    sets = {**SETS, 1: replace(SETS[1], bypass=(OURS, Actor("Team", 9, "always")))}
    found = codes(case(replace(FACTS, any_app=None, rules=replace(RULES, rulesets=sets))))
    assert found[0] == "main-bypass"


def test_an_app_that_is_everywhere_or_may_what_is_not_known_is_too_wide():
    app = App(7, "daypass-acme", {**LEVELS, "checks": "omnipotent", "secrets": "read"}, True)
    assert judged(case(replace(FACTS, any_app=app))) == [
        ("app-wide", "the App daypass-acme may do more than it needs: checks: omnipotent and secrets: read"),
        ("app-everywhere", "the App daypass-acme is installed on all repositories, so that its key opens them all"),
    ]


def test_without_an_app_none_is_judged():
    checks = {"required_status_checks": [{"context": "daypass", "integration_id": 15368}]}
    main = (MAIN[0], BranchRule("required_status_checks", checks, 1), *MAIN[2:])
    sets = {number: replace(one, bypass=()) for number, one in SETS.items()}
    rules = replace(RULES, main=main, ledger=LEDGER[2:], lanes=LEDGER[2:], rulesets=sets)
    assert codes(case(replace(FACTS, any_app=UntoldError("no"), rules=rules), by_app=False)) == []


@pytest.mark.parametrize(
    ("skew", "found"),
    [
        (timedelta(seconds=120), []),
        (timedelta(seconds=-120), []),
        (timedelta(seconds=121), ["this machine's clock is 2m1s ahead of GitHub's"]),
        (timedelta(hours=-1), ["this machine's clock is 1h behind GitHub's"]),
        (None, ["cannot tell how far this machine's clock is off: GitHub did not say the time"]),
    ],
)
def test_a_clock_may_be_two_minutes_off(skew, found):
    assert [message for _, message in judged(case(replace(FACTS, skew=skew)))] == found


# BranchRules


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"required_approving_review_count": "many"}, "main-approvals"),
        ({"require_code_owner_review": "true"}, "main-code-owners"),
        ({"allowed_merge_methods": []}, "main-linear"),
        ({"allowed_merge_methods": None}, "main-linear"),
    ],
)
def test_what_is_no_clear_yes_is_no(asked, code):
    main = (BranchRule("pull_request", {**REVIEWS, **asked}, 1), *MAIN[1:])
    assert codes(case(replace(FACTS, rules=replace(RULES, main=main)))) == [code]


def test_a_check_list_that_is_none_asks_for_nothing():
    main = (MAIN[0], BranchRule("required_status_checks", {"required_status_checks": "daypass"}, 1), *MAIN[2:])
    assert codes(case(replace(FACTS, rules=replace(RULES, main=main)))) == ["main-check"]


def test_what_another_ruleset_asks_of_everybody_is_not_lost_to_a_bypass():
    second = Ruleset(3, "org", False, ("~ALL",), (), ())
    sets = {**SETS, 1: replace(SETS[1], bypass=(Actor("User", 3, "always"),)), 3: second}
    main = (*MAIN, *(replace(rule, ruleset=3) for rule in MAIN))
    assert codes(case(replace(FACTS, rules=replace(RULES, main=main, rulesets=sets)))) == []
    assert codes(case(replace(FACTS, rules=replace(RULES, main=MAIN, rulesets=sets)))) == ["main-bypass"]


def test_an_organisation_s_ruleset_is_never_changed():
    sets = {**SETS, 1: replace(SETS[1], own=False, name="org")}
    one = case(replace(FACTS, rules=replace(RULES, main=MAIN[:3], rulesets=sets, names={})))
    (found,) = judge(one)
    assert found.remedy is not None
    assert (found.code, [step.verb for step in found.remedy.steps]) == ("main-force-push", ["POST"])


def test_the_branches_that_lanes_would_have_are_held_to_what_the_ledger_s_is():
    narrow = {**SETS, 2: replace(SETS[2], rules=({"type": "non_fast_forward"},))}
    open_ = case(replace(FACTS, rules=replace(RULES, lanes=LEDGER[1:], rulesets=narrow)))
    assert judged(open_) == [
        ("ledger-open", "anybody who may push can make creations of daypass-ledger-lane/*, where the ledger is")
    ]
    (found,) = judge(open_)
    assert found.remedy is not None
    (step,) = found.remedy.steps
    covers = ["refs/heads/daypass-ledger", "refs/heads/daypass-ledger-lane/*"]
    assert (step.path, step.body["conditions"]["ref_name"]["include"]) == ("/repos/acme/access/rulesets/2", covers)
    both = replace(RULES, ledger=LEDGER[1:], lanes=LEDGER[1:])
    ((_, message),) = judged(case(replace(FACTS, rules=both)))
    assert message.startswith("anybody who may push can make creations of daypass-ledger and daypass-ledger-lane/*")
    others = {**SETS, 3: Ruleset(3, "lanes", True, (covers[1],), (), (LEDGER_OURS, Actor("Team", 9, "always")))}
    lanes = tuple(replace(rule, ruleset=3) for rule in LEDGER)
    ((code, message),) = judged(case(replace(FACTS, rules=replace(RULES, lanes=lanes, rulesets=others))))
    assert (code, message) == (
        "ledger-bypass",
        "the rules of the ledger's branches do not bind Team 9 (always) in 'lanes'",
    )


def test_a_ledger_that_is_shut_for_us_is_told_where_that_is_known():
    main_bypass = Actor("Integration", 7, "pull_request")
    sets = {**SETS, 2: replace(SETS[2], bypass=(main_bypass,))}
    found = codes(case(replace(FACTS, rules=replace(RULES, rulesets=sets))))
    assert found == ["ledger-bypass", "ledger-locked"]
    hidden = {**SETS, 2: replace(SETS[2], bypass=UntoldError("no"))}
    assert codes(case(replace(FACTS, rules=replace(RULES, rulesets=hidden)))) == ["ledger-bypass"]


def test_whether_code_owners_are_asked_is_certain_or_no():
    assert asks_code_owners(case())
    assert asks_code_owners(case(replace(FACTS, rules=replace(RULES, classic=UntoldError("no")))))
    assert not asks_code_owners(case(replace(FACTS, rules=UntoldError("no"))))


def test_secrets_of_targets_belong_into_the_environment_too():
    ((code, message),) = judged(case(replace(FACTS, secrets=frozenset({"ORDERS_DB_URL"}))))
    assert code == "secret-exposed"
    assert message.startswith("ORDERS_DB_URL lies in the repository's own secrets")


def test_a_signer_elsewhere_needs_no_ledger_key():
    one = case(replace(FACTS, environment=replace(FACTS.environment, secrets=frozenset({"DAYPASS_APP_KEY"}))))
    assert codes(one) == ["secret-missing"]
    settings = replace(one.catalogue.settings, ledger_signer="awskms:1")
    assert codes(replace(one, catalogue=replace(one.catalogue, settings=settings))) == []


def test_names_are_joined_in_order():
    assert (listed(["b"]), listed(["c", "a", "b"])) == ("b", "a, b and c")
