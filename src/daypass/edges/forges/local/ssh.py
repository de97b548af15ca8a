"""Signing and verifying commits with SSH keys: who the directory names holds the key, nobody else does.

Upholds: a signature counts only for a key that the directory gives this very person, in git's own namespace; no setting
of whoever runs the check (allowed signers, trust level) can widen that. ssh-keygen is needed only where keys are named.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from daypass.core.catalogue import Subject
from daypass.core.errors import EdgeError, RefusedError
from daypass.core.ids import Oid
from daypass.edges.git.isolation import clean_environment
from daypass.edges.git.plumbing import Git

_KEY = r"((?:ssh-|ecdsa-sha2-|sk-ssh-|sk-ecdsa-sha2-)[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3})(?:\s.*)?"
_HANDLE = r"[A-Za-z0-9][A-Za-z0-9._@-]*"


def find_signing_key(named: str | None, person: Subject) -> str:
    """Return what git signs with so that it counts for a person: the key that git is set to use, else one of the agent.

    ``named`` is git's ``user.signingkey``: a file or a ``key::…`` literal. Raises RefusedError, before anything is
    written, when neither is a key that the directory gives the person.
    """
    _require_keygen()
    wanted = {key for text in person.keys if (key := _key_of(text))}
    public = _public_half(named) if named else None
    if named and public in wanted:
        return named
    for key in _agent_keys():
        if key in wanted:
            return f"key::{key}"
    if not named:
        got = "git names no SSH key to sign with and the agent does not hold it"
    elif public is None:
        got = f"{named!r}, which git is set to sign with, is no SSH key that can be read"
    else:
        got = f"{named!r}, which git is set to sign with, is another key"
    raise RefusedError(
        f"what {person.handle} does counts only when signed with their SSH key: {got}",
        hint="run `git config gpg.format ssh` and `git config user.signingkey FILE.pub` with the key of the directory",
    )


def is_signed_by(git: Git, commit: Oid, handle: str, keys: Sequence[str]) -> bool:
    """Say whether a commit bears a good SSH signature made with one of these keys.

    Does not check that the commit says it is theirs; who reads the record does. Raises EdgeError without ssh-keygen.
    """
    _require_keygen()
    from tempfile import TemporaryDirectory  # noqa: PLC0415  (most runs check and make no signature)

    with TemporaryDirectory(prefix="daypass-") as folder:
        file = Path(folder) / "allowed_signers"
        file.write_text(allowed_signers(handle, keys), encoding="utf-8")
        done = git.attempt(
            "-c",
            f"gpg.ssh.allowedSignersFile={file}",
            "-c",
            "gpg.ssh.program=ssh-keygen",
            # Others' programs could print our line; only a signature by SSH is looked at.
            *("-c", "gpg.program=false", "-c", "gpg.openpgp.program=false", "-c", "gpg.x509.program=false"),
            "-c",
            "gpg.minTrustLevel=fully",
            "verify-commit",
            "--raw",
            commit,
        )
    # The status alone would also be good for an OpenPGP signature by anybody whom the reader's key ring trusts.
    good = re.compile(rf'Good "git" signature for {re.escape(handle)} with [A-Z0-9-]+ key SHA256:\S+')
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    return done.returncode == 0 and any(good.fullmatch(line) for line in lines)


def allowed_signers(handle: str, keys: Sequence[str]) -> str:
    """Write the file by which git knows a person's keys. Raises EdgeError for a handle or key that could say more."""
    if not re.fullmatch(_HANDLE, handle):  # a comma, a star or a space in it would name other people too
        raise EdgeError(f"expected a handle of letters, digits, dots and dashes, got {handle!r}")
    lines = []
    for text in keys:
        key = _key_of(text)
        if not key:  # an option such as cert-authority before the key would let others sign
            raise EdgeError(f"the directory's SSH key of {handle} cannot be read: {text!r}")
        lines.append(f'{handle} namespaces="git" {key}\n')
    return "".join(lines)


def _key_of(text: str) -> str:
    """Return type and base64 of a public key's line, "" when it is none."""
    match = re.fullmatch(_KEY, text.strip(), re.DOTALL)
    return match[1] if match and "\n" not in text.strip() else ""


def _public_half(named: str) -> str | None:
    """Return the public half of the key that git is set to sign with, None when it cannot be told."""
    literal = _key_of(named.removeprefix("key::"))
    if literal:
        return literal
    for file in (Path(named), Path(f"{named}.pub")):
        try:
            found = _key_of(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if found:
            return found
    return _key_of(_run("ssh-keygen", "-y", "-P", "", "-f", named)) or None


def _agent_keys() -> list[str]:
    return [key for line in _run("ssh-add", "-L").splitlines() if (key := _key_of(line))]


def _run(*command: str) -> str:
    """Return what a program of OpenSSH says, "" when it says nothing or is not there."""
    from shutil import which  # noqa: PLC0415

    if which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, env=clean_environment(), check=False)
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def _require_keygen() -> None:
    from shutil import which  # noqa: PLC0415

    if which("ssh-keygen") is None:
        raise EdgeError(
            "ssh-keygen is not installed, and the directory names SSH keys",
            hint="install OpenSSH 8.2 or newer; without it no signature can be checked",
        )
