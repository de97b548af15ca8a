"""What a change of policies renames without saying so (`was`), and the merged grants that would give nothing for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from daypass.core.bounds.renames import Renames
from daypass.core.catalogue import Catalogue, Resource, Subject
from daypass.core.finding import Finding, Place

_DIRECTORY = "policies/directory/"

UNSAID = "rename-without-was"
"""The code of a rename that a change does not say, while merged grants go by the old name."""


def likely(before: Catalogue, after: Catalogue) -> Renames:
    """Return what seems to have another name after a change: what is gone, and what is new and the same otherwise.

    A subject is the same by address, login, number or key, a resource by its target and all that its roles give, a role
    by what it gives.
    """
    people, resources = before.directory.subjects, before.resources
    known = after.renames
    found = Renames(
        {
            gone.handle: new.handle
            for gone in people.values()
            for new in after.directory.subjects.values()
            if gone.handle not in after.directory.subjects
            and new.handle not in people
            and gone.handle not in known.subjects
            and _marks(gone) & _marks(new)
        },
        {
            gone.name: new.name
            for gone in resources.values()
            for new in after.resources.values()
            if gone.name not in after.resources
            and new.name not in resources
            and gone.name not in known.resources
            and _gives(gone) == _gives(new)
        },
    )
    roles = {
        (now.name, gone.name): new.name
        for was in resources.values()
        if (now := after.resources.get(found.resource(known.resource(was.name)))) is not None
        for gone in was.roles.values()
        for new in now.roles.values()
        if gone.name not in now.roles
        and new.name not in was.roles
        and (now.name, gone.name) not in known.roles
        and gone.privilege_text == new.privilege_text
    }
    return Renames(found.subjects, found.resources, roles)


def _marks(subject: Subject) -> frozenset[tuple[str, str]]:
    """Return by what a subject is known as the same."""
    marks = [("address", email) for email in subject.emails] + [("key", key) for key in subject.keys]
    marks += [("login", subject.login.lower())] if subject.login else []
    marks += [("number", str(subject.forge_id))] if subject.forge_id is not None else []
    return frozenset([*marks, *((f"at {target}", name) for target, name in subject.identities.items())])


def _gives(resource: Resource) -> tuple[str, tuple[str, ...]]:
    return resource.target, tuple(sorted(role.privilege_text for role in resource.roles.values()))


def unsaid(before: Catalogue, after: Catalogue, grants: Iterable[tuple[str, str, str]]) -> Iterator[Finding]:
    """Yield what a change renames without a word although merged grants name it: subject, resource and role of each."""
    names = likely(before, after)
    found: Counter[tuple[str, str, str, str]] = Counter()
    for subject, resource, role in grants if names else ():
        now = names.of(*after.renames.of(subject, resource, role))
        there = after.resources.get(now[1])
        file = there.file if there is not None else ""
        if subject in names.subjects:
            found["subject", subject, now[0], _DIRECTORY] += 1
        if resource in names.resources:
            found["resource", resource, now[1], file] += 1
        if now[2] != after.renames.role(resource, role):
            found["role", role, now[2], file] += 1
    for (kind, old, new, file), many in sorted(found.items()):
        name, names_it, they = ("merged grants", "name", "they") if many > 1 else ("merged grant", "names", "it")
        message = (
            f"{kind} {old} is called {new} now, and {many} {name} {names_it} {old}: {they} would give nothing any more"
        )
        yield Finding(UNSAID, Place(file), message, f"write was: [{old}] on {new}, or end them first")
