"""What is done to the ledger itself: settle, rekey, revoke-key, restore, outbox."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from daypass.cli.below import Below
from daypass.cli.quick.around import line_width
from daypass.cli.repository import AccessRepository
from daypass.cli.verb import Codes, GrantName, say, show, show_data, verb
from daypass.core.errors import ExitCode, RefusedError, UsageError
from daypass.core.finding import near

if TYPE_CHECKING:
    from pathlib import Path

    from daypass.core.ids import Oid
    from daypass.core.ledger.keys import KeyRing
    from daypass.pipeline.audit.restore import FoundChain


@click.group(cls=Below)
def ledger() -> None:
    """Work with the ledger: end a doubt about what was given, change the key that signs it."""


@verb(group=ledger, follow=False, at="as given")
@click.argument("grants", metavar="GRANT...", type=GrantName(), nargs=-1, required=True)
@click.option("--adopt", is_flag=True, help="Whoever and whatever bears the names at the target now is meant.")
@click.option("--write-off", is_flag=True, help="It is not ours any more, and its grants give nothing any more.")
@click.option("--reason", required=True, help="Why. The ledger keeps its digest, not the words.")
def settle(
    repo: AccessRepository,
    grants: tuple[str, ...],
    adopt: bool,
    write_off: bool,
    reason: str,
    at: datetime | None,
    output: str,
) -> None:
    """End the doubt about what grants gave, where their target cannot tell: look there first.

    Something that was deleted, or deleted and made anew under the same name, may or may not be what access was given to.
    Until somebody says so nothing is given, and nothing is recorded as taken away. It needs the ledger's key.

    \b
    daypass ledger settle orders-db/alice-x7k2 --adopt --reason "the role was rebuilt after the outage"
    daypass ledger settle orders-db/alice-x7k2 --write-off --reason "alice's account was deleted"
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.cli.runs.running import look
    from daypass.core.ids import GrantId
    from daypass.core.planning.drift import settle as decide
    from daypass.edges.store import exclusive
    from daypass.views.data import plain

    if adopt == write_off:
        raise UsageError(
            "expected one of --adopt and --write-off", hint="`daypass ledger settle --help` tells them apart"
        )
    if not reason.strip():
        raise UsageError("expected a reason")
    repo.follow()
    instant = repo.instant(at, writes=True)
    repo.ledger.ready()
    with exclusive(repo.clone.state_dir / "apply.lock"):
        found = look(repo, instant)
        if found.stuck is not None:
            raise found.stuck
        account = repo.forge.acting()
        named = tuple(GrantId(grant) for grant in grants)
        by = account.handle or account.name
        bodies = decide(found.plan, found.standing, named, adopt=adopt, by=by, number=account.number, reason=reason)
        repo.ledger.append(found.standing, bodies, at=instant, main=found.plan.main, run=repo.run_name(instant))
    if output == "json":
        settled = [plain(body.holding.entitlement) | {"grants": list(body.holding.grants)} for body in bodies]
        show_data({"adopted": adopt, "settled": settled})
    for body in bodies:
        what = "adopted under the names of today" if adopt else "written off"
        say(f"Settled: {body.holding.entitlement.principal} on {body.holding.entitlement.resource} is {what}")
    say(
        "`daypass apply` goes on from there"
        if adopt
        else "its grants give nothing any more; `daypass end` tidies them away"
    )


@verb(group=ledger)
@click.option(
    "--finish", is_flag=True, help="The new key signs by now: the ones before it end at what they signed last."
)
@click.option(
    "--public-key", type=click.Path(exists=True, dir_okay=False), help="The public half of a key made elsewhere."
)
def rekey(repo: AccessRepository, finish: bool, public_key: str | None, output: str) -> None:
    """Change the key that signs the ledger, in two steps that are both a change of policies, for its owners to review.

    The first makes a key and lets it sign beside the one before, so that no run stops while the machine that applies gets
    it. With --finish the ones before end: what they signed stays good, what they sign from then on is refused.

    \b
    daypass ledger rekey
    daypass ledger rekey --finish   # when the new key has signed a receipt
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.cli.keys import handing_over, key_ring, new_key, write

    ring = key_ring(repo)
    if finish:
        _finish(repo, ring, output)
        return
    if len(ring.signing) > 1:
        raise RefusedError(
            f"{', '.join(ring.signing)} may sign already: one change of keys at a time",
            hint="`daypass ledger rekey --finish` ends the ones before the first",
        )
    name, place = new_key(repo, public_key)
    after = ring.joined_by(name)
    write(repo, after)
    _show_keys(after, name, place, output)
    say(
        f"{name} may sign beside {ring.signing[0]}: nothing stops while both do.",
        "Next:",
        "  1. Commit policies/ on a branch, and have it reviewed and merged, as every change of policies.",
        *handing_over(2, place),
        f"  3. There: `daypass apply`. Its receipts are signed by {name} from then on.",
        "  4. Here: `daypass ledger rekey --finish`, and merge that as well.",
    )


def _finish(repo: AccessRepository, ring: KeyRing, output: str) -> None:
    from daypass.cli.keys import write
    from daypass.edges.ledger.signers import last_by_key

    new, *before = ring.signing
    if not before:
        raise RefusedError(f"{new} alone may sign: there is nothing to finish", hint="`daypass ledger rekey` begins")
    standing = repo.standing
    last = last_by_key(repo.ledger, standing)
    if last.get(new) != standing.next_sequence - 1:
        signer = max(last, key=lambda name: last[name])
        raise RefusedError(
            f"the last receipt, {standing.next_sequence - 1}, is signed by {signer} and not by {new}",
            hint=f"give the machine that applies the private half of {new}, and run `daypass apply` there; a run signs with "
            "the first of ledger.keys that it has",
        )
    after = ring.retiring(last)
    write(repo, after)
    _show_keys(after, "", None, output)
    say(
        *(f"{name} ends with receipt {after.retired[name]}." for name in before),
        "Next: commit policies/ on a branch, and have it reviewed and merged. From then on whatever the old key signs is "
        "refused. Then delete its private half everywhere.",
    )


def _show_keys(after: KeyRing, new: str, private: Path | None, output: str, **more: int) -> None:
    if output == "json":
        told = {"keys": list(after.signing), "retired": dict(after.retired), "revoked": dict(after.revoked)}
        show_data({**told, "new_key": new, "private_key": str(private or ""), **more})


@verb("revoke-key", group=ledger)
@click.argument("key")
@click.option(
    "--from",
    "first",
    type=click.IntRange(1, 999_999_999),
    required=True,
    help="The first receipt that is not believed.",
)
@click.option(
    "--public-key", type=click.Path(exists=True, dir_okay=False), help="The public half of a key made elsewhere."
)
def revoke_key(repo: AccessRepository, key: str, first: int, public_key: str | None, output: str) -> None:
    """Stop believing what KEY, a file of policies/, signed from a receipt on: somebody else may have it.

    It writes a change of policies, for its owners to review. From its merge on no run believes those receipts: what they
    admitted is proved again, and access that no other proof explains is in doubt until `daypass ledger settle` ends it.
    Where no other key may sign, a new one is made.

    \b
    daypass ledger revoke-key ledger.pub --from 4200
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.cli.keys import handing_over, key_ring, new_key, write
    from daypass.edges.ledger.signers import signed_from

    ring = key_ring(repo)
    known = (*ring.signing, *ring.retired, *ring.revoked)
    name = key.removeprefix("policies/")
    if name not in known:
        raise UsageError(
            f"there is no key {key!r} in ledger.keys or below it",
            hint=near(name, known, f"main names {', '.join(known)}"),
        )
    if first > ring.revoked.get(name, first):
        raise RefusedError(
            f"{name} is revoked from receipt {ring.revoked[name]} on already, which is earlier",
            hint="what is not believed any more is not believed again: who gave it is asked anew",
        )
    standing = repo.standing
    if first > standing.next_sequence:
        raise RefusedError(
            f"the ledger here ends with receipt {standing.next_sequence - 1}: whoever has {name} would be believed up to "
            f"receipt {first - 1}",
            hint=f"`--from {standing.next_sequence}` takes all that it signs from now on; where this clone is behind, bring "
            "the ledger first",
        )
    signed = signed_from(repo.ledger, standing, name, first)
    new, place = new_key(repo, public_key) if ring.signing == (name,) else ("", None)
    after = ring.revoking(name, first, new)
    write(repo, after)
    _show_keys(after, new, place, output, receipts=standing.next_sequence, void=signed)
    say(
        f"{signed} of {standing.next_sequence} receipts are signed by {name} from receipt {first} on: none of them counts "
        "once this is merged.",
        "Next:",
        "  1. Keep the old key from whoever may have it: take it from the machine that applies, and delete it.",
        "  2. Commit policies/ on a branch, and have it reviewed and merged at once.",
        *(handing_over(3, place) if new else ()),
        f"  {4 if new else 3}. There: `daypass apply`. It proves again what those receipts admitted, and names what stays in "
        "doubt.",
    )


@verb(group=ledger)
@click.option("--remote", default="origin", show_default=True, help="Where it is put back; at GitHub always GitHub.")
@click.option("--from", "folder", default="", help="The folder of another clone that has it.")
@click.option("--take", default="", help="Where two chains part: the commit of the one that stays.")
def restore(repo: AccessRepository, remote: str, folder: str, take: str, output: str) -> None:
    """Put the ledger's branch back where it was deleted, cut, rewritten or forked, here and at the remote.

    Of all that this clone knows of the branch it takes the longest chain that verifies and has every receipt that main's
    merges name. It refuses where none has, and where what is there is signed as well and parts from it: see --take. What
    it puts something else in the place of stays here, as a branch.

    \b
    daypass ledger restore
    daypass ledger restore --from ../other-clone
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.core.ids import ABSENT, Oid
    from daypass.edges.ledger.places import at_remote, put_back
    from daypass.edges.store import discard, exclusive
    from daypass.pipeline.audit.restore import anchors_of, find_ledger, judge_chain, refuse_rival

    git, branch, receipts = repo.clone.git, repo.settings.ledger_branch, repo.ledger.receipts
    place = repo.remote if repo.elsewhere else at_remote(git, remote)
    with exclusive(repo.clone.state_dir / "apply.lock"):
        heads = place.heads("main", branch) if place is not None else {}
        there = heads.get(branch, ABSENT)
        if not receipts.contains(heads.get("main", repo.tip), repo.tip):
            raise RefusedError(
                "main at the remote has more than main here, and its merges say what the ledger must have",
                hint="bring main first: `git fetch` it, or `git pull`",
            )
        known = _known(repo, place.bring(branch) if place is not None and there != ABSENT else ABSENT, folder)
        anchors = anchors_of(repo)
        chains: list[FoundChain] = []
        for commit in sorted(known, key=lambda one: -int(git.text("rev-list", "--count", one))):
            if commit == there or not any(not c.why and receipts.contains(commit, c.commit) for c in chains):
                chains.append(judge_chain(repo, known[commit], commit, repo.ledger.whole, anchors))
        best = find_ledger(chains, receipts.contains, take)
        verified = repo.ledger.verified_last()
        parting = {one for one in (there, verified) if one in known and not receipts.contains(Oid(one), best.commit)}
        if not take:
            refuse_rival(chains, parting, best)
        done, kept = put_back(git, branch, place, there, best.commit)
        forgotten = verified in parting
        if forgotten:  # else runs and audits here would refuse the chain that was just chosen
            for path in (repo.ledger.path, repo.clone.state_dir / "audit.sqlite"):
                discard(path)
    if output == "json":
        told = {"receipts": best.receipts, "commit": best.commit, "from": best.place, "kept": kept}
        show_data(told | {"put_back": {where: "" if old == ABSENT else old for where, old in done.items()}})
    what = f"{best.receipts} receipts, commit {best.commit[:12]}, from {best.place}"
    moved = [f"{where} ({old[:12] if old != ABSENT else 'there was none'})" for where, old in done.items()]
    say(f"Put back {' and '.join(moved)}: {what}" if moved else f"Nothing to put back: {what}")
    for name in kept:
        say(f"What stood there is kept as {name}")
    if forgotten:
        say(f"This machine had verified the other chain ({str(verified)[:12]}): the next run verifies this one anew")


def _known(repo: AccessRepository, there: Oid, folder: str) -> dict[Oid, str]:
    """Return every commit that this clone knows the ledger's branch by, each with where it is from."""
    from pathlib import Path

    from daypass.core.ids import ABSENT
    from daypass.edges.ledger.places import fetched_from, known_before

    git, branch = repo.clone.git, repo.settings.ledger_branch
    known = {there: "the remote"} if there != ABSENT else {}
    if folder:
        known.setdefault(fetched_from(git, str(Path(repo.folder, folder).absolute()), branch), folder)
    verified = repo.ledger.verified_last()
    seen = [("what this machine verified last", verified)] if verified is not None else []
    for name, commit in (*known_before(git, branch), *seen):
        if git.check(f"{commit}^{{commit}}").kind == b"commit":
            known.setdefault(commit, name)
    return known


@verb(group=ledger, follow="or away")
@click.argument("file", required=False)
@click.option(
    "--set-aside", "place", metavar="FILE", default="", help="Move an outbox that no run records to this file."
)
def outbox(repo: AccessRepository, file: str | None, place: str, output: str) -> Codes:
    """Say what waits in the outbox, which runs without the remote wrote, and why no run would record it.

    FILE is one that was set aside. What can be recorded is never set aside: the next run that reaches the remote does it.
    Of one that is not believed or cannot be read nothing is recorded, and each run says so until it is out of the way. The
    file is moved as it is, and nothing of it is lost: what it tells of has ended, and the next run records that it is gone.
    Exit 14 where no run records what waits.

    \b
    daypass ledger outbox
    daypass ledger outbox --set-aside ~/outbox-of-the-old-machine.sqlite
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from pathlib import Path

    from daypass.cli.runs.away import lost_outbox, outbox_at
    from daypass.edges.ledger.outbox import Trace
    from daypass.edges.store import exclusive
    from daypass.views.plan import outbox_json, outbox_text

    if file and place:
        raise UsageError("expected a FILE to look at, or --set-aside, not both")
    box = outbox_at(repo, file)
    with exclusive(repo.clone.state_dir / "apply.lock"):
        told, error = box.look()
        gone = lost_outbox(repo) if error is None and not file else ""
        moved = Path(repo.folder, place).absolute() if place else None
        if moved is not None:
            repo.ledger.load()  # beside a ledger that is not believed nobody can tell whether the outbox is at fault
            if error is None:
                raise RefusedError(
                    f"{box.path} holds {'nothing' if not told else 'what a run can record'}",
                    hint="`daypass expire` records what waits once the remote is reached",
                )
            box.set_aside(moved)
            Trace(repo.clone.git).leave(0, box.path)
    why, hint = (error.message, error.hint) if error is not None else ("", "")
    show(
        outbox_json(str(box.path), told, why, hint, str(moved or ""))
        if output == "json"
        else outbox_text(str(box.path), told, why, line_width()),
        output,
    )
    say(*([f"daypass: {gone}"] if gone else []), *([f"  hint: {hint}"] if hint and moved is None else []))
    say(*([f"Set aside as {moved}: `daypass ledger outbox {moved}` looks at it"] if moved is not None else []))
    return ExitCode.PARTIAL if gone or (error is not None and moved is None) else ExitCode.OK
