"""Checking everything: each grant by itself, and what only shows between them.

A grant's own verdict depends on its bytes, the schema, the policies and the tool, and on nothing else, so it is kept by
these (`context`); what depends on names and neighbours (folders, duplicates, colliding names) is reckoned anew each
time.
Rules that read the request are not asked here: they speak when somebody asks, and a merged grant was asked for long
ago.
What is live although the policies of today would deny it is said, and left to people, unless the rule ends it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from daypass.core.bounds.settings import TargetSettings
from daypass.core.bounds.vendors import AGREED, PROCESSED
from daypass.core.errors import InvalidError
from daypass.core.files.document import POLICY_LIMIT, path_text, read_on
from daypass.core.files.grants import check_names, check_path, read_grant
from daypass.core.finding import Checked, Finding, Place, causes_first
from daypass.core.forge import Entry
from daypass.core.grant import Grant
from daypass.core.ids import FOLDER, GrantId, Oid, digest, grant_path
from daypass.core.plan import Claim, Denied
from daypass.core.policy.decision import ending_denials, static_denials
from daypass.core.policy.policies import SETTINGS, Policy
from daypass.pipeline.judge.duplicates import duplicate_finding
from daypass.ports import History, VerdictStore


class Clean(NamedTuple):
    """A grant without findings: its blob's id, the resource that it names, and a digest of what it means."""

    blob: bytes
    resource: str
    meaning: bytes


Piece = tuple[list[Clean], list[Finding]]
"""What came of a part of the files."""

Portion = Sequence[tuple[str, Oid]]
"""(path, blob) pairs to judge."""


Fits = Callable[[TargetSettings], object]
"""Raises InvalidError for settings of a target that opening it would refuse for their text alone."""

Fan = Callable[[Iterable[Portion]], Iterator[Piece]]
"""Reads and judges portions, perhaps in several processes; the pieces come in the portions' order, a few ahead at most."""

_PORTION = 2_000
"""A portion holds whole folders, and is closed once it has so many files: memory does not grow with the repository."""


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


def unfit(policy: Policy, fits: Fits, read: Callable[[str], bytes]) -> Iterator[Finding]:
    """Return the targets that could not be opened, and the roles whose privilege their target cannot mean.

    Nobody would get what reviewers approved. A target is judged once, and not again by each of its roles. ``read``
    returns the contents of a policy file.
    """
    catalogue = policy.catalogue
    fit: set[str] = set()
    for settings in catalogue.settings.targets.values():
        try:
            fits(settings)
        except InvalidError as error:
            place = _place(SETTINGS, read, "targets", settings.name, key=True)
            if not any(_says_kind(finding, settings) for finding in policy.findings):
                yield Finding("target-unfit", place, error.message, error.hint)
        else:
            fit.add(settings.name)
    for (name, role), (why, hint) in policy.unfit.items():
        resource = catalogue.resources[name]
        if resource.target in fit:
            place = _place(resource.file, read, "roles", role, "privilege")
            yield Finding("privilege-unfit", place, f"role {role} of {name} can be given to nobody: {why}", hint)


def _place(file: str, read: Callable[[str], bytes], *path: str, key: bool = False) -> Place:
    document, _ = read_on(file, read(file), limit=POLICY_LIMIT)
    return Place(file) if document is None else document.place(path, key=key)


def _says_kind(finding: Finding, settings: TargetSettings) -> bool:
    """Whether a finding says already that the kind of a target is unknown."""
    return finding.code == "unknown-target-kind" and finding.place.path == path_text(("targets", settings.name, "kind"))


def _contents(history: History, revision: Oid, file: str) -> bytes:
    """Return a file of a commit, which is there."""
    ((_, raw),) = history.files(revision, file.rpartition("/")[0], lambda entry: entry.path == file)
    return raw


def check_tree(
    history: History,
    policy: Policy,
    *,
    revision: Oid,
    context: str,
    verdicts: VerdictStore,
    fan: Fan,
    progress: Callable[[int, int, str], None],
    fits: Fits,
) -> Checked:
    """Check every grant and the policies of one commit, folder by folder, holding only a few of them at a time.

    Folders can be looked at one by one because the folder is the resource: the same grant under two names, and names that
    collide, lie in one folder, or one of them lies in a folder that is refused itself.
    """
    findings: list[Finding] = []
    waiting: deque[tuple[list[Entry], dict[str, tuple[str, bytes]], list[tuple[str, Oid]], list[Finding]]] = deque()
    folders = history.folders(revision, FOLDER.rstrip("/"))
    whole = verdicts.whole(context, folders)
    files = done = sum(whole.values())
    fresh = 0
    counted: Counter[str] = Counter()
    faulty: set[str] = set()

    def portions() -> Iterator[Portion]:
        nonlocal files, fresh
        for entries in _by_folders(history.entries(revision, FOLDER.rstrip("/"), whole)):
            known, unread, wrong = _look(entries, verdicts, context)
            files += len(entries)
            fresh += len(unread)
            waiting.append((entries, known, unread, wrong))
            yield unread

    for clean, misread in fan(portions()):
        entries, known, unread, wrong = waiting.popleft()
        learned = {item.blob: (item.resource, item.meaning) for item in clean}
        if clean:
            verdicts.store(context, clean)
        blobs = {path: bytes.fromhex(oid) for path, oid in unread}
        seen = known | {path: learned[blob] for path, blob in blobs.items() if blob in learned}
        wrong += [*misread, *_duplicates(dict(sorted(seen.items())))]
        findings += wrong
        # A folder with folders in it may come in several portions: what any of them found is wrong with all of it.
        counted.update(_folder(entry.path) for entry in entries)
        faulty.update(_folder(finding.place.file) for finding in wrong)
        done += len(unread) + len(known)
        progress(done, files, "grants")
    nothing_wrong = [(name, folders[name], n) for name, n in counted.items() if name in folders and name not in faulty]
    if nothing_wrong:
        verdicts.store_whole(context, nothing_wrong)
    read = partial(_contents, history, revision)
    return Checked(revision, files, files - fresh, *check_policies(findings, policy, fits, read))


def _folder(path: str) -> str:
    return path.removeprefix(FOLDER).partition("/")[0]


def check_policies(
    found: Iterable[Finding], policy: Policy, fits: Fits, read: Callable[[str], bytes]
) -> tuple[tuple[Finding, ...], int]:
    """Return what is found and what is wrong with policies, and how many grants could not be judged for that."""
    from daypass.core.policy.analysis.probe import probe  # noqa: PLC0415  (who asks for what is live alone needs none of it)

    return causes_first(
        (*found, *probe(policy), *unfit(policy, fits, read), *policy.findings, *policy.warnings), policy.holes
    )


def _by_folders(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    held: list[Entry] = []
    for entry in entries:
        if len(held) >= _PORTION and entry.path.rpartition("/")[0] != held[-1].path.rpartition("/")[0]:
            yield held
            held = []
        held.append(entry)
    if held:
        yield held


def _look(
    entries: Sequence[Entry], verdicts: VerdictStore, context: str
) -> tuple[dict[str, tuple[str, bytes]], list[tuple[str, Oid]], list[Finding]]:
    """Return of whole folders what is known of their files, which must be read, and what is wrong with their names."""
    wrong = [finding for entry in entries for finding in check_path(entry.path, entry.mode)]
    wrong += check_names([entry.path for entry in entries])
    bad = {finding.place.file for finding in wrong}
    remembered = verdicts.known(context, [bytes.fromhex(entry.oid) for entry in entries])
    known: dict[str, tuple[str, bytes]] = {}
    unread: list[tuple[str, Oid]] = []
    for entry in entries:
        if entry.path in bad:
            continue
        found = remembered.get(bytes.fromhex(entry.oid))
        # The folder must be the resource: known bytes under another folder are judged again, so that they are refused.
        if found is not None and entry.path.startswith(f"{FOLDER}{found[0]}/"):
            known[entry.path] = found
        else:
            unread.append((entry.path, entry.oid))
    return known, unread, wrong


def check_files(
    policy: Policy,
    files: Iterable[tuple[str, str, bytes]],
    blob_of: Callable[[bytes], Oid],
    where: str,
    fits: Fits,
    read: Callable[[str], bytes],
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
    return Checked(where, len(paths), 0, *check_policies(findings, policy, fits, read))


def _duplicates(seen: Mapping[str, tuple[str, bytes]]) -> Iterator[Finding]:
    first: dict[tuple[str, bytes], str] = {}
    for path, key in seen.items():
        other = first.setdefault(key, path)
        if other != path:
            yield duplicate_finding(path, other)


Deny = Callable[[Policy, Sequence[tuple[Claim, Oid]]], tuple[Denied, ...]]
"""Says of live grants, with their blobs, what policies deny of them."""

_BOUNDS = frozenset({"beyond-retention", "beyond-engagement", AGREED, PROCESSED})
"""Of what ends a grant early its claim says so already."""


def denied_live(
    history: History, verdicts: VerdictStore, program: str, policy: Policy, live: Sequence[tuple[Claim, Oid]]
) -> tuple[Denied, ...]:
    """Judge live grants by policies that read; what a check or an earlier run found clean is not judged again.

    What is live on one resource is remembered whole where all of it is clean.
    """
    if policy.broken or not live:
        return ()
    context = f"{program}/{policy.digest}"
    by_resource: dict[str, list[tuple[Claim, Oid]]] = {}
    for one in live:
        by_resource.setdefault(one[0].grant.partition("/")[0], []).append(one)
    by_resource = {f"{_WHOLE}{resource}": ones for resource, ones in by_resource.items()}
    names = {
        name: digest(sorted([f"{blob} {claim.grant}" for claim, blob in ones])) for name, ones in by_resource.items()
    }
    whole = verdicts.whole(context, names)
    unsaid = [one for name, ones in by_resource.items() if name not in whole for one in ones]
    found, clean, wrong = _judged(history, verdicts, context, policy, unsaid)
    if clean:
        verdicts.store(context, clean)
    passed = {*whole, *(f"{_WHOLE}{grant.partition('/')[0]}" for grant in wrong)}
    fine = [(name, names[name], len(ones)) for name, ones in by_resource.items() if name not in passed]
    if fine:
        verdicts.store_whole(context, fine)
    return tuple(sorted(found))


_WHOLE = "live/"
"""What all that is live on a resource is remembered by begins with this, as no folder's name does."""


def _judged(
    history: History, verdicts: VerdictStore, context: str, policy: Policy, live: Sequence[tuple[Claim, Oid]]
) -> tuple[list[Denied], list[Clean], list[GrantId]]:
    """Return what of live grants is denied, which are clean, and which are not, denied or not."""
    known = verdicts.known(context, [bytes.fromhex(blob) for blob in dict.fromkeys(blob for _, blob in live)])
    fresh = [(claim, blob) for claim, blob in live if bytes.fromhex(blob) not in known]
    contents = dict(history.blobs(dict.fromkeys(blob for _, blob in fresh))) if fresh else {}
    clean: list[Clean] = []
    found: list[Denied] = []
    wrong: list[GrantId] = []
    for claim, blob in fresh:
        verdict = judge_file(policy, grant_path(claim.grant), blob, contents[blob])
        if isinstance(verdict, Clean):
            clean.append(verdict)
        else:
            wrong.append(claim.grant)
            found += _denials(policy, claim, contents[blob])
    return found, clean, wrong


def _denials(policy: Policy, claim: Claim, raw: bytes) -> Iterable[Denied]:
    grant = read_grant(grant_path(claim.grant), raw)
    if isinstance(grant, Grant):  # else its form is not today's: the check says so
        ending = {denial.rule for denial in ending_denials(policy, grant)}
        for denial in static_denials(policy, grant, claim.window):
            if denial.code not in _BOUNDS:
                ends = bool(denial.rule) and denial.rule in ending
                yield Denied(claim.grant, claim.entitlement, denial.rule, denial.code, denial.message, ends)
