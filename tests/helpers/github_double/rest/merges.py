"""Merging a pull request: https://docs.github.com/en/rest/pulls/pulls#merge-a-pull-request."""

from __future__ import annotations

from github_double import gitio, merging, pulling, pushes, rules
from github_double.registry import Refusal, Reply, Request, ok, route
from github_double.rest.pulls import pull_of
from github_double.state import ZERO, Pull
from github_double.writing import identity


@route("PUT", "/repos/{owner}/{repo}/pulls/{number}/merge", permission="contents:write", role="write")
def merge(request: Request) -> Reply:
    """Merge: 409 when ``sha`` is not the head any more, 405 when it cannot be or the rules do not let it."""
    pull, hub, repo = pull_of(request), request.hub, request.repo
    method = request.value("merge_method", default="merge")
    expected = request.value("sha")
    if not pull.open:
        raise Refusal(405, "Pull Request is not mergeable")
    if pull.draft:
        raise Refusal(405, "Pull Request is still a draft")
    if method not in {"merge", "squash", "rebase"}:
        raise Refusal(
            422, "Validation Failed", [{"resource": "PullRequest", "field": "merge_method", "code": "invalid"}]
        )
    if expected is not None and expected != pull.head_sha:
        raise Refusal(409, "Head branch was modified. Review and try the merge again.")
    if method not in repo.methods:
        name = {"merge": "Merge commits", "squash": "Squash merges", "rebase": "Rebase merges"}[method]
        raise Refusal(405, f"{name} are not allowed on this repository.")
    if problems := rules.merge_problems(hub, pull, request.token, method):
        raise Refusal(405, "Repository rule violations found\n\n" + "\n\n".join(problems) + "\n\n")
    base = gitio.resolve(repo.path, f"refs/heads/{pull.base_ref}") or ZERO
    own = pulling.own_commits(repo.path, base, pull.head_sha)
    landed = _land(request, pull, method, base, own)
    if landed is None:
        raise Refusal(405, "Pull Request is not mergeable")
    if pushes.touches_workflows(repo, base, landed) and not pushes.may_touch_workflows(request.token):
        raise Refusal(403, pushes.workflow_refusal(request.token))
    ref = f"refs/heads/{pull.base_ref}"
    gitio.set_ref(repo.path, ref, landed, base)
    pulling.mark_merged(hub, pull, request.token, landed, own)
    pushes.moved(hub, repo, request.token, ref, base, landed, kind="pr_merge")
    _tidy(request, pull)
    return ok({"sha": landed, "merged": True, "message": "Pull Request successfully merged"})


def _land(request: Request, pull: Pull, method: str, base: str, own: list[str]) -> str | None:
    title, message = request.value("commit_title"), request.value("commit_message")
    if method == "squash":
        return merging.squash(request.hub, pull, base, own, title, message)
    if method == "merge":
        return merging.merge(request.hub, pull, base, request.actor, title, message)
    return merging.rebase(request.hub, pull, base, request.actor)


def _tidy(request: Request, pull: Pull) -> None:
    """Delete the head branch where the repository says so."""
    source, ref = pull.head_repo, f"refs/heads/{pull.head_ref}"
    if source is not pull.repo or not pull.repo.delete_branch_on_merge:
        return
    old = gitio.resolve(source.path, ref)
    if old is not None:
        gitio.set_ref(source.path, ref, ZERO, old)
        pushes.moved(request.hub, source, request.token, ref, old, ZERO)


@route("PUT", "/repos/{owner}/{repo}/pulls/{number}/update-branch", permission="pull_requests:write", role="write")
def update_branch(request: Request) -> Reply:
    """Merge the base into the head: https://docs.github.com/en/rest/pulls/pulls#update-a-pull-request-branch."""
    pull, hub = pull_of(request), request.hub
    expected = request.value("expected_head_sha")
    if expected is not None and expected != pull.head_sha:
        raise Refusal(422, "expected_head_sha does not match the head of the pull request")
    source, path = pull.head_repo, pull.repo.path
    base = gitio.resolve(path, f"refs/heads/{pull.base_ref}")
    tree = gitio.merge_tree(path, pull.head_sha, base) if base else None
    if source is None or base is None or tree is None or not pull.open:
        raise Refusal(422, "merge conflict between base and head")
    who = identity(hub, request.actor, request.actor.noreply)
    github = f"{pulling.WEB_FLOW} {int(hub.now().timestamp())} +0000"
    text = f"Merge branch '{pull.base_ref}' into {pull.head_ref}\n"
    made = gitio.commit(path, tree, [pull.head_sha, base], text, who, github)
    pull.repo.signed.add(made)
    if source is not pull.repo:
        gitio.set_ref(path, f"refs/pull/{pull.number}/head", made)
        gitio.run(source.path, "fetch", "-q", str(path), f"refs/pull/{pull.number}/head")
    old, ref = pull.head_sha, f"refs/heads/{pull.head_ref}"
    gitio.set_ref(source.path, ref, made, old)
    pushes.moved(hub, source, request.token, ref, old, made)
    return Reply(202, {"message": "Updating pull request branch.", "url": f"{hub.url}{request.path}"})
