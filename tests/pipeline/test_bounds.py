"""What anybody may propose is bounded before it is read, refused by name, and stops nobody else's request."""

from __future__ import annotations

import subprocess
import time
from datetime import timedelta

import pytest

from daypass.core.errors import ExitCode
from daypass.core.request import Gated
from daypass.core.window import parse_instant
from daypass.pipeline.apply.tidy import close_stale
from daypass.pipeline.judge import policies, proposal
from daypass.pipeline.judge.gate import look
from driver import Access

pytestmark = pytest.mark.on_disk

AT = "2026-11-20T10:00:00Z"


def stream(files: list[tuple[str, bytes]], *, commits: int = 0, message: str = "ask") -> bytes:
    """Write a branch ``big`` on top of main for ``git fast-import``; ``commits`` empty ones come before."""
    said = message.encode()
    out = [b"reset refs/heads/big\nfrom refs/heads/main^0\n\n"]
    who = b"committer Alice Ngo <alice@example.com> 1 +0000\n"
    out += [b"commit refs/heads/big\n" + who + b"data 1\nx\n"] * commits
    out.append(b"commit refs/heads/big\n" + who + b"data %d\n%s\n" % (len(said), said))
    out += [b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(raw), raw) for path, raw in files]
    return b"".join(out)


def opened(access: Access, raw: bytes) -> Gated:
    subprocess.run(["git", "-C", str(access.top), "fast-import", "--quiet", "--force"], input=raw, check=True)
    return pulled(access)


def pulled(access: Access) -> Gated:
    site = access.repo("alice")
    at = parse_instant(AT)
    head = site.history.resolve("refs/heads/big")
    pull = site.forge.open(branch="big", head=head, title="Very much", at=at)
    return look(site, pull.number, at=at)


def codes(found: Gated) -> list[str]:
    return [finding.code for finding in found.proposal.findings]


def test_very_large_files_are_refused_by_size_without_being_read(access: Access) -> None:
    other = access.ask(AT)
    raw = b"# " + b"x" * (2 << 20)
    found = opened(access, stream([(f"grants/orders-db/alice-{n}.yaml", raw) for n in range(5)]))
    assert codes(found) == ["too-many-bytes"]
    (finding,) = found.proposal.findings
    assert finding.place.file.startswith("grants/orders-db/alice-")
    assert "at most 4194304 are read at once" in finding.message
    assert (found.exit_code, found.met) == (ExitCode.INVALID, False)
    said = access.run("status", "--at", AT).out
    assert f"#{other}" in said, "the others are told of as ever"
    assert "too-many-bytes" in said


def test_the_same_small_file_under_very_many_names_counts_each_time(access: Access) -> None:
    raw = b"# " + b"x" * 30_000
    found = opened(access, stream([(f"grants/orders-db/alice-{n}.yaml", raw) for n in range(200)]))
    assert codes(found) == ["too-many-bytes"]


def test_very_many_files_are_refused_by_number(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [(f"grants/orders-db/alice-{n}.yaml", b"x: %d" % n) for n in range(proposal.MOST_GRANTS + 1)]
    found = opened(access, stream(files))
    assert codes(found) == ["too-many-files"]
    assert "writes 1001 grants, at most 1000" in found.proposal.findings[0].message


def test_trees_that_name_each_other_until_there_are_millions_of_files_are_refused_at_once(access: Access) -> None:
    git = access.git
    blob = git("hash-object", "-w", "--stdin", stdin="x: y\n")
    tree = git("mktree", stdin="".join(f"100644 blob {blob}\tf{n}.yaml\n" for n in range(10)))
    for _ in range(9):
        tree = git("mktree", stdin="".join(f"040000 tree {tree}\td{n}\n" for n in range(10)))
    whole = git("ls-tree", "main") + f"\n040000 tree {tree}\tgrants\n"
    root = git("mktree", stdin=whole)
    commit = git("-c", "user.email=alice@example.com", "commit-tree", root, "-p", "main", "-m", "ask")
    git("branch", "big", commit)
    began = time.monotonic()
    found = pulled(access)
    assert codes(found) == ["too-many-files"]
    assert time.monotonic() - began < 30
    site = access.repo("bob")
    later = parse_instant("2026-12-20T10:00:00Z")
    closed = list(close_stale(site, limit=timedelta(days=7), at=later, why=lambda _: "no answer"))
    assert [pull.branch for pull in closed] == ["big"], "it ends like any request that nobody answers"


def test_very_many_commits_and_very_long_messages_are_refused_before_any_is_read(access: Access) -> None:
    grant = [("grants/orders-db/alice-a.yaml", b"version: 1\n")]
    assert codes(opened(access, stream(grant, commits=1001))) == ["too-many-commits"]
    access.run("close", "1", "--at", AT, acting="alice")
    long = "ask\n\n" + "Co-authored-by: X <x@example.com>\n" * 150_000
    found = opened(access, stream(grant, message=long))
    assert codes(found) == ["too-many-commits"]
    assert "more than 4 MiB of words" in found.proposal.findings[0].message


def test_as_much_as_people_need_is_judged_as_ever(access: Access) -> None:
    grant = [("grants/orders-db/alice-a.yaml", b"version: 1\n")]
    found = opened(access, stream(grant, commits=900))
    assert "too-many-commits" not in codes(found)


def test_of_many_other_files_a_few_are_named_and_the_rest_counted(access: Access) -> None:
    files = [(f"src/f{n}.txt", b"x") for n in range(500)]
    found = opened(access, stream([("grants/orders-db/alice-a.yaml", b"version: 1\n"), *files]))
    mixed = [finding for finding in found.proposal.findings if finding.code == "mixed-change"]
    assert len(mixed) == 20
    assert sum("(and 480 more)" in finding.message for finding in mixed) == 1


def test_policies_of_more_than_anybody_writes_are_not_read_and_deny_everything(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "MOST_BYTES", 10_000)
    access.write("policies/notes.txt", "x" * 10_000)
    access.commit("a large note")
    policy = access.repo().policy
    assert [finding.code for finding in policy.broken] == ["policies-too-large"]
    assert "at most 10000 and 10000 are read" in policy.broken[0].message
    assert access.run("plan", "--at", AT, expect=None).code != 0
    assert list(access.repo().settings.targets) == ["embedded"], "what has ended is taken away all the same"
