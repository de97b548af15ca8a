"""What GitHub says is wrong in a CODEOWNERS file: https://docs.github.com/en/rest/repos/repos#list-codeowners-errors."""

from __future__ import annotations

PATH = "/repos/acme/access/codeowners/errors"
PLACE = ".github/CODEOWNERS"


def test_unknown_owners_and_odd_patterns_are_told_with_their_place(hub, world, visit):
    hub.team(world.repo.owner, "dba", [world.alice])
    hub.seed(world.repo, {PLACE: "# all\n* @alice @nobody\n!x @bob\n/grants/ @acme/dba\n/y @rita\n"})
    found = visit(world.alice).get(PATH)["errors"]
    assert [(one["line"], one["column"], one["kind"]) for one in found] == [
        (2, 10, "Unknown owner"), (3, 1, "Invalid pattern"), (4, 10, "Unknown owner"), (5, 4, "Unknown owner"),
    ]  # fmt: skip
    assert found[0]["path"] == PLACE
    assert found[0]["message"].splitlines()[0] == (
        "Unknown owner on line 2: make sure @nobody exists and has write access to the repository"
    )
    assert found[0]["message"].splitlines()[2:] == ["  * @alice @nobody", "           ^"]


def test_a_file_without_faults_has_none_and_no_file_is_not_found(hub, world, visit):
    assert visit(world.alice).ask("GET", PATH).status_code == 404
    hub.seed(world.repo, {PLACE: "* @alice\n"})
    assert visit(world.alice).get(PATH) == {"errors": []}
    assert visit(world.alice).ask("GET", PATH, ref="none").status_code == 404


def test_a_branchs_own_file_is_read(hub, world, visit):
    hub.seed(world.repo, {PLACE: "* @alice\n"})
    hub.seed(world.repo, {PLACE: "* @nobody\n"}, branch="other")
    assert len(visit(world.alice).get(PATH, ref="other")["errors"]) == 1
