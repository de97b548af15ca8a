"""All steps of setting up at GitHub, in the order that GitHub's own rules ask for."""

from __future__ import annotations

from daypass.edges.forges.founding import Stage
from daypass.edges.forges.github.founding.app import AppStep, InstallationStep
from daypass.edges.forges.github.founding.credentials import SecretsStep
from daypass.edges.forges.github.founding.ground import Ground
from daypass.edges.forges.github.founding.leavers import LeaversStep
from daypass.edges.forges.github.founding.people import PeopleStep
from daypass.edges.forges.github.founding.protection import CheckStep, LabelsStep, RulesStep, SwitchesStep
from daypass.edges.forges.github.founding.repository import EnvironmentStep, PushStep, RepositoryStep
from daypass.edges.forges.github.founding.selftest import SelfTestStep


def stages(ground: Ground, *, browser: bool) -> tuple[Stage, ...]:
    """Return the stages: secrets come after the environment is kept for main, rules after what they forbid."""
    return (
        Stage("Make the repository and its environment?", (RepositoryStep(ground), EnvironmentStep(ground))),
        Stage(
            "Make the App and install it?",
            (AppStep(ground, browser=browser), InstallationStep(ground, browser=browser)),
        ),
        Stage("Store the secrets?", (SecretsStep(ground),)),
        Stage(
            "Bring teams and directory together, and push?",
            (PeopleStep(ground), LeaversStep(ground), PushStep(ground)),
        ),
        Stage("Set labels, switches and rules?", (LabelsStep(ground), SwitchesStep(ground), RulesStep(ground))),
        Stage("Try it with a request, then require the check?", (SelfTestStep(ground), CheckStep(ground))),
    )
