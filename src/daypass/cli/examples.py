"""An example of each verb, for its help. Tests run every line in a repository where such a request is open."""

from __future__ import annotations

import click

EXAMPLES: dict[str, str] = {
    "init": "daypass init access --example\ndaypass init access --github acme/access   # kept at GitHub",
    "extend": "daypass extend staging/try-the-fix --for 30m",
    "end": "daypass end staging/try-the-fix",
    "explain": "daypass explain staging/try-the-fix --requester alice\ndaypass explain grants/staging/try-the-fix.yaml",
    "policy": "daypass policy test",
    "policy test": "daypass policy test --revision main   # as main has them, not the work tree",
    "approve": "daypass approve 1",
    "reject": 'daypass reject 1 --reason "The staging copy will do"',
    "show": "daypass show 1",
    "withdraw": "daypass withdraw 2",
    "close": "daypass close 1",
    "gate": "daypass gate        # every open request\ndaypass gate 1      # exits 12 while approvals are missing",
    "sync": "daypass sync\ndaypass sync --take 1      # the number was taken at origin first",
    "report": "daypass report 1 --print",
    "status": "daypass status\ndaypass status --format json",
    "drift": "daypass drift",
    "targets": "daypass targets embedded",
    "import": "daypass import staging --dry-run",
    "apply": "daypass apply\ndaypass apply --detailed-exitcode   # exits 13 when something was changed",
    "expire": "daypass expire",
    "watch": "daypass watch --poll 30s --refresh 10m",
    "heartbeat": "daypass heartbeat --max-age 26h",
    "audit": "daypass audit access --resource orders-db\ndaypass audit history --subject alice",
    "audit history": "daypass audit history --grant staging/try-the-fix\n"
    "daypass audit history --subject alice --format csv",
    "audit stats": "daypass audit stats",
    "audit serial": "daypass audit serial 7283419   # exits 20 for a number that the ledger does not know",
    "audit verify": "daypass audit verify",
    "ledger": 'daypass ledger settle staging/try-the-fix --adopt --reason "The store was rebuilt"',
    "can": "daypass can alice staging deploy -q || echo no",
    "codeowners": "daypass codeowners --check\ndaypass codeowners --who grants/orders-db/any.yaml",
    "doctor": "daypass doctor\ndaypass doctor --fix --yes",
    "forge": "daypass forge",
    "form": "daypass form --check",
    "answer": 'daypass answer "$GITHUB_EVENT_PATH"   # in a workflow that an issue or a comment starts',
    "refresh": "daypass refresh",
    "schema": "daypass schema grant > grant.schema.json",
    "demo": "daypass demo",
    "completion": 'eval "$(daypass completion bash)"',
}
"""Each verb's lines, as they are typed."""


def add_examples(name: str, command: click.Command) -> click.Command:
    """Put a verb's examples below its help, and those of the verbs in it below theirs."""
    if isinstance(command, click.Group):
        for below, one in command.commands.items():
            add_examples(f"{name} {below}", one)
    if name in EXAMPLES:
        command.epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in EXAMPLES[name].split("\n"))
    return command
