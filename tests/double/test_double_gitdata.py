"""The double's git data, refs and activity behave as GitHub documents them."""

from __future__ import annotations

import pytest


@pytest.fixture
def alice(world, visit):
    return visit(world.alice, clone=world.repo)


def _tip(world, visitor, branch="main"):
    return visitor.get(f"{world.path}/git/ref/heads/{branch}")["object"]["sha"]


def test_a_commit_is_made_of_blobs_and_a_tree_on_a_base(world, alice):
    """https://docs.github.com/en/rest/git/trees#create-a-tree."""
    tip = _tip(world, alice)
    blob = alice.send("POST", f"{world.path}/git/blobs", {"content": "aMOk\n", "encoding": "base64"}, expect=201)
    assert alice.get(f"{world.path}/git/blobs/{blob['sha']}")["size"] == 3
    entries = [
        {"path": "grants/x/new.yaml", "mode": "100644", "type": "blob", "sha": blob["sha"]},
        {"path": "text", "mode": "100755", "type": "blob", "content": "plain\n"},
        {"path": "grants/orders-db/one.yaml", "mode": "100644", "type": "blob", "sha": None},
    ]
    tree = alice.send("POST", f"{world.path}/git/trees", {"base_tree": tip, "tree": entries}, expect=201)
    listed = alice.get(f"{world.path}/git/trees/{tree['sha']}", recursive="1")
    assert [(e["path"], e["mode"]) for e in listed["tree"] if e["type"] == "blob"] == [
        ("README.md", "100644"), ("grants/x/new.yaml", "100644"), ("text", "100755"),
    ]  # fmt: skip
    body = {"message": "One\n\nTwo", "tree": tree["sha"], "parents": [tip]}
    made = alice.send("POST", f"{world.path}/git/commits", body, expect=201)
    assert (made["message"], made["author"]["name"], made["verification"]["reason"]) == (
        "One\n\nTwo",
        "alice",
        "unsigned",
    )
    ref = alice.send("POST", f"{world.path}/git/refs", {"ref": "refs/heads/made", "sha": made["sha"]}, expect=201)
    assert ref["object"]["sha"] == made["sha"]
    alice.git("fetch", "-q", "origin", "made")
    assert alice.git("show", "FETCH_HEAD:text").stdout == "plain\n"


def test_what_a_bot_makes_without_names_is_verified(hub, world, visit):
    """https://docs.github.com/en/authentication/managing-commit-signature-verification/about-commit-signature-verification#signature-verification-for-bots."""
    app = hub.app("daypass-acme", permissions={"contents": "write"}, repositories=["acme/access"])
    bot = visit(hub.installation_token(app))
    tip = _tip(world, bot)
    tree = bot.get(f"{world.path}/git/commits/{tip}")["tree"]["sha"]
    body = {"message": "m", "tree": tree, "parents": [tip]}
    made = bot.send("POST", f"{world.path}/git/commits", body)
    assert made["verification"]["verified"] is True
    assert made["author"]["email"] == f"{app.bot.id}+daypass-acme[bot]@users.noreply.github.com"
    named = bot.send(
        "POST", f"{world.path}/git/commits", {**body, "author": {"name": "a", "email": "alice@example.com"}}
    )
    assert named["verification"]["verified"] is False
    assert bot.get(f"{world.path}/commits/{named['sha']}")["author"]["login"] == "alice"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {"tree": [{"path": "../x", "mode": "100644", "content": ""}]},
            "tree.path contains a malformed path component",
        ),
        (
            {"tree": [{"path": ".git/x", "mode": "100644", "content": ""}]},
            "tree.path contains a malformed path component",
        ),
        ({"tree": [{"path": "x", "mode": "777", "content": ""}]}, "Must supply a valid tree.mode"),
        ({"base_tree": "main", "tree": [{"path": "no", "mode": "100644", "sha": None}]}, "GitRPC::BadObjectState"),
    ],
)
def test_trees_that_cannot_be_are_refused(world, alice, body, said):
    """https://docs.github.com/en/rest/git/trees#create-a-tree (422)."""
    assert alice.send("POST", f"{world.path}/git/trees", body, expect=422)["message"] == said


def test_a_folder_is_taken_out_whole(world, alice):
    """https://docs.github.com/en/rest/git/trees#create-a-tree (sha null)."""
    body = {"base_tree": "main", "tree": [{"path": "grants", "mode": "040000", "type": "tree", "sha": None}]}
    made = alice.send("POST", f"{world.path}/git/trees", body)
    assert [e["path"] for e in made["tree"]] == ["README.md"]


def test_refs_move_forward_only_unless_forced(world, alice):
    """https://docs.github.com/en/rest/git/refs#update-a-reference."""
    tip = _tip(world, alice)
    head = alice.commit({"a": "1\n"})
    alice.git("push", "-q", "origin", "HEAD:made")
    back = f"{world.path}/git/refs/heads/made"
    assert alice.send("PATCH", back, {"sha": tip}, expect=422)["message"] == "Update is not a fast forward"
    assert alice.send("PATCH", back, {"sha": tip, "force": True})["object"]["sha"] == tip
    assert alice.send("PATCH", back, {"sha": head})["object"]["sha"] == head
    again = alice.send("POST", f"{world.path}/git/refs", {"ref": "refs/heads/made", "sha": tip}, expect=422)
    assert again["message"] == "Reference already exists"
    gone = alice.send("POST", f"{world.path}/git/refs", {"ref": "refs/heads/x", "sha": "1" * 40}, expect=422)
    assert gone["message"] == "Object does not exist"
    alice.send("DELETE", back, expect=204)
    assert alice.ask("GET", f"{world.path}/git/ref/heads/made").status_code == 404
    said = alice.send("DELETE", back, expect=422)
    assert said["message"] == "Reference does not exist"


def test_rules_bind_refs_moved_by_the_api(hub, world, alice):
    """https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/about-rulesets."""
    hub.protect(world.repo)
    head = alice.commit({"a": "1\n"})
    alice.git("push", "-q", "origin", "HEAD:made")
    said = alice.send("PATCH", f"{world.path}/git/refs/heads/main", {"sha": head}, expect=422)
    assert "Changes must be made through a pull request." in said["message"]
    assert alice.get(f"{world.path}/branches/main")["protected"] is True
    assert alice.get(f"{world.path}/branches", protected="true")[0]["name"] == "main"


def test_activity_tells_who_moved_a_branch_and_how(hub, world, alice, visit):
    """https://docs.github.com/en/rest/repos/repos#list-repository-activities."""
    bob = visit(world.bob, clone=world.repo)
    first = alice.commit({"a": "1\n"})
    alice.git("push", "-q", "origin", "HEAD:feature/x")
    bob.git("fetch", "-q", "origin")
    bob.git("checkout", "-q", "feature/x")
    second = bob.commit({"a": "2\n"})
    bob.git("push", "-q", "origin", "feature/x")
    alice.git("commit", "-q", "--amend", "-m", "other")
    alice.git("push", "-q", "-f", "origin", "HEAD:feature/x")
    rows = alice.get(f"{world.path}/activity", ref="refs/heads/feature/x")
    assert [(r["activity_type"], r["actor"]["login"]) for r in rows] == [
        ("force_push", "alice"), ("push", "bob"), ("branch_creation", "alice"),
    ]  # fmt: skip
    assert (rows[1]["before"], rows[1]["after"], rows[2]["before"]) == (first, second, "0" * 40)
    page = alice.ask("GET", f"{world.path}/activity", ref="refs/heads/feature/x", per_page=2)
    assert len(page.json()) == 2
    rest = alice.ask("GET", page.links["next"]["url"].removeprefix(hub.url))
    assert [r["activity_type"] for r in rest.json()] == ["branch_creation"]
    assert "next" not in rest.links


def test_a_force_push_to_a_pull_request_is_told(world, alice):
    """https://docs.github.com/en/rest/using-the-rest-api/issue-event-types#head_ref_force_pushed."""
    number = alice.propose(world.repo, "ask", {"a": "1\n"})
    alice.git("commit", "-q", "--amend", "-m", "other")
    alice.git("push", "-q", "-f", "origin", "ask")
    told = [e["event"] for e in alice.get(f"{world.path}/issues/{number}/events")]
    assert "head_ref_force_pushed" in told
    assert "head_ref_force_pushed" in [e["event"] for e in alice.get(f"{world.path}/issues/{number}/timeline")]


def test_commits_belong_to_open_pull_requests_until_merged(world, alice):
    """https://docs.github.com/en/rest/commits/commits#list-pull-requests-associated-with-a-commit."""
    number = alice.propose(world.repo, "ask", {"a": "1\n"})
    head = alice.get(f"{world.path}/pulls/{number}")["head"]["sha"]
    assert [p["number"] for p in alice.get(f"{world.path}/commits/{head}/pulls")] == [number]
    assert alice.get(f"{world.path}/commits/{_tip(world, alice)}/pulls") == []
    assert alice.ask("GET", f"{world.path}/commits/{'1' * 40}/pulls").status_code == 422
    compared = alice.get(f"{world.path}/compare/main...{head}")
    assert (compared["status"], compared["ahead_by"]) == ("ahead", 1)
