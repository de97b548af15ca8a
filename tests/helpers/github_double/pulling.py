"""How pull requests live: heads that follow pushes, test merges, approvals that go stale, merges nobody asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from github_double import gitio, owners, rules
from github_double.shapes import simple_user
from github_double.state import ZERO, Issue, IssueEvent, Pull, Repo, Review, Team, Token, User

if TYPE_CHECKING:
    from github_double.double import Double

WEB_FLOW = "GitHub <noreply@github.com>"


def note(
    hub: Double, repo: Repo, number: int, event: str, actor: User | None, *, commit: str | None = None, **more: Any
) -> IssueEvent:
    """Add to what the events list tells of an issue or pull request."""
    made = IssueEvent(hub.next_id(), number, event, actor, hub.now(), commit, more)
    repo.issue_events.append(made)
    return made


def emit(hub: Double, pull: Pull, action: str, token: Token, **more: Any) -> None:
    """Deliver a pull_request event."""
    from github_double.pullshapes import pull_request

    payload = {"number": pull.number, "pull_request": pull_request(hub, pull), **more}
    hub.emit("pull_request", action, pull.repo, payload, token)


def create(
    hub: Double, token: Token, repo: Repo, *, title: str, body: str | None, head_repo: Repo, head_ref: str,
    head_sha: str, base_ref: str, draft: bool = False,
) -> Pull:  # fmt: skip
    """Open a pull request, whose head and base are known to be there."""
    now = hub.now()
    issue = Issue(repo.next_number(), hub.next_id(), title, body, token.user, now, now, is_pull=True, app=token.app)
    base_sha = gitio.resolve(repo.path, f"refs/heads/{base_ref}") or ZERO
    label = f"{head_repo.owner.login}:{head_ref}"
    pull = Pull(issue, repo, hub.next_id(), head_repo, head_ref, head_sha, base_ref, base_sha, label, draft)
    repo.issues[issue.number], repo.pulls[issue.number] = issue, pull
    pushed = [a for a in head_repo.activity if a.ref == f"refs/heads/{head_ref}" and a.actor]
    pull.last_pusher = pushed[-1].actor.id if pushed and pushed[-1].actor else token.user.id
    refresh(pull, hub)
    pull.patch, pull.same = gitio.patch_id(repo.path, f"refs/heads/{base_ref}", head_sha), {head_sha}
    emit(hub, pull, "opened", token)
    if not draft:
        ask_owners(hub, pull, token)
    return pull


def mark_ready(hub: Double, pull: Pull, token: Token) -> None:
    """Mark a draft as ready for review: only now are its code owners requested."""
    pull.draft = False
    note(hub, pull.repo, pull.number, "ready_for_review", token.user)
    emit(hub, pull, "ready_for_review", token)
    ask_owners(hub, pull, token)


def ask_owners(hub: Double, pull: Pull, token: Token) -> None:
    """Request the review of the code owners that the base branch names for what is changed, the author excepted."""
    lines = owners.owners_of(hub, pull.repo, pull.base_ref, rules.changed_paths(pull))
    for each in dict.fromkeys(owner for counted in lines.values() for owner in counted):
        ask(hub, pull, token, each)


def ask(hub: Double, pull: Pull, token: Token, reviewer: User | Team) -> None:
    """Request a review once. The author is never asked."""
    from github_double.pullshapes import event_team

    asked: list[Any] = pull.asked_teams if isinstance(reviewer, Team) else pull.asked_users
    if reviewer in asked or reviewer is pull.user:
        return
    asked.append(reviewer)
    one = (
        {"requested_team": event_team(hub, reviewer)}
        if isinstance(reviewer, Team)
        else {"requested_reviewer": simple_user(hub, reviewer)}
    )
    note(hub, pull.repo, pull.number, "review_requested", token.user, requester=token.user, reviewer=reviewer)
    emit(hub, pull, "review_requested", token, **one)


def refresh(pull: Pull, hub: Double) -> None:
    """Point refs/pull/N/head at the head, and rebuild the test merge where head and base can be merged."""
    path, number = pull.repo.path, pull.number
    if pull.head_repo is not None and pull.head_repo is not pull.repo:
        gitio.run(
            path, "fetch", "-q", "--no-tags", str(pull.head_repo.path), f"+{pull.head_sha}:refs/pull/{number}/head"
        )
    gitio.set_ref(path, f"refs/pull/{number}/head", pull.head_sha)
    base = gitio.resolve(path, f"refs/heads/{pull.base_ref}")
    tree = gitio.merge_tree(path, base, pull.head_sha) if base else None
    pull.mergeable, pull.unread = tree is not None, True
    if base is None or tree is None:
        pull.merge_sha = None
        gitio.set_ref(path, f"refs/pull/{number}/merge", ZERO)
        return
    who = f"{WEB_FLOW} {int(hub.now().timestamp())} +0000"
    pull.merge_sha = gitio.commit(path, tree, [base, pull.head_sha], f"Merge {pull.head_sha} into {base}", who, who)
    gitio.set_ref(path, f"refs/pull/{number}/merge", pull.merge_sha)


def head_moved(hub: Double, token: Token, pull: Pull, before: str, after: str) -> None:
    """Let an open pull request follow its head: synchronize, and stale approvals where the base's rules say so."""
    if after == ZERO:
        close(hub, pull, token)
        return
    pull.head_sha = after
    pull.base_sha = gitio.resolve(pull.repo.path, f"refs/heads/{pull.base_ref}") or pull.base_sha
    pull.issue.updated_at = hub.now()
    refresh(pull, hub)
    if gitio.ancestor(pull.repo.path, after, f"refs/heads/{pull.base_ref}"):
        close(hub, pull, token)
        return
    if not gitio.ancestor(pull.repo.path, before, after):
        note(hub, pull.repo, pull.number, "head_ref_force_pushed", token.user, commit=after)
    same = pull.patch == gitio.patch_id(pull.repo.path, f"refs/heads/{pull.base_ref}", after)
    if "keep" not in hub.reviews_carried:
        rejudge(hub, pull, token)
    carry_reviews(hub, pull, same=same)
    emit(hub, pull, "synchronize", token, before=before, after=after)


def rejudge(hub: Double, pull: Pull, token: Token) -> None:
    """Ask whether what is to be reviewed has changed: then approvals are stale and the last pusher is another.

    https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/available-rules-for-rulesets#require-a-pull-request-before-merging
    """
    patch = gitio.patch_id(pull.repo.path, f"refs/heads/{pull.base_ref}", pull.head_sha)
    if patch == pull.patch:
        pull.same.add(pull.head_sha)
        return
    pull.patch, pull.same, pull.last_pusher = patch, {pull.head_sha}, token.user.id
    if rules.dismisses_stale(pull.repo, pull.base_ref):
        for review in pull.reviews:
            if review.state == "APPROVED":
                dismiss(hub, pull, review, token, "", commit=pull.head_sha)
    if not pull.draft:
        ask_owners(hub, pull, token)


def carry_reviews(hub: Double, pull: Pull, *, same: bool) -> None:
    """Let reviews follow a head that moved, as forges were seen to, where a test asks for it (`Double.reviews_carried`)."""
    for review in pull.reviews:
        if review.state == "DISMISSED" and "revive" in hub.reviews_carried:
            review.state = "APPROVED"
        if review.state == "APPROVED" and (
            "keep" in hub.reviews_carried or (same and "repoint" in hub.reviews_carried)
        ):
            review.commit = pull.head_sha


def dismiss(hub: Double, pull: Pull, review: Review, token: Token, message: str, *, commit: str | None = None) -> None:
    """Take a review's word away, and keep note of who did it."""
    from github_double.pullshapes import pull_simple, review_body

    told = {"state": review.state.lower(), "review_id": review.id, "dismissal_message": message or None}
    if commit:
        told["dismissal_commit_id"] = commit
    review.state = "DISMISSED"
    note(hub, pull.repo, pull.number, "review_dismissed", token.user, dismissed_review=told)
    told_review = {**review_body(hub, pull, review), "state": review.state.lower()}
    payload = {"review": told_review, "pull_request": pull_simple(hub, pull)}
    hub.emit("pull_request_review", "dismissed", pull.repo, payload, token)


def close(hub: Double, pull: Pull, token: Token) -> None:
    """Close without merging."""
    issue = pull.issue
    issue.state, issue.closed_at, issue.closed_by, issue.updated_at = "closed", hub.now(), token.user, hub.now()
    note(hub, pull.repo, pull.number, "closed", token.user)
    emit(hub, pull, "closed", token)


def mark_merged(hub: Double, pull: Pull, token: Token, landed: str, own: list[str], *, indirect: bool = False) -> None:
    """Record that a pull request's changes are in its base."""
    now = hub.now()
    pull.merged_at, pull.merged_by, pull.merge_sha, pull.own, pull.indirect = now, token.user, landed, own, indirect
    pull.mergeable = None
    issue = pull.issue
    issue.state, issue.closed_at, issue.closed_by, issue.updated_at = "closed", now, token.user, now
    gitio.set_ref(pull.repo.path, f"refs/pull/{pull.number}/merge", ZERO)
    note(hub, pull.repo, pull.number, "merged", token.user, commit=landed)
    note(hub, pull.repo, pull.number, "closed", token.user)
    emit(hub, pull, "closed", token)


def base_moved(hub: Double, token: Token, pull: Pull, before: str, after: str) -> None:
    """Let an open pull request follow its base: it is merged once its head lies there, by whatever way.

    https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/incorporating-changes-from-a-pull-request/about-pull-request-merges#indirect-merges
    """
    path = pull.repo.path
    if after == ZERO:
        close(hub, pull, token)
    elif gitio.ancestor(path, pull.head_sha, after):
        steps = gitio.text(path, "rev-list", "--first-parent", "--reverse", f"{before}..{after}").split()
        landed = next((step for step in steps if gitio.ancestor(path, pull.head_sha, step)), after)
        mark_merged(hub, pull, token, landed, own_commits(path, before, pull.head_sha), indirect=True)
    else:
        refresh(pull, hub)


def own_commits(path: Any, base: str, head: str) -> list[str]:
    """The commits that a head has and a base has not, oldest first."""
    return gitio.commits(path, head, base, "--topo-order")
