"""Pull requests of the double behave as GitHub documents them."""

from __future__ import annotations


def test_a_pull_request_follows_its_head(hub, world, visit):
    """https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/proposing-changes-to-your-work-with-pull-requests/about-pull-requests."""
    alice = visit(world.alice, clone=world.repo)
    number = alice.propose(world.repo, "ask", {"grants/orders-db/two.yaml": "a\n"})
    first = alice.get(f"{world.path}/pulls/{number}")
    assert (first["state"], first["mergeable"], first["changed_files"], first["commits"]) == ("open", True, 1, 1)
    second = alice.commit({"grants/orders-db/two.yaml": "b\n"})
    alice.git("push", "-q", "origin", "ask")
    assert alice.get(f"{world.path}/pulls/{number}")["head"]["sha"] == second
    refs = dict(reversed(line.split("\t")) for line in alice.git("ls-remote", "origin").stdout.splitlines())
    assert refs[f"refs/pull/{number}/head"] == second
    alice.git("fetch", "-q", "origin", f"refs/pull/{number}/merge")
    parents = alice.git("log", "-1", "--format=%P", "FETCH_HEAD").stdout.split()
    assert parents == [refs["refs/heads/main"], second]
    assert [e.action for e in hub.events if e.name == "pull_request"] == ["opened", "synchronize"]


def test_a_conflict_has_no_test_merge_and_cannot_be_merged(hub, world, visit):
    """https://docs.github.com/en/rest/pulls/pulls#get-a-pull-request (mergeable)."""
    alice = visit(world.alice, clone=world.repo)
    number = alice.propose(world.repo, "ask", {"README.md": "mine\n"})
    hub.seed(world.repo, {"README.md": "theirs\n"})
    other = alice.propose(world.repo, "other", {"x": "1\n"})
    alice.send("PUT", f"{world.path}/pulls/{other}/merge", {"merge_method": "squash"})
    assert alice.get(f"{world.path}/pulls/{number}")["mergeable"] is False
    assert f"pull/{number}/merge" not in alice.git("ls-remote", "origin").stdout
    said = alice.send("PUT", f"{world.path}/pulls/{number}/merge", {}, expect=405)
    assert said["message"] == "Pull Request is not mergeable"


def test_duplicates_missing_heads_and_empty_ones_are_refused(world, visit):
    """https://docs.github.com/en/rest/pulls/pulls#create-a-pull-request (422)."""
    alice = visit(world.alice, clone=world.repo)
    alice.propose(world.repo, "ask", {"a": "1\n"})
    again = alice.send("POST", f"{world.path}/pulls", {"title": "t", "head": "ask", "base": "main"}, expect=422)
    assert again["errors"][0]["message"] == "A pull request already exists for acme:ask."
    none = alice.send("POST", f"{world.path}/pulls", {"title": "t", "head": "nowhere", "base": "main"}, expect=422)
    assert none["errors"] == [{"resource": "PullRequest", "field": "head", "code": "invalid"}]
    alice.git("push", "-q", "origin", "origin/main:refs/heads/empty")
    empty = alice.send("POST", f"{world.path}/pulls", {"title": "t", "head": "empty", "base": "main"}, expect=422)
    assert empty["errors"][0]["message"] == "No commits between main and empty"


def test_a_pull_request_closes_with_its_branch(world, visit):
    """https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/incorporating-changes-from-a-pull-request/closing-a-pull-request."""
    alice = visit(world.alice, clone=world.repo)
    number = alice.propose(world.repo, "ask", {"a": "1\n"})
    alice.git("push", "-q", "origin", ":ask")
    said = alice.get(f"{world.path}/pulls/{number}")
    assert (said["state"], said["merged"]) == ("closed", False)
    assert alice.get(f"{world.path}/pulls") == []


def test_a_head_that_reaches_the_base_by_a_push_is_merged_indirectly(hub, world, visit):
    """https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/incorporating-changes-from-a-pull-request/about-pull-request-merges#indirect-merges."""
    alice = visit(world.alice, clone=world.repo)
    number = alice.propose(world.repo, "ask", {"a": "1\n"})
    head = alice.get(f"{world.path}/pulls/{number}")["head"]["sha"]
    alice.git("push", "-q", "origin", "ask:main")
    said = alice.get(f"{world.path}/pulls/{number}")
    assert (said["merged"], said["merge_commit_sha"], said["merged_by"]["login"]) == (True, head, "alice")
    assert [p["number"] for p in alice.get(f"{world.path}/commits/{head}/pulls")] == [number]


def test_a_fork_proposes_and_its_commits_can_be_fetched_at_the_base(hub, world, visit):
    """https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/proposing-changes-to-your-work-with-pull-requests/creating-a-pull-request-from-a-fork."""
    fork = hub.fork(world.repo, world.rita)
    rita = visit(world.rita, clone=fork)
    rita.git("checkout", "-q", "-b", "ask")
    head = rita.commit({"a": "1\n"})
    rita.git("push", "-q", "origin", "ask")
    made = rita.send("POST", f"{world.path}/pulls", {"title": "t", "head": "rita:ask", "base": "main"})
    assert (made["head"]["repo"]["full_name"], made["head"]["sha"]) == ("rita/access", head)
    bob = visit(world.bob, clone=world.repo)
    bob.git("fetch", "-q", "origin", f"refs/pull/{made['number']}/head")
    assert bob.git("rev-parse", "FETCH_HEAD").stdout.strip() == head
    later = rita.commit({"a": "2\n"})
    rita.git("push", "-q", "origin", "ask")
    assert bob.get(f"{world.path}/pulls/{made['number']}")["head"]["sha"] == later


def test_files_name_renames_removals_and_counts(world, visit):
    """https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files."""
    alice = visit(world.alice, clone=world.repo)
    number = alice.propose(world.repo, "ask", {"README.md": None, "new name.md": "access\n", "b": "1\n2\n"})
    files = {f["filename"]: f for f in alice.get(f"{world.path}/pulls/{number}/files")}
    assert files["new name.md"]["status"] == "renamed"
    assert files["new name.md"]["previous_filename"] == "README.md"
    assert (files["b"]["status"], files["b"]["additions"]) == ("added", 2)


def test_lists_are_cut_into_pages_with_links(hub, world, visit):
    """https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api."""
    alice = visit(world.alice, clone=world.repo)
    for n in range(3):
        alice.propose(world.repo, f"ask-{n}", {"a": f"{n}\n"})
    first = alice.ask("GET", f"{world.path}/pulls", per_page=2)
    assert [p["number"] for p in first.json()] == [3, 2]
    assert first.links["next"]["url"] == f"{hub.url}/repositories/{world.repo.id}/pulls?per_page=2&page=2"
    assert first.links["last"]["url"] == first.links["next"]["url"]
    second = alice.ask("GET", first.links["next"]["url"].removeprefix(hub.url))
    assert [p["number"] for p in second.json()] == [1]
    assert "next" not in second.links


def test_mergeability_may_be_unknown_at_first(hub, world, visit):
    """https://docs.github.com/en/rest/pulls/pulls#get-a-pull-request (null until a background job is done)."""
    hub.slow_mergeability = True
    alice = visit(world.alice, clone=world.repo)
    number = alice.propose(world.repo, "ask", {"a": "1\n"})
    seen = [alice.get(f"{world.path}/pulls/{number}")["mergeable"] for _ in range(2)]
    assert seen == [None, True]


def test_who_may_change_what_of_a_pull_request(hub, world, visit):
    """https://docs.github.com/en/rest/pulls/pulls#update-a-pull-request."""
    alice = visit(world.alice, clone=world.repo)
    number = alice.propose(world.repo, "ask", {"a": "1\n"})
    path = f"{world.path}/pulls/{number}"
    visit(world.rita).send("PATCH", path, {"title": "x"}, expect=403)
    assert alice.send("PATCH", path, {"title": "new", "state": "closed"})["state"] == "closed"
    assert alice.send("PATCH", path, {"state": "open"})["title"] == "new"
    assert [e.action for e in hub.events if e.name == "pull_request"] == ["opened", "edited", "closed", "reopened"]


def test_another_base_takes_approvals_away_where_it_changes_what_is_reviewed(hub, world, visit):
    """https://github.blog/changelog/2023-06-06-security-enhancements-to-required-approvals-on-pull-requests."""
    hub.protect(world.repo, code_owners=False)
    hub.seed(world.repo, {"README.md": "other\n"}, branch="other")
    alice = visit(world.alice, clone=world.repo)
    number = alice.propose(world.repo, "ask", {"a": "1\n"})
    path = f"{world.path}/pulls/{number}"
    visit(world.bob).send("POST", f"{path}/reviews", {"event": "APPROVE"})
    alice.send("PATCH", path, {"base": "nowhere"}, expect=422)
    assert alice.send("PATCH", path, {"base": "other"})["base"]["ref"] == "other"
    assert [r["state"] for r in alice.get(f"{path}/reviews")] == ["APPROVED"]
    alice.send("PATCH", path, {"base": "main"})
    alice.git("checkout", "-q", "-b", "base", "origin/main")
    alice.commit({"a": "1\n", "README.md": "base\n"})
    alice.git("push", "-q", "origin", "base")
    alice.git("checkout", "-q", "-B", "ask", "base")
    alice.commit({"a": "2\n"})
    alice.git("push", "-q", "-f", "origin", "ask")
    visit(world.bob).send("POST", f"{path}/reviews", {"event": "APPROVE"})
    hub.protect(world.repo, "base", code_owners=False, name="base")
    alice.send("PATCH", path, {"base": "base"})
    assert [r["state"] for r in alice.get(f"{path}/reviews")] == ["DISMISSED", "DISMISSED"]
