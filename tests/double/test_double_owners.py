"""CODEOWNERS is read as GitHub documents it.

https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
"""

from __future__ import annotations

import pytest

from github_double import owners


@pytest.mark.parametrize(
    ("pattern", "covered", "left_out"),
    [
        ("*", ["a", "a/b.c"], []),
        ("*.js", ["x.js", "deep/er/x.js"], ["x.jsx"]),
        ("/build/logs/", ["build/logs/a", "build/logs/b/c"], ["x/build/logs/a", "build/logs"]),
        ("docs/*", ["docs/start.md"], ["docs/build/more.md", "x/docs/start.md"]),
        ("apps/", ["apps/a", "x/apps/b/c"], ["apps"]),
        ("/docs/", ["docs/a/b"], ["x/docs/a"]),
        ("/scripts", ["scripts/a", "scripts"], ["x/scripts"]),
        ("**/logs", ["build/logs/a", "logs/a", "deep/er/logs"], ["logsx"]),
        ("/grants/orders-db/", ["grants/orders-db/1.yaml"], ["grants/orders-db-2/1.yaml"]),
        ("/grants/orders-db", ["grants/orders-db/1.yaml"], ["grants/orders-db.yaml"]),
        ("/a/**/b", ["a/b", "a/x/y/b/c"], ["ab"]),
        ("/with\\ space/", ["with space/a"], ["with"]),
        ("a?c", ["abc", "x/abc/y"], ["a/c"]),
        ("Case/", ["Case/a"], ["case/a"]),
    ],
)
def test_patterns_cover_what_they_say(pattern, covered, left_out):
    [line] = owners.parse(f"{pattern} @who\n")
    assert [p for p in covered if not line.matches(p)] == []
    assert [p for p in left_out if line.matches(p)] == []


def test_the_last_line_that_covers_a_file_counts_and_may_name_nobody():
    lines = owners.parse("# all\n* @a\n/apps/ @b @acme/c # inline\n/apps/github\n\n")
    assert owners.line_of(lines, "x").owners == ("@a",)
    assert owners.line_of(lines, "apps/x").owners == ("@b", "@acme/c")
    assert owners.line_of(lines, "apps/github/x").owners == ()


@pytest.mark.parametrize("text", ["!*.js @a", "[ab].js @a", "\\#x @a", "*.js someone", "*.js @-/x/y"])
def test_lines_that_github_cannot_read_are_skipped(text):
    lines = owners.parse(f"* @a\n{text}\n")
    assert lines[1].wrong
    assert owners.line_of(lines, "b.js") is lines[0]


def test_only_those_who_may_write_and_are_seen_own_anything(hub, world):
    org = world.repo.owner
    dba = hub.team(org, "dba", [world.alice])
    world.repo.team(dba, "write")
    reading = hub.team(org, "reading", [world.alice])
    world.repo.team(reading, "read")
    hub.app("robot", permissions={}, repositories=["acme/access"])
    for name, counts in (
        ("@alice", True), ("@ALICE", True), ("@rita", False), ("@nobody", False), ("@acme/dba", True), ("@acme/reading", False),
        ("@other/dba", False), ("@robot[bot]", False), ("alice@example.com", True), ("x@example.com", False),
    ):  # fmt: skip
        assert (owners.eligible(hub, world.repo, name) is not None) is counts, name
    dba.privacy = "secret"
    assert owners.eligible(hub, world.repo, "@acme/dba") is None


def test_the_first_place_wins_and_a_file_too_big_is_none(hub, world):
    hub.seed(world.repo, {"docs/CODEOWNERS": "* @a\n", "CODEOWNERS": "* @b\n"})
    assert owners.read(world.repo, "main") == ("CODEOWNERS", "* @b\n")
    hub.seed(world.repo, {".github/CODEOWNERS": "#" * owners.LIMIT})
    assert owners.read(world.repo, "main") == ("", "")


def test_a_team_counts_the_members_of_those_below_it(hub, world, visit):
    """https://docs.github.com/en/organizations/organizing-members-into-teams/about-teams#nested-teams."""
    sam = hub.user("sam")
    above, below = hub.team(world.repo.owner, "above"), hub.team(world.repo.owner, "below", [sam])
    below.parent = above
    world.repo.team(above, "write")
    assert above.has(sam.id)
    visit(sam).send("POST", f"{world.path}/git/blobs", {"content": "x"}, expect=201)
