"""How git is started, and what it is given: one place that switches off whatever could change what is read or run.

Settings come from files that others may have written (the clone's own, the machine's, the user's); what stands here is
given on the command line of every call, where it wins over all of them. The environment is a list of what git needs,
so that no program which git starts (a hook, a filter, a helper) finds a secret of ours in it.

Imports nothing of weight: `can` runs git once, and answers at once.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from daypass.core.errors import EdgeError

if TYPE_CHECKING:
    from pathlib import Path

_OFF = {
    # What objects are read under an id. The setting would win over GIT_NO_REPLACE_OBJECTS.
    "core.useReplaceRefs": "false",
    # Programs that git would run: hooks, a file system monitor (what it hides would be overwritten), and others.
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.alternateRefsCommand": ":",
    "core.gitProxy": "",
    "gpg.ssh.defaultKeyCommand": "",
    "protocol.ext.allow": "never",
    "submodule.recurse": "false",
    # What chooses filters, drivers and other meanings for files.
    "core.attributesFile": os.devnull,
    # How answers are written.
    "core.quotePath": "off",
    "core.abbrev": "no",
    "diff.ignoreSubmodules": "none",
    "diff.orderFile": os.devnull,
    "color.ui": "false",
    "color.transport": "false",
    "color.push": "false",
    "color.remote": "false",
    "color.advice": "false",
    # What a fetch or a push moves beside what it was told to.
    "fetch.prune": "false",
    "fetch.pruneTags": "false",
    "fetch.recurseSubmodules": "false",
    "fetch.writeCommitGraph": "false",
    "fetch.showForcedUpdates": "true",
    "push.followTags": "false",
    "push.gpgSign": "false",
    "push.negotiate": "false",
    "push.pushOption": "",
    "push.recurseSubmodules": "no",
    "push.useForceIfIncludes": "false",
    # Work in the background, which would outlive the call and hold locks.
    "core.commitGraph": "true",
    "gc.auto": "0",
    "maintenance.auto": "false",
}
FIXED: tuple[str, ...] = tuple(part for key, value in _OFF.items() for part in ("-c", f"{key}={value}"))
"""The options that begin every command line of git's."""

_KEPT = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TEMP", "TMP", "TZ", "LANG", "TERM"),
        *("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "GNUPGHOME", "KRB5CCNAME", "KRB5_CONFIG"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "SYSTEMROOT", "COMSPEC", "PATHEXT"),
        *("APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "USERPROFILE", "HOMEDRIVE", "HOMEPATH", "WINDIR"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "CURL_CA_BUNDLE", "NIX_SSL_CERT_FILE"),
        # Of git's own: who commits, which files hold settings, how a remote is reached, and traces. All others could
        # lead to another repository or other objects, change what names mean, or allow what is switched off.
        *("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"),
        *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_COUNT"),
        *("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"),
        *("GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM"),
        *("GIT_TRACE", "GIT_TRACE_SETUP", "GIT_TRACE_PERFORMANCE"),
    }
)
_KEPT_FAMILIES = ("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_", "SSH_", "SSL_CERT_", "XDG_", "LC_")
# Replace refs and grafts would let a repository show other objects and parents than those that its ids name.
_SET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment in which git, and what it starts, behaves the same everywhere, with ``extra`` added."""
    kept = {key: value for key, value in os.environ.items() if _is_kept(key.upper())}
    return kept | _SET | dict(extra or {})


def _is_kept(key: str) -> bool:
    return key in _KEPT or key.startswith(_KEPT_FAMILIES)


def command(folder: Path, *arguments: str) -> list[str]:
    """Return the argument list that runs git in a folder."""
    return ["git", *FIXED, "-C", str(folder), *arguments]


def attempt(
    folder: Path, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder and return how it ended; only a git that cannot be started raises."""
    with startable(arguments):
        return subprocess.run(
            command(folder, *arguments),
            input=stdin,
            capture_output=True,
            env=clean_environment(environment),
            check=False,
        )


@contextmanager
def startable(arguments: tuple[str, ...]) -> Iterator[None]:
    """Turn what stops git from starting into EdgeError."""
    try:
        yield
    except OSError as error:
        raise EdgeError(f"git cannot be started: {error}", hint="install git 2.37 or newer") from error
    except ValueError as error:  # a NUL, which no argument can carry
        shown = next((argument for argument in arguments if "\0" in argument), "")
        raise EdgeError(f"git cannot be asked for {shown!r}: {error}") from error
