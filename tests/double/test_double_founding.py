"""A repository, an App by its manifest, teams, secrets and variables, as who may make them finds them, and others.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest,
https://docs.github.com/en/rest/actions/secrets and https://docs.github.com/en/rest/actions/variables
"""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from nacl.public import PublicKey, SealedBox

from github_double.rest.environments import Environment, of

REPO = "/repos/acme/access"
SECRETS = f"{REPO}/environments/daypass/secrets"
MANIFEST = {
    "name": "daypass-acme",
    "url": "https://example.com",
    "redirect_url": "http://127.0.0.1:1/back",
    "public": False,
    "default_permissions": {"checks": "write"},
}


@pytest.fixture
def owner(hub, world, visit):
    olga = hub.user("olga", 100)
    world.repo.owner.members[olga.id] = "admin"
    world.repo.collaborate(olga, "admin")
    return visit(olga)


def _made(hub, token, org="acme", **more):
    """Post the manifest and press the button, as somebody signed in by a token; return the answer."""
    with requests.Session() as browser:
        browser.trust_env = False
        browser.cookies.set("user_session", token, domain="127.0.0.1")
        page = f"{hub.server_url}/organizations/{org}/settings/apps"
        shown = browser.post(f"{page}/new?state=s1", data={"manifest": json.dumps(MANIFEST | more)}, timeout=5)
        if shown.status_code != 200:
            return shown
        sent = {"manifest": json.dumps(MANIFEST | more), "state": "s1", "name": MANIFEST["name"]}
        return browser.post(page, data=sent, allow_redirects=False, timeout=5)


def test_an_owner_makes_a_repository_and_a_name_is_taken_once(owner, hub, visit):
    made = owner.send("POST", "/orgs/acme/repos", {"name": "new", "private": True}, expect=201)
    assert (made["full_name"], made["private"], made["permissions"]["admin"]) == ("acme/new", True, True)
    refused = owner.ask("POST", "/orgs/acme/repos", {"name": "new"})
    assert (refused.status_code, refused.json()["errors"][0]["message"]) == (422, "name already exists on this account")
    assert visit(hub.user("mallory", 901)).ask("POST", "/orgs/acme/repos", {"name": "other"}).status_code == 404


def test_members_make_repositories_only_where_the_organisation_lets_them(hub, world, visit):
    world.repo.owner.members[world.alice.id] = "member"
    world.repo.owner.members_create = False
    assert visit(world.alice).ask("POST", "/orgs/acme/repos", {"name": "mine"}).status_code == 403
    assert visit(world.alice).send("POST", "/user/repos", {"name": "mine"}, expect=201)["full_name"] == "alice/mine"


def test_a_manifest_gives_its_maker_a_code_that_is_good_once_and_for_an_hour(owner, hub):
    back = urlsplit(_made(hub, owner.token).headers["Location"])
    told = parse_qs(back.query)
    assert (back.path, told["state"]) == ("/back", ["s1"])
    path = f"/app-manifests/{told['code'][0]}/conversions"
    made = owner.send("POST", path, expect=201)
    assert (made["slug"], made["owner"]["login"], made["pem"][:15]) == ("daypass-acme", "acme", "-----BEGIN RSA ")
    assert owner.ask("POST", path).status_code == 404
    hub.apps.clear()
    del hub.accounts[next(number for number, one in hub.accounts.items() if one.login == "daypass-acme[bot]")]
    code = parse_qs(urlsplit(_made(hub, owner.token).headers["Location"]).query)["code"][0]
    hub.advance(minutes=61)
    assert owner.ask("POST", f"/app-manifests/{code}/conversions").status_code == 404


def test_an_app_is_made_by_owners_with_a_whole_manifest_under_a_name_that_is_free(owner, hub, world, visit):
    world.repo.owner.members[world.alice.id] = "member"
    assert _made(hub, visit(world.alice).token).status_code == 404
    assert _made(hub, "").status_code == 401
    assert "url is missing" in _made(hub, owner.token, url="").text
    assert "hook_attributes.url" in _made(hub, owner.token, hook_attributes={"active": False}).text
    assert _made(hub, owner.token).status_code == 302
    assert "already taken" in _made(hub, owner.token).text


def test_a_secret_is_sealed_to_the_environments_key(owner, world, hub):
    assert owner.ask("GET", f"{SECRETS}/public-key").status_code == 404
    of(world.repo)["daypass"] = held = Environment(hub.next_id(), "daypass", hub.now(), custom=True)
    key = owner.get(f"{SECRETS}/public-key")
    box = SealedBox(PublicKey(base64.b64decode(key["key"])))
    sealed = base64.b64encode(box.encrypt(b"secret")).decode()
    owner.send("PUT", f"{SECRETS}/KEY", {"encrypted_value": sealed, "key_id": key["key_id"]}, expect=201)
    owner.send("PUT", f"{SECRETS}/KEY", {"encrypted_value": sealed, "key_id": key["key_id"]}, expect=204)
    assert (held.secrets, held.values) == (["KEY"], {"KEY": "secret"})
    for wrong in ({"encrypted_value": "AAAA", "key_id": key["key_id"]}, {"encrypted_value": sealed, "key_id": "1"}):
        assert owner.ask("PUT", f"{SECRETS}/OTHER", wrong).status_code == 422


def test_a_variable_is_added_once_and_then_changed(owner):
    path = f"{REPO}/actions/variables"
    owner.send("POST", path, {"name": "app_id", "value": "1"}, expect=201)
    assert owner.ask("POST", path, {"name": "APP_ID", "value": "2"}).status_code == 409
    owner.send("PATCH", f"{path}/APP_ID", {"value": "2"}, expect=204)
    assert [(row["name"], row["value"]) for row in owner.get(path)["variables"]] == [("APP_ID", "2")]
    assert owner.ask("PATCH", f"{path}/OTHER", {"value": "2"}).status_code == 404


def test_actions_are_selected_only_where_selected_ones_alone_may_run(owner):
    path = f"{REPO}/actions/permissions"
    chosen = {"github_owned_allowed": True, "verified_allowed": False, "patterns_allowed": []}
    assert owner.ask("PUT", f"{path}/selected-actions", chosen).status_code == 409
    owner.send("PUT", path, {"enabled": True, "allowed_actions": "selected"})
    owner.send("PUT", f"{path}/selected-actions", chosen, expect=204)
    assert owner.get(f"{path}/selected-actions") == chosen


def test_who_makes_a_team_is_in_it(owner, world):
    owner.send("POST", "/orgs/acme/teams", {"name": "New Team", "privacy": "closed"}, expect=201)
    assert [one["login"] for one in owner.get("/orgs/acme/teams/new-team/members")] == ["olga"]
    assert owner.ask("POST", "/orgs/acme/teams", {"name": "new-team"}).status_code == 422


def test_installations_are_shown_to_owners(owner, world, hub, visit):
    hub.app("app", permissions={"checks": "write"}, repositories=["acme/access"])
    found = owner.get("/orgs/acme/installations")["installations"]
    assert ("app", "selected") in {(one["app_slug"], one["repository_selection"]) for one in found}
    world.repo.owner.members[world.alice.id] = "member"
    assert visit(world.alice).ask("GET", "/orgs/acme/installations").status_code == 403


def test_a_token_tells_its_scopes_and_pushes_workflows_only_with_that_one(owner, hub, world, visit):
    olga = hub.account("olga")
    one = visit(olga)
    hub.tokens[one.token].scopes = frozenset({"repo", "read:org"})
    assert one.ask("GET", "/user").headers["X-OAuth-Scopes"] == "read:org, repo"
    one.clone(world.repo)
    one.commit({".github/workflows/a.yml": "on: push\n"})
    assert one.git("push", "-q", "origin", "HEAD:refs/heads/flow", check=False).returncode != 0
    hub.tokens[one.token].scopes = frozenset({"repo", "workflow"})
    one.git("push", "-q", "origin", "HEAD:refs/heads/flow")
