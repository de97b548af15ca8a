"""Reviews and requests for them: https://docs.github.com/en/rest/pulls/reviews and …/review-requests."""

from __future__ import annotations

from github_double import gitio, pulling
from github_double.auth import role_in
from github_double.pullshapes import pull_simple, review_body, team
from github_double.registry import Refusal, Reply, Request, created, invalid, not_found, ok, paged, route
from github_double.rest.pulls import pull_of
from github_double.shapes import simple_user
from github_double.state import Org, Pull, Review, Team, User, rank

_BASE = "/repos/{owner}/{repo}/pulls/{number}"
_READ = "pull_requests:read"
_WRITE = "pull_requests:write"
_STATES = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
_OWN = {
    "APPROVE": "Can not approve your own pull request",
    "REQUEST_CHANGES": "Can not request changes on your own pull request",
}


def _review_of(request: Request, pull: Pull) -> Review:
    wanted = request.integer("review")
    found = next((r for r in pull.reviews if r.id == wanted and _visible(request, r)), None)
    if found is None:
        raise not_found()
    return found


def _visible(request: Request, review: Review) -> bool:
    return review.state != "PENDING" or review.user is request.actor


@route("GET", f"{_BASE}/reviews", permission=_READ)
def listing(request: Request) -> Reply:
    """Oldest first; pending ones are shown to their author alone."""
    pull = pull_of(request)
    return paged(
        request, [r for r in pull.reviews if _visible(request, r)], lambda r: review_body(request.hub, pull, r)
    )


@route("GET", f"{_BASE}/reviews/{{review}}", permission=_READ)
def one(request: Request) -> Reply:
    pull = pull_of(request)
    return ok(review_body(request.hub, pull, _review_of(request, pull)))


@route("POST", f"{_BASE}/reviews", permission=_WRITE)
def give(request: Request) -> Reply:
    """Give one on a commit of the pull request, the head by default, an earlier one too. Nobody approves their own."""
    pull, hub = pull_of(request), request.hub
    event, body = request.value("event"), request.value("body", default="")
    commit = request.value("commit_id", default=pull.head_sha)
    if gitio.kind(pull.repo.path, commit) != "commit" or not _belongs(pull, commit):
        raise invalid("Unprocessable Entity", "commit_id is not part of the pull request")
    review = Review(hub.next_id(), request.actor, "PENDING", body, commit, hub.now())
    if event is not None:
        _submit(request, pull, review, event)
    elif any(r.state == "PENDING" and r.user is request.actor for r in pull.reviews):
        raise invalid("Unprocessable Entity", "User can only have one pending review per pull request")
    pull.reviews.append(review)
    if event is not None:
        _told(request, pull, review)
    return ok(review_body(hub, pull, review))


def _belongs(pull: Pull, commit: str) -> bool:
    """Whether a commit is or once was the pull request's: its head's history, or a head it had before."""
    path = pull.repo.path
    earlier = {r.commit for r in pull.reviews} | pull.same
    if pull.head_repo is not None:
        ref = f"refs/heads/{pull.head_ref}"
        earlier |= {sha for a in pull.head_repo.activity if a.ref == ref for sha in (a.before, a.after)}
    return commit in earlier or gitio.ancestor(path, commit, pull.head_sha)


def _submit(request: Request, pull: Pull, review: Review, event: str) -> None:
    """Refuse (422) what GitHub does: one's own, a word that is none, an empty text where one is needed."""
    if event not in _STATES:
        raise invalid("Unprocessable Entity", f"event {event!r} is not one of APPROVE, REQUEST_CHANGES, COMMENT")
    if request.actor is pull.user and event in _OWN:
        raise invalid("Unprocessable Entity", _OWN[event])
    if event == "APPROVE" and request.token.kind == "actions" and not pull.repo.extras.get("actions_may_approve"):
        raise invalid("Unprocessable Entity", "GitHub Actions is not permitted to approve pull requests.")
    if event != "APPROVE" and not review.body:
        raise invalid("Unprocessable Entity", "Could not create a review without a body")
    review.state, review.submitted_at = _STATES[event], request.hub.now()


def _told(request: Request, pull: Pull, review: Review) -> None:
    pull.asked_users = [u for u in pull.asked_users if u is not review.user]
    if review.user is not None and review.state != "COMMENTED":
        pull.asked_teams = [t for t in pull.asked_teams if not t.has(review.user.id)]
    pull.issue.updated_at = request.hub.now()
    told = {**review_body(request.hub, pull, review), "state": review.state.lower()}
    payload = {"review": told, "pull_request": pull_simple(request.hub, pull)}
    request.hub.emit("pull_request_review", "submitted", pull.repo, payload, request.token)


@route("POST", f"{_BASE}/reviews/{{review}}/events", permission=_WRITE)
def submit(request: Request) -> Reply:
    """Submit a pending one."""
    pull = pull_of(request)
    review = _review_of(request, pull)
    if review.state != "PENDING" or review.user is not request.actor:
        raise invalid("Unprocessable Entity", "Can not submit a review that is not pending")
    review.body = request.value("body", default=review.body)
    _submit(request, pull, review, request.value("event", required=True))
    _told(request, pull, review)
    return ok(review_body(request.hub, pull, review))


@route("PUT", f"{_BASE}/reviews/{{review}}", permission=_WRITE)
def edit(request: Request) -> Reply:
    """Change the text of one's own; state and commit stay."""
    pull = pull_of(request)
    review = _review_of(request, pull)
    if review.user is not request.actor:
        raise Refusal(403, "Must be the author of the review")
    review.body = request.value("body", required=True)
    return ok(review_body(request.hub, pull, review))


@route("DELETE", f"{_BASE}/reviews/{{review}}", permission=_WRITE)
def drop(request: Request) -> Reply:
    """Delete a pending one; submitted ones stay for ever."""
    pull = pull_of(request)
    review = _review_of(request, pull)
    if review.state != "PENDING":
        raise invalid("Unprocessable Entity", "Can not delete a non-pending pull request review")
    pull.reviews.remove(review)
    return ok(review_body(request.hub, pull, review))


@route("PUT", f"{_BASE}/reviews/{{review}}/dismissals", permission=_WRITE, role="write")
def dismiss(request: Request) -> Reply:
    """Take an approval or a request for changes back, one's own or another's: anybody who may write."""
    pull = pull_of(request)
    review = _review_of(request, pull)
    message = request.value("message", required=True)
    if review.state not in {"APPROVED", "CHANGES_REQUESTED"}:
        raise invalid(
            "Unprocessable Entity", f"Can not dismiss a {review.state.lower().replace('_', ' ')} pull request review"
        )
    pulling.dismiss(request.hub, pull, review, request.token, message)
    return ok(review_body(request.hub, pull, review))


@route("GET", f"{_BASE}/requested_reviewers", permission=_READ)
def asked(request: Request) -> Reply:
    """Who has been asked and has not answered."""
    pull, hub = pull_of(request), request.hub
    return ok(
        {"users": [simple_user(hub, u) for u in pull.asked_users], "teams": [team(hub, t) for t in pull.asked_teams]}
    )


def _named(request: Request, pull: Pull) -> list[User | Team]:
    """The people and teams of the body. Refuses (422) the author, and who is no collaborator."""
    repo, found = pull.repo, list[User | Team]()
    teams = repo.owner.teams if isinstance(repo.owner, Org) else {}
    for login in request.value("reviewers", list, default=[]):
        user = request.hub.account(login)
        if user is not None and user is pull.user:
            raise invalid("Review cannot be requested from pull request author.")
        if (
            user is None
            or user.type != "User"
            or rank(role_in(user, repo)) < rank("read")
            or not _collaborates(user, pull)
        ):
            raise _stranger(repo.full_name)
        found.append(user)
    for slug in request.value("team_reviewers", list, default=[]):
        if slug not in teams or teams[slug].id not in repo.team_roles:
            raise _stranger(repo.full_name)
        found.append(teams[slug])
    return found


def _collaborates(user: User, pull: Pull) -> bool:
    """On a public repository everybody reads; to be asked one must have been let in."""
    repo = pull.repo
    inside = isinstance(repo.owner, Org) and user.id in repo.owner.members
    return repo.private or inside or user.id in repo.collaborators or repo.owner is user


def _stranger(name: str) -> Refusal:
    return invalid(
        "Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a "
        f"collaborator of the {name} repository."
    )


@route("POST", f"{_BASE}/requested_reviewers", permission=_WRITE, role="triage")
def ask(request: Request) -> Reply:
    pull = pull_of(request)
    for each in _named(request, pull):
        pulling.ask(request.hub, pull, request.token, each)
    return created(pull_simple(request.hub, pull))


@route("DELETE", f"{_BASE}/requested_reviewers", permission=_WRITE, role="triage")
def unask(request: Request) -> Reply:
    pull = pull_of(request)
    gone = _named(request, pull)
    pull.asked_users = [u for u in pull.asked_users if u not in gone]
    pull.asked_teams = [t for t in pull.asked_teams if t not in gone]
    return ok(pull_simple(request.hub, pull))
