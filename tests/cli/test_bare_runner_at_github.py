"""Runs on a runner that starts bare: what they fetch, what they do with it, and what they refuse all the same."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from begun import begun
from daypass.cli.runs import program, rest
from daypass.core.ledger import snapshot
from daypass.edges.forges.github.setup import github_files
from daypass.edges.git import promised, steps
from daypass.edges.ledger import thin
from daypass.pipeline.apply import grounds
from hub import REPOSITORY, Hub, git

pytestmark = pytest.mark.on_disk


@pytest.fixture
def founded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(snapshot, "LEAST", 4)
    with Hub(tmp_path, simulated=True) as made:
        yield made


@pytest.fixture
def hub(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A repository with access to one resource; with ``resting``, of which the last run found nothing to do."""
    monkeypatch.setattr(snapshot, "LEAST", 4)
    with begun(tmp_path, rested if "resting" in request.fixturenames else granted, simulated=True) as made:
        yield made


WHO = ("-c", "user.name=Eve", "-c", "user.email=eve@example.com")


PAGE = (Path(__file__).parents[2] / "docs" / "github-calls.md").read_text(encoding="utf-8")
_ALONE = 2
"""So often git fetches an object by itself."""


class Bare:
    """A runner as GitHub hands it out: an empty folder, into which the workflow's own step checks main out."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.runs = 0
        self.checked_out: list[str] = []
        self.reached: list[str] = []
        self.fetched: list[str] = []
        (self.step, *_) = yaml.safe_load(github_files("app")[".github/workflows/apply.yml"])["jobs"]["apply"]["steps"]

    def __call__(self, *arguments: str, expect: int | None = 0, keeps: bool = False) -> str:
        self.runs += 1
        self.place = place = self.hub.top / f"runner-{self.runs}"
        place.mkdir()
        trace = self.hub.top / f"runner-{self.runs}.trace"
        token = self.hub.token("app")
        known = {"GITHUB_SERVER_URL": self.hub.double.server_url, "GITHUB_REPOSITORY": REPOSITORY}
        environ = {**os.environ, **known, "FOLDERS": self.step["env"]["FOLDERS"], "GITHUB_TOKEN": token}
        subprocess.run(
            ["bash", "-c", self.step["run"]], cwd=place, env={**environ, "GIT_TRACE": str(trace)}, check=True
        )
        self.checked_out = reached(trace)
        trace.unlink()
        for path in (self.hub.top / "state").glob("*.sqlite*"):
            if not path.name.startswith("embedded") and not keeps:  # the target lives on, and nothing else
                path.unlink()
        wanted = {
            "GIT_TRACE": str(trace),
            **access(self.hub.double.server_url, token),
        }
        said = self.hub.run(*arguments, folder=place, environ=wanted, expect=expect)
        self.reached = reached(trace) if trace.exists() else []
        self.fetched = [rest for verb, _, rest in (line.partition(" ") for line in self.reached) if verb == "fetch"]
        return said.out + said.err

    def gone(self) -> None:
        """Throw the machine of the last run away."""
        shutil.rmtree(self.place)
        self.place.with_suffix(".trace").unlink()

    @property
    def commits(self) -> int:
        """How many commits came."""
        listed = ["git", "-C", str(self.place), "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"]
        return subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split().count("commit")


def reached(trace: Path) -> list[str]:
    """Return what git was run for that reaches the server."""
    return re.findall(
        r" built-in: git ((?:fetch|ls-remote|push) .*)", trace.read_text(encoding="utf-8", errors="replace")
    )


def access(server: str, token: str) -> dict[str, str]:
    import base64

    secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{server}/.extraheader",
        "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {secret}",
    }


def admit(hub: Hub, *more: str, **grant: str) -> int:
    number = hub.request_pull("alice", hub.grant(**grant), *more)
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    hub.run("gate", str(number), "--at", at(hub))
    return number


def granted(hub: Hub) -> None:
    admit(hub)
    hub.run("apply", "--at", at(hub))


def rested(hub: Hub) -> None:
    granted(hub)
    bare = Bare(hub)
    assert "1 live as they should be" in bare("apply", "--at", at(hub))
    assert words(hub) == 1
    assert not read_nothing(hub)
    bare.gone()


def at(hub: Hub) -> str:
    return f"{hub.now():%Y-%m-%dT%H:%M:%SZ}"


def test_git_reaches_the_server_as_often_as_the_page_says(hub: Hub) -> None:
    bare = Bare(hub)

    def taken(*arguments: str) -> int:
        bare(*arguments, "--at", at(hub))
        return len(bare.reached)

    found = {
        "looking for requests with `gate`, none open": taken("gate"),
        "reckoning all anew with `apply`, nothing new": taken("apply"),
        "going by the last run's word with `apply`": taken("apply"),
        "checking main out": len(bare.checked_out),
    }
    number = hub.request_pull("alice", hub.grant(duration="3h"))
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    found |= {"merging one with `gate N`": taken("gate", str(number))}
    found |= {"giving what one new grant says with `apply`": taken("apply")}
    section = PAGE.partition("\n## Git's own traffic\n")[2].partition("\n## ")[0]
    told = {name: int(count) for name, count in re.findall(r"^\| (.+) \| (\d+) \|$", section, re.MULTILINE)}
    assert told.keys() == found.keys()
    assert all(told[name] - 2 <= count <= told[name] for name, count in found.items()), found


def test_an_idle_apply_fetches_the_newest_snapshot_and_what_follows_it_however_long_history_is(hub: Hub) -> None:
    bare = Bare(hub)
    assert "1 live as they should be" in bare("apply", "--at", at(hub))
    few = (bare.commits, len(bare.fetched))
    for number in range(6):
        admit(hub, duration="3h", reason=f"the reading of {number} more")
        hub.run("apply", "--at", at(hub))
    assert "1 live as they should be" in bare("apply", "--at", at(hub))
    assert int(hub.bare("rev-list", "--count", "main")) > 6
    assert int(hub.bare("rev-list", "--count", "daypass-ledger")) > 12
    assert (bare.commits, len(bare.fetched)) <= (few[0] + 3, few[1] + 3)
    assert len([line for line in bare.fetched if line.startswith("origin ")]) <= _ALONE


def test_no_folder_of_main_is_fetched_one_by_one_where_git_compares_many_receipts(
    founded: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "_FEW", 1)  # more than this are compared by git, which reads the index if it may
    admit(founded)
    founded.run("apply", "--at", at(founded))
    bare = Bare(founded)
    assert "1 live as they should be" in bare("apply", "--at", at(founded))
    assert len([line for line in bare.fetched if line.startswith("origin ")]) <= _ALONE


def test_what_landed_since_the_last_receipt_is_proved_and_given(hub: Hub) -> None:
    admit(hub, subject="carol", role="readonly")
    bare = Bare(hub)
    assert "ok   + carol" in bare("apply", "--at", at(hub))
    assert "2 live as they should be" in hub.run("apply", "--at", at(hub)).out
    assert hub.run("audit", "verify").code == 0


def test_a_ledger_without_a_snapshot_is_read_from_its_first_receipt(
    founded: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "LEAST", 1000)
    admit(founded)
    bare = Bare(founded)
    assert "ok   + alice" in bare("apply", "--at", at(founded))
    assert "1 live as they should be" in bare("apply", "--at", at(founded))
    assert founded.run("audit", "verify").code == 0


def test_a_gate_on_a_bare_runner_merges_what_is_ready_and_a_request_that_lags_behind(founded: Hub) -> None:
    late = founded.request_pull("alice", founded.grant(role="readonly", duration="1h"))
    admit(founded)
    founded.run("apply", "--at", at(founded))
    founded.approve(late, "bob")
    founded.approve(late, "dave")
    bare = Bare(founded)
    bare("gate", str(late), "--at", at(founded))
    assert founded.pull(late)["merged"]
    assert "HELD" not in bare("apply", "--at", at(founded))
    assert founded.run("audit", "verify").code == 0


def test_a_sweep_on_a_bare_runner_leaves_alone_what_landed_elsewhere_and_its_receipts(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads the ledger from a snapshot on, which is older than what it saw last."""
    monkeypatch.setattr(snapshot, "LEAST", 1000)
    waiting = hub.request_pull("alice", hub.grant(reason="reading an order of a complaint"))
    hub.advance(seconds=5)
    bare = Bare(hub)
    for _ in range(2):
        bare("gate", "--at", at(hub))
        hub.advance(seconds=5)
    number = hub.request_pull("carol", hub.grant(subject="carol", resource="staging", role="deploy"))
    hub.advance(seconds=5)
    assert f"#{waiting} " not in bare("gate", "--at", at(hub))
    assert hub.pull(number)["merged"]
    assert "1 open, none changed" in bare("gate", "--at", at(hub))
    assert "ok   + carol" in bare("apply", "--at", at(hub))
    assert "1 open, none changed" in bare("gate", "--at", at(hub))


def test_a_report_on_a_bare_runner_fetches_no_more_however_long_history_is(founded: Hub) -> None:
    """Without an App the job `report` of `check` runs at each push to a request."""
    bare, counts = Bare(founded), []
    for past in (3, 9):
        for turn in range(past):
            admit(founded, duration="3h", reason=f"reading {turn} of {past}")
            founded.run("apply", "--at", at(founded))
        number = founded.request_pull("alice", founded.grant(reason=f"one after {past} more"))
        assert bare("report", str(number), "--at", at(founded)) == ""
        (comment,) = founded.api("olga", "GET", f"/repos/{REPOSITORY}/issues/{number}/comments")
        assert "waiting for 2 approvals" in comment["body"]
        counts.append(len(bare.fetched))
        assert all("--depth=" in line for line in bare.fetched if "refs/" in line)
    assert counts[1] <= counts[0] + 3


def test_an_older_ledger_is_refused_as_ever(founded: Hub) -> None:
    first = founded.head("daypass-ledger")
    admit(founded)
    founded.run("apply", "--at", at(founded))
    admit(founded, subject="carol")  # its merge names how many receipts there were
    founded.bare("update-ref", "refs/heads/daypass-ledger", first)
    said = Bare(founded)("apply", "--at", at(founded), expect=None)
    assert "its end was cut off" in said
    assert "ok   +" not in said


def test_receipts_that_a_commit_took_away_are_missed(hub: Hub) -> None:
    """By a commit on top, which no rule against rewriting stops."""
    admit(hub, subject="carol")
    hub.run("apply", "--at", at(hub))
    tip = hub.head("daypass-ledger")
    earlier = hub.bare("rev-parse", f"{tip}~2^{{tree}}")
    forged = hub.bare(*WHO, "commit-tree", "-p", tip, "-m", "Append nothing", earlier)
    hub.bare("update-ref", "refs/heads/daypass-ledger", forged)
    said = Bare(hub)("apply", "--at", at(hub), expect=None)
    assert "where receipts are only ever added" in said


def test_receipts_that_were_taken_away_and_written_again_but_for_the_last_are_missed(hub: Hub) -> None:
    """By two commits on top: the second seems to bring the snapshot, and adds files alone."""
    admit(hub, subject="carol")
    before = hub.head("daypass-ledger")
    assert hub.bare("ls-tree", f"{before}:standing")
    hub.run("apply", "--at", at(hub))
    tip = hub.head("daypass-ledger")
    nothing = hub.bare(
        *WHO, "commit-tree", "-p", tip, "-m", "Nothing", hub.bare("hash-object", "-t", "tree", os.devnull)
    )
    forged = hub.bare(*WHO, "commit-tree", "-p", nothing, "-m", "Append all but the last", f"{before}^{{tree}}")
    hub.bare("update-ref", "refs/heads/daypass-ledger", forged)
    said = Bare(hub)("apply", "--at", at(hub), expect=None)
    assert "where receipts are only ever added" in said


def test_a_number_that_somebody_gave_a_file_of_theirs_has_nobody_look_for_all_before_it(hub: Hub, monkeypatch) -> None:
    monkeypatch.setattr(thin, "_AT_ONCE", 2)
    asked: list[int] = []
    bring = thin.ThinBranch.bring
    monkeypatch.setattr(
        thin.ThinBranch, "bring", lambda self, commit, paths: asked.append(len(paths)) or bring(self, commit, paths)
    )
    tip = hub.head("daypass-ledger")
    blob = hub.bare("rev-parse", f"{tip}:receipts/000/000/000.json")
    far = git(hub.repo.path, "mktree", stdin=f"100644 blob {blob}\t009.json\n")
    far = git(hub.repo.path, "mktree", stdin=f"040000 tree {far}\t000\n")
    first = hub.bare("rev-parse", f"{tip}:receipts/000")
    both = git(hub.repo.path, "mktree", stdin=f"040000 tree {first}\t000\n040000 tree {far}\t001\n")
    rest = hub.bare("ls-tree", tip, "standing")
    tree = git(hub.repo.path, "mktree", stdin=f"040000 tree {both}\treceipts\n{rest}\n")
    forged = hub.bare(*WHO, "commit-tree", "-p", tip, "-m", "Append one", tree)
    hub.bare("update-ref", "refs/heads/daypass-ledger", forged)
    said = Bare(hub)("apply", "--at", at(hub), expect=None)
    assert "is missing: the next one there is" in said
    assert sum(asked) < 50


def test_the_ledger_of_another_repository_is_refused(hub: Hub) -> None:
    tip = hub.head()
    made = hub.bare(*WHO, "commit-tree", "-m", "Begin anew", f"{tip}^{{tree}}")
    hub.bare("update-ref", "refs/heads/main", made)
    said = Bare(hub)("apply", "--at", at(hub), expect=None)
    assert "it is another repository's, or main was replaced" in said


def test_a_runner_that_starts_bare_ends_who_has_left(founded: Hub) -> None:
    staff = founded.double.team(
        founded.org, "staff", [founded.people["alice"], founded.people["bob"], founded.people["dave"]]
    )
    folder, people, settings = founded.clone("alice"), "policies/directory/people.yaml", "policies/daypass.yaml"
    founded.run("people", "import", "--team", "acme/staff", who="alice")
    source = "people: {source: {kind: forge, team: acme/staff}}\n"
    wanted = {people: (folder / people).read_text(), settings: (folder / settings).read_text() + source}
    rules, founded.repo.rulesets = founded.repo.rulesets, []
    founded.push_branch("olga", "main", wanted)
    founded.repo.rulesets = rules
    admit(founded)
    founded.run("apply", "--at", at(founded))
    del staff.members[founded.people["alice"].id]
    bare = Bare(founded)
    assert "ended their engagement in the directory" in bare("people", "check", "--at", at(founded))
    assert "ended early: the source of people has alice no more" in bare("expire", "--at", at(founded))
    assert founded.run("audit", "verify").code == 0


def test_a_change_of_policies_is_compared_over_all_of_the_past(hub: Hub) -> None:
    rules = hub.bare("show", "main:policies/rules/access.yaml")
    files = {"policies/rules/access.yaml": rules.replace('duration("4h")', 'duration("1h")') + "\n"}
    number = hub.request_pull("olga", files=files)
    bare = Bare(hub)
    said = bare("gate", "--at", at(hub))
    assert "shallow" not in said
    assert "no access is asked for" in str(
        hub.api("olga", "GET", f"/repos/{REPOSITORY}/commits/{hub.pull(number)['head']['sha']}/check-runs")
    )


def test_what_has_ended_is_taken_away_and_its_file_asked_out(hub: Hub) -> None:
    hub.advance(hours=3)
    bare = Bare(hub)
    said = bare("expire", "--at", at(hub))
    assert "ok   - alice" in said
    assert "Removal pull request" in said
    assert "merged" in bare("gate", "--at", at(hub))
    assert hub.run("audit", "verify").code == 0


def test_what_has_ended_is_taken_away_while_the_settings_of_main_do_not_read(
    founded: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promised, "DEPTHS", (1, 2))  # more than once more of history is needed
    admit(founded)
    founded.run("apply", "--at", at(founded))
    settings = founded.bare("show", "main:policies/daypass.yaml")
    founded.repo.rulesets = []  # nobody judged it
    founded.push_branch("olga", "main", {"policies/daypass.yaml": f"{settings}\nnonsense: 1\n"})
    founded.advance(hours=3)
    bare = Bare(founded)
    said = bare("apply", "--at", at(founded), expect=14)
    assert "ok   - alice" in said
    assert "invalid  policies/daypass.yaml" in said
    assert "the key 'nonsense' is not known here" in said
    later = bare("expire", "--issue", "--at", at(founded), expect=None)  # which reads main more than once
    assert "shallow" not in later
    assert "invalid  policies/daypass.yaml" in later
    assert founded.run("audit", "verify").code == 0


def test_a_runner_that_keeps_its_state_goes_on_from_there_in_a_bare_clone(hub: Hub) -> None:
    bare = Bare(hub)
    bare("apply", "--at", at(hub))
    state = hub.top / "state" / "standing.sqlite"
    known = state.read_bytes()
    admit(hub, duration="3h")
    hub.run("apply", "--at", at(hub))
    for path in state.parent.glob("standing.sqlite*"):
        path.unlink()
    state.touch(0o600)
    state.write_bytes(known)
    assert "1 live as they should be" in bare("apply", "--at", at(hub), keeps=True)
    hub.bare("update-ref", "refs/heads/daypass-ledger", f"{hub.head('daypass-ledger')}~3")
    assert "the ledger was rewritten" in bare("apply", "--at", at(hub), expect=None, keeps=True)


def test_a_daily_look_at_the_targets_is_no_dearer(hub: Hub) -> None:
    bare = Bare(hub)
    assert "shallow" not in bare("drift", "--at", at(hub))
    assert bare.commits <= 6
    assert "shallow" not in bare("refresh", "--at", at(hub))
    assert bare.commits <= 6


def words(hub: Hub) -> int:
    """Say how many runs left their word that nothing is to be done."""
    return hub.bare("log", "--format=%b", "daypass-ledger").count("1 idle, run")


def fetched_little(bare: Bare) -> bool:
    """Say whether a run fetched no more than it needs that goes by a word, whatever the targets are."""
    return len(bare.fetched) <= 6 and bare.commits <= 4


def read_nothing(hub: Hub) -> bool:
    """Say whether a run went by the last one's word: it verified nothing of the ledger for itself."""
    return not (hub.top / "state" / "standing.sqlite").exists()


@pytest.fixture
def resting(hub: Hub) -> Bare:
    """A runner whose last run found nothing to do."""
    return Bare(hub)


def test_a_run_says_that_nothing_is_to_be_done_and_the_next_ones_read_no_grant(hub: Hub, resting: Bare) -> None:
    for _ in range(2):
        hub.advance(minutes=5)
        assert "1 live as they should be" in resting("apply", "--at", at(hub))
        assert read_nothing(hub)
        assert fetched_little(resting)
    assert words(hub) == 1
    assert hub.run("audit", "verify").code == 0
    assert (
        resting("apply", "--at", at(hub), "--format", "json")
        == hub.run("apply", "--at", at(hub), "--format", "json").out
    )


def test_what_somebody_changes_at_a_target_is_seen_whatever_was_said(hub: Hub, resting: Bare) -> None:
    with closing(sqlite3.connect(hub.top / "state" / "embedded.sqlite")) as target, target:
        target.execute("DELETE FROM entitlements")
    target.close()
    hub.advance(minutes=5)
    assert "ok   + alice" in resting("apply", "--at", at(hub))
    hub.advance(minutes=5)
    assert "1 live as they should be" in resting("apply", "--at", at(hub))
    assert words(hub) == 2


def test_what_ends_is_taken_away_when_it_ends_whatever_was_said(hub: Hub, resting: Bare) -> None:
    hub.advance(hours=1, minutes=59)
    assert "1 live as they should be" in resting("apply", "--at", at(hub))
    assert read_nothing(hub)
    hub.advance(minutes=2)
    assert "ok   - alice" in resting("apply", "--at", at(hub))


def test_what_lands_is_given_whatever_was_said(hub: Hub, resting: Bare) -> None:
    admit(hub, subject="carol", role="readonly")
    assert "ok   + carol" in resting("apply", "--at", at(hub))


def test_a_word_of_another_program_of_a_time_to_come_or_of_yesterday_is_none(
    hub: Hub, resting: Bare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "LONGEST_IDLE", timedelta(minutes=1))
    monkeypatch.setattr(grounds, "LONGEST_IDLE", timedelta(minutes=1))
    monkeypatch.setattr(rest, "_APART", timedelta(0))
    monkeypatch.setattr(rest, "program_digest", lambda: "another")
    assert "1 live as they should be" in resting("apply", "--at", at(hub))
    assert not read_nothing(hub)
    assert words(hub) == 2
    monkeypatch.setattr(rest, "program_digest", program.program_digest)
    assert "1 live as they should be" in resting("apply", "--at", at(hub))
    assert read_nothing(hub)
    hub.advance(minutes=1)
    assert "1 live as they should be" in resting("apply", "--at", at(hub))
    assert not read_nothing(hub)
    assert words(hub) == 3
    before = f"{hub.now() - timedelta(hours=3):%Y-%m-%dT%H:%M:%SZ}"
    resting("apply", "--at", before, expect=None)
    assert not read_nothing(hub)


def test_a_word_that_was_put_after_other_receipts_than_it_names_is_none(hub: Hub, resting: Bare) -> None:
    said = hub.head("daypass-ledger")
    hub.advance(minutes=5)
    admit(hub, subject="carol", role="readonly")
    hub.run("apply", "--at", at(hub))
    tip = hub.head("daypass-ledger")
    forged = hub.bare(*WHO, "commit-tree", "-p", tip, "-m", "Append nothing", f"{said}^{{tree}}")
    hub.bare("update-ref", "refs/heads/daypass-ledger", forged)
    hub.bare("update-ref", "refs/heads/main", hub.bare("rev-parse", "main~1"))
    assert "where receipts are only ever added" in resting("apply", "--at", at(hub), expect=None)


def test_a_word_beside_which_something_else_was_written_is_none(hub: Hub, resting: Bare) -> None:
    tip = hub.head("daypass-ledger")
    blob = hub.bare("rev-parse", f"{tip}:receipts/000/000/000.json")
    listed = hub.bare("ls-tree", tip) + f"\n100644 blob {blob}\tmore.json\n"
    tree = git(hub.repo.path, "mktree", stdin=listed)
    forged = hub.bare(*WHO, "commit-tree", "-p", f"{tip}^", "-m", "Append more", tree)
    hub.bare("update-ref", "refs/heads/daypass-ledger", forged)
    assert "which is no receipt" in resting("apply", "--at", at(hub), expect=None)


def test_nobody_says_that_nothing_is_to_be_done_where_something_is_looked_for_at_each_run(founded: Hub) -> None:
    founded.api("olga", "POST", f"/repos/{REPOSITORY}/issues", {"title": "Duplicate charges"})
    number = founded.api("olga", "POST", f"/repos/{REPOSITORY}/issues", {"title": "The task"})["number"]
    admit(founded, more=f"ends_when:\n  issue_closed: {REPOSITORY}#{number}\n")
    founded.run("apply", "--at", at(founded))
    bare = Bare(founded)
    assert "1 live as they should be" in bare("apply", "--at", at(founded))
    assert words(founded) == 0
    founded.api("olga", "PATCH", f"/repos/{REPOSITORY}/issues/{number}", {"state": "closed"})
    founded.advance(minutes=1)
    assert "ok   - alice" in bare("apply", "--at", at(founded))
