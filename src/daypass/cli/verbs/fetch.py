"""fetch, krl: what a grant hands over to its subject, and the list of what was ended early."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daypass.cli.repository import AccessRepository
from daypass.cli.verb import Codes, GrantName, show_data, verb
from daypass.core.errors import EdgeError, ExitCode, MissingError, UsageError

if TYPE_CHECKING:
    from daypass.core.ledger.records import Handed
    from daypass.edges.targets.ssh.certificate import Certificate

_LARGEST = 1 << 20


@verb()
@click.argument("grant", type=GrantName())
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file, mode 0600, and not to stdout. Only an earlier certificate of this access is replaced.",
)
@click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your public key (FILE.pub), where you have several: its certificate alone.",
)
def fetch(repo: AccessRepository, grant: str, file: Path | None, key: Path | None, at: datetime, output: str) -> Codes:
    """Get what GRANT (its id, or its file) hands over: an SSH certificate, or a secret that your own key opens.

    \b
    daypass fetch orders-db/alice-1a2b --output ~/.ssh/orders-db-cert.pub

    Only the grant's subject gets it. Exit 20 when there is nothing to fetch, not yet or no longer.
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.cli.main import show_error
    from daypass.core.ids import GrantId
    from daypass.edges.targets.ssh.certificate import is_certificate
    from daypass.pipeline.audit.questions import fetch as find
    from daypass.views.data import plain

    try:
        today = repo.ends_by.catalogue.renames.subject
        found = find(repo.standing, GrantId(grant), repo.forge.acting(), today=today, at=at)
    except MissingError as error:
        show_error(error)
        return ExitCode.NO
    if is_certificate(found.text):
        text, told, data = _certificates(found, file, key)
    else:
        text, told, data = _sealed(found, file)
    if output == "json":
        handed = plain(found.entitlement) | {"grants": list(found.grants), "until": plain(found.until)}
        show_data(handed | {"file": str(file or ""), "text": text, **data})
        return ExitCode.OK
    if file is None:
        click.echo(text)
    click.echo(told, nl=False, err=True)
    return ExitCode.OK


def _certificates(found: Handed, file: Path | None, key: Path | None) -> tuple[str, str, dict[str, Any]]:
    """Return the certificates that were handed over, after writing one to a file, a word on them, and what each says."""
    from daypass.edges.targets.ssh.certificate import fingerprint, read
    from daypass.views.plan import certificate_text

    certificates = {line: read(line) for line in found.text.splitlines()}
    if key is not None:
        wanted = _public(key)
        certificates = {line: one for line, one in certificates.items() if one.key == wanted}
        if not certificates:
            raise UsageError(
                f"there is no certificate for the key in {key}",
                hint="the directory listed another key of yours when access was given",
            )
    if file is not None and len(certificates) > 1:
        listed = ", ".join(fingerprint(one.key) for one in certificates.values())
        raise UsageError(f"there are certificates for {len(certificates)} keys: {listed}", hint="choose one with --key")
    if file is not None:
        (line,) = certificates
        _save(file, line, replaces=lambda text: _same_access(text, certificates[line]))
    one = next(iter(certificates.values()))
    told = certificate_text(
        serial=one.serial,
        resource=found.entitlement.resource,
        until=one.valid[1],
        principals=one.principals,
        critical=one.critical,
        file=str(file or ""),
    )
    data = [_data(one) | {"fingerprint": fingerprint(one.key)} for one in certificates.values()]
    return "\n".join(certificates), told, {"kind": "certificate", "certificates": data}


def _data(one: Certificate) -> dict[str, Any]:
    from daypass.views.data import plain

    found: dict[str, Any] = plain(one)
    start, end = found.pop("valid")
    return found | {"from": start, "until": end}


def _same_access(text: str, one: Certificate) -> bool:
    """Whether a text is a certificate of daypass's for the same key and the same access, whose place one may take."""
    from daypass.edges.targets.ssh.certificate import read

    try:
        old = read(text)
    except EdgeError:
        return False
    return old.key == one.key and old.key_id.rpartition(" ")[0] == one.key_id.rpartition(" ")[0]


def _sealed(found: Handed, file: Path | None) -> tuple[str, str, dict[str, Any]]:
    """Return a secret that only its subject's key opens, after writing it to a file, and a word on it."""
    from daypass.views.plan import sealed_text

    text = found.text.rstrip("\n")
    if file is not None:
        _save(file, text, replaces=lambda _: False)
    told = sealed_text(resource=found.entitlement.resource, until=found.until, file=str(file or ""))
    return text, told, {"kind": "secret", "certificates": []}


def _public(path: Path) -> str:
    """Return a public key of a file, type and base64. Raises UsageError, showing nothing of the file, where it is none."""
    words = _read(path).split()[:2]
    if not _is_public(words):
        public = path if path.suffix == ".pub" else Path(f"{path}.pub")
        hint = "expected one line, as ssh-keygen writes it" if public == path else f"name {public}"
        raise UsageError(f"{path} is no public key", hint=hint)
    return " ".join(words)


def _is_public(words: list[str]) -> bool:
    """Whether these are a key's type and its base64, which begins with the type (RFC 4253, section 6.6)."""
    if len(words) < 2:  # noqa: PLR2004  (type and base64)
        return False
    try:
        blob = base64.b64decode(words[1], validate=True)
    except ValueError:
        return False
    kind = words[0].encode()
    return blob.startswith(len(kind).to_bytes(4, "big") + kind)


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_LARGEST).decode("utf-8", "replace")


def _save(path: Path, text: str, *, replaces: Callable[[str], bool]) -> None:
    """Write a file in one step, mode 0600. Raises UsageError for one that is there and may not be replaced."""
    there = os.path.lexists(path)
    if there:
        known = _read(path) if path.is_file() and not path.is_symlink() else ""
        if known.strip() == text:
            return
        if not replaces(known):
            raise UsageError(
                f"{path} is there already, and is no earlier certificate of this access",
                hint="nothing else is ever overwritten; name another file",
            )
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
        if there:
            Path(draft).replace(path)
        else:
            os.link(draft, path)  # fails where somebody made the file meanwhile
    finally:
        Path(draft).unlink(missing_ok=True)


@verb(follow=False)
@click.argument("target")
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file; by default the target's own list below daypass's folder.",
)
def krl(repo: AccessRepository, target: str, file: Path | None, at: datetime, output: str) -> None:
    """Write the key revocation list of the ssh target TARGET, from the ledger of this clone.

    It holds the certificates that were ended early and are not yet over by themselves. It needs no key, so that any
    clone can serve the list to hosts. The file is replaced in one step; when anything fails, the old one stays.

    \b
    git fetch -q origin main:main daypass-ledger:daypass-ledger
    daypass krl bastion --output /srv/www/bastion.krl
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.edges.targets.common import place_below
    from daypass.edges.targets.ssh.certificate import entry_of, is_certificate
    from daypass.edges.targets.ssh.revoked import write_list

    settings = repo.settings.targets.get(target)
    if settings is None or settings.kind != "ssh":
        known = [name for name, found in repo.settings.targets.items() if found.kind == "ssh"]
        raise UsageError(f"the settings name no ssh target {target!r}", hint=f"they name: {', '.join(known) or 'none'}")
    ended = [handed for handed in repo.standing.handed(target, at) if handed.ended]
    lines = [line for handed in ended if is_certificate(handed.text) for line in handed.text.splitlines()]
    path = file or repo.clone.state_dir / place_below(settings, "krl", f"{target}.krl")
    write_list(path.absolute(), [entry_of(line) for line in lines])
    if output == "json":
        show_data({"target": target, "file": str(path), "revoked": len(lines)})
    else:
        click.echo(f"{path} revokes {len(lines)} certificates.", err=True)
