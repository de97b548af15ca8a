"""catalogue, policy: what may be asked for, by whom and how; and whether the rules do what their examples say."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from daypass.cli.below import Below
from daypass.cli.repository import AccessRepository
from daypass.cli.verb import Codes, Named, progress, show, verb
from daypass.core.errors import ExitCode, InvalidError, UsageError
from daypass.core.finding import near
from daypass.core.policy.policies import Policy


@click.group(cls=Below)
def policy() -> None:
    """Work with the rules: try them by their examples, and ask what they say of whom."""


@verb("test", group=policy, follow=False)
@click.option("--revision", metavar="REV", default="", help="Test the policies at a commit in place of the work tree.")
@click.option(
    "--junit",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the results there too, as JUnit's XML.",
)
def policy_test(repo: AccessRepository, revision: str, junit: Path | None, output: str) -> Codes:
    """Run the cases of policies/tests/ and show where the decision differs from what a case expects.

    What no case reaches is named: a rule that none makes apply, and each side of a condition that none comes to.
    """
    from daypass.core.policy.analysis.probe import run_tests
    from daypass.views.policy.tests import tests_json, tests_junit, tests_text

    found = repo.policy_at(repo.commit(revision)) if revision else repo.worktree_policy()
    errors = tuple(finding for finding in found.findings if finding.is_error)
    if errors:
        raise InvalidError("the policies are not valid, so no case means anything", errors)
    results = run_tests(found)
    if junit is not None:
        junit.write_text(tests_junit(results), encoding="utf-8")
    show((tests_json if output == "json" else tests_text)(results), output)
    return ExitCode.OK if results.passed else ExitCode.INVALID


@verb(group=policy, follow=False)
@click.option("--revision", metavar="REV", default="", help="Prove the policies at a commit in place of the work tree.")
def prove(repo: AccessRepository, revision: str, at: datetime, output: str) -> Codes:
    """Hold the rules to what policies/promises/ promises of every request that is let through, from this instant on.

    A promise that is broken is shown with the first request that breaks it, as a grant file. One that is kept is so of
    every request where conditions only compare; elsewhere requests were searched, and it says of what only samples were
    tried.

    \b
    daypass policy prove
    daypass policy prove --revision main   # as main has them, not the work tree
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.core.policy.analysis.prove import prove as proved
    from daypass.views.policy.proved import proved_json, proved_text

    found = repo.policy_at(repo.commit(revision)) if revision else repo.worktree_policy()
    errors = tuple(finding for finding in found.findings if finding.is_error)
    if errors:
        raise InvalidError("the policies are not valid, so nothing can be proved of them", errors)
    proofs = proved(found, at)
    show((proved_json if output == "json" else proved_text)(proofs), output)
    return ExitCode.OK if all(proof.kept for proof in proofs) else ExitCode.INVALID


@verb("lint", group=policy, follow=False, formats=("text", "json", "github", "sarif"))
@click.option(
    "--revision", metavar="REV", default="", help="Look at the policies of a commit in place of the work tree."
)
def policy_lint(repo: AccessRepository, revision: str, at: datetime, output: str) -> Codes:
    """Say all that is wrong or odd about policies: what `check` finds in them, and what shows only in rules taken together.

    Rules that never or always apply, that change no decision (and which others say as much), that contradict each other, or
    deny a role to everybody; approvers who are just those that they approve; tests that expect a rule which there is not.
    Exit 10 where something is wrong; what is odd is a warning.

    \b
    daypass policy lint
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.cli.checking import lint_policies
    from daypass.views import findings as views
    from daypass.views.findings import count

    found = lint_policies(repo, revision, at)
    if output != "text":
        click.echo(views.findings_for(output, found.findings, where=found.where), nl=False)
    else:
        click.echo(views.findings_text(found.findings), nl=False)
        wrong = sum(1 for finding in found.findings if finding.is_error)
        odd = len(found.findings) - wrong
        click.echo(f"Looked at the policies at {found.where}: {wrong} wrong, {count(odd, 'thing')} odd.")
    return found.exit_code


_resource = click.argument("resource", type=Named("resource"))
_role = click.argument("role", type=Named("role"))


@verb("who-can", group=policy)
@_resource
@_role
def who_can(repo: AccessRepository, resource: str, role: str, at: datetime, output: str) -> None:
    """Say of everybody in the directory whether they may ask for ROLE on RESOURCE, for how long and by whose approval.

    It is what main's policies say of a request for oneself at this instant, or the one of --at.

    \b
    daypass policy who-can orders-db readonly
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.core.policy.analysis.options import options
    from daypass.views.policy.options import who_can_json, who_can_text

    main = _readable(repo)
    _refuse_unknown(main, resource=resource, role=role)
    found = {handle: options(main, handle, resource, role, at=at) for handle in main.catalogue.directory.subjects}
    show((who_can_json if output == "json" else who_can_text)(resource, role, found), output)


@verb("why-not", group=policy)
@click.argument("subject", type=Named("handle"))
@_resource
@_role
@click.option(
    "--requester", metavar="HANDLE", type=Named("handle"), default="", help="Who asks; the subject by default."
)
def why_not(
    repo: AccessRepository, subject: str, resource: str, role: str, requester: str, at: datetime, output: str
) -> Codes:
    """Say why SUBJECT may not have ROLE on RESOURCE, under each purpose, and which way there is. Exit 11 where there is none.

    \b
    daypass policy why-not alice orders-db admin
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.core.policy.analysis.options import options
    from daypass.views.policy.options import why_not_json, why_not_text

    main = _readable(repo)
    _refuse_unknown(main, subject=subject, resource=resource, role=role)
    _refuse_unknown(main, subject=requester or subject)
    found = options(main, subject, resource, role, at=at, requester=requester)
    show((why_not_json if output == "json" else why_not_text)(subject, resource, role, found), output)
    return ExitCode.DENIED if all(way.decision.denials for way in found) else ExitCode.OK


_before = click.argument("before", metavar="BASE")
_after = click.argument("after", metavar="[HEAD]", required=False, default="")
_detailed = click.option("--detailed-exitcode", is_flag=True, help="Exit 13 when anything is let through more easily.")


@verb(group=policy, follow=False)
@_before
@_after
@_detailed
def diff(repo: AccessRepository, before: str, after: str, detailed_exitcode: bool, at: datetime, output: str) -> Codes:
    """Say whether the policies of HEAD (the work tree by default) let through what those of BASE did not.

    Each way in which requests moved is shown with the first request that shows it, as a grant file. Where rules alone
    changed it is decided over every request, but for what it says that only samples were tried of. Where people, resources
    or settings changed too, requests that may be asked by either are searched: nothing found is no proof then.

    \b
    daypass policy diff main              # what the work tree would change
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.core.policy.analysis.between import between
    from daypass.views.policy.compared import compared_json, compared_text

    one, other = _both(repo, before, after)
    compared = between(one, other, at)
    found = {"decided" if compared.decided and not compared.sampled else "searched": compared}
    show((compared_json if output == "json" else compared_text)(found), output)
    return ExitCode.CHANGES if detailed_exitcode and compared.looser else ExitCode.OK


@verb(group=policy, follow=False)
@_before
@_after
@_detailed
def replay(
    repo: AccessRepository, before: str, after: str, detailed_exitcode: bool, at: datetime, output: str
) -> Codes:
    """Judge every request of the past, and those whose access still runs, by the policies of BASE and of HEAD.

    HEAD is the work tree by default. The ledger tells what was asked for, admitted and denied, and when; what it does not
    know of is not replayed. Each way in which requests moved is shown with the first that did, as a grant file.

    \b
    daypass policy replay main            # what the work tree would have changed
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.cli.quick.place import index_of
    from daypass.pipeline.audit.replay import replay as replayed
    from daypass.views.findings import count
    from daypass.views.policy.compared import compared_json, compared_text

    one, other = _both(repo, before, after)
    told = replayed(index_of(repo), one, other, at=at, progress=progress)
    found = {"history": told.history, "live": told.live}
    gone = (
        (f"{count(told.unread, 'file')} that was asked for is not in this clone, and not judged",)
        if told.unread
        else ()
    )
    show(compared_json(found, told.unread) if output == "json" else compared_text(found, gone), output)
    return ExitCode.CHANGES if detailed_exitcode and told.history.looser else ExitCode.OK


def _both(repo: AccessRepository, before: str, after: str) -> tuple[Policy, Policy]:
    """Read two policies. Raises InvalidError for one with faults: it denies everything, whatever it means to say."""
    one = repo.policy_at(repo.commit(before))
    other = repo.policy_at(repo.commit(after)) if after else repo.worktree_policy()
    for found, name in ((one, before), (other, after or "the work tree")):
        if found.broken:
            raise InvalidError(f"the policies of {name} do not read, so there is nothing to compare", found.broken)
    return one, other


@verb()
@click.option("--for", "subject", metavar="HANDLE", type=Named("handle"), default="", help="For whom; you by default.")
@click.option("--resource", type=Named("resource"), default="", help="Of one resource alone.")
def catalogue(repo: AccessRepository, subject: str, resource: str, at: datetime, output: str) -> None:
    """List what somebody can ask for: each role, for how long, by whose approval, passing at once or not.

    It is what main's policies say at this instant, or the one of --at.

    \b
    daypass catalogue
    daypass catalogue --for alice --resource orders-db
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.core.policy.analysis.options import options
    from daypass.views.policy.options import catalogue_json, catalogue_text

    main = _readable(repo)
    who = subject or repo.forge.acting().handle
    if not who:
        raise UsageError("nobody knows for whom", hint="name them: daypass catalogue --for HANDLE")
    _refuse_unknown(main, subject=who)
    if resource:
        _refuse_unknown(main, resource=resource)
    chosen = [main.catalogue.resources[resource]] if resource else main.catalogue.resources.values()
    found = {(one.name, role): options(main, who, one.name, role, at=at) for one in chosen for role in one.roles}
    show((catalogue_json if output == "json" else catalogue_text)(main.catalogue, who, found), output)


def _readable(repo: AccessRepository) -> Policy:
    """Return main's policies. Raises InvalidError while they have faults: they deny everything then."""
    if repo.policy.broken:
        raise InvalidError("the policies of main do not read, so nobody can ask for anything", repo.policy.broken)
    return repo.policy


def _refuse_unknown(main: Policy, *, subject: str = "", resource: str = "", role: str = "") -> None:
    """Raise UsageError for a name that main does not have."""
    known = main.catalogue
    if subject and subject not in known.directory.subjects:
        hint = near(subject, known.directory.subjects, "people are in policies/directory")
        raise UsageError(f"there is no subject {subject!r} in the directory", hint=hint)
    if resource and resource not in known.resources:
        hint = near(resource, known.resources, "resources are the files of policies/resources")
        raise UsageError(f"there is no resource {resource!r} in the catalogue", hint=hint)
    if role and role not in known.resources[resource].roles:
        roles = known.resources[resource].roles
        hint = near(role, roles, f"it offers {', '.join(roles)}")
        raise UsageError(f"{resource} offers no role {role!r}", hint=hint)
