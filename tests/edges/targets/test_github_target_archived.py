"""A repository that was archived: GitHub changes nobody's access there, which is said once and not glossed over.

https://docs.github.com/en/repositories/archiving-a-github-repository/archiving-repositories
"""

from __future__ import annotations

import pytest
from test_github_target_life import bench, world  # noqa: F401  (fixtures)

from conformance.test_github import TestGitHub as Contract
from conformance.world import World
from daypass.core.errors import ExitCode
from daypass.core.plan import Action
from github_double import Repo

WHY = (
    "the repository is archived, and GitHub changes nobody's access there until somebody who administers it unarchives "
    "it: Repository was archived so is read-only."
)


@pytest.fixture
def repo(world: World, bench: Contract) -> Repo:  # noqa: F811
    """The repository that the grant is about; alice is a member of the organisation."""
    place = bench.place(world.place)
    place.org.members[700_001] = "member"
    return place.hub.repositories["acme/app"]


def test_an_addition_there_is_tried_ever_more_seldom_and_repeats_no_receipt(
    world: World, repo: Repo, bench: Contract  # noqa: F811
) -> None:  # fmt: skip
    world.grant(-120, 60)
    repo.archived = True
    done = world.apply(-119)
    assert [(o.change.action, o.ok, o.error) for o in done.outcomes] == [(Action.ADD, False, WHY)]
    sizes, tried = [], 0
    hub = bench.place(world.place).hub
    for minutes in range(-118, -18):
        hub.calls.clear()
        done = world.apply(minutes)
        assert done.exit_code is ExitCode.PARTIAL
        assert done.outcomes or [one.error for one in done.survey.plan.failing] == [WHY]
        tried += any(call.method == "PUT" for call in hub.calls)
        sizes.append(len(world.bodies()))
    assert tried <= 8, "each wait is as long as it has failed so far"
    assert sizes[-1] - sizes[0] <= tried
    assert world.ours() == world.held() == set()


def test_access_there_is_not_recorded_as_gone_and_goes_when_it_can(world: World, repo: Repo) -> None:  # noqa: F811
    world.grant(-120, 60)
    world.apply(-119)
    repo.archived = True
    assert world.apply(-118).exit_code is ExitCode.OK
    sizes = set()
    for minutes in (61, 62, 300):
        done = world.apply(minutes)
        assert done.exit_code is ExitCode.PARTIAL
        assert [(o.change.action, o.ok, o.error) for o in done.outcomes] == [(Action.REMOVE, False, WHY)]
        assert world.ours() == world.held() != set()
        sizes.add(len(world.bodies()))
    assert len(sizes) == 1, "that it failed again says nothing new"
    repo.archived = False
    assert [(o.change.action, o.ok) for o in world.apply(301).outcomes] == [(Action.REMOVE, True)]
    world.settled(302)
