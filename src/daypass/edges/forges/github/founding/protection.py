"""Labels, switches and rules, by the doctor's own remedies, in the order in which GitHub takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from daypass.core.errors import EdgeError
from daypass.core.finding import shown
from daypass.core.forge import Call, Complaint, Remedy
from daypass.core.record import replace
from daypass.edges.forges.github.answers import CHECK, Fields
from daypass.edges.forges.github.doctor.checks import OF_MAIN
from daypass.edges.forges.github.founding.ground import Ground, GroundStep, remedies_of, told_of
from daypass.edges.forges.github.inbox import LABEL as ASKED
from daypass.edges.forges.github.pages.labels import LABEL, STATES

_LABELS = {
    ASKED: ("0e8a16", "asks for access with the form"),
    LABEL: ("5319e7", "daypass tells of something"),
    **{f"{LABEL}: {state}": ("1d76db", f"a request that is {state}") for state in STATES},
}
UNTOLD = "main-protection"
"""GitHub does not show the rules, as in a private repository of a plan without them."""
BOUND = ("main-check", "main-check-source")
_LAST = (*BOUND, "main-bypass", UNTOLD)
"""What is left to the last step."""
_RULES = (*({check.code for check in OF_MAIN} - {*_LAST}), "ledger-open", "ledger-bypass", "ledger-locked", UNTOLD)
ADMINISTRATORS = {"actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always"}
"""Who passes main's rules until the self-test is taken back: https://docs.github.com/en/rest/repos/rules."""

_STOPS_A_PUSH = ("pull_request", "required_status_checks", "update")
_PASSES = ("always", "exempt")
"""https://docs.github.com/en/rest/repos/rules#get-a-repository-ruleset."""

_WINDOW = "administrators may pass main's rules until the last step of setup"


class LabelsStep(GroundStep):
    """Make the labels."""

    name = "labels"

    def _missing(self) -> list[str]:
        ground = self._ground
        if ground.repository_there() is None:
            return list(_LABELS)
        there = {Fields("a label", row).text("name").lower() for row in ground.api.pages(f"{ground.root}/labels")}
        return [name for name in _LABELS if name not in there]

    def look(self) -> str:
        """Return that all are there."""
        return "" if self._missing() else "all are there"

    def say(self) -> list[str]:
        """Name those that are not."""
        return [f"make {', '.join(self._missing())}"]

    def do(self) -> str:
        """https://docs.github.com/en/rest/issues/labels#create-a-label."""
        made = self._missing()
        for name in made:
            color, text = _LABELS[name]
            self._ground.send(
                "POST", f"{self._ground.root}/labels", {"name": name, "color": color, "description": text}
            )
        return ", ".join(made)


class SwitchesStep(GroundStep):
    """How the repository merges, what its workflows may do, and which actions they use."""

    name = "switches"
    codes = (
        "default-branch", "merge-methods", "squash-message", "forking", "actions", "actions-off", "actions-unpinned",
        "job-permissions", "actions-approve", "workflow-off", "team-cannot-write", "team-secret",
    )  # fmt: skip

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._path = f"{ground.root}/actions/permissions"

    def look(self) -> str:
        """Return that all are as they should be."""
        ground = self._ground
        if ground.repository_there() is None or ground.complaints(self.codes) or self._any_action():
            return ""
        return "as they should be"

    def _any_action(self) -> bool:
        found = Fields("Actions", self._ground.api.get(self._path))
        return bool(found.data.get("allowed_actions", "all") == "all")

    def say(self) -> list[str]:
        """Name what is changed."""
        ground = self._ground
        if ground.repository_there() is None:
            return [
                "merge by squash alone with the title as its message, no forks, Actions that are pinned and GitHub's own"
            ]
        lines = [remedy.words for remedy in remedies_of(ground.complaints(self.codes))]
        return [*lines, "let workflows use GitHub's own actions alone"] if self._any_action() else lines

    def do(self) -> str:
        """Carry out the remedies, and leave actions to GitHub's own.

        https://docs.github.com/en/rest/actions/permissions#set-allowed-actions-and-reusable-workflows-for-a-repository
        """
        ground = self._ground
        ground.mend(remedies_of(ground.complaints(self.codes)))
        if self._any_action():
            wanted = {"enabled": True, "allowed_actions": "selected", "sha_pinning_required": True}
            ground.send("PUT", self._path, wanted)
            chosen = {"github_owned_allowed": True, "verified_allowed": False, "patterns_allowed": []}
            ground.send("PUT", f"{self._path}/selected-actions", chosen)
        return _none_left(ground.complaints(self.codes), "as they should be")


class RulesStep(GroundStep):
    """Both rulesets, the check and the end of the administrators' bypass excepted."""

    name = "rulesets"

    def look(self) -> str:
        """Return that main and the ledger have their rules, and whether administrators pass main's still."""
        ground = self._ground
        if ground.repository_there() is None or ground.complaints(_RULES) or self._binding():
            return ""
        self.unsafe = _WINDOW if ground.complaints(("main-bypass",)) else ""
        return f"main and the ledger have theirs{'; ' if self.unsafe else ''}{self.unsafe}"

    def say(self) -> list[str]:
        """Tell what for."""
        return [
            "have main ask for reviewed pull requests, of everybody; administrators pass until the self-test is over",
            "have the ledger's branches take nothing but from the App",
        ]

    def do(self) -> str:
        """Carry the remedies out, as far as they can be before the check has run."""
        ground = self._ground
        self.unsafe = _WINDOW
        codes = (*_RULES, *BOUND, "main-bypass") if self._binding() else _RULES
        ground.mend(_before_the_check(remedies_of(ground.complaints(codes))))
        said = _none_left(ground.complaints(_RULES), "main and the ledger have theirs")
        if binding := self._binding():
            raise EdgeError(
                f"the self-test pushes to main, and its ruleset {', '.join(binding)} binds you",
                hint=f"put administrators into its bypass list, Always, until setup is over: {ground.page}/settings/rules",
            )
        return said

    def _binding(self) -> list[str]:
        """Name the rulesets of main that whoever sets up does not pass, while the self-test is still to push there."""
        ground = self._ground
        if not ground.complaints(BOUND):
            return []
        rows = [Fields("a rule of main", row) for row in ground.api.pages(f"{ground.root}/rules/branches/main")]
        numbers = sorted({row.number("ruleset_id") for row in rows if row.text("type") in _STOPS_A_PUSH})
        found = [Fields("a ruleset", ground.api.get(f"{ground.root}/rulesets/{number}")) for number in numbers]
        return [shown(one.text("name")) for one in found if one.data.get("current_user_can_bypass") not in _PASSES]


def _before_the_check(remedies: Iterable[Remedy]) -> list[Remedy]:
    """Leave the check out, and let administrators pass main's rules meanwhile."""
    found = []
    for remedy in remedies:
        steps = [step for step in remedy.steps if not _asks_check(step)] or remedy.steps
        found.append(replace(remedy, steps=tuple(_meanwhile(step) for step in steps)))
    return found


def _rule_kinds(step: Call) -> set[str]:
    body: Mapping[str, Any] = step.body or {}
    return {str(rule.get("type")) for rule in body.get("rules", ())}


def _asks_check(step: Call) -> bool:
    return "required_status_checks" in _rule_kinds(step)


def _meanwhile(step: Call) -> Call:
    if "pull_request" not in _rule_kinds(step) or step.body is None:
        return step
    return replace(step, body={**step.body, "bypass_actors": [*step.body["bypass_actors"], ADMINISTRATORS]})


class CheckStep(GroundStep):
    """Require the check, of the App alone, and let nobody but the App pass."""

    name = "required check"

    def look(self) -> str:
        """Return that main asks for it, of everybody."""
        ground = self._ground
        if ground.repository_there() is None or ground.complaints((*_RULES, *_LAST)):
            return ""
        return f"main asks for {CHECK}, of everybody"

    def say(self) -> list[str]:
        """Tell what is changed."""
        return [f"have main ask for the check {CHECK} of our App, and administrators pass no longer"]

    def do(self) -> str:
        """Carry out the doctor's remedy, now that the check has run."""
        ground = self._ground
        ground.mend(remedies_of(ground.complaints(_LAST)))
        return _none_left(ground.complaints((*_RULES, *_LAST)), f"main asks for {CHECK}, of everybody")


def _none_left(complaints: Iterable[Complaint], said: str) -> str:
    """Return what was reached. Raises EdgeError where something is still unsafe."""
    left = told_of(complaints)
    if left:
        raise EdgeError(f"still unsafe: {left[0]}", hint="`daypass doctor` says what mends it")
    return said
