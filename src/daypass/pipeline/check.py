"""Checking everything: each grant by itself, and what only shows between them.

A grant's own verdict depends on its bytes, the schema, the policies and the tool, and on nothing else, so it is kept by
these (`context`); what depends on names and neighbours (folders, duplicates, colliding names) is reckoned anew each
time.
Rules that read the request are not asked here: they speak when somebody asks, and a merged grant was asked for long
ago.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from daypass.core.finding import Finding, Place, ordered
from daypass.core.grant import FOLDER, Grant, Oid
from daypass.core.paths import check_names, check_path
from daypass.core.policies import Policy
from daypass.core.policy import static_denials
from daypass.core.probe import probe
from daypass.core.reading import read_grant
from daypass.core.tally import Checked
from daypass.pipeline.proposal import duplicate_finding
from daypass.ports import Entry, History, VerdictStore


class Clean(NamedTuple):
    """A grant without findings: its blob's id, the resource that it names, and a digest of what it means."""

    blob: bytes
    resource: str
    meaning: bytes


Piece = tuple[list[Clean], list[Finding]]
"""What came of a part of the files."""

Fan = Callable[[Sequence[tuple[str, Oid]]], Iterator[Piece]]
"""Reads and judges (path, blob) pairs, perhaps in several processes; pieces come in any order."""


def judge_file(policy: Policy, path: str, blob: Oid, raw: bytes) -> Clean | tuple[Finding, ...]:
    """Judge one grant file by itself: form, references, limits, dates to come, and rules that read only the grant."""
    grant = read_grant(path, raw)
    if not isinstance(grant, Grant):
        return grant
    denials = static_denials(policy, grant)
    if denials:
        return tuple(Finding(denial.finding_code, Place(path), denial.message, denial.hint) for denial in denials)
    return Clean(bytes.fromhex(blob), grant.resource, bytes.fromhex(grant.digest.removeprefix("sha256:"))[:16])


def judge_files(policy: Policy, files: Iterable[tuple[str, Oid, bytes]]) -> Piece:
    """Judge some files, each by itself."""
    clean: list[Clean] = []
    findings: list[Finding] = []
    for path, blob, raw in files:
        verdict = judge_file(policy, path, blob, raw)
        if isinstance(verdict, Clean):
            clean.append(verdict)
        else:
            findings += verdict
    return clean, findings


def check_tree(
    history: History,
    policy: Policy,
    *,
    revision: Oid,
    context: str,
    verdicts: VerdictStore,
    fan: Fan,
    progress: Callable[[int, int, str], None],
) -> Checked:
    """Check every grant and the policies of one commit."""
    entries = list(history.entries(revision, FOLDER.rstrip("/")))
    findings = list(_structure(entries))
    bad = {finding.place.file for finding in findings}
    known = verdicts.load(context)
    seen: dict[str, tuple[str, bytes]] = {}
    fresh: list[tuple[str, Oid]] = []
    for entry in entries:
        path = entry.path
        found = known.get(bytes.fromhex(entry.oid))
        # The folder must be the resource: known bytes under another folder are judged again, so that they are refused.
        if found is not None and path.startswith(f"{FOLDER}{found[0]}/"):
            seen[path] = found
        elif path not in bad:
            fresh.append((path, entry.oid))
    blob_of = {path: bytes.fromhex(oid) for path, oid in fresh}
    learned: dict[bytes, tuple[str, bytes]] = {}
    done = 0
    for clean, wrong in fan(fresh):
        learned |= {blob: (resource, meaning) for blob, resource, meaning in clean}
        findings += wrong
        done += len(clean) + len(wrong)
        progress(done, len(fresh), "grants")
    if learned:
        verdicts.store(context, [(blob, resource, meaning) for blob, (resource, meaning) in learned.items()])
    seen |= {path: learned[blob] for path, blob in blob_of.items() if blob in learned}
    findings += _duplicates(seen)
    findings += policy.findings
    findings += probe(policy)
    return Checked(revision, len(entries), len(entries) - len(fresh), ordered(findings))


def check_files(
    policy: Policy, files: Iterable[tuple[str, str, bytes]], blob_of: Callable[[bytes], Oid], where: str
) -> Checked:
    """Check grants read from a work tree: (path, mode, bytes) each; there is nothing to remember them by."""
    findings: list[Finding] = []
    seen: dict[str, tuple[str, bytes]] = {}
    paths: list[str] = []
    for path, mode, raw in files:
        paths.append(path)
        verdict = check_path(path, mode) or judge_file(policy, path, blob_of(raw), raw)
        if isinstance(verdict, Clean):
            seen[path] = (verdict.resource, verdict.meaning)
        else:
            findings += verdict
    findings += check_names(paths)
    findings += _duplicates(seen)
    findings += policy.findings
    findings += probe(policy)
    return Checked(where, len(paths), 0, ordered(findings))


def _structure(entries: Sequence[Entry]) -> Iterator[Finding]:
    for entry in entries:
        yield from check_path(entry.path, entry.mode)
    yield from check_names([entry.path for entry in entries])


def _duplicates(seen: Mapping[str, tuple[str, bytes]]) -> Iterator[Finding]:
    first: dict[tuple[str, bytes], str] = {}
    for path, key in seen.items():
        other = first.setdefault(key, path)
        if other != path:
            yield duplicate_finding(path, other)
