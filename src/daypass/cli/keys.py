"""The keys of the ledger as the work tree's settings have them: read, made and written for a person to commit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from daypass.cli.repository import KEY_VARIABLE, AccessRepository, keys_folder
from daypass.cli.verb import say
from daypass.core.errors import DaypassError, InvalidError, UsageError

if TYPE_CHECKING:
    from daypass.core.ledger.keys import KeyRing

_SETTINGS = "policies/daypass.yaml"


def say_rotation(repo: AccessRepository) -> None:
    """Say that a change of the ledger's key was begun and not finished, where that is so."""
    from daypass.edges.ledger.signers import last_signer

    new, *before = repo.settings.ledger_keys
    if before:
        signed = last_signer(repo.ledger, repo.standing)
        say(
            f"daypass: a change of the ledger's key was begun and not finished: {', '.join(before)} may sign beside {new}, "
            f"and {signed} signed the last receipt",
            "  hint: `daypass ledger rekey --finish`"
            if signed == new
            else f"  hint: give the machine that applies the private half of {new}; then `daypass ledger rekey --finish`",
        )


def say_keyless(repo: AccessRepository) -> None:
    """Say that the next end could not be recorded from here, where no key is. Who signs elsewhere was asked already."""
    if repo.elsewhere or repo.signs or repo.settings.ledger_signer:
        return
    try:
        repo.ledger.ready()
    except DaypassError as error:
        said = f"daypass: from here the next end of access could not be recorded, nor come about: {error.message}"
        say(said, *([f"  hint: {error.hint}"] if error.hint else []))


def key_ring(repo: AccessRepository) -> KeyRing:
    """Return the keys that main names. Raises UsageError where the work tree is to change them already."""
    from daypass.core.ledger.keys import KeyRing

    def named(settings: object) -> tuple[object, ...]:
        return tuple(getattr(settings, f"ledger_{part}") for part in ("branch", "keys", "retired", "revoked", "signer"))

    if named(repo.worktree_policy().catalogue.settings) != named(repo.settings):
        raise UsageError(
            f"what {_SETTINGS} says of the ledger here is not what main says",
            hint="commit it and have it merged, or undo it; then run the command again",
        )
    settings = repo.settings
    return KeyRing(settings.ledger_keys, settings.ledger_retired, settings.ledger_revoked)


def new_key(repo: AccessRepository, public_key: str | None) -> tuple[str, Path | None]:
    """Write a new public key into policies/; return its name, and where its private half is (None: not made here)."""
    from daypass.edges.ledger.keyfiles import make_key, read_public_key

    folder = repo.top / "policies"
    number = next(n for n in range(2, 1_000_000) if not (folder / f"ledger-{n}.pub").exists())
    if public_key is None and repo.settings.ledger_signer:
        raise UsageError(
            "the settings name a signer by URI, so a key made here would not be used",
            hint="make the key there, change ledger.signer to it, and name its public half: --public-key FILE",
        )
    place, public = make_key(keys_folder()) if public_key is None else (None, Path(public_key).read_bytes())
    key, known = read_public_key(public, public_key or ""), repo.ledger.keys
    same = [name for name, pem in known.items() if read_public_key(pem, name).keyid == key.keyid]
    if same:  # the bounds of the one would be the other's: what it signs would be refused, or count for nothing
        raise UsageError(
            f"{public_key} is a key that main names already: {same[0]}",
            hint="name the public half of another key, or leave --public-key out, and one is made",
        )
    (folder / f"ledger-{number}.pub").write_bytes(public)
    return f"ledger-{number}.pub", place


def write(repo: AccessRepository, ring: KeyRing) -> None:
    """Write keys into the settings of the work tree, for a person to look at and commit."""
    from daypass.core.files.settings import with_mapping
    from daypass.core.record import replace

    path = repo.top / _SETTINGS
    before, text = repo.worktree_policy().catalogue.settings, path.read_text(encoding="utf-8")
    told = {"branch": before.ledger_branch, **ring.data()}
    told |= {"signer": before.ledger_signer} if before.ledger_signer else {}
    if before.ledger_heartbeat is not None:
        from daypass.core.window import format_duration

        told["heartbeat"] = format_duration(before.ledger_heartbeat)
    path.write_text(with_mapping(text, "ledger", told), encoding="utf-8")
    after = repo.worktree_policy()
    wanted = replace(
        before, ledger_keys=ring.signing, ledger_retired=dict(ring.retired), ledger_revoked=dict(ring.revoked)
    )
    found = replace(
        after.catalogue.settings,
        ledger_retired=dict(after.catalogue.settings.ledger_retired),
        ledger_revoked=dict(after.catalogue.settings.ledger_revoked),
    )
    if found != wanted or after.broken:
        path.write_text(text, encoding="utf-8")
        raise InvalidError(
            f"{_SETTINGS} is written in a way that this verb cannot change",
            after.broken,
            hint=f"write it yourself: ledger: {told}",
        )
    say(f"Changed {_SETTINGS}: look at `git diff`.")


def handing_over(number: int, place: Path | None) -> tuple[str, ...]:
    """Say how the machine that applies gets the new private key."""
    if place is None:
        return (
            f"  {number}. Let the machine that applies sign with the new key (ledger.signer, or DAYPASS_SIGNER there).",
        )
    return (
        f"  {number}. Give the machine that applies the private half, {place} (mode 0600): as a file of the same name in its "
        f"folder of keys, or as what its secret {KEY_VARIABLE} holds",
        f"     (at GitHub: `gh secret set {KEY_VARIABLE} --env daypass < {place}`). Not before the merge: until then main "
        "does not know it.",
    )
