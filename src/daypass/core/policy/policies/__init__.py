"""From the files below ``policies/`` to one value that decisions are made by.

Nothing here raises for a bad file. What is wrong is kept beside what could be read, so that nobody takes a policy
with a hole in it for a whole one: faults in settings, directory, purposes or rules are in ``Policy.broken`` and deny
everything; faults in one resource's file deny that resource alone (invariant 8).
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, field

from daypass import schema
from daypass.core.bounds.purposes import Purpose
from daypass.core.bounds.settings import Settings, TargetKinds
from daypass.core.calendar.calendars import Calendar
from daypass.core.calendar.rota import Rota
from daypass.core.catalogue import Catalogue, Directory, frozen
from daypass.core.finding import Finding, Place, ordered
from daypass.core.ids import HANDLE, digest
from daypass.core.policy.cel.expression import Calendars
from daypass.core.policy.facts import FactBook
from daypass.core.policy.policies.calendars import read_calendar
from daypass.core.policy.policies.catalogue import check_enders, read_purpose, read_resource, read_settings
from daypass.core.policy.policies.directory import read_directory
from daypass.core.policy.policies.file import PolicyFile, read_file
from daypass.core.policy.policies.named import Nameable
from daypass.core.policy.policies.promises import Promise, read_promises
from daypass.core.policy.policies.renames import check_was
from daypass.core.policy.policies.rotas import read_rota
from daypass.core.policy.policies.rules import PolicyCase, read_cases, read_review, read_rules
from daypass.core.policy.requirement import Requirement
from daypass.core.policy.rules import Rules
from daypass.schema import Schema

if TYPE_CHECKING:
    from daypass.schema.policy_models import SettingsForm
    from daypass.schema.rule_models import PurposeForm

__all__ = ["SETTINGS", "Policy", "PolicyCase", "read_policies"]

FOLDER = "policies/"
SETTINGS = "policies/daypass.yaml"
TESTS = "policies/tests/"
PROMISES = "policies/promises/"
_SUFFIX = ".yaml"
_FOLDERS = ("calendars", "directory", "promises", "purposes", "resources", "rotas", "rules", "tests")
"""The folders below policies/ whose files are read."""
_F = TypeVar("_F")


class Policy(Struct, frozen=True, eq=False, dict=True):
    """Everything that decisions are made by. ``warnings``: what the next release takes for a fault.

    ``test_files`` are the files of tests, by path, and ``promise_files`` those of promises: they decide nothing, and are
    read when somebody asks for them.
    ``faults`` is all that is wrong outside of them, by place; ``broken`` the part that denies everything; ``faulty`` the
    part that denies one resource, by its name: such a resource is not in the catalogue. ``unfit`` maps a resource and a
    role to why its target can give it to nobody, with a hint. ``keys`` maps the name of each ``policies/*.pub`` to its
    bytes. ``reviews`` are what the reviews of emergencies take, by purpose. ``digest`` covers every file but these.
    """

    catalogue: Catalogue
    rules: Rules
    test_files: Mapping[str, bytes]
    keys: Mapping[str, bytes]
    digest: str
    faults: tuple[Finding, ...] = ()
    broken: tuple[Finding, ...] = ()
    faulty: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    unfit: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    reviews: Mapping[str, Requirement] = field(default_factory=dict)
    warnings: tuple[Finding, ...] = ()
    promise_files: Mapping[str, bytes] = field(default_factory=dict)

    @cached_property
    def facts(self) -> FactBook:
        """What rules may know of the catalogue."""
        return FactBook(self.catalogue)

    @cached_property
    def undenied(self) -> dict[Hashable, timedelta]:
        """What was asked for, and who asked, where no limit or bound denied anything: for how long, at most.

        `daypass.core.policy.decision` keeps it.
        """
        return {}

    @cached_property
    def _cases(self) -> tuple[tuple[PolicyCase, ...], tuple[Finding, ...]]:
        catalogue = self.catalogue
        there = {*catalogue.resources, *self.faulty}
        known = Nameable(catalogue.directory, there, tuple(catalogue.calendars.values()), rotas=catalogue.rotas)
        return _read_tests(self.test_files, None if self.broken else known)

    @property
    def tests(self) -> tuple[PolicyCase, ...]:
        """The cases of the tests; those that cannot be read are left out."""
        return self._cases[0]

    @cached_property
    def _promises(self) -> tuple[tuple[Promise, ...], tuple[Finding, ...]]:
        return _read_promises(self.promise_files, tuple(self.catalogue.calendars.values()))

    @property
    def promises(self) -> tuple[Promise, ...]:
        """The promises; those that cannot be read are left out."""
        return self._promises[0]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that is wrong, in the tests and promises as well, by place."""
        return ordered([*self.faults, *self._cases[1], *self._promises[1]])

    @property
    def holes(self) -> tuple[Finding, ...]:
        """What keeps the catalogue from being the whole one: what is made from it would lack something without a word.

        Whoever acts by it names these.
        """
        return ordered([*self.broken, *(finding for found in self.faulty.values() for finding in found)])


def read_policies(files: Mapping[str, bytes], *, kinds: TargetKinds, links: Iterable[str] = ()) -> Policy:
    """Read the files below ``policies/``: repository path to bytes.

    ``links`` are the paths there that are no plain files (symbolic links, submodules): nobody reads what they lead to,
    and a rule that looks as if it held must not be passed over. ``kinds`` are those of target.
    """
    reading = _Reading({path: raw for path, raw in files.items() if _written(path) == path})
    reading.refuse(links)
    reading.unnamed(files)
    settings = reading.settings(kinds)
    directory = reading.directory(settings)
    purposes = reading.purposes(settings, directory)
    calendars = reading.calendars()
    rotas = reading.rotas(directory)
    rules = reading.rules(directory, tuple(calendars.values()), purposes)
    reviews = reading.reviews(directory, tuple(calendars.values()))
    resources = {}
    faulty = {}
    claimed: dict[str, str] = {}
    names = [name for name, _ in reading.named("resources")]
    for name, path in reading.named("resources"):
        findings: list[Finding] = []
        check_name(name, path, findings)
        file = reading.file(path, schema.RESOURCE, findings)
        found = read_resource(name, file, settings, directory) if file is not None else None
        if file is not None:
            check_was(file, (), "resource", name, file.data.get("was", ()), names, claimed)
        wrong = ordered(finding for finding in findings if finding.is_error)
        if found is None or wrong:
            faulty[name] = wrong
        else:
            resources[name] = found
        reading.other += findings
    reading.strays()
    catalogue = Catalogue(
        settings or Settings(),
        frozen(resources),
        directory or Directory(frozen({}), frozen({})),
        frozen(purposes),
        frozen(calendars),
        frozen(rotas),
    )
    return Policy(
        catalogue=catalogue,
        rules=rules,
        reviews=frozen(reviews),
        test_files=reading.unread("tests"),
        promise_files=reading.unread("promises"),
        keys=reading.keys(),
        digest=policy_digest(files),
        faults=ordered(finding for finding in [*reading.vital, *reading.other] if finding.is_error),
        warnings=ordered(finding for finding in [*reading.vital, *reading.other] if not finding.is_error),
        broken=ordered(finding for finding in reading.vital if finding.is_error),
        faulty=frozen(faulty),
    )


def policy_digest(files: Mapping[str, bytes]) -> str:
    """Return ``sha256:…`` of the paths and contents of all policy files but tests and promises, which decide nothing."""
    return digest(
        {
            _written(path): hashlib.sha256(raw).hexdigest()
            for path, raw in files.items()
            if not path.startswith((TESTS, PROMISES))
        }
    )


def _written(path: str) -> str:
    """Return a path with its bytes that are no text escaped, so that it can be shown and written down."""
    return path if path.isascii() else path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _read_tests(
    files: Mapping[str, bytes], known: Nameable | None
) -> tuple[tuple[PolicyCase, ...], tuple[Finding, ...]]:
    """Return the cases of files of tests, and what is wrong with these; ``known`` is None where nobody can tell names."""
    cases: list[PolicyCase] = []
    findings: list[Finding] = []
    for path, raw in files.items():
        file = read_file(path, raw, schema.POLICY_TEST, findings)
        if file is not None:
            cases += read_cases(file, known)
    return tuple(cases), tuple(findings)


def _read_promises(files: Mapping[str, bytes], calendars: Calendars) -> tuple[tuple[Promise, ...], tuple[Finding, ...]]:
    """Return the promises of files, and what is wrong with these."""
    found: list[Promise] = []
    findings: list[Finding] = []
    first: dict[str, Place] = {}
    for path, raw in files.items():
        file = read_file(path, raw, schema.PROMISES, findings)
        if file is not None:
            found += read_promises(file, calendars, first)
    return tuple(found), tuple(findings)


class _Reading:
    """One reading. ``vital`` findings deny everything; ``other`` ones are local to a resource, or to a test's name."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._settings: PolicyFile[SettingsForm] | None = None
        self._purposes: dict[str, PolicyFile[PurposeForm]] = {}
        self.vital: list[Finding] = []
        self.other: list[Finding] = []

    def named(self, folder: str) -> list[tuple[str, str]]:
        """Return (name, path) of the files directly in a folder, by path."""
        start = f"{FOLDER}{folder}/"
        return [
            (path.removeprefix(start).removesuffix(_SUFFIX), path)
            for path in sorted(self._files)
            if path.startswith(start) and path.endswith(_SUFFIX) and "/" not in path.removeprefix(start)
        ]

    def file(self, path: str, form: Schema[_F], findings: list[Finding]) -> PolicyFile[_F] | None:
        """Read one file; None, and findings, when its shape is wrong."""
        return read_file(path, self._files[path], form, findings)

    def _each(self, folder: str, form: Schema[_F]) -> Iterator[tuple[str, PolicyFile[_F]]]:
        """Yield the files of a folder whose shape is right, by the name that each gives; a fault is one of everything."""
        for name, path in self.named(folder):
            check_name(name, path, self.vital)
            file = self.file(path, form, self.vital)
            if file is not None:
                yield name, file

    def settings(self, kinds: TargetKinds) -> Settings | None:
        """Read the settings; they must be there."""
        if SETTINGS not in self._files:
            hint = "daypass init writes one; deleting the settings lifts no limit"
            self.vital.append(Finding("settings-missing", Place(SETTINGS), "there are no settings", hint))
            return None
        self._settings = self.file(SETTINGS, schema.SETTINGS, self.vital)
        return None if self._settings is None else read_settings(self._settings, kinds)

    def directory(self, settings: Settings | None) -> Directory | None:
        """Read the directory; None when a file of it could not be read, so that nobody is missed for that alone."""
        files = [self.file(path, schema.DIRECTORY, self.vital) for _, path in self.named("directory")]
        whole = [file for file in files if file is not None]
        targets = settings.targets.values() if settings is not None else ()
        if len(whole) < len(files):
            return None
        resources, purposes = ([name for name, _ in self.named(folder)] for folder in ("resources", "purposes"))
        found = read_directory(whole, targets, resources, purposes)
        if self._settings is not None:
            check_enders(self._settings, self.known(found))
        return found

    def purposes(self, settings: Settings | None, directory: Directory | None) -> dict[str, Purpose]:
        """Read the purposes."""
        self._purposes = dict(self._each("purposes", schema.PURPOSE))
        known = self.known(directory)
        return {name: read_purpose(name, file, settings, known) for name, file in self._purposes.items()}

    def calendars(self) -> dict[str, Calendar]:
        """Read the calendars. A fault in one denies everything: a rule that names it could not be taken at its word."""
        return {name: read_calendar(name, file) for name, file in self._each("calendars", schema.CALENDAR)}

    def known(self, directory: Directory | None, calendars: Calendars = ()) -> Nameable:
        """Return what files may name."""
        resources, rotas = ([name for name, _ in self.named(folder)] for folder in ("resources", "rotas"))
        return Nameable(directory, resources, calendars, rotas=rotas)

    def rotas(self, directory: Directory | None) -> dict[str, Rota]:
        """Read the rotas. A fault in one denies everything, as with the directory."""
        return {name: read_rota(name, file, directory) for name, file in self._each("rotas", schema.ROTA)}

    def rules(self, directory: Directory | None, calendars: Calendars, purposes: Mapping[str, Purpose]) -> Rules:
        """Read the rules, those of purposes as well."""
        files = [self.file(path, schema.RULES, self.vital) for _, path in self.named("rules")]
        known = self.known(directory, calendars)
        own = [(purposes[name], file) for name, file in self._purposes.items() if "rules" in file.data]
        return read_rules([*((None, file) for file in files if file is not None), *own], known)

    def reviews(self, directory: Directory | None, calendars: Calendars) -> dict[str, Requirement]:
        """Read what the reviews of emergencies take, by purpose."""
        known = self.known(directory, calendars)
        read = {name: read_review(file, name, known) for name, file in self._purposes.items()}
        return {name: need for name, need in read.items() if need is not None}

    def unread(self, folder: str) -> Mapping[str, bytes]:
        """Return the files of a folder, unread."""
        return {path: self._files[path] for _, path in self.named(folder)}

    def keys(self) -> Mapping[str, bytes]:
        """Return the public keys by file name."""
        return frozen({path.removeprefix(FOLDER): raw for path, raw in self._files.items() if _is_key(path)})

    def refuse(self, links: Iterable[str]) -> None:
        """Refuse what is no plain file."""
        for path in sorted(links):
            hint = "put the file itself here"
            self.vital.append(_stray(_written(path), "this is no plain file, and nothing reads it", hint))

    def unnamed(self, paths: Iterable[str]) -> None:
        """Refuse files whose names are no text: nothing can refer to them, whatever they say."""
        for path in sorted(paths):
            if _written(path) != path:
                findings = self.other if path.startswith((TESTS, PROMISES)) else self.vital
                findings.append(_stray(_written(path), "its name is no UTF-8, and nothing reads it", "rename it"))

    def strays(self) -> None:
        """Refuse YAML that nobody reads: a rule in the wrong folder would otherwise look like one that holds."""
        known = {SETTINGS, *(path for folder in _FOLDERS for _, path in self.named(folder))}
        for path in sorted(self._files):
            if path not in known and path.lower().endswith((_SUFFIX, ".yml", ".json")):
                hint = f"policies are {SETTINGS} and the {_SUFFIX} files directly in {', '.join(_FOLDERS)}"
                self.vital.append(_stray(path, "nothing reads this file", hint))


def _stray(path: str, message: str, hint: str) -> Finding:
    return Finding("stray-policy-file", Place(path), message, hint)


def check_name(name: str, path: str, findings: list[Finding]) -> None:
    """Check the name that a file gives to what it describes; grants and rules must be able to write it."""
    if not HANDLE.fullmatch(name):
        hint = "use lower-case letters, digits and hyphens, at most 63"
        findings.append(Finding("bad-name", Place(path), f"{name!r} is no name that can be referred to", hint))


def _is_key(path: str) -> bool:
    name = path.removeprefix(FOLDER)
    return name.endswith(".pub") and "/" not in name
