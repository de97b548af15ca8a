"""Holding a repository's settings at its forge against what keeps access safe, and mending them one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from daypass.core.catalogue import Catalogue
from daypass.core.doctor import judge
from daypass.core.doctor.complaint import Case, Complaint, Remedy
from daypass.core.doctor.facts import Questions
from daypass.core.doctor.people import groups_wanted
from daypass.core.errors import EdgeError
from daypass.core.owners import CODEOWNERS_FILE, team_of
from daypass.ports import History, SettingsReader, SettingsWriter

_GATE = ".github/workflows/gate.yml"
_KEY = b"DAYPASS_APP_KEY"
_PLAIN = {"100644", "100755"}


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of one remedy: done, declined, or why it failed."""

    remedy: Remedy
    done: bool
    error: str = ""


def examine(
    history: History, main: str, catalogue: Catalogue, reader: SettingsReader, *, page: str, codeowners: str
) -> tuple[Complaint, ...]:
    """Return every complaint about the repository that the settings name.

    ``page`` is its address for people, ``codeowners`` the file that the catalogue makes. Raises EdgeError.
    """
    files = _files(history, main)
    options = catalogue.settings.forge_options
    bot = options.get("bot")
    owner = str(options["repository"]).partition("/")[0]
    teams = [team_of(catalogue, group).partition("/") for group in groups_wanted(catalogue)]
    slugs = dict.fromkeys(slug.lower() for org, _, slug in teams if org.lower() == owner.lower())
    app = str(bot["login"]).removesuffix("[bot]") if bot else ""
    # Which way it is set up shows in what main's gate takes, whoever asks and whatever the settings leave out.
    by_app = bool(bot) or reader.by_app or _KEY in files.get(_GATE, b"")
    case = Case(
        repository=str(options["repository"]),
        page=page,
        catalogue=catalogue,
        codeowners=files.get(CODEOWNERS_FILE),
        by_app=by_app,
        facts=reader.read(Questions(catalogue.settings.ledger_branch, tuple(slugs), app)),
    )
    return judge(case, codeowners.encode())


def _files(history: History, main: str) -> dict[str, bytes]:
    """Read what is looked at of main's .github."""
    wanted = [
        entry
        for entry in history.entries(main, ".github")
        if entry.path in {CODEOWNERS_FILE, _GATE} and entry.mode in _PLAIN
    ]
    raw = dict(history.blobs([entry.oid for entry in wanted]))
    return {entry.path: raw[entry.oid] for entry in wanted}


def mend(
    complaints: Iterable[Complaint], writer: SettingsWriter, agreed: Callable[[Remedy, tuple[Complaint, ...]], bool]
) -> tuple[Mended, ...]:
    """Carry out the remedies that somebody agrees to, each once however many complaints it is for.

    One that fails stops neither the others nor is it tried again.
    """
    found: list[Mended] = []
    grouped: list[tuple[Remedy, list[Complaint]]] = []
    for complaint in complaints:
        if complaint.remedy is None:
            continue
        same = next((group for remedy, group in grouped if remedy == complaint.remedy), None)
        if same is None:
            grouped.append((complaint.remedy, [complaint]))
        else:
            same.append(complaint)
    for remedy, group in grouped:
        if not agreed(remedy, tuple(group)):
            found.append(Mended(remedy, done=False))
            continue
        try:
            for step in remedy.steps:
                writer.send(step)
        except EdgeError as error:
            found.append(Mended(remedy, done=False, error=error.message))
        else:
            found.append(Mended(remedy, done=True))
    return tuple(found)
