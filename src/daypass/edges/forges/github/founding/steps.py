"""All steps of setting up at GitHub, in the order that GitHub's own rules ask for."""

from __future__ import annotations

from daypass.edges.forges.founding import Stage
from daypass.edges.forges.github.founding.app import AppStep, InstallationStep, SecretsStep
from daypass.edges.forges.github.founding.ground import Ground
from daypass.edges.forges.github.founding.repository import EnvironmentStep, PushStep, RepositoryStep


def stages(ground: Ground, *, browser: bool) -> tuple[Stage, ...]:
    """Return the stages: secrets come after the environment is kept for main, rules after what they forbid."""
    return (
        Stage("Make the repository and its environment?", (RepositoryStep(ground), EnvironmentStep(ground))),
        Stage("Make the App and install it?", (AppStep(ground, browser=browser), InstallationStep(ground))),
        Stage("Store the secrets?", (SecretsStep(ground),)),
        Stage("Push?", (PushStep(ground),)),
    )
