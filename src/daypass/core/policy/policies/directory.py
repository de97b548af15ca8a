"""Reading policies/directory/*.yaml: people, workloads, groups and vendors, from several files as from one.

Upholds invariant 3 at its root: no two people may share an address, a login, a forge id, a key or an identity at a
target, for then one could be taken for the other; and a handle or a group has one definition.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from daypass.core.bounds.renames import known_as
from daypass.core.bounds.settings import TargetSettings
from daypass.core.bounds.vendors import Vendor
from daypass.core.calendar.rota import Deputy
from daypass.core.catalogue import Directory, Subject, frozen
from daypass.core.files.publickey import canonical_key
from daypass.core.finding import Place, near
from daypass.core.policy.policies.file import PolicyFile
from daypass.core.policy.policies.renames import check_was
from daypass.core.policy.policies.vendors import check_sponsors, people_in, read_vendor
from daypass.core.window import Window

if TYPE_CHECKING:
    from daypass.schema.policy_models import DirectoryForm, GroupForm, PersonForm, WorkloadForm

    _File = PolicyFile[DirectoryForm]


def read_directory(
    files: Sequence[_File],
    targets: Iterable[TargetSettings] = (),
    resources: Collection[str] = (),
    purposes: Collection[str] = (),
) -> Directory:
    """Join the files of the directory and check that what they name exists, of ``resources`` and ``purposes`` as well.

    ``targets`` are those at which nobody may be the same as somebody else.
    """
    subjects: dict[str, Subject] = {}
    placed: dict[str, tuple[_File, str]] = {}
    vendors: dict[str, Vendor] = {}
    groups: dict[str, tuple[_File, GroupForm]] = {}
    seen: dict[tuple[str, str], Place] = {}
    for file in files:
        for name in file.data.get("vendors", {}):
            if _is_first(seen, file, "vendors", name):
                vendors[name] = read_vendor(file, name, resources, purposes)
        for handle, person in file.data.get("people", {}).items():
            if _is_first(seen, file, "people", handle):
                subjects[handle], placed[handle] = _person(file, handle, person), (file, "people")
        for handle, workload in file.data.get("workloads", {}).items():
            if _is_first(seen, file, "workloads", handle):
                subjects[handle], placed[handle] = _workload(handle, workload), (file, "workloads")
        for name, group in file.data.get("groups", {}).items():
            if _is_first(seen, file, "groups", name):
                groups[name] = (file, group)
    _check_references(subjects, placed, vendors, frozenset(groups))
    _check_distinct(subjects, placed, tuple(targets))
    check_sponsors(files, subjects)
    _check_renames(subjects, placed, groups)
    return Directory(
        frozen(subjects),
        _members(groups, subjects),
        frozen(vendors),
        _deputies(files, subjects, seen),
        frozen(known_as({name: entry.get("was", ()) for name, (_, entry) in groups.items()})),
    )


def _check_renames(
    subjects: Mapping[str, Subject],
    placed: Mapping[str, tuple[_File, str]],
    groups: Mapping[str, tuple[_File, GroupForm]],
) -> None:
    claimed: dict[str, str] = {}
    for handle, subject in subjects.items():
        file, section = placed[handle]
        check_was(file, (section, handle), "subject", handle, subject.was, subjects, claimed)
    claimed = {}
    for name, (file, entry) in groups.items():
        check_was(file, ("groups", name), "group", name, entry.get("was", ()), groups, claimed)


def _is_first(seen: dict[tuple[str, str], Place], file: _File, section: str, name: str) -> bool:
    """Tell whether nothing of the kind has the name yet; a second definition is a finding, and does not count."""
    # People and workloads share one space of handles: a grant names either by the same word.
    space = "handle" if section in ("people", "workloads") else section
    place = file.place(section, name)
    first = seen.setdefault((space, name), place)
    if first != place:
        message = f"{name!r} is defined twice; the first is at {first}"
        file.fault("duplicate-name", (section, name), message, "one definition counts: remove or rename this one")
    return first == place


def _person(file: _File, handle: str, entry: PersonForm) -> Subject:
    emails = [entry["email"]] if "email" in entry else []
    forge = entry.get("forge", {})
    return Subject(
        handle=handle,
        name=entry.get("name", ""),
        emails=tuple(dict.fromkeys(email.strip().lower() for email in [*emails, *entry.get("also", ())])),
        login=forge.get("login", ""),
        forge_id=forge.get("id"),
        manager=entry.get("manager", ""),
        employment=entry.get("employment", "employee"),
        vendor=entry.get("vendor", ""),
        until=file.moment("people", handle, "until"),
        keys=_keys(file, handle, entry.get("ssh_keys", ())),
        identities=frozen(entry.get("identities", {})),
        was=tuple(entry.get("was", ())),
        source_id=entry.get("source_id", ""),
    )


def _keys(file: _File, handle: str, texts: Sequence[str]) -> tuple[str, ...]:
    found = []
    for index, text in enumerate(texts):
        key = canonical_key(text)
        if not key:
            shown = text if len(text) <= 40 else text[:37] + "..."  # noqa: PLR2004  (a line of the terminal)
            message = f"{shown!r} is no public SSH key"
            file.fault("bad-key", ("people", handle, "ssh_keys", index), message, "paste the line of a .pub file")
        else:
            found.append(key)
    return tuple(found)


def _workload(handle: str, entry: WorkloadForm) -> Subject:
    return Subject(
        handle=handle,
        kind="agent" if entry.get("kind") == "agent" else "workload",
        name=entry.get("title", ""),
        identities=frozen(entry.get("identities", {})),
        claims=frozen(entry.get("claims", {})),
        owners=tuple(entry.get("owners", ())),
        sponsors=people_in(entry.get("sponsor", ())),
        was=tuple(entry.get("was", ())),
    )


def _deputies(
    files: Sequence[_File], subjects: Mapping[str, Subject], seen: dict[tuple[str, str], Place]
) -> Mapping[str, Deputy]:
    named = [(file, handle) for file in files for handle in file.data.get("deputies", {})]
    told = {h: _deputy(file, h, subjects) for file, h in named if _is_first(seen, file, "deputies", h)}
    return frozen({handle: deputy for handle, deputy in told.items() if deputy is not None})


def _deputy(file: _File, handle: str, subjects: Mapping[str, Subject]) -> Deputy | None:
    """Read who acts in somebody's place; None, and a finding, where that is nobody, or never."""
    entry = file.data["deputies"][handle]
    people = [name for name, subject in subjects.items() if subject.is_person]
    for name, *at in ((handle,), (entry["by"], "by")):
        if name not in people:
            hint = near(name, people, "people are named in policies/directory")
            file.fault(
                "unknown-member", ("deputies", handle, *at), f"there is no person {name!r} in the directory", hint
            )
            return None
    start, end = file.moment("deputies", handle, "from"), file.moment("deputies", handle, "until")
    if start is None or end is None:
        return None
    if start >= end or entry["by"] == handle:
        wrong = "it ends before it begins" if start >= end else f"{handle} acts for themselves"
        file.fault("deputy-invalid", ("deputies", handle), f"the deputy of {handle} never acts: {wrong}", "correct it")
        return None
    return Deputy(entry["by"], Window(start, end))


def _check_references(
    subjects: Mapping[str, Subject],
    placed: Mapping[str, tuple[_File, str]],
    vendors: Collection[str],
    groups: frozenset[str],
) -> None:
    people = [handle for handle, subject in subjects.items() if subject.is_person]
    _check_managers(subjects, placed)
    for handle, subject in subjects.items():
        file, section = placed[handle]
        if subject.manager and subject.manager not in people:
            hint = near(subject.manager, people, "managers are people of the directory")
            message = f"the manager of {handle}, {subject.manager!r}, is nobody in the directory"
            file.fault("unknown-manager", (section, handle, "manager"), message, hint)
        if subject.manager == handle:
            file.fault("unknown-manager", (section, handle, "manager"), f"{handle} is their own manager")
        if subject.vendor and subject.vendor not in vendors:
            hint = near(subject.vendor, vendors, "vendors are named in policies/directory")
            message = f"the vendor of {handle}, {subject.vendor!r}, is not in the directory"
            file.fault("unknown-vendor", (section, handle, "vendor"), message, hint)
        for index, group in enumerate(subject.owners):
            if group not in groups:
                hint = near(group, groups, "groups are named in policies/directory")
                message = f"there is no group {group!r} in the directory"
                file.fault("unknown-group", (section, handle, "owners", index), message, hint)


def _check_managers(subjects: Mapping[str, Subject], placed: Mapping[str, tuple[_File, str]]) -> None:
    """Refuse people who are above each other in a circle: nobody is above them all. One alone is told already."""
    settled: set[str] = set()
    for start in sorted(subjects):
        line: list[str] = []
        handle = start
        while handle in subjects and handle not in settled:
            settled.add(handle)
            line.append(handle)
            handle = subjects[handle].manager
        circle = line[line.index(handle) :] if handle in line else []
        if len(circle) > 1:
            first = circle.index(min(circle))
            named = circle[first:] + circle[:first]
            file, section = placed[named[0]]
            message = f"{' is below '.join(named)} is below {named[0]}: they are managers in a circle"
            file.fault("manager-circle", (section, named[0], "manager"), message, "take one manager out")


def _check_distinct(
    subjects: Mapping[str, Subject],
    placed: Mapping[str, tuple[_File, str]],
    targets: Sequence[TargetSettings],
) -> None:
    """Refuse what would let one be taken for another; case does not count.

    Who is one with the subject at the target would approve their own access.
    """
    first: dict[tuple[str, str], str] = {}
    for handle, subject in subjects.items():
        marks = [("email address", email) for email in subject.emails]
        marks += [("login", subject.login.lower())] if subject.login else []
        marks += [("forge id", str(subject.forge_id))] if subject.forge_id is not None else []
        marks += [("source id", subject.source_id)] if subject.source_id else []
        marks += [("SSH key", key) for key in subject.keys]
        identities = ((target.name, subject.identity_at(target)) for target in targets)
        marks += [(f"identity at {name}", identity.lower()) for name, identity in identities if identity]
        for mark in marks:
            other = first.setdefault(mark, handle)
            if other != handle:
                file, section = placed[handle]
                message = f"{handle} has the same {mark[0]} as {other}: {mark[1]}"
                hint = "one could be taken for the other; give each their own"
                file.fault("same-person", (section, handle), message, hint)


def _members(
    groups: Mapping[str, tuple[_File, GroupForm]], subjects: Mapping[str, Subject]
) -> Mapping[str, frozenset[str]]:
    """Follow includes; a circle is a finding, and gives nobody."""
    for name, (file, entry) in groups.items():
        for index, handle in enumerate(entry.get("members", ())):
            if handle not in subjects:
                hint = near(handle, subjects, "members are people or workloads of the directory")
                message = f"group {name} has a member {handle!r} who is not in the directory"
                file.fault("unknown-member", ("groups", name, "members", index), message, hint)
        for index, other in enumerate(entry.get("include", ())):
            if other not in groups:
                hint = near(other, groups, "groups are named in policies/directory")
                message = f"group {name} includes {other!r}, which is no group"
                file.fault("unknown-group", ("groups", name, "include", index), message, hint)
    found = {}
    for name, (file, _) in groups.items():
        if _in_circle(name, groups):
            message = f"group {name} includes itself by way of other groups"
            file.fault("group-circle", ("groups", name, "include"), message, "break the circle")
        found[name] = frozenset(
            handle for one in _reach(name, groups) for handle in groups[one][1].get("members", ()) if handle in subjects
        )
    return frozen(found)


def _reach(name: str, groups: Mapping[str, tuple[_File, GroupForm]]) -> set[str]:
    """Return a group and all that it includes."""
    found, todo = set(), [name]
    while todo:
        one = todo.pop()
        if one in groups and one not in found:
            found.add(one)
            todo += groups[one][1].get("include", ())
    return found


def _in_circle(name: str, groups: Mapping[str, tuple[_File, GroupForm]]) -> bool:
    return any(name in _reach(other, groups) for other in groups[name][1].get("include", ()))
