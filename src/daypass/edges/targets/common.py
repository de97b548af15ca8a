"""What kinds of target share: carrying out orders, following names by numbers, reading policies, and handing over secrets.

What was given stays what it is, whatever it is called since (see ports.Numbering). Absence is believed only of the thing
itself, by the number that does not change. A name that nobody bears any more says nothing: who bore it may have another.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from daypass.core.errors import EdgeError, InvalidError
from daypass.core.finding import near
from daypass.core.plan import Done, Entitlement, Found, Numbers, Order

if TYPE_CHECKING:
    from daypass.core.bounds.settings import TargetSettings

T = TypeVar("T")

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""How a variable of the environment is named."""


def check_target(name: str, entitlement: Entitlement) -> None:
    """Refuse an entitlement of another target: what is asked of the wrong system must change nothing. Raises EdgeError."""
    if entitlement.target != name:
        raise EdgeError(f"expected an entitlement of target {name!r}, got one of {entitlement.target!r}")


def one_by_one(name: str, orders: Sequence[Order], change: Callable[[Order], None]) -> list[Done]:
    """Carry out orders of target ``name`` one after the other; one for which ``change`` raises EdgeError stops only itself."""
    found = []
    for order in orders:
        try:
            check_target(name, order.entitlement)
            change(order)
        except EdgeError as error:
            found.append(Done(error.message))
        else:
            found.append(Done())
    return found


class NumberTrace(NamedTuple):
    """What became of one thing that an entitlement rests on.

    ``name`` and ``number`` are today's, both "" where it is not found. ``unknown``: why nobody can tell what became of it;
    ``gone``: that it is no more, by its number; ``said``: what it is called now.
    """

    name: str = ""
    number: str = ""
    unknown: str = ""
    gone: str = ""
    said: str = ""


def trace(
    what: str, name: str, recorded: str, number_of: Callable[[str], str], name_of: Callable[[str], str | None]
) -> NumberTrace:
    """Say what became of ``what`` that was called ``name``. ``recorded`` is its number, "" where none was recorded.

    ``number_of`` returns the number that a name has now ("" where nothing bears it), ``name_of`` the name that a number
    has: "" where it is no more, None where nobody can tell.
    """
    now = number_of(name)
    if now and recorded in ("", now):
        return NumberTrace(name, now)
    other = f"; another {what}, number {now}, has its name" if now else ""
    if not recorded:
        return NumberTrace(
            unknown=f"there is no {what} {name!r}, and its number was not recorded: it may have another name"
        )
    today = name_of(recorded)
    if today is None:
        return NumberTrace(
            unknown=f"the {what} {name!r}, number {recorded}, is not found: deleted, renamed or hidden{other}"
        )
    if not today:
        return NumberTrace(gone=f"the {what} {name!r}, number {recorded}, is no more{other}")
    return NumberTrace(today, recorded, said=f"the {what} {name!r} is called {today!r} now")


def join(traces: Iterable[NumberTrace], there: bool, called: Iterable[Entitlement], numbers: Numbers) -> Found:
    """Join what became of everything that an entitlement rests on; ``there`` and ``called`` are as of today's names."""
    every = list(traces)
    unknown = "; ".join(one.unknown for one in every if one.unknown)
    if unknown:
        return Found(None, unknown)
    gone = "; ".join(one.gone for one in every if one.gone)
    if gone:
        return Found(False, gone)
    said = "; ".join(one.said for one in every if one.said)
    return Found(True, said, tuple(called) if said else (), numbers) if there else Found(False)


_LONGEST = 200
_PLAIN = r"[A-Za-z0-9_./][A-Za-z0-9_./-]*"


def first_near(names: Iterable[str], known: Iterable[str], otherwise: str = "") -> str:
    """Write the hint for the first of some unknown names that a known one is like, or what to say where none is."""
    found = (near(name, known) for name in sorted(names))
    return next((hint for hint in found if hint), otherwise)


def understood(pairs: Iterable[tuple[str, str]], read: Callable[[str], T]) -> Iterator[tuple[str, str, T]]:
    """Yield resources and privileges, with what those mean that ``read`` takes; who asks for another is told why not."""
    for resource, privilege in sorted(pairs):
        with suppress(EdgeError):
            yield resource, privilege, read(privilege)


def written(text: str) -> str:
    """Return canonical JSON as people write it in YAML, where that is simple: ``{login: true, member_of: readers}``."""
    try:
        return _flow(json.loads(text))[:_LONGEST]
    except (ValueError, RecursionError):
        return text[:_LONGEST]


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(value[key])}" for key in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and re.fullmatch(_PLAIN, value):
        return value  # files hold every scalar as text: whether it was quoted is not known, and the same to us
    return json.dumps(value, ensure_ascii=False)


def place_below(settings: TargetSettings, option: str, usual: str) -> PurePath:
    """Return the path that an option gives below daypass's own folder, ``usual`` where it is not given.

    Raises InvalidError for one that would leave that folder: who edits the settings may not name any file of the machine
    that runs the applier.
    """
    given = settings.options.get(option, usual)
    hint = f"write a file name, for example {usual}"
    if not isinstance(given, str) or "\0" in given:
        raise InvalidError(f"expected {option} of target {settings.name} to be text, got {given!r}", hint=hint)
    place = PurePosixPath(given)
    if place.is_absolute() or ".." in place.parts or place == PurePosixPath():
        raise InvalidError(
            f"{option} of target {settings.name} is not below daypass's own folder: {given!r}", hint=hint
        )
    return place


def sync_folder(folder: Path) -> None:
    """Let what was renamed or made in a folder outlast a loss of power. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# Encrypting what a subject receives to their own public key, so that a secret may lie where many can read. The format is
# age (https://age-encryption.org/v1), which takes SSH keys as well: the subject opens it with `age -d -i ~/.ssh/id_ed25519`.
# The work is pyrage's; nothing here knows ciphers.

WEAKEST_RSA = 2048
"""Bits; a shorter RSA key is no protection (https://csrc.nist.gov/pubs/sp/800/131/a/r2/final)."""

_TAKEN = "ssh-ed25519, ssh-rsa of 2048 bits or more, and age keys are taken"
_HINT = f"put another public key of theirs into the directory: {_TAKEN}"


def seal(text: str, keys: Sequence[str]) -> str:
    """Encrypt text to every key that is fit for it, and return age's armored form.

    ``keys`` are public keys, one line each: SSH keys as in authorized_keys, or age's own (``age1…``). Keys that age does
    not know (ECDSA, security keys) are passed over, as long as one fits. Raises EdgeError where none does, saying why
    of each; the text is in no message.
    """
    from pyrage import encrypt  # noqa: PLC0415  (loaded only when a secret is handed over)

    if not keys:
        raise EdgeError("the directory names no public key of the subject to encrypt a secret to", hint=_HINT)
    found = []
    unfit = []
    for key in keys:
        try:
            found.append(_recipient(key))
        except ValueError as error:
            unfit.append(str(error))
    if not found:
        raise EdgeError(
            f"no public key of the subject can have a secret encrypted to it: {'; '.join(unfit)} ({_TAKEN})", hint=_HINT
        )
    sealed: bytes = encrypt(text.encode(), found, armored=True)
    return sealed.decode("ascii")


def _recipient(key: str) -> object:
    """Return the key as pyrage takes it. Raises ValueError, saying why nothing is encrypted to it."""
    from pyrage import RecipientError, ssh, x25519  # noqa: PLC0415  (loaded only when a secret is handed over)

    kind = key.split(" ", 1)[0]
    shown = kind if len(kind) <= 40 else kind[:37] + "..."  # noqa: PLR2004  (a line of the terminal)
    try:
        if kind.startswith("age1"):
            recipient: object = x25519.Recipient.from_str(key.strip())
            return recipient
        if kind not in ("ssh-ed25519", "ssh-rsa"):
            raise ValueError(f"{shown!r} is of another kind")
        if kind == "ssh-rsa":
            _check_rsa(key)
        recipient = ssh.Recipient.from_str(key.strip())
    except RecipientError as error:
        raise ValueError(f"{shown!r} does not read: {error}") from error
    else:
        return recipient


def _check_rsa(key: str) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  (loaded only for such a key)
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key  # noqa: PLC0415

    try:
        read = load_ssh_public_key(key.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("'ssh-rsa' does not read") from error
    if not isinstance(read, RSAPublicKey) or read.key_size < WEAKEST_RSA:
        bits = getattr(read, "key_size", 0)
        raise ValueError(f"'ssh-rsa' of {bits} bits is too weak")
