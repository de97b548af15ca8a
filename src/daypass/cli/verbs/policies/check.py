"""check, explain."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daypass.cli.repository import AccessRepository
from daypass.cli.verb import Codes, Named, PullNumber, inside, say, show, show_data, verb
from daypass.core.errors import DaypassError, ExitCode, InvalidError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daypass.core.finding import Checked, Finding
    from daypass.core.grant import Grant
    from daypass.core.ids import GrantId, Oid
    from daypass.core.policy.held import Held
    from daypass.core.policy.policies import Policy
    from daypass.core.request import Proposal
    from daypass.core.state import GrantState


@verb(follow=False, at="as given", formats=("text", "json", "github", "sarif"))
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--base", metavar="REV", default="", help="Judge only what a pull request changes: the branch it goes to."
)
@click.option("--head", metavar="REV", default="", help="…and its head, read as data; nothing is checked out.")
@click.option(
    "--requester",
    metavar="HANDLE",
    type=Named("handle"),
    default="",
    help="Who asks, with --base and --head; you by default.",
)
@click.option(
    "--pull",
    type=PullNumber(),
    default=None,
    help="Judge what this open pull request changes, as who asks there, by this clone's main.",
)
@click.option("--revision", metavar="REV", default="", help="Check everything at a commit in place of the work tree.")
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=None, help="Processes to use; as many as there are processors."
)
def check(
    repo: AccessRepository,
    paths: tuple[Path, ...],
    base: str,
    head: str,
    requester: str,
    pull: int | None,
    revision: str,
    jobs: int | None,
    at: datetime | None,
    output: str,
) -> Codes:
    """Validate grants and policies; every finding has a code, a place, a message and a hint.

    \b
    daypass check                                  # the work tree
    daypass check grants/orders-db/alice.yaml      # one file
    daypass check --revision main                  # everything at a commit, from git's objects
    daypass check --base main --head my-branch     # what a pull request changes, judged by main's policies
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    if bool(base) != bool(head):
        raise UsageError("--base and --head go together")
    if sum(bool(way) for way in (paths, base, pull, revision)) > 1:
        raise UsageError("paths, --base/--head, --pull and --revision exclude each other")
    if pull:
        return _check_pull(repo, pull, repo.instant(at), output, jobs)
    if base:
        instant = repo.instant(at)
        _refuse_unknown(repo.policy, requester)
        between = (repo.commit(base), repo.commit(head))
        return _check_proposal(repo, between, (requester or repo.acting or "", instant), instant, output, jobs)
    from daypass.cli.checking import check_revision, check_worktree

    found = (
        check_revision(repo, revision, jobs, at)
        if revision
        else check_worktree(repo, [repo.folder / path for path in paths], at)
    )
    _print(found, output)
    return found.exit_code


def _refuse_unknown(policy: Policy, handle: str) -> None:
    """Raise UsageError for a --requester whom main's directory does not know, where it reads."""
    from daypass.core.finding import near

    people = policy.catalogue.directory.subjects
    if handle and handle not in people and not policy.broken:
        hint = near(handle, people, "people are in policies/directory")
        raise UsageError(f"there is no subject {handle!r} in the directory", hint=hint)


def _print(found: Checked, output: str) -> None:
    from daypass.views import findings as views

    files = views.count(found.files, "grant")
    if output != "text":
        facts = {"where": found.where, "files": found.files, "cached": found.cached, "unjudged": found.unjudged}
        click.echo(views.findings_for(output, found.findings, **facts), nl=False)
        return
    click.echo(views.findings_text(found.findings), nl=False)
    errors = sum(1 for finding in found.findings if finding.is_error)
    state = f"{errors} wrong" if errors else "ok"
    click.echo(f"Checked {files} and the policies at {found.where}: {state}{_unjudged(found.unjudged)}.")


def _unjudged(grants: int) -> str:
    from daypass.views.findings import count

    return f", {count(grants, 'grant')} not judged until that is mended" if grants else ""


def _check_pull(repo: AccessRepository, number: int, at: datetime, output: str, jobs: int | None) -> Codes:
    """Judge an open pull request by its own record and two trees alone: no ledger, no reviews."""
    pull = repo.forge.pull(number)
    if pull.state != "open":
        click.echo(f"#{number} is {pull.state}; only open requests are checked", err=True)
        return None
    return _check_proposal(repo, (repo.tip, pull.head), (pull.opened_by.handle, pull.asked_at), at, output, jobs)


def _proposed(repo: AccessRepository, between: tuple[Oid, Oid], by: tuple[str, datetime], at: datetime) -> Proposal:
    """Read what a head brings, as far as this clone can tell."""
    from daypass.cli.checking import ended_at
    from daypass.pipeline.judge.proposal import Asked, read_proposal

    # Checking proves nothing: what stands on the base is taken for proved here; gate and apply look.
    asked = Asked(*by, lambda _: None, ended_at(repo, at, repo.policy_at(between[0])), trusting=True)
    cut = repo.history.is_shallow()
    if cut:
        click.echo("This clone's history is cut: what commit messages say is looked at by the gate.", err=True)
    partial = repo.history.is_partial()
    if partial:
        click.echo(
            "This clone left files at its server: whether the same grant is there is looked at by the gate.", err=True
        )
    return read_proposal(
        repo,
        base=between[0],
        head=between[1],
        asked=asked,
        at=at,
        trace=True,
        messages=not cut,
        neighbours=not partial,
    )


def _check_proposal(
    repo: AccessRepository,
    between: tuple[Oid, Oid],
    by: tuple[str, datetime],
    at: datetime,
    output: str,
    jobs: int | None,
) -> Codes:
    """Judge what lies between main and a head, asked for by somebody at an instant."""
    from daypass.core.finding import causes_first
    from daypass.views import findings as views
    from daypass.views.policy.decision import decision_data

    (base_oid, head_oid), (who, _) = between, by
    policy = repo.policy_at(base_oid)
    found = _proposed(repo, between, by, at)
    decided = [
        (item.grant, item.decision) for item in found.items if item.grant is not None and item.decision is not None
    ]
    denials = [denial.finding(grant.path) for grant, decision in decided for denial in decision.told]
    proposed = _proposed_policies(repo, base_oid, head_oid, found.others, jobs, at)
    causes = (*policy.broken, *(fault for grant, _ in decided for fault in policy.faulty.get(grant.resource, ())))
    everything, unjudged = causes_first((*found.findings, *denials, *proposed), causes)
    if output != "text":
        facts = {"base": base_oid, "head": head_oid, "unjudged": unjudged}
        facts["decisions"] = [decision_data(repo.policy.catalogue, grant, decision) for grant, decision in decided]
        click.echo(views.findings_for(output, everything, **facts), nl=False)
    else:
        click.echo(views.findings_text(causes_first((*found.findings, *proposed), causes)[0]), nl=False)
        _print_items(found, who, unjudged)
    codes = [found.exit_code]
    if causes or any(finding.is_error for finding in proposed):
        codes.append(ExitCode.INVALID)
    return codes


def _print_items(found: Proposal, who: str, unjudged: int) -> None:
    """Say of each grant what it needs, or what it takes away."""
    from daypass.core.finding import CAUSED
    from daypass.views.findings import count
    from daypass.views.policy.decision import needs_text, taking_words

    for item in found.items:
        click.echo(f"{item.kind} {item.id}")
        if item.decision is not None and any(denial.code in CAUSED for denial in item.decision.denials):
            click.echo("  not judged until that is mended")
        elif item.decision is not None and item.grant is not None:
            show(needs_text(found.policy, item.grant, item.decision, requester=who))
        else:
            who_may = "; the gate looks whether who asks may do so alone" if item.ending is not None else ""
            click.echo(f"  {taking_words(item)}{who_may}")
    click.echo(
        f"Checked {found.head[:12]} against {found.base[:12]}: "
        f"{count(len(found.items), 'grant')}, {count(len(found.others), 'other path')}{_unjudged(unjudged)}."
    )


def _proposed_policies(
    repo: AccessRepository, base: Oid, head: Oid, others: tuple[str, ...], jobs: int | None, at: datetime
) -> tuple[Finding, ...]:
    """Check the policies that a pull request would bring: they must read, keep their tests and promises, and fit every grant.

    They judge nothing here: whether they may come is for the people who own them.
    """
    from daypass.cli.checking import check_revision
    from daypass.core.policy.analysis.probe import failures, run_tests
    from daypass.core.policy.analysis.prove import broken_promises

    if not any(path.startswith("policies/") for path in others):
        return ()
    found = check_revision(repo, head, jobs)
    if any(finding.is_error for finding in found.findings):
        return (*_unsaid_renames(repo, base, head, found.findings), *found.findings)
    proposed = repo.policy_at(head)
    return (*found.findings, *failures(run_tests(proposed)), *broken_promises(proposed, at))


def _unsaid_renames(repo: AccessRepository, base: Oid, head: Oid, found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return what is called otherwise by the policies of a pull request, which do not say so, while grants name it."""
    from daypass.core.files.grants import read_grant
    from daypass.core.grant import Grant
    from daypass.core.policy.analysis.renamed import unsaid

    unknown = {one.place.file for one in found if one.code in ("unknown-subject", "unknown-resource", "unknown-role")}
    if not unknown:
        return ()
    there = repo.history.files(head, "grants", lambda entry: entry.path in unknown)
    read = (read_grant(entry.path, raw) for entry, raw in there)
    grants = ((grant.subject, grant.resource, grant.role) for grant in read if isinstance(grant, Grant))
    return tuple(unsaid(repo.policy_at(base).catalogue, repo.policy_at(head).catalogue, grants))


@verb(follow=False)
@click.argument("grant", type=Named("grant"))
@click.option(
    "--requester",
    metavar="HANDLE",
    type=Named("handle"),
    default="",
    help="Who asks; by default who did, else you.",
)
def explain(repo: AccessRepository, grant: str, requester: str, at: datetime, output: str) -> Codes:
    """Tell the decision on GRANT in words: a file, or the id of a grant that main has or had.

    Each rule, whether it applied and the values that made it so; which approvals are needed, from which groups and the
    people in them; what would make a denied request pass.
    """
    from daypass.core.files.grants import read_grant
    from daypass.core.grant import Grant
    from daypass.core.ids import SUFFIX, GrantId
    from daypass.core.policy.decision import Request, decide
    from daypass.core.state import draft_state
    from daypass.views.data import grant_data
    from daypass.views.policy.decision import basis_data, decision_data, explain_text

    if grant.endswith(SUFFIX):
        place = repo.folder / grant
        if place.is_symlink() or not place.is_file():  # a link would have another file judged, and quoted
            hint = (
                "a grant is a plain file, no link" if place.is_symlink() else "a grant that was tidied away has its id"
            )
            raise UsageError(f"there is no file {grant}", hint=hint)
        read = read_grant(inside(repo.top.resolve(), place), place.read_bytes())
        if not isinstance(read, Grant):
            raise InvalidError(f"{grant} is not valid", read)
    else:
        from daypass.pipeline.apply.current import read_current

        try:
            read = read_current(repo, GrantId(grant))
        except UsageError as error:
            read = _tidied(repo, GrantId(grant), error)
    _refuse_unknown(repo.policy, requester)
    who = requester or _asker(repo, read) or repo.forge.acting().handle or read.subject
    asked = read if grant.endswith(SUFFIX) else repo.policy.catalogue.by_todays_names(read)
    held, basis = _held(repo, asked, who, at)
    decision = decide(repo.policy, Request(asked, who, at, "new", held=held), trace=True)
    state = _state(repo, read, at, draft_state(read, decision, repo.policy, who))
    if output == "json":
        told = {"grants": [grant_data(state, at)]}
        show_data(decision_data(repo.policy.catalogue, asked, decision) | basis_data(held) | told)
    else:
        show(explain_text(repo.policy, asked, decision, requester=who, at=at, state=state) + basis)
    return ExitCode.DENIED if decision.denials else ExitCode.OK


def _state(repo: AccessRepository, grant: Grant, at: datetime, draft: GrantState) -> GrantState:
    """Return how a grant stands by the ledger: as a draft where that has no word on these bytes, or cannot be read."""
    from daypass.pipeline.apply.overview import overview_of_grant

    try:
        proof = repo.standing.admission(grant.id)
        if proof is not None and proof.grant_digest != grant.digest:
            return draft
        told = overview_of_grant(repo, grant.id, at)
    except DaypassError:
        return draft
    found = next(iter(told.grants), draft)
    return found if found.subject else draft._replace(state=found.state, code=found.code, why=found.why)


def _held(repo: AccessRepository, grant: Grant, requester: str, at: datetime) -> tuple[Held, str]:
    """Return what the ledger says of what rules ask it about, with what that rests on in lines."""
    from daypass.core.approval.held import HeldBook
    from daypass.core.policy.held import UNREAD, HeldGrant
    from daypass.core.record import replace
    from daypass.pipeline.judge.beside import Beside
    from daypass.views.findings import joined
    from daypass.views.policy.decision import basis_lines

    rules = repo.policy.rules
    try:
        standing = repo.standing
    except DaypassError:
        return UNREAD, ""
    after = f"after receipt {standing.head.sequence}" if standing.head is not None else "before its first receipt"
    beside = Beside(repo.history, repo.tip, repo.policy, HeldBook(standing).before(), at)
    held = beside.held(HeldGrant.of(grant, repo.policy.catalogue.window(grant.span, at)), requester)
    if standing.admission(grant.id) is not None:  # judged as if it were asked for now, and not in addition to itself
        held = replace(held, role=tuple(one for one in held.role if one.grant != grant.id))
    return held, joined(basis_lines(rules, grant, requester, held, after))


def _asker(repo: AccessRepository, grant: Grant) -> str:
    """Return who asked for a grant, by its receipt, "" where none is here that proves these bytes."""
    try:
        proof = repo.standing.admission(grant.id)
    except DaypassError:
        return ""
    return proof.requester if proof is not None and proof.grant_digest == grant.digest else ""


def _tidied(repo: AccessRepository, grant: GrantId, missing: UsageError) -> Grant:
    """Return a grant that main had once, as its file was last. Raises the error that it is missing where there was none."""
    from daypass.cli.quick.place import index_of
    from daypass.core.files.grants import read_grant
    from daypass.core.grant import Grant
    from daypass.core.ids import ABSENT, grant_path
    from daypass.pipeline.audit.questions import end_reasons, read_messages

    index = index_of(repo)
    index.refresh()
    steps = [step for step, _ in index.steps(grants=[grant])]
    last = next((step for step in reversed(steps) if step.new != ABSENT), None)
    found = read_grant(grant_path(grant), index.contents([last.new]).get(last.new, b"")) if last is not None else ()
    if not isinstance(found, Grant):
        raise missing
    why = end_reasons(index, read_messages(index, [steps[-1].commit])).get(steps[-1].commit, "")
    say(
        f"{grant} is no longer on main: {steps[-1].commit[:12]} removed it{f' ({why})' if why else ''}. "
        "Judged as if it were asked for again."
    )
    return found
