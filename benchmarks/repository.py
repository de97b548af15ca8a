"""Generating access repositories: policies, grants that each landed by a merge, removals, a pull request, a ledger.

``python -m benchmarks.repository FOLDER GRANTS REMOVED RECEIPTS`` makes one: GRANTS live at the end, REMOVED that came
and went, and RECEIPTS says whether the ledger and the target know of them: 0 of none, 1 of the live ones; "hosted" of these in
a repository whose forge is GitHub and whose ledger has a snapshot, "all" there of those that went as well.
"""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

from benchmarks.grants import Made, grants
from benchmarks.ledger import Gone, Landed, write_ledger, write_store
from benchmarks.policies import BEGIN, NOW, PEOPLE, TEAMS, files, person
from benchmarks.stream import Change, Folders, Pack, Stream, commit_bytes, object_id
from daypass.core.policy.policies import Policy
from daypass.edges.git.history import GitHistory
from daypass.edges.git.plumbing import Git
from daypass.edges.ledger.keyfiles import generate_key, read_public_key
from daypass.edges.targets.registry import KINDS, check_privilege
from daypass.pipeline.judge.policies import load_policy

EVIL_EVERY = 20_011
"""One merge in so many slips in a grant that its pull request did not have (never where there are receipts)."""

STAYS = 200
"""After how many more merges a grant that goes is removed."""

BEFORE = 1_000
"""How many steps of main before its tip ``refs/bench/before`` stands."""


def make(folder: Path, count: int, removed: int, *, receipts: bool, hosted: bool = False, told: bool = False) -> None:
    """Make a bare repository ``access.git``, its ``keys`` and its state. ``folder`` must not exist."""
    git = Git(folder / "access.git")
    folder.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(git.folder)], check=True)
    git.run("config", "user.name", "Person 100")
    git.run("config", "user.email", f"{person(100)}@example.com")
    policy = _found(folder, git, hosted=hosted)
    with Pack(git.folder) as pack:
        main = _Main(git, pack, policy)
        landed = [main.land(step) for step in _steps(count, removed, evil=not receipts)]
        pull = main.open_pull(next(islice(grants(count + removed + 1), count + removed, None)))
    git.run("update-ref", "refs/heads/main", main.tip)
    git.run("update-ref", "refs/heads/pull", pull)
    git.run("update-ref", "refs/bench/next", pull)
    git.run("update-ref", "refs/bench/before", main.trail[0])
    git.run("update-ref", "refs/bench/tip", main.tip)
    gone = {one.landed.made.grant.id for one in landed if isinstance(one, Gone)}
    live = [one for one in landed if isinstance(one, Landed) and one.made.grant.id not in gone]
    known = [one for one in landed if isinstance(one, Gone) or one.made.grant.id not in gone] if told else live
    write_ledger(folder, git, policy, known if receipts else [], main=main.tip, snapshot=hosted)
    if receipts and not hosted:
        write_store(git.common_dir() / "daypass" / "embedded.sqlite", policy, live)
    git.run("config", "pack.writeReverseIndex", "true")  # as servers do, and git itself since 2.41
    if not hosted:  # there a server reads it, whose time is not measured, and packing takes minutes
        git.run("repack", "-a", "-d", "-q", "--no-write-bitmap-index")
    git.run("commit-graph", "write", "--reachable", "--no-progress")


def _found(folder: Path, git: Git, *, hosted: bool) -> Policy:
    """Write the first commit: policies and the ledger's public key."""
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    public = generate_key(keys / "new.pem")
    (keys / "new.pem").rename(keys / f"{read_public_key(public).keyid}.pem")
    texts: list[Change] = [(path, text.encode()) for path, text in files(hosted=hosted).items()]
    texts.append(("policies/ledger.pub", public))
    with Stream(git.folder) as stream:
        stream.commit("refs/heads/main", int(BEGIN.timestamp()) - 86_400, "Begin the access repository\n", texts)
    history = GitHistory(git)
    policy = load_policy(history, history.resolve("refs/heads/main"), KINDS, check_privilege)
    problems = [finding for finding in policy.findings if finding.is_error]
    if problems:
        raise RuntimeError(f"the generated policies are wrong: {problems[0]}")
    return policy


@dataclass(frozen=True, slots=True)
class _Step:
    """What one merge does: bring a grant (``evil`` is a second one that nobody asked for), or remove it."""

    made: Made
    remove: bool = False
    evil: Made | None = None


def _steps(count: int, removed: int, *, evil: bool) -> Iterator[_Step]:
    """Yield the merges of main in order; those that go are spread evenly over those that come."""
    total = count + removed
    source = enumerate(grants(total))
    going: deque[tuple[int, Made]] = deque()
    for n, made in source:
        second = next(source)[1] if evil and n % EVIL_EVERY == EVIL_EVERY - 2 and n < total - 1 else None
        yield _Step(made, evil=second)
        if n * removed // total != (n + 1) * removed // total:
            going.append((n + STAYS, made))
        while going and (going[0][0] <= n or n == total - 1):
            yield _Step(going.popleft()[1], remove=True)


class _Main:
    """Main as it grows: its tip, its tree, its last steps."""

    def __init__(self, git: Git, pack: Pack, policy: Policy) -> None:
        self.tip = git.text("rev-parse", "refs/heads/main")
        self.trail = deque([self.tip], BEFORE + 1)
        self._folders = Folders(pack, {"policies": git.text("rev-parse", "refs/heads/main:policies")})
        self._pack = pack
        self._policy = policy.digest
        self._pulls = 0

    def land(self, step: _Step) -> Landed | Gone:
        """Merge one request; return what landed by it, or went."""
        made = step.made
        self._pulls += 1
        at = int(made.merged_at.timestamp())
        base = self.tip
        approvals, rules = () if step.remove else _approvals(made), () if step.remove else _rules(made)
        ask = f"Ask for {made.grant.id}\n" if not step.remove else f"End {made.grant.id}\n"
        if step.remove:
            blob = object_id("blob", made.raw)
            root = self._folders.drop(made.grant.path, blob)
        else:
            blob, root = self._put(made)
        head = self._pack.add("commit", commit_bytes(root, (base,), at - 60, ask))
        if step.evil is not None:
            _, root = self._put(step.evil)
        message = self._message(made, head, approvals, rules, "Remove" if step.remove else "Grant")
        self.tip = self._pack.add("commit", commit_bytes(root, (base, head), at, message))
        self.trail.append(self.tip)
        landed = Landed(replace(made, raw=b""), self._pulls, blob, base, head, self.tip, approvals, rules)
        return Gone(landed, self.tip) if step.remove else landed

    def _put(self, made: Made) -> tuple[str, str]:
        blob = self._pack.add("blob", made.raw)
        return blob, self._folders.put(made.grant.path, blob)

    def open_pull(self, made: Made) -> str:
        """Return a commit on top of main with one grant more: a request, and main with it merged."""
        _, root = self._put(made)
        text = f"Ask for {made.grant.id}\n"
        return self._pack.add("commit", commit_bytes(root, (self.tip,), int(NOW.timestamp()), text))

    def _message(
        self, made: Made, head: str, approvals: tuple[tuple[str, str], ...], rules: tuple[str, ...], verb: str
    ) -> str:
        """Return the merge message, as the gate writes it."""
        lines = [f"{verb} {made.grant.id} (#{self._pulls})", "", f"Daypass-Grant: {made.grant.id}"]
        lines += [f"Daypass-Pull: {self._pulls}", f"Daypass-Head: {head}", f"Daypass-Requester: {made.grant.subject}"]
        lines += [f"Daypass-Approved-By: {handle} ({source})" for handle, source in approvals]
        lines += [f"Daypass-Policy: {self._policy}"]
        lines += [f"Daypass-Rules: {', '.join(rules)}"] if rules else []
        return "\n".join(lines) + "\n"


def _rules(made: Made) -> tuple[str, ...]:
    rules = ("production-needs-two",) if made.place.environment == "production" else ()
    return (*rules, "restricted-needs-a-lead") if made.place.classification == "restricted" else rules


def _approvals(made: Made) -> tuple[tuple[str, str], ...]:
    """Return who approved for what: people of the groups that are asked, none of them the subject."""
    subject = made.grant.subject
    team = TEAMS.index(made.place.owners)
    found = [(_other(subject, team, len(TEAMS)), "owners")]
    if made.place.environment == "production":
        found.append((_other(subject, 60, 1), "group:security"))
    if made.place.classification == "restricted":
        found.append((_other(subject, 70, 1), "group:security-leads"))
    return tuple(found)


def _other(subject: str, first: int, apart: int) -> str:
    return person(first) if person(first) != subject else person((first + apart) % PEOPLE)


if __name__ == "__main__":
    _, where, live, gone, told = sys.argv
    at_github = told in ("hosted", "all")
    make(Path(where), int(live), int(gone), receipts=told != "0", hosted=at_github, told=told == "all")
    # What was merged first must still be open at the instant that is measured at.
    assert BEGIN + timedelta(days=12) > NOW
