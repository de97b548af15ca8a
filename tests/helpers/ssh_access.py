"""The worked example with an ssh target in it: a bastion whose CA key daypass has, and alice with a key of her own."""

from __future__ import annotations

import shutil
from pathlib import Path

from copies import once
from driver import Access
from servers.sshd import make_key

ROLES = "{readonly: {max_duration: 8h, privilege: {principals: [orders-ro]}}}"
RESOURCE = f"""version: 1
title: The bastion before the orders database
target: bastion
environment: staging
classification: internal
owners: [dba]
roles: {ROLES}
"""


class SshAccess:
    """What the tests hold: the repository, alice's key and the CA's."""

    def __init__(self, access: Access, keys: Path, target: str = "{kind: ssh, ca_key_env: BASTION_CA}") -> None:
        self.access = access
        made = once("ssh keys", lambda folder: [make_key(folder / name) for name in ("ca", "alice")])
        shutil.copytree(made, keys, dirs_exist_ok=True)
        self.ca, self.public = (" ".join((keys / f"{name}.pub").read_text().split()[:2]) for name in ("ca", "alice"))
        self.key = keys / "alice"
        self.ca_file = keys / "ca"
        people, settings = "policies/directory/people.yaml", "policies/daypass.yaml"
        access.write(
            people,
            (access.top / people).read_text().replace(
                "email: alice@example.com",
                f'email: alice@example.com, ssh_keys: ["{self.public}"], identities: {{bastion: alice}}',
            ),
        )  # fmt: skip
        access.write(
            settings,
            (access.top / settings).read_text().replace(
                "  embedded: {kind: embedded}", f"  embedded: {{kind: embedded}}\n  bastion: {target}"
            ),
        )  # fmt: skip
        access.write("policies/resources/bastion.yaml", RESOURCE)
        access.commit("Add the bastion")
        # The directory names alice's key: what she does counts when she signs it.
        access.git("config", "gpg.format", "ssh")
        access.git("config", "user.signingkey", str(made / "alice"))

    @property
    def krl(self) -> Path:
        return self.access.top / ".git" / "daypass" / "bastion.krl"

    def at(self, instant: str) -> tuple[str, ...]:
        return ("--at", instant) if instant else ()

    def grant(self, asked: str = "", merged: str = "", *more: str) -> str:
        """Have alice ask for two hours at the bastion and her reviewers agree; return the grant's id."""
        span = () if any(m in ("--for", "--until", "--from") for m in more) else ("--for", "2h")
        said = self.access.run(
            "request", "--resource", "bastion", "--role", "readonly", "--reason", f"looking at the slow orders {asked}",
            *span, *more, *self.at(asked), acting="alice",
        )  # fmt: skip
        number = said.out.split("#", 1)[1].split(":", 1)[0]
        for reviewer in ("bob", "dave"):
            self.access.run(
                "approve", number, *self.at(asked), acting=reviewer, expect=None
            )  # who is not asked may not
        said = self.access.run("gate", number, *self.at(merged))
        return said.out.split("grants ", 1)[1].split("\n", 1)[0].strip()
