"""sync."""

from __future__ import annotations

from typing import Any

import click

from daypass.cli.options import PullNumber, say
from daypass.core.errors import ExitCode, UsageError


@click.command()
@click.argument("remote", default="origin")
@click.option(
    "--take",
    type=PullNumber(),
    multiple=True,
    help="Give up this clone's record of an open request for the one at REMOTE, where the two do not continue one another.",
)
@click.pass_obj
def sync(obj: dict[str, Any], remote: str, take: tuple[int, ...]) -> int:
    """Bring what others did from REMOTE (origin by default) and push what this clone has, for the local forge.

    These are main, the ledger's branch and everything below daypass/: requests, reviews, merges. All moves forward only,
    and the push is all or nothing. A request that cannot be joined is named, exit 14, and the others go on; where main
    or the ledger parts, nothing is moved, exit 1. Nothing is believed for having come from there.
    """
    from daypass.cli.site import Site
    from daypass.cli.written import SHARING, Noting
    from daypass.edges.forges.local.sharing import Sharing

    site = Site(obj["folder"], obj["acting"])
    if site.elsewhere:
        raise UsageError("sync is for the local forge", hint="at GitHub every verb looks there by itself")
    sharing: Any = Noting(
        Sharing(site.repository.git, remote, main=site.main, ledger=site.settings.ledger_branch), SHARING
    )
    joined = sharing.run(take)
    for what, moves in (("Brought", joined.here), ("Pushed", joined.there)):
        click.echo(f"{what}: {_named(moves)}")
    for branch, where, why in joined.left_behind:
        say(
            f"daypass: {where} has {why} in the way and still shows {branch} as it was before",
            f"  hint: put that aside, then `git reset --hard {branch}`",
        )
    for error in joined.aside:
        say(f"daypass: {error.message}", f"  hint: {error.hint}")
    return int(ExitCode.PARTIAL if joined.aside else ExitCode.OK)


def _named(moves: dict[str, Any]) -> str:
    """Name what was moved, requests by their numbers."""
    from daypass.core.grant import ABSENT
    from daypass.edges.forges.local.chain import numbered
    from daypass.views.findings import joined

    requests = sorted({numbered(name) for name in moves} - {0})
    names = [f"{name}{' (deleted)' * (new == ABSENT)}" for name, (_, new) in moves.items() if not numbered(name)]
    return joined([", ".join([*names, *(f"#{number}" for number in requests)]) or "nothing"]).rstrip("\n")
