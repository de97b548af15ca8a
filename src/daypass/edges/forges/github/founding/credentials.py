"""What runs sign the ledger and reach targets by: into the environment, with what main says of where they go."""

from __future__ import annotations

from collections.abc import Mapping

from daypass.core.errors import EdgeError, UsageError
from daypass.core.policy.policies import SETTINGS
from daypass.edges.forges.github.doctor.facts import ENVIRONMENT
from daypass.edges.forges.github.founding.ground import GroundStep
from daypass.edges.forges.github.founding.pinned import pinned
from daypass.edges.forges.github.founding.sealed import key_in, put_secret, secrets_there


class SecretsStep(GroundStep):
    """Keep the signing key and what targets are reached by in the environment."""

    name = "secrets"

    def _missing(self) -> list[str]:
        settings = self._ground.policy.catalogue.settings
        wanted = set(settings.variables) | (set() if settings.ledger_signer else {"DAYPASS_LEDGER_KEY"})
        return sorted(wanted - secrets_there(self._ground.api))

    def look(self) -> str:
        """Return that nothing is missing."""
        there = self._ground.repository_there() is not None
        return f"all are in the environment {ENVIRONMENT}" if there and not self._missing() else ""

    def say(self) -> list[str]:
        """Name them, and where each comes from."""
        ground = self._ground
        names = (
            self._missing()
            if ground.repository_there() is not None
            else ["DAYPASS_LEDGER_KEY", *sorted(ground.policy.catalogue.settings.variables)]
        )
        lines = [f"put {name} into the environment {ENVIRONMENT} ({self._source(name)})" for name in names]
        told = "have main's settings say which hosts, Apps and CAs these may name (committed here)"
        return [*lines, told] if set(names) & set(ground.policy.catalogue.settings.variables) else lines

    def asks(self) -> bool:
        """Say whether one is asked for."""
        given = self._ground.place.environ
        return any(name != "DAYPASS_LEDGER_KEY" and not given.get(name) for name in self._missing())

    def _source(self, name: str) -> str:
        if name == "DAYPASS_LEDGER_KEY":
            return "the signing key that init made"
        if self._ground.place.environ.get(name):
            return "from your environment"
        return "from a file that you name" if name in self._keys() else "asked for, and not shown"

    def _keys(self) -> frozenset[str]:
        """Return the variables that hold private keys, which are more than a line."""
        targets = self._ground.policy.catalogue.settings.targets.values()
        options = [item for target in targets for item in target.options.items()]
        return frozenset(str(name) for option, name in options if option.endswith("_key_env"))

    def do(self) -> str:
        """Say on main where they go, then seal and send each: of a secret that is there nobody is asked again."""
        ground = self._ground
        ground.follow()
        done = self._missing()
        values = {name: self._value(name, ground.place.environ) for name in done}
        self._pin(values)
        for name, value in values.items():
            put_secret(ground.api, name, value)
        ground.changed()
        return f"{', '.join(done)} sealed into the environment {ENVIRONMENT}"

    def _pin(self, values: Mapping[str, str]) -> None:
        """Commit what main does not say yet; a run that stopped may have written it here without a commit."""
        ground, settings = self._ground, self._ground.policy.catalogue.settings
        main = (ground.on_main(SETTINGS) or b"").decode()
        if pinned(main, settings, values) != main:
            text = (ground.place.top / SETTINGS).read_text(encoding="utf-8")
            ground.commit("Say where the targets' credentials go", {SETTINGS: pinned(text, settings, values)})

    def _value(self, name: str, environ: Mapping[str, str]) -> str:
        if name == "DAYPASS_LEDGER_KEY":
            key = self._ground.place.ledger_key()
            if not key:
                raise EdgeError(
                    "the signing key of the ledger is not on this machine",
                    hint=f"run it where `daypass init` made it, or: gh secret set {name} --env {ENVIRONMENT} < FILE",
                )
            return key
        value = environ.get(name, "") or self._asked(name)
        if not value:
            raise UsageError(f"{name} is empty", hint="the target cannot be reached without it")
        return value

    def _asked(self, name: str) -> str:
        ask = self._ground.talk.ask
        return key_in(ask(f"The file of the private key {name}", False)) if name in self._keys() else ask(name, True)
