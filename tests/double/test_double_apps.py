"""GitHub Apps and their installations: https://docs.github.com/en/rest/apps."""

from __future__ import annotations

import time

import jwt
import pytest

from github_double.auth import issue_installation_token


@pytest.fixture
def app(hub, world):
    return hub.app("daypass-acme", permissions={"contents": "write", "checks": "write"}, repositories=["acme/access"])


@pytest.fixture
def itself(app, visit):
    now = int(time.time())
    claims = {"iss": str(app.id), "iat": now - 30, "exp": now + 300}
    return visit(jwt.encode(claims, app.private_key, algorithm="RS256"))


def test_an_app_knows_itself(app, itself):
    found = itself.get("/app")
    assert (found["id"], found["slug"], found["installations_count"]) == (app.id, "daypass-acme", 1)
    assert found["permissions"] == {"metadata": "read", "contents": "write", "checks": "write"}


def test_an_app_finds_where_it_is_installed_and_nowhere_else(app, itself, hub):
    hub.repository("acme/other")
    found = itself.get("/repos/acme/access/installation")
    assert (found["id"], found["app_slug"], found["target_type"]) == (app.installation, "daypass-acme", "Organization")
    assert itself.ask("GET", "/repos/acme/other/installation").status_code == 404
    assert itself.ask("GET", "/repos/acme/none/installation").status_code == 404
    assert itself.get(f"/app/installations/{app.installation}")["app_id"] == app.id
    assert itself.ask("GET", f"/app/installations/{app.installation + 1}").status_code == 404


def test_an_app_that_is_taken_off_is_installed_nowhere(app, itself):
    app.uninstalled = True
    assert itself.ask("GET", "/repos/acme/access/installation").status_code == 404
    assert itself.ask("GET", f"/app/installations/{app.installation}").status_code == 404
    assert itself.get("/app")["installations_count"] == 0


def test_a_suspended_installation_says_so(app, itself):
    app.suspended = True
    assert itself.get("/repos/acme/access/installation")["suspended_at"] is not None


def test_an_apps_own_token_is_for_the_app_alone(app, itself, visit, world):
    assert itself.ask("GET", "/repos/acme/access").status_code == 403
    refused = visit(world.alice).ask("GET", "/app")
    assert (refused.status_code, refused.json()["message"]) == (401, "A JSON web token could not be decoded")


def test_an_installation_lists_its_repositories(app, hub, visit, world):
    token = visit(issue_installation_token(hub, app, None, None).value)
    found = token.get("/installation/repositories")
    assert (found["total_count"], found["repositories"][0]["full_name"]) == (1, "acme/access")
    assert visit(world.alice).ask("GET", "/installation/repositories").status_code == 403


def test_apps_are_known_by_their_slug(app, visit, world):
    assert visit(world.alice).get("/apps/daypass-acme")["id"] == app.id
    assert visit(world.alice).get("/apps/github-actions")["id"] == 15368
    assert visit(world.alice).ask("GET", "/apps/none").status_code == 404
