"""Tokens of the double may what GitHub's may."""

from __future__ import annotations

import time

import jwt
import pytest
import requests
from github import Auth, Github, GithubIntegration


def _app_jwt(app, **changes):
    now = int(time.time())
    claims = {"iat": now - 60, "exp": now + 540, "iss": str(app.id), **changes}
    return jwt.encode(claims, app.private_key, "RS256")


@pytest.fixture
def app(hub, world):
    return hub.app(
        "daypass-acme", permissions={"contents": "write", "pull_requests": "write"}, repositories=["acme/access"]
    )


def test_who_shows_nothing_or_rubbish_is_turned_away(hub, world, visit):
    """https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api."""
    assert visit("").ask("GET", "/user").json()["message"] == "Requires authentication"
    assert visit("rubbish").ask("GET", "/user").status_code == 401
    assert visit("").ask("GET", world.path).status_code == 404
    assert visit(hub.user("stranger")).ask("GET", world.path).status_code == 404
    hub.repository("acme/open", private=False)
    assert visit("").ask("GET", "/repos/acme/open").status_code == 200


def test_roles_bound_what_people_may(hub, world, visit):
    """https://docs.github.com/en/organizations/managing-user-access-to-your-organizations-repositories/managing-repository-roles/repository-roles-for-an-organization."""
    rita = visit(world.rita)
    assert rita.get(f"{world.path}/pulls") == []
    refused = rita.send("POST", f"{world.path}/git/blobs", {"content": "x"}, expect=403)
    assert refused["message"] == "Must have push access to repository"
    clone = visit(world.rita, clone=world.repo)
    clone.commit({"a": "1\n"})
    pushed = clone.git("push", "origin", "HEAD:mine", check=False)
    assert "403" in pushed.stderr
    world.repo.collaborate(world.rita, "none")
    assert rita.ask("GET", world.path).status_code == 404


def test_a_fine_grained_token_is_bound_by_its_permissions(hub, world, visit):
    """https://docs.github.com/en/rest/authentication/permissions-required-for-fine-grained-personal-access-tokens."""
    alice = visit(world.alice, {"pull_requests": "read"})
    answer = alice.ask("POST", f"{world.path}/git/blobs", {"content": "x"})
    assert (answer.status_code, answer.json()["message"]) == (403, "Resource not accessible by personal access token")
    assert answer.headers["X-Accepted-GitHub-Permissions"] == "contents=write"
    assert alice.get(f"{world.path}/pulls") == []


def test_an_app_turns_its_jwt_into_an_hours_token(hub, world, app):
    """https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app."""
    url = f"{hub.url}/app/installations/{app.installation}/access_tokens"
    answer = requests.post(url, headers={"Authorization": f"Bearer {_app_jwt(app)}"}, timeout=9)
    assert answer.status_code == 201
    token = answer.json()["token"]
    head = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{hub.url}{world.path}", headers=head, timeout=9).status_code == 200
    refused = requests.get(f"{hub.url}/user", headers=head, timeout=9)
    assert (refused.status_code, refused.json()["message"]) == (403, "Resource not accessible by integration")
    hub.advance(minutes=59)
    assert requests.get(f"{hub.url}{world.path}", headers=head, timeout=9).status_code == 200
    hub.advance(minutes=1)
    assert requests.get(f"{hub.url}{world.path}", headers=head, timeout=9).status_code == 401


@pytest.mark.parametrize("wrong", [{"exp": int(time.time()) - 100}, {"exp": int(time.time()) + 4000}, {"iss": "9"}])
def test_a_jwt_that_does_not_hold_gives_nothing(hub, app, wrong):
    """https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app."""
    url = f"{hub.url}/app/installations/{app.installation}/access_tokens"
    answer = requests.post(url, headers={"Authorization": f"Bearer {_app_jwt(app, **wrong)}"}, timeout=9)
    assert answer.status_code in {401, 404}


def test_a_jwt_of_another_key_gives_nothing(hub, app):
    """As above."""
    other = hub.app("other", permissions={}, repositories=["acme/access"])
    other.id = app.id
    url = f"{hub.url}/app/installations/{app.installation}/access_tokens"
    answer = requests.post(url, headers={"Authorization": f"Bearer {_app_jwt(other)}"}, timeout=9)
    assert answer.status_code == 401


def test_an_installation_token_can_be_narrowed_never_widened(hub, world, app, visit):
    """https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-an-installation-access-token-for-a-github-app."""
    own = visit(_app_jwt(app))
    path = f"/app/installations/{app.installation}/access_tokens"
    made = own.send("POST", path, {"permissions": {"contents": "read"}, "repositories": ["access"]}, expect=201)
    assert made["permissions"] == {"metadata": "read", "contents": "read"}
    narrow = visit(made["token"])
    narrow.send("POST", f"{world.path}/git/blobs", {"content": "x"}, expect=403)
    own.send("POST", path, {"permissions": {"administration": "write"}}, expect=422)
    own.send("POST", path, {"repositories": ["elsewhere"]}, expect=422)
    narrow.send("DELETE", "/installation/token", expect=204)
    assert narrow.ask("GET", world.path).status_code == 401


def test_pygithub_works_as_app_and_as_person(hub, world, app):
    """https://docs.github.com/en/rest/overview/about-the-rest-api (an ordinary client does)."""
    with GithubIntegration(auth=Auth.AppAuth(app.id, app.private_key), base_url=hub.url) as both:
        token = both.get_access_token(app.installation).token
    with Github(auth=Auth.Token(token), base_url=hub.url) as client:
        assert client.get_repo("acme/access").full_name == "acme/access"
    with Github(auth=Auth.Token(hub.token(world.alice)), base_url=hub.url) as client:
        assert client.get_user().id == 101


def test_an_uninstalled_app_and_a_suspended_account_are_out(hub, world, app, visit):
    """https://docs.github.com/en/apps/using-github-apps/reviewing-and-modifying-installed-github-apps."""
    robot, alice = visit(hub.installation_token(app)), visit(world.alice)
    app.uninstalled = world.alice.suspended = True
    assert robot.ask("GET", world.path).status_code == 401
    assert alice.ask("GET", world.path).status_code == 403
    assert visit(world.bob).ask("GET", "/user/101").status_code == 404


def test_a_jobs_token_has_what_the_workflow_gives_and_never_workflows(hub, world, visit):
    """https://docs.github.com/en/actions/concepts/security/github_token."""
    job = visit(hub.actions_token(world.repo, {"contents": "write", "pull-requests": "write", "workflows": "write"}))
    job.folder.mkdir(parents=True)
    job.clone(world.repo)
    job.commit({"a": "1\n"})
    job.git("push", "-q", "origin", "HEAD:fine")
    assert hub.events[-1].by_token_kind == "actions"
    job.commit({".github/workflows/evil.yml": "on: push\n"})
    said = job.git("push", "origin", "HEAD:evil", check=False)
    assert "without `workflows` permission" in said.stderr
    job.send("POST", f"{world.path}/pulls", {"title": "t", "head": "fine", "base": "main"})
    assert job.ask("GET", "/repos/acme/other").status_code == 404


def test_a_jobs_token_may_not_approve(hub, world, visit):
    """https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/enabling-features-for-your-repository/managing-github-actions-settings-for-a-repository#preventing-github-actions-from-creating-or-approving-pull-requests."""
    alice = visit(world.alice, clone=world.repo)
    number = alice.propose(world.repo, "ask", {"a": "1\n"})
    job = visit(hub.actions_token(world.repo, {"pull-requests": "write"}))
    said = job.send("POST", f"{world.path}/pulls/{number}/reviews", {"event": "APPROVE"}, expect=422)
    assert said["errors"] == ["GitHub Actions is not permitted to approve pull requests."]


def test_the_hours_requests_are_counted(hub, world, visit):
    """https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api."""
    alice = visit(world.alice)
    hub.exhaust(alice.token, remaining=1)
    last = alice.ask("GET", world.path)
    assert (last.status_code, last.headers["X-RateLimit-Remaining"]) == (200, "0")
    over = alice.ask("GET", world.path)
    assert (over.status_code, over.headers["X-RateLimit-Remaining"]) == (403, "0")
    assert "API rate limit exceeded" in over.json()["message"]
    assert alice.ask("GET", "/rate_limit").status_code == 200
    hub.advance(minutes=60)
    assert alice.ask("GET", world.path).status_code == 200


def test_a_login_can_be_renamed_and_taken_by_another(hub, world, visit):
    """https://docs.github.com/en/account-and-profile/concepts/username-changes."""
    alice = visit(world.alice)
    world.alice.login = "alice-ngo"
    thief = hub.user("alice", 999)
    assert alice.get("/user")["id"] == 101
    assert visit(thief).get("/users/alice")["id"] == 999
    assert alice.get("/user/101")["login"] == "alice-ngo"


def test_a_deleted_account_is_nobody_in_reviews_and_a_ghost_elsewhere(hub, world, visit):
    """https://docs.github.com/en/rest/pulls/reviews#list-reviews-for-a-pull-request (user: null)."""
    alice = visit(world.alice, clone=world.repo)
    number = alice.propose(world.repo, "ask", {"a": "1\n"})
    bob = visit(world.bob)
    bob.send("POST", f"{world.path}/pulls/{number}/reviews", {"event": "APPROVE"})
    world.bob.deleted = True
    assert alice.get(f"{world.path}/pulls/{number}/reviews")[0]["user"] is None
    assert bob.ask("GET", world.path).status_code == 401
    assert alice.ask("GET", "/users/bob").status_code == 404
    world.alice.deleted = True
    assert visit(world.rita).get(f"{world.path}/pulls/{number}")["user"]["login"] == "ghost"


def test_a_forks_owner_may_not_push_to_what_it_was_forked_from(hub, world, visit):
    """https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/working-with-forks/about-permissions-and-visibility-of-forks."""
    fork = hub.fork(world.repo, world.rita)
    rita = visit(world.rita, clone=fork)
    rita.commit({"a": "1\n"})
    rita.git("push", "-q", "origin", "main")
    assert "403" in rita.git("push", rita.url(world.repo), "main:x", check=False).stderr
    assert visit(world.bob).ask("GET", "/repos/rita/access").status_code == 200
    assert visit(hub.user("stranger")).ask("GET", "/repos/rita/access").status_code == 404
    world.repo.allow_forking = False
    refused = visit(world.bob).send("POST", f"{world.path}/forks", expect=403)
    assert "forking is disabled" in refused["message"]
    world.repo.allow_forking = True
    assert visit(world.bob).send("POST", f"{world.path}/forks", expect=202)["full_name"] == "bob/access"
