"""Bringing commits from a forge and taking the ledger there, over git's own protocol.

The forge is reached by its URL and not by a remote's name, so that nothing a clone's configuration says can lead
elsewhere. The token goes to git in its environment: a command line can be read by every process of the machine.
"""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Callable, Sequence
from functools import cached_property
from urllib.parse import urlsplit

from daypass.core.errors import AwayError, ConflictError, EdgeError, InvalidError, LockedError, RefusedError
from daypass.core.ids import ABSENT, Oid
from daypass.edges.git.plumbing import Git
from daypass.edges.git.promised import DEPTHS, WHOLE, promised
from daypass.edges.git.steps import leads_to

NAMESPACE = "refs/remotes/daypass/"
"""Where what was fetched is kept; nobody checks these out."""

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_SAFE = (
    *("-c", "protocol.allow=never", "-c", "protocol.https.allow=always"),
    # A redirect would carry the token to whoever answers there; a renamed repository is to be named anew.
    *("-c", "http.followRedirects=false", "-c", "credential.helper=", "-c", "core.askPass="),
    *("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60", "-c", "advice.graftFileDeprecated=false"),
)
# What is wrong with one branch, and not with the way there.
_ONE_ALONE = rb"couldn't find remote ref|rejected|non-fast-forward|refusing to fetch"
_STEP = 2
"""The commits of a branch's last step: its end and the one before."""
_REPOSITORY = r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+"


def repository_url(server: str, repository: str) -> str:
    """Return where a repository is cloned from. Raises InvalidError for anything but https, loopback excepted."""
    try:
        parts = urlsplit(server)
    except ValueError as error:
        raise InvalidError(f"expected the forge's address, got {server!r}: {error}") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise InvalidError(f"expected the forge's address to begin with https://, got {server!r}")
    if parts.username or parts.password or not parts.hostname:
        raise InvalidError(f"expected the forge's address without a name or password, got {parts.hostname!r}")
    if not re.fullmatch(_REPOSITORY, repository):
        raise InvalidError(f"expected a repository as owner/name, got {repository!r}")
    return f"{server.rstrip('/')}/{repository}.git"


_FENCES = (
    ("ip allow list", "the organisation lets in other addresses than this machine's: run it on a machine of yours"),
    ("SAML", "authorise this token for the organisation, or act as the App, which needs none"),
    ("was archived", "unarchive the repository: nothing can be recorded there meanwhile"),
    (
        "returned error: 30[1278]",
        "the repository was renamed or moved: name it anew in policies/daypass.yaml on main, then `git pull` here",
    ),
)
"""What a server refuses everybody like us, by words of its refusal, and what to do about it."""


class Remote:
    """One repository at a forge, as this clone reaches it. ``token`` is asked for when git needs it.

    Into a thin clone (see `daypass.edges.git.promised`) come commits alone, and of them the newest; `deepen` brings more.
    """

    def __init__(self, git: Git, url: str, token: Callable[[], str]) -> None:
        self.url = url
        self._git = git
        self._token = token
        self._came = ""
        self._depth = DEPTHS[0]
        self._reached = 0
        self._followed: dict[str, None] = {}

    def fetch(self, *refspecs: str) -> None:
        """Bring refs here. Raises ConflictError where one has been rewritten there, EdgeError when it cannot be read.

        So it does, as LockedError, where a lock of git's in this clone stays.

        A refspec without a plus moves a ref of ours forward only.
        """
        done = self._fetch(refspecs)
        if done.returncode != 0:
            raise self._not_fetched(done.stderr)

    def _fetch(self, refspecs: Sequence[str], depth: int = 0) -> subprocess.CompletedProcess[bytes]:
        # Not quiet: which ref was refused is told only so.
        options = ["--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"]
        here = promised(self._git)
        if here.thin:
            options += ["--filter=tree:0", *([f"--depth={depth}"] if depth else [])]
        here.forget()
        return self._run("fetch", *options, *refspecs)

    def deepen(self) -> bool:
        """Fetch more of the history of what was fetched into a thin clone; False where all of it is here."""
        if self._depth == WHOLE or not promised(self._git).thin:
            return False
        self._depth = next((depth for depth in DEPTHS if depth > self._depth), WHOLE)
        self._fetch_all(tuple(self._followed), self._depth)
        self._reached = self._depth
        return True

    def reach(self, branch: str, depth: int) -> None:
        """Have so many commits of a branch of ours in a thin clone, all of them for none."""
        self._fetch_all((f"refs/heads/{branch}:refs/heads/{branch}",), depth or WHOLE)

    def whole(self, branch: str) -> None:
        """Make a thin clone whole: everything of main, of what was fetched beside it, and of a branch of ours."""
        self._depth = WHOLE
        promised(self._git).forget()
        options = ("--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--refetch", "--no-filter")
        refspecs = (*self._followed, f"refs/heads/{branch}:refs/heads/{branch}")
        done = self._run("fetch", *options, f"--depth={WHOLE}", *refspecs)
        if done.returncode != 0:
            raise self._not_fetched(done.stderr)

    def _fetch_all(self, refspecs: Sequence[str], depth: int) -> None:
        done = self._fetch(refspecs, depth)
        if done.returncode != 0:
            raise self._not_fetched(done.stderr)

    def _not_fetched(self, errors: bytes) -> EdgeError | ConflictError:
        if b"non-fast-forward" in errors or b"rejected" in errors:
            return ConflictError(
                f"a branch at {self.url} does not continue what this clone knows of it",
                hint="its history was rewritten there; compare the two before you trust either",
            )
        return self._failed("cannot be fetched", errors)

    def bring(self, branch: str, *, along: str = "") -> Oid:
        """Fetch a branch into our namespace and return its commit.

        With it comes what `follow` would fetch of ``along``, where this clone has that branch or is thin: one fetch takes
        half as long as two. Where that one cannot come, `follow` says why.
        """
        place = f"{NAMESPACE}{branch}"
        wanted, more = f"+refs/heads/{branch}:{place}", f"refs/heads/{along}:refs/heads/{along}"
        here = bool(along) and self._git.find(f"refs/heads/{along}") is not None
        self._came = ""
        if not promised(self._git).thin:
            if here and self._both((wanted, more)):
                self._came = along
            else:
                self.fetch(wanted)
            return self._brought(branch)
        self._followed[wanted] = None
        if here and self._reached == self._depth:
            # No fetch fits both: main has to be cut again, whose merges lead far back, and what is here of the other not.
            there = self.heads(branch, along)
            self._came = along if there.get(along) == self._git.find(f"refs/heads/{along}") else ""
            if branch in there and there[branch] == self._git.find(place):
                return there[branch]
        elif along and not here and self._both((wanted, more), max(self._depth, _STEP)):
            self._came, self._reached = along, self._depth
            return self._brought(branch)
        self._fetch_all((wanted,), self._depth)
        self._reached = self._depth
        return self._brought(branch)

    def _brought(self, branch: str) -> Oid:
        found = self._git.find(f"{NAMESPACE}{branch}")
        if found is None:
            raise AwayError(f"{self.url} has no branch {branch!r}")
        return found

    def _both(self, refspecs: Sequence[str], depth: int = 0) -> bool:
        """Fetch two refs; False where they do not come because of one of them, and not of the way there."""
        try:
            done = self._fetch(refspecs, depth)
        except LockedError:
            return False
        if done.returncode != 0 and not re.search(_ONE_ALONE, done.stderr):
            raise self._not_fetched(done.stderr)
        return done.returncode == 0

    def follow(self, branch: str) -> None:
        """Move a branch of ours forward to where it stands there, unless it has just come along with another."""
        if self._came != branch:
            # Into a thin clone its newest commit comes; once it is there, what was added since.
            there = self._git.find(f"refs/heads/{branch}") is not None
            self._fetch_all((f"refs/heads/{branch}:refs/heads/{branch}",), 0 if there else 1)
        self._came = ""

    def fetch_pull(self, number: int, head: Oid) -> None:
        """Have a pull request's head commit here. Raises EdgeError where the forge has moved on or lost it."""
        if self._has(head):
            return
        refspec = f"+refs/pull/{number}/head:{NAMESPACE}pull/{number}"
        if promised(self._git).thin:
            self._followed[refspec] = None
            self._depth = max(self._depth, DEPTHS[1])  # most branches are shorter
        self._fetch_all((refspec,), self._depth)
        if not self._has(head):
            raise EdgeError(
                f"the head {head[:12]} of pull request {number} is not there any more",
                hint="it was pushed to meanwhile; run the command again",
            )

    def heads(self, *branches: str) -> dict[str, Oid]:
        """Ask where branches stand there; one that is missing is left out."""
        done = self._run("ls-remote", "--quiet", *[f"refs/heads/{branch}" for branch in branches])
        if done.returncode != 0:
            raise self._failed("cannot be read", done.stderr)
        lines = (line.split("\t") for line in done.stdout.decode("utf-8", "replace").splitlines())
        return {ref.removeprefix("refs/heads/"): Oid(oid) for oid, ref in lines}

    def pull_head(self, number: int) -> Oid | None:
        """Ask where the head of a pull request stands there, None for none."""
        done = self._run("ls-remote", "--quiet", f"refs/pull/{number}/head")
        if done.returncode != 0:
            raise self._failed("cannot be read", done.stderr)
        oid, _, ref = done.stdout.decode("utf-8", "replace").strip().partition("\t")
        return Oid(oid) if ref == f"refs/pull/{number}/head" else None

    def push(self, branch: str, *, old: Oid, new: Oid) -> None:
        """Move a branch there from ``old`` (ABSENT: it must not exist) to ``new``, forward only.

        Raises ConflictError when it stands elsewhere. When the answer is lost the branch is looked at: a push that came
        about is no failure.
        """
        if old != ABSENT and not leads_to(self._git, old, new):
            raise RuntimeError("a branch at the forge only moves forward")
        self.replace(branch, old=old, new=new)

    def delete(self, branch: str, *, old: Oid) -> None:
        """Delete a branch there that stands at ``old``. Raises EdgeError where it does not, or may not be deleted."""
        ref = f"refs/heads/{branch}"
        done = self._run("push", "--quiet", "--porcelain", f"--force-with-lease={ref}:{old}", f":{ref}")
        if done.returncode != 0:
            raise self._failed(f"does not let go of {branch}", done.stdout + b"\n" + done.stderr)

    def replace(self, branch: str, *, old: Oid, new: Oid) -> None:
        """Move a branch there as push does, to a commit that may have nothing in common with ``old``."""
        expected = "" if old == ABSENT else old
        lease = f"--force-with-lease=refs/heads/{branch}:{expected}"
        done = self._run("push", "--quiet", "--porcelain", lease, f"{new}:refs/heads/{branch}")
        if done.returncode == 0:
            return
        there = self.heads(branch).get(branch, ABSENT)
        if there == new:
            return
        if there != old:
            raise ConflictError(
                f"another run was first: {branch} at the forge stands at {there[:12]}, expected {old[:12]}",
                hint="run the command again",
            )
        raise self._failed(f"does not take {branch}", done.stdout + b"\n" + done.stderr)

    def _has(self, oid: Oid) -> bool:
        here = promised(self._git)
        return (not here.thin or here.has(oid)) and self._git.check(f"{oid}^{{commit}}").kind == b"commit"

    def _run(self, verb: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        options = [argument for argument in arguments if argument.startswith("-")]
        rest = [argument for argument in arguments if not argument.startswith("-")]
        loopback = ("-c", "protocol.http.allow=always") if self.url.startswith("http:") else ()
        return self._git.unlocked(
            *_SAFE, *self._this_address, *loopback, verb, *options, "--", self.url, *rest, environment=self._access()
        )

    @cached_property
    def _this_address(self) -> tuple[str, ...]:
        """Return the options that keep git at this very address, checked: users have others put in its place.

        Of several rewritings git takes the longest that fits, and of two alike the first, so a whole address that
        settings rewrite cannot be overruled. Raises RefusedError for that.
        """
        listed = self._git.attempt("config", "--null", "--get-regexp", r"^url\..*\.(push)?insteadof$").stdout
        for setting in listed.decode("utf-8", "replace").split("\0"):
            key, _, value = setting.partition("\n")
            if value == self.url:
                raise RefusedError(
                    f"git's setting {key} puts another address in the place of {self.url}",
                    hint="remove it: what is read there decides about access",
                )
        named = (f"url.{self.url}.insteadOf={self.url}", f"url.{self.url}.pushInsteadOf={self.url}")
        verify = f"http.{self.url}.sslVerify=true"
        return tuple(part for setting in (*named, verify) for part in ("-c", setting))

    def _access(self) -> dict[str, str]:
        """Give git the token for this server alone, as GitHub documents for installation tokens over HTTP.

        https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/authenticating-as-a-github-app-installation
        """
        parts = urlsplit(self.url)
        try:
            token = self._token()
        except EdgeError as error:  # an App's token is asked of the forge, which may be away as well
            raise AwayError(error.message, hint=error.hint) from error
        secret = base64.b64encode(f"x-access-token:{token}".encode()).decode("ascii")
        key = f"http.{parts.scheme}://{parts.netloc}/.extraheader"
        return {
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": key,
            "GIT_CONFIG_VALUE_0": "",  # forgets a token that a checkout left in the clone's configuration
            "GIT_CONFIG_KEY_1": key,
            "GIT_CONFIG_VALUE_1": f"AUTHORIZATION: basic {secret}",
        }

    def _failed(self, what: str, errors: bytes) -> EdgeError:
        lines = [line.strip() for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
        telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "!"))] or lines
        if any("could not read Username" in line or "Authentication failed" in line for line in lines):
            return AwayError(
                f"{self.url} {what}: the token was not accepted",
                hint="is it whole, is it still valid, and was it made for this repository?",
            )
        # What the server itself said is the cause; git's own last line is but a status.
        said = next((line for line in telling if line.startswith("remote:") and line != "remote:"), "")
        words = dict.fromkeys(filter(None, (said, telling[-1] if telling else "no message")))
        told = "; ".join(words)
        hint = next((advice for sign, advice in _FENCES if re.search(sign, told, re.IGNORECASE)), "")
        return AwayError(
            f"{self.url} {what}: {told}", hint=hint or "is it there, can the token read it, is the network up?"
        )
