"""ledger."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from daypass.cli.options import GrantName, at_option, say
from daypass.core.errors import ExitCode, UsageError


@click.group()
def ledger() -> None:
    """Work with the ledger: end a doubt about what was given."""


@ledger.command()
@click.argument("grants", metavar="GRANT...", type=GrantName(), nargs=-1, required=True)
@click.option("--adopt", is_flag=True, help="Whoever and whatever bears the names at the target now is meant.")
@click.option("--write-off", is_flag=True, help="It is not ours any more, and its grants give nothing any more.")
@click.option("--reason", required=True, help="Why. The ledger keeps its digest, not the words.")
@at_option
@click.pass_obj
def settle(
    obj: dict[str, Any], grants: tuple[str, ...], adopt: bool, write_off: bool, reason: str, at: datetime | None
) -> int:
    """End the doubt about what grants gave, where their target cannot tell: look there first.

    Something that was deleted, or deleted and made anew under the same name, may or may not be what access was given to.
    Until somebody says so nothing is given, and nothing is recorded as taken away. It needs the ledger's key.

    \b
    daypass ledger settle orders-db/alice-x7k2 --adopt --reason "the role was rebuilt after the outage"
    daypass ledger settle orders-db/alice-x7k2 --write-off --reason "alice's account was deleted"
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.cli.apply import look
    from daypass.cli.site import live_site
    from daypass.core.grant import GrantId
    from daypass.edges.lock import exclusive
    from daypass.pipeline.apply.recovery import settle as decide

    if adopt == write_off:
        raise UsageError(
            "expected one of --adopt and --write-off", hint="`daypass ledger settle --help` tells them apart"
        )
    if not reason.strip():
        raise UsageError("expected a reason")
    site = live_site(obj["folder"], obj["acting"])
    instant = site.instant(at, writes=True)
    site.books.ready()
    with exclusive(site.repository.state_dir / "apply.lock"):
        found = look(site, instant)
        if found.stuck is not None:
            raise found.stuck
        account = site.forge.acting()
        named = tuple(GrantId(grant) for grant in grants)
        by = account.handle or account.name
        bodies = decide(found.plan, found.standing, named, adopt=adopt, by=by, reason=reason)
        site.books.append(found.standing, bodies, at=instant, main=found.plan.main, run=site.run_name(instant))
    for body in bodies:
        what = "adopted under the names of today" if adopt else "written off"
        say(f"Settled: {body.holding.entitlement.principal} on {body.holding.entitlement.resource} is {what}")
    say(
        "`daypass apply` goes on from there"
        if adopt
        else "its grants give nothing any more; `daypass end` tidies them away"
    )
    return int(ExitCode.OK)
