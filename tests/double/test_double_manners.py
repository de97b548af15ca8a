"""The double's smaller manners, each as GitHub documents it."""

from __future__ import annotations

import subprocess

import pytest
import requests


@pytest.fixture
def alice(world, visit):
    return visit(world.alice, clone=world.repo)


@pytest.fixture
def pull(world, alice):
    return f"{world.path}/pulls/{alice.propose(world.repo, 'ask', {'a': '1'}, title='Ask')}"


def test_reviews_are_asked_of_collaborators_and_of_no_author(hub, world, alice, pull, visit):
    """https://docs.github.com/en/rest/pulls/review-requests#request-reviewers-for-a-pull-request."""
    dba = hub.team(world.repo.owner, "dba", [world.bob])
    path = f"{pull}/requested_reviewers"
    assert "not a collaborator" in alice.send("POST", path, {"team_reviewers": ["dba"]}, expect=422)["message"]
    world.repo.team(dba, "write")
    asked = alice.send("POST", path, {"reviewers": ["bob", "rita"], "team_reviewers": ["dba"]}, expect=201)
    assert [u["login"] for u in asked["requested_reviewers"]] == ["bob", "rita"]
    own = alice.send("POST", path, {"reviewers": ["alice"]}, expect=422)
    assert own["message"] == "Review cannot be requested from pull request author."
    alice.send("POST", path, {"reviewers": [hub.user("stranger").login]}, expect=422)
    assert visit(world.rita).ask("POST", path, {"reviewers": ["bob"]}).status_code == 403
    left = alice.send("DELETE", path, {"reviewers": ["rita"]})
    assert [u["login"] for u in left["requested_reviewers"]] == ["bob"]
    visit(world.bob).send("POST", f"{pull}/reviews", {"event": "APPROVE"})
    assert alice.get(path) == {"users": [], "teams": []}


def test_a_pending_review_is_its_authors_alone_until_submitted(hub, world, alice, pull, visit):
    """https://docs.github.com/en/rest/pulls/reviews#submit-a-review-for-a-pull-request."""
    bob = visit(world.bob)
    draft = bob.send("POST", f"{pull}/reviews", {"body": "thinking"})
    assert (draft["state"], "submitted_at" in draft) == ("PENDING", False)
    assert alice.get(f"{pull}/reviews") == []
    assert alice.ask("GET", f"{pull}/reviews/{draft['id']}").status_code == 404
    bob.send("POST", f"{pull}/reviews", {}, expect=422)
    done = bob.send("POST", f"{pull}/reviews/{draft['id']}/events", {"event": "REQUEST_CHANGES"})
    assert done["state"] == "CHANGES_REQUESTED"
    edited = bob.send("PUT", f"{pull}/reviews/{draft['id']}", {"body": "other words"})
    assert (edited["body"], edited["state"]) == ("other words", "CHANGES_REQUESTED")
    alice.send("PUT", f"{pull}/reviews/{draft['id']}", {"body": "mine"}, expect=403)
    bob.send("DELETE", f"{pull}/reviews/{draft['id']}", expect=422)
    other = bob.send("POST", f"{pull}/reviews", {})
    assert bob.send("DELETE", f"{pull}/reviews/{other['id']}")["state"] == "PENDING"
    bob.send("POST", f"{pull}/reviews", {"event": "COMMENT"}, expect=422)
    bob.send("POST", f"{pull}/reviews", {"event": "NOD"}, expect=422)


def test_a_draft_asks_nobody_and_cannot_be_merged(hub, world, alice):
    """https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/proposing-changes-to-your-work-with-pull-requests/about-pull-requests#draft-pull-requests."""
    hub.seed(world.repo, {".github/CODEOWNERS": "* @bob\n"})
    alice.commit({"a": "1\n"})
    alice.git("push", "-q", "origin", "HEAD:draft")
    made = alice.send("POST", f"{world.path}/pulls", {"title": "t", "head": "draft", "base": "main", "draft": True})
    assert (made["draft"], made["requested_reviewers"]) == (True, [])
    said = alice.send("PUT", f"{world.path}/pulls/{made['number']}/merge", {}, expect=405)
    assert said["message"] == "Pull Request is still a draft"


@pytest.mark.parametrize(
    ("setting", "says"),
    [("COMMIT_MESSAGES", "Ask (#1)\n\n* Ask\n\n* more"), ("PR_BODY", "Ask (#1)\n\nthe text"), ("BLANK", "Ask (#1)")],
)
def test_a_squash_says_what_the_repository_has_it_say(world, alice, pull, setting, says):
    """https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/configuring-pull-request-merges/configuring-commit-squashing-for-pull-requests."""
    world.repo.squash_message, world.repo.delete_branch_on_merge = setting, True
    alice.commit({"a": "2\n"}, "more")
    alice.git("push", "-q", "origin", "ask")
    alice.send("PATCH", pull, {"body": "the text"})
    done = alice.send("PUT", f"{pull}/merge", {"merge_method": "squash"})
    assert alice.get(f"{world.path}/git/commits/{done['sha']}")["message"] == says
    assert alice.ask("GET", f"{world.path}/git/ref/heads/ask").status_code == 404
    assert alice.ask("GET", f"{pull}/merge").status_code == 204


def test_a_rebase_that_conflicts_on_its_way_is_not_made(hub, world, alice, pull):
    """https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/configuring-pull-request-merges/about-merge-methods-on-github#rebasing-and-merging-your-commits."""
    hub.seed(world.repo, {"a": "theirs\n"})
    alice.git("rm", "-q", "a")
    alice.git("commit", "-q", "-m", "gone")
    alice.git("push", "-q", "origin", "ask")
    assert alice.send("PUT", f"{pull}/merge", {"merge_method": "rebase"}, expect=405)["message"].startswith(
        "Pull Request"
    )
    assert alice.ask("GET", f"{pull}/merge").status_code == 404


def test_refs_are_found_by_their_beginnings_and_the_default_branch_stays(world, alice, pull):
    """https://docs.github.com/en/rest/git/refs#list-matching-references."""
    alice.git("push", "-q", "origin", "HEAD:asked/again")
    names = [r["ref"] for r in alice.get(f"{world.path}/git/matching-refs/heads/ask")]
    assert names == ["refs/heads/ask", "refs/heads/asked/again"]
    assert alice.get(f"{world.path}/git/matching-refs/heads/none") == []
    alice.send("DELETE", f"{world.path}/git/refs/heads/main", expect=422)
    sha = alice.get(f"{world.path}/git/ref/heads/main")["object"]["sha"]
    for ref in ("heads/x", "refs/heads/a..b", "refs/x", "refs/pull/1/head"):
        alice.send("POST", f"{world.path}/git/refs", {"ref": ref, "sha": sha}, expect=422)
    assert alice.get(f"{world.path}/branches/asked/again")["name"] == "asked/again"
    assert alice.ask("GET", f"{world.path}/branches/none").json()["message"] == "Branch not found"


def test_an_archived_repository_is_read_only(world, alice):
    """https://docs.github.com/en/repositories/archiving-a-github-repository/archiving-repositories."""
    world.repo.archived = True
    said = alice.send("POST", f"{world.path}/git/blobs", {"content": "x"}, expect=403)
    assert said["message"] == "Repository was archived so is read-only."
    alice.commit({"a": "1\n"})
    assert "403" in alice.git("push", "origin", "HEAD:x", check=False).stderr
    alice.get(f"{world.path}/pulls")


def test_a_public_repository_is_read_by_all_and_written_by_its_own(hub, world, alice, visit):
    """https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/managing-repository-settings/setting-repository-visibility."""
    world.repo.private = False
    hub.repository("acme/elsewhere")
    foreign = hub.app("foreign", permissions={"contents": "write"}, repositories=["acme/elsewhere"])
    for somebody in (visit(""), visit(hub.user("stranger")), visit(hub.installation_token(foreign))):
        assert somebody.get(f"{world.path}/pulls") == []
        assert somebody.ask("POST", f"{world.path}/git/blobs", {"content": "x"}).status_code in {401, 403}
        somebody.folder.mkdir(parents=True)
        somebody.clone(world.repo)
        somebody.commit({"a": "1\n"})
        assert somebody.git("push", "origin", "HEAD:x", check=False).returncode != 0


def test_what_is_no_json_or_of_the_wrong_kind_is_told(hub, world, alice):
    """https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api."""
    head = {"Authorization": f"token {alice.token}"}
    said = requests.post(f"{hub.url}{world.path}/pulls", data="{", headers=head, timeout=9)
    assert (said.status_code, said.json()["message"]) == (400, "Problems parsing JSON")
    wrong = alice.send("POST", f"{world.path}/pulls", {"title": 1, "head": "x", "base": "main"}, expect=422)
    assert "title" in wrong["message"]
    assert (
        '"head" wasn\'t supplied'
        in alice.send("POST", f"{world.path}/pulls", {"title": "t", "base": "m"}, expect=422)["message"]
    )
    chunks = requests.post(
        f"{hub.url}{world.path}/git/blobs", data=iter([b'{"content"', b': "x"}']), headers=head, timeout=9
    )
    assert chunks.status_code == 201
    assert requests.get(f"{hub.server_url}/repos/acme/access", headers=head, timeout=9).status_code == 404
    assert alice.ask("GET", f"{world.path}/pulls/none").status_code == 404
    assert alice.ask("GET", f"{world.path}/pulls/99").status_code == 404


def test_commits_are_listed_and_compared(world, alice, pull):
    """https://docs.github.com/en/rest/commits/commits#list-commits."""
    assert len(alice.get(f"{world.path}/commits", sha="ask")) == 2
    assert len(alice.get(f"{world.path}/commits", sha="ask", path="a")) == 1
    assert alice.get(f"{pull}/commits")[0]["author"]["login"] == "alice"
    assert alice.ask("GET", f"{world.path}/compare/main...{'1' * 40}").status_code == 404
    assert alice.get(f"{world.path}/compare/main...ask")["status"] == "ahead"


def test_the_calls_say_who_asked_for_what(hub, world, alice):
    """https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api."""
    hub.calls.clear()
    alice.get(f"{world.path}/pulls", state="all")
    alice.git("ls-remote", "origin")
    [api, *git] = hub.calls
    assert (api.method, api.path, api.status, api.owner, api.kind) == (
        "GET",
        f"{world.path}/pulls",
        200,
        "alice",
        "user",
    )
    assert (api.template, api.query) == ("/repos/{owner}/{repo}/pulls", {"state": "all"})
    assert {(c.owner, c.status) for c in git} == {("", 401), ("alice", 200)}


def test_a_shallow_or_partial_clone_gets_just_what_it_asks(world, alice, tmp_path):
    """https://git-scm.com/docs/partial-clone."""
    place = str(tmp_path / "partial")
    command = ["git", "clone", "-q", "--depth=1", "--filter=blob:none", "--no-checkout", alice.url(world.repo), place]
    subprocess.run(command, check=True, capture_output=True)
    listed = subprocess.run(
        ["git", "-C", place, "rev-list", "--objects", "--missing=print", "HEAD"], capture_output=True, check=True
    )
    assert b"?" in listed.stdout


@pytest.mark.parametrize("kept", ["blob:none", "blob:limit=1k", "tree:0"])
def test_clones_may_leave_out_contents_or_all_folders(world, alice, tmp_path, kept):
    """https://github.blog/open-source/git/get-up-to-speed-with-partial-clone-and-shallow-clone/."""
    place = str(tmp_path / "partial")
    command = ["git", "clone", "-q", "--depth=1", f"--filter={kept}", "--no-checkout", alice.url(world.repo), place]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize("kept", ["tree:1", "tree:2", "object:type=blob", "combine:blob:none+tree:0"])
def test_other_filters_are_refused(world, alice, tmp_path, kept):
    """As GitHub's servers do: "tree filter allows max depth 0"."""
    place = str(tmp_path / "partial")
    command = ["git", "clone", "-q", "--depth=1", f"--filter={kept}", "--no-checkout", alice.url(world.repo), place]
    done = subprocess.run(command, check=False, capture_output=True)
    assert done.returncode != 0
    assert b"filter" in done.stderr
