"""check, explain, policy test."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from daypass.cli.options import Named, PullNumber, at_option, format_option, say
from daypass.core.errors import DaypassError, ExitCode, InvalidError, UsageError, worst


@click.command()
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
@at_option
@format_option(["text", "json", "github", "sarif"])
@click.pass_obj
def check(
    obj: dict[str, Any],
    paths: tuple[Path, ...],
    base: str,
    head: str,
    requester: str,
    pull: int | None,
    revision: str,
    jobs: int | None,
    at: datetime | None,
    output: str,
) -> int:
    """Validate grants and policies; every finding has a code, a place, a message and a hint.

    \b
    daypass check                                  # the work tree
    daypass check grants/orders-db/alice.yaml      # one file
    daypass check --revision main                  # everything at a commit, from git's objects
    daypass check --base main --head my-branch     # what a pull request changes, judged by main's policies
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.cli.site import Site

    site = Site(obj["folder"], obj["acting"])
    if bool(base) != bool(head):
        raise UsageError("--base and --head go together")
    if sum(bool(way) for way in (paths, base, pull, revision)) > 1:
        raise UsageError("paths, --base/--head, --pull and --revision exclude each other")
    instant = site.instant(at) if base or pull else None
    if instant and pull:
        return _check_pull(site, pull, instant, output, jobs)
    if instant:
        _refuse_unknown(site.policy, requester)
        between = (site.history.resolve(base), site.history.resolve(head))
        return _check_proposal(site, between, (requester or site.acting or "", instant), instant, output, jobs)
    if revision:
        found = check_revision(site, revision, jobs, at)
    else:
        found = _check_worktree(site, [Path(obj["folder"]) / path for path in paths], at)
    _print(found, output)
    return int(found.exit_code)


def _refuse_unknown(policy: Any, handle: str) -> None:
    """Raise UsageError for a --requester whom main's directory does not know, where it reads."""
    from daypass.core.finding import near

    people = policy.catalogue.directory.subjects
    if handle and handle not in people and not policy.broken:
        hint = near(handle, people, "people are in policies/directory")
        raise UsageError(f"there is no subject {handle!r} in the directory", hint=hint)


def ended_at(site: Any, at: datetime, policy: Any = None) -> Any:
    """Return what says whether a grant has ended at an instant, by main's policies or those given.

    The ledger is asked only where a grant is there twice, and counts for nothing where it cannot be read.
    """
    from daypass.pipeline.judge.duplicates import has_ended

    def admission(grant: Any) -> Any:
        try:
            return site.standing.admission(grant)
        except DaypassError:
            return None

    return lambda grant, blob: has_ended(admission, site.policy if policy is None else policy, at, grant, blob)


def check_revision(site: Any, revision: str, jobs: int | None, at: datetime | None = None) -> Any:
    """Check everything at a commit, with the cache of earlier verdicts and as many processes as it pays for.

    What is found depends on the trees of grants/ and policies/ and on the program, and on no clock: when all three
    are those of an earlier check, its answer is this one's. But for grants that are there twice: what has ended, by the
    ledger or its own window, is no duplicate.
    """
    from functools import partial

    from daypass.cli.site import program_digest
    from daypass.edges.verdicts import Verdicts
    from daypass.pipeline.judge.duplicates import standing_on, without_ended

    commit, grants, policies = _trees(site, revision)
    verdicts = Verdicts(site.repository.state_dir / "verdicts.sqlite")
    try:
        whole = f"{program_digest()}/{grants}/{policies}"
        known = verdicts.whole(whole)
        found = _remembered(known, commit) if known is not None else None
        if found is None:
            found = _check_tree(site, commit, jobs, verdicts)
            verdicts.store_whole(whole, _to_remember(found))
    finally:
        verdicts.close()
    over = ended_at(site, site.instant(at), site.policy_at(commit))
    return without_ended(found, partial(standing_on, site.history, commit), over)


def _check_tree(site: Any, commit: Any, jobs: int | None, verdicts: Any) -> Any:
    from daypass.cli.fan import fan
    from daypass.cli.site import program_digest, progress
    from daypass.edges.targets.registry import check_privilege, check_settings
    from daypass.pipeline.judge.check import Fits, check_tree

    policy = site.policy_at(commit)
    return check_tree(
        site.history,
        policy,
        revision=commit,
        context=f"{program_digest()}/{policy.digest}",
        verdicts=verdicts,
        fan=fan(site, commit, policy, jobs),
        progress=progress,
        fits=Fits(check_settings, check_privilege),
    )


def _trees(site: Any, revision: str) -> tuple[Any, str, str]:
    """Return the commit that a revision names and the ids of its two trees, "" where one is not there."""
    commit = site.history.resolve(revision)
    found = (site.repository.git.check(f"{commit}:{name}").split() for name in ("grants", "policies"))
    grants, policies = ("" if said[-1:] == [b"missing"] else said[0].decode() for said in found)
    return commit, grants, policies


def _to_remember(found: Any) -> str:
    rows = [
        [f.code, [f.place.file, f.place.line, f.place.column, f.place.path], f.message, f.hint, f.severity.value]
        for f in found.findings
    ]
    return json.dumps([found.files, rows, found.unjudged])


def _remembered(text: str, commit: Any) -> Any:
    from daypass.core.finding import Finding, Place, Severity
    from daypass.core.tally import Checked

    files, rows, unjudged = json.loads(text)
    findings = tuple(Finding(code, Place(*place), message, hint, Severity(s)) for code, place, message, hint, s in rows)
    return Checked(commit, files, files, findings, unjudged)


def _check_worktree(site: Any, paths: list[Path], at: datetime | None) -> Any:
    from daypass.edges.git.worktree import blob_id, worktree_files
    from daypass.edges.targets.registry import check_privilege, check_settings
    from daypass.pipeline.judge.check import Fits, check_files
    from daypass.pipeline.judge.duplicates import without_ended

    top = site.top().resolve()
    wanted = [_inside(top, path) for path in paths]
    files = [
        file
        for file in worktree_files(top, "grants")
        if not wanted or any(file[0] == name or file[0].startswith(f"{name}/") or name == "." for name in wanted)
    ]
    if wanted and not files and not any(name.startswith("policies") for name in wanted):
        raise UsageError(
            f"there is no grant at {', '.join(wanted)}", hint="grants lie at grants/<resource>/<name>.yaml"
        )
    policy = site.worktree_policy()
    found = check_files(
        policy,
        files,
        blob_id,
        "the work tree",
        Fits(check_settings, check_privilege),
        lambda file: (top / file).read_bytes(),
    )
    there = [(path, blob_id(raw), raw) for path, mode, raw in files if mode == "100644"]
    return without_ended(
        found,
        lambda folder: (file for file in there if file[0].startswith(f"grants/{folder}/")),
        ended_at(site, site.instant(at), policy),
    )


def _inside(top: Path, path: Path) -> str:
    # The last part is not followed: a symbolic link is to be refused as one, not read as what it points to.
    place = path.parent.resolve() / path.name if path.name not in ("", "..") else path.resolve()
    try:
        return place.relative_to(top).as_posix()
    except ValueError:
        raise UsageError(f"{path} is outside the repository {top}") from None


def _print(found: Any, output: str) -> None:
    from daypass.views import findings as views

    if output == "json":
        text = views.findings_json(
            found.findings, where=found.where, files=found.files, cached=found.cached, unjudged=found.unjudged
        )
    elif output == "github":
        text = views.findings_github(found.findings)
    elif output == "sarif":
        text = views.findings_sarif(found.findings)
    else:
        text = views.findings_text(found.findings)
        errors = sum(1 for finding in found.findings if finding.is_error)
        state = "ok" if not errors else f"{errors} wrong"
        text += f"Checked {found.files} grants and the policies at {found.where}: {state}{_unjudged(found.unjudged)}.\n"
    click.echo(text, nl=False)


def _unjudged(grants: int) -> str:
    return f", {grants} grant{'s' * (grants != 1)} not judged until that is mended" if grants else ""


def _check_pull(site: Any, number: int, at: datetime, output: str, jobs: int | None) -> int:
    """Judge an open pull request by its own record and two trees alone: no ledger, no reviews."""
    pull = site.forge.pull(number)
    if pull.state != "open":
        click.echo(f"#{number} is {pull.state}; only open requests are checked", err=True)
        return int(ExitCode.OK)
    return _check_proposal(site, (site.tip, pull.head), (pull.opened_by.handle, pull.asked_at), at, output, jobs)


def _check_proposal(
    site: Any, between: tuple[Any, Any], by: tuple[str, datetime], at: datetime, output: str, jobs: int | None
) -> int:
    """Judge what lies between main and a head, asked for by somebody at an instant."""
    from daypass.core.finding import Finding, Place
    from daypass.core.tally import CAUSED, causes_first
    from daypass.pipeline.judge.proposal import Asked, read_proposal
    from daypass.views import findings as views
    from daypass.views.decision import decision_data, needs_text, taking_words

    (base_oid, head_oid), (who, opened) = between, by
    policy = site.policy_at(base_oid)
    # Checking proves nothing: what stands on the base is taken for proved here; gate and apply look.
    asked = Asked(who, opened, lambda _: None, lambda *_: True, ended_at(site, at, policy))
    cut = site.history.is_shallow()
    if cut:
        click.echo("This clone's history is cut: what commit messages say is looked at by the gate.", err=True)
    partial = site.history.is_partial()
    if partial:
        click.echo(
            "This clone left files at its server: whether the same grant is there is looked at by the gate.", err=True
        )
    found = read_proposal(
        site.history,
        site.policy_at,
        base=base_oid,
        head=head_oid,
        asked=asked,
        at=at,
        trace=True,
        messages=not cut,
        neighbours=not partial,
    )
    decided = [
        (item.grant, item.decision) for item in found.items if item.grant is not None and item.decision is not None
    ]
    denials = [
        Finding(denial.finding_code, Place(grant.path), denial.message, denial.hint)
        for grant, decision in decided
        for denial in decision.denials
    ]
    proposed = _proposed_policies(site, head_oid, found.others, jobs)
    causes = (*policy.broken, *(fault for grant, _ in decided for fault in policy.faulty.get(grant.resource, ())))
    everything, unjudged = causes_first((*found.findings, *denials, *proposed), causes)
    if output == "json":
        decisions = [decision_data(policy, grant, decision) for grant, decision in decided]
        click.echo(
            views.findings_json(everything, base=base_oid, head=head_oid, decisions=decisions, unjudged=unjudged),
            nl=False,
        )
    elif output == "github":
        click.echo(views.findings_github(everything), nl=False)
    elif output == "sarif":
        click.echo(views.findings_sarif(everything), nl=False)
    else:
        click.echo(views.findings_text(causes_first((*found.findings, *proposed), causes)[0]), nl=False)
        for item in found.items:
            click.echo(f"{item.kind} {item.id}")
            if item.decision is not None and any(denial.code in CAUSED for denial in item.decision.denials):
                click.echo("  not judged until that is mended")
            elif item.decision is not None and item.grant is not None:
                click.echo(needs_text(policy, item.grant, item.decision, requester=who), nl=False)
            else:
                who_may = "; the gate looks whether who asks may do so alone" if item.ending is not None else ""
                click.echo(f"  {taking_words(item)}{who_may}")
        click.echo(
            f"Checked {head_oid[:12]} against {base_oid[:12]}: "
            f"{len(found.items)} grants, {len(found.others)} other paths{_unjudged(unjudged)}."
        )
    codes = [found.exit_code]
    if causes or any(finding.is_error for finding in proposed):
        codes.append(ExitCode.INVALID)
    return int(worst(codes))


def _proposed_policies(site: Any, head: Any, others: tuple[str, ...], jobs: int | None) -> tuple[Any, ...]:
    """Check the policies that a pull request would bring: they must read, keep their own tests, and fit every grant.

    They judge nothing here: whether they may come is for the people who own them.
    """
    from daypass.core.policy.policytest import failures, run_tests

    if not any(path.startswith("policies/") for path in others):
        return ()
    found = check_revision(site, head, jobs)
    if any(finding.is_error for finding in found.findings):
        return tuple(found.findings)
    return (*found.findings, *failures(run_tests(site.policy_at(head))))


@click.command()
@click.argument("grant", type=Named("grant"))
@click.option(
    "--requester",
    metavar="HANDLE",
    type=Named("handle"),
    default="",
    help="Who asks; by default who did, else you.",
)
@at_option
@format_option(["text", "json"])
@click.pass_obj
def explain(obj: dict[str, Any], grant: str, requester: str, at: datetime | None, output: str) -> int:
    """Tell the decision on GRANT in words: a file, or the id of a grant that main has or had.

    Each rule, whether it applied and the values that made it so; which approvals are needed, from which groups and the
    people in them; what would make a denied request pass.
    """
    from daypass.cli.site import Site
    from daypass.core.files.reading import read_grant
    from daypass.core.grant import SUFFIX, Grant, GrantId
    from daypass.core.policy.decision import Request, decide
    from daypass.core.window import format_instant
    from daypass.pipeline.ask.propose import read_current
    from daypass.views.decision import decision_data, explain_text
    from daypass.views.findings import as_document

    site = Site(obj["folder"], obj["acting"])
    instant = site.instant(at)
    if grant.endswith(SUFFIX):
        place = Path(obj["folder"]) / grant
        if place.is_symlink() or not place.is_file():  # a link would have another file judged, and quoted
            hint = (
                "a grant is a plain file, no link" if place.is_symlink() else "a grant that was tidied away has its id"
            )
            raise UsageError(f"there is no file {grant}", hint=hint)
        read = read_grant(_inside(site.top().resolve(), place), place.read_bytes())
        if not isinstance(read, Grant):
            raise InvalidError(f"{grant} is not valid", read)
    else:
        try:
            read = read_current(site.history, site.main, GrantId(grant))
        except UsageError as error:
            read = _tidied(site, GrantId(grant), error)
    _refuse_unknown(site.policy, requester)
    who = requester or _asker(site, read) or site.forge.acting().handle or read.subject
    decision = decide(site.policy, Request(read, who, instant, "new"), trace=True)
    if output == "json":
        click.echo(as_document(decision_data(site.policy, read, decision)), nl=False)
    else:
        click.echo(explain_text(site.policy, read, decision, requester=who, at=format_instant(instant)), nl=False)
    return int(ExitCode.DENIED if decision.denials else ExitCode.OK)


def _asker(site: Any, grant: Any) -> str:
    """Return who asked for a grant, by its receipt, "" where none is here that proves these bytes."""
    try:
        proof = site.standing.admission(grant.id)
    except DaypassError:
        return ""
    return proof.requester if proof is not None and proof.grant_digest == grant.digest else ""


def _tidied(site: Any, grant: Any, missing: UsageError) -> Any:
    """Return a grant that main had once, as its file was last. Raises the error that it is missing where there was none."""
    from daypass.cli.audit import archive_of
    from daypass.core.files.reading import read_grant
    from daypass.core.grant import ABSENT, Grant, grant_path
    from daypass.pipeline.audit.questions import end_reasons, read_messages

    index = archive_of(site).index
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


@click.group()
def policy() -> None:
    """Work with the rules."""


@policy.command("test")
@click.option("--revision", metavar="REV", default="", help="Test the policies at a commit in place of the work tree.")
@format_option(["text", "json"])
@click.pass_obj
def policy_test(obj: dict[str, Any], revision: str, output: str) -> int:
    """Run the cases of policies/tests/ and show where the decision differs from what a case expects."""
    from daypass.cli.site import Site
    from daypass.core.policy.policytest import run_tests
    from daypass.views.decision import tests_json, tests_text

    site = Site(obj["folder"], obj["acting"])
    found = site.policy_at(site.history.resolve(revision)) if revision else site.worktree_policy()
    errors = tuple(finding for finding in found.findings if finding.is_error)
    if errors:
        raise InvalidError("the policies are not valid, so no case means anything", errors)
    results = run_tests(found)
    click.echo((tests_json if output == "json" else tests_text)(results), nl=False)
    return int(ExitCode.OK if results.passed else ExitCode.INVALID)
