"""One access repository as a verb sees it: ports joined to their edges, each opened when first used."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from weakref import ref

import click

from daypass.cli.quick.around import now
from daypass.cli.verb import FORGE, LEDGER, PAGES, noting, say
from daypass.core.errors import AwayError, EdgeError, InvalidError, UsageError
from daypass.core.forge import FORGES
from daypass.core.ids import Oid

if TYPE_CHECKING:
    from daypass.core.bounds.settings import Settings
    from daypass.core.forge import Entry
    from daypass.core.ledger.standing import Standing
    from daypass.core.policy.policies import Policy
    from daypass.edges.forges.host import Host
    from daypass.edges.git.history import GitHistory
    from daypass.edges.git.remote import Remote
    from daypass.edges.git.repository import Repository
    from daypass.edges.ledger.standing import SignedLedger
    from daypass.edges.store import AnswerCache
    from daypass.edges.targets.registry import Known
    from daypass.ports import Forge, Pages, Target

_T = TypeVar("_T")
_LONGEST = 2 << 20
KEYS_VARIABLE = "DAYPASS_KEYS"
SIGNER_VARIABLE = "DAYPASS_SIGNER"
KEY_VARIABLE = "DAYPASS_LEDGER_KEY"


def keys_folder() -> Path:
    """Return where private keys are kept: $DAYPASS_KEYS, else below the user's configuration, never in a repository."""
    named = os.environ.get(KEYS_VARIABLE)
    if named:
        return Path(named).absolute()
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    if not base.is_absolute():  # https://specifications.freedesktop.org/basedir-spec: it counts for nothing then
        base = Path(os.path.expanduser("~")) / ".config"  # noqa: PTH111  (leaves "~" where nobody knows)
    if not base.is_absolute():
        raise UsageError("nobody knows your home folder, so keys cannot be found", hint=f"set HOME or {KEYS_VARIABLE}")
    return base / "daypass" / "keys"


_WHOLE = (".github", "grants", "policies")
"""What verbs read from the work tree."""


class AccessRepository:
    """The repository around a folder.

    Where its forge is elsewhere, `sync` brings main and the ledger; without it a verb works with what the clone has.
    """

    def __init__(self, folder: Path, acting: str = "", host: Host | None = None) -> None:
        self.folder = folder
        self.acting = acting
        self._policies: dict[str, Policy] = {}
        self._by_files: dict[tuple[Entry, ...], Policy] = {}
        self._host = host
        self._live = False
        self.away: AwayError | None = None
        """Why the forge could not be reached, where this is what the clone had before."""

    def follow(self) -> None:
        """Bring this up to where it stands at its forge; where this is the forge, say what remotes had more."""
        self.sync()
        for remote in self.host.behind(self.settings.ledger_branch):
            say(f"note: this clone is behind {remote}; `daypass sync {remote}` brings what others did")

    def sync(self) -> None:
        """Follow main and the ledger as they stand at the forge. Does nothing where the forge is this repository."""
        if not self.elsewhere:
            return
        from daypass.edges.git.remote import NAMESPACE

        settings = self.settings
        self.remote.bring("main", along=settings.ledger_branch)
        self._live = True
        for name in ("main", "tip", "settings", "ledger", "standing"):
            self.__dict__.pop(name, None)
        self.__dict__["main"] = f"{NAMESPACE}main"
        if dict(self.settings.forge_options) != dict(settings.forge_options):
            raise InvalidError(
                "main at the forge names another forge than this clone's main", hint="`git pull` here, then look at it"
            )

    @property
    def live(self) -> bool:
        """Whether this follows main and the ledger as they stand at the forge, or has no forge elsewhere to follow."""
        return self._live or not self.elsewhere

    @property
    def elsewhere(self) -> bool:
        """Whether pull requests, main and the ledger live at a forge and not in this repository."""
        return self.settings.forge.remote

    def again(self, *, reopen: bool = False) -> AccessRepository:
        """Return the same place read afresh, through the same connection to the forge.

        ``reopen``: the clone is opened anew as well, as who runs for long has to.
        """
        repo = AccessRepository(self.folder, self.acting, self._host if self.elsewhere else None)
        if not reopen and "clone" in self.__dict__:
            repo.__dict__["clone"] = self.clone
        # A commit's policies never change: reading those of the same main again would make every end of access wait.
        repo._policies = dict(list(self._policies.items())[-1:])
        repo._by_files = dict(list(self._by_files.items())[-1:])
        if self._live:
            repo.sync()
        return repo

    def close(self) -> None:
        """End the process that reads git for this, and for what shares its clone; who asks later starts another."""
        if "clone" in self.__dict__:
            self.clone.close()

    @property
    def host(self) -> Host:
        """The forge as this run reaches it. Raises InvalidError where the settings name a kind that is not known here."""
        if self._host is None:
            from daypass.edges.forges.host import Run, open_host

            run = Run(self.clone, self.main, self.acting, os.environ, time.sleep)
            self._host = open_host(self.settings, run)
        return self._host

    @property
    def remote(self) -> Remote:
        """Git's way to the forge. Raises UsageError where there is none, since main lives here."""
        return self.given(self.host.remote)

    @property
    def pages(self) -> Pages:
        """Where people are told how things stand. Raises UsageError where the forge has no pages."""
        return noting(self.given(self.host.pages(self.policy.catalogue.directory)), PAGES)

    def given(self, part: _T | None) -> _T:
        """Return a part of a forge. Raises UsageError where the forge that the settings name has none like it."""
        if part is None:
            kinds = " or ".join(name for name, kind in FORGES.items() if kind.pages)
            raise UsageError(
                f"this needs a forge of kind {kinds}, and the settings name {self.settings.forge_kind!r}",
                hint="`daypass init . --merge --github OWNER/NAME` makes it one; docs/github.md says how",
            )
        return part

    @cached_property
    def clone(self) -> Repository:
        """The repository. Raises EdgeError outside of one."""
        from daypass.edges.git.plumbing import Git
        from daypass.edges.git.repository import open_repository
        from daypass.edges.store import state_folder

        Git.tell = staticmethod(lambda text: click.echo(f"daypass: {text}", err=True))
        return open_repository(self.folder, state_folder())

    @cached_property
    def history(self) -> GitHistory:
        """Reading git."""
        me = ref(self)  # held by what it holds, it would stay open, with the ledger, until cycles are looked for
        return self._reading(lambda: (own := me()) is not None and own._live and own.remote.deepen())  # noqa: SLF001

    def _reading(self, deepen: Callable[[], bool]) -> GitHistory:
        from daypass.edges.git.history import GitHistory

        # A longer file is refused by its size anyway; it need not be held in memory for that.
        return GitHistory(self.clone.git, blob_limit=_LONGEST, deepen=deepen)

    @cached_property
    def main(self) -> str:
        """The ref of the branch that carries what is granted."""
        return "refs/heads/main"

    @cached_property
    def tip(self) -> Oid:
        """Where main stands."""
        found = self.history.find(self.main)
        if found is None:
            there = self.clone.git.text("for-each-ref", "--format=%(refname)", "refs/remotes/*/main")
            hint = "`git switch main`: a remote has it" if there else "`daypass init` makes an access repository"
            raise EdgeError("this repository has no branch main", hint=hint)
        return found

    def commit(self, revision: str) -> Oid:
        """Return the commit that a revision names. Where main is a remote's alone, it is said how to have it."""
        return self.history.find(revision) or (self.tip if revision == "main" else self.history.resolve(revision))

    def policy_at(self, revision: Oid) -> Policy:
        """Read the policies of a commit, those with the same files once: main moves far more often than they do."""
        if revision not in self._policies:
            from daypass.edges.targets.registry import KINDS, check_privilege
            from daypass.pipeline.judge.policies import FOLDER, load_policy

            files = tuple(self.history.entries(revision, FOLDER))
            if files not in self._by_files:
                self._by_files[files] = load_policy(self.history, revision, KINDS, check_privilege)
            self._policies[revision] = self._by_files[files]
        return self._policies[revision]

    @property
    def policy(self) -> Policy:
        """The policies at the tip of main."""
        return self.policy_at(self.tip)

    @property
    def ends_by(self) -> Policy:
        """The last policies of main that read: they say who people are, and who may take access away."""
        from daypass.pipeline.judge.policies import last_read

        return last_read(self, self.tip)

    @cached_property
    def settings(self) -> Settings:
        """The settings of main."""
        return self.settings_at(self.tip)

    def settings_at(self, revision: Oid) -> Settings:
        """Return the settings of a commit of main; while these cannot be read, the last ones before that could.

        A typing error would else hide where ledger and targets are, and with them every end of access. Policies that
        do not read give nothing anyway.
        """
        from daypass.pipeline.judge.policies import settings_before, settings_of

        found = settings_of(self, revision) or settings_before(self, self._back_from(revision), revision)
        return found or self.policy_at(revision).catalogue.settings

    def _back_from(self, revision: Oid) -> GitHistory:
        """Read back to the root. Until settings are known the forge is not: a thin clone gets it from where it was cloned."""
        from daypass.edges.git.promised import promised

        return self.history if self._live else self._reading(promised(self.clone.git).deepening(revision))

    @cached_property
    def top(self) -> Path:
        """The top of the work tree. Raises UsageError in a bare repository, and where files are left out of it."""
        found = self.clone.top
        if found is None:
            raise UsageError(
                "this is a bare repository", hint="run the verb in a clone with a work tree, or name a revision"
            )
        out = self.clone.left_out(_WHOLE)
        if out:  # what is left out is there for everybody else: nothing can be said of it, or of the rest
            raise UsageError(
                f"this clone's checkout is sparse and leaves out {len(out)} files that are read here, {out[0]} first",
                hint=f"git sparse-checkout add {' '.join(_WHOLE)}",
            )
        return found

    def worktree_policy(self) -> Policy:
        """Read the policies as they lie in the work tree."""
        from daypass.core.policy.policies import read_policies
        from daypass.edges.git.repository import worktree_files
        from daypass.edges.targets.registry import KINDS, check_privilege
        from daypass.pipeline.judge.policies import fitted

        files = list(worktree_files(self.top, "policies"))
        found = read_policies(
            {path: raw for path, mode, raw in files if mode.startswith("100")},
            kinds=KINDS,
            links=[path for path, mode, _ in files if not mode.startswith("100")],
        )
        return fitted(found, check_privilege)

    @cached_property
    def forge(self) -> Forge:
        """The forge that the settings of main name."""
        return noting(self.host.forge(self.ends_by.catalogue.directory), FORGE)

    @cached_property
    def ledger(self) -> SignedLedger:
        """The ledger, with the keys that main names."""
        from daypass.core.ledger.keys import limits_of
        from daypass.edges.ledger.ledger import GitLedger
        from daypass.edges.ledger.signing import find_signer
        from daypass.edges.ledger.standing import SignedLedger
        from daypass.edges.pins import hold_signer
        from daypass.pipeline.judge.policies import ledger_keys

        settings = self.settings
        remote = self.remote if self._live else None
        history, tip = self.history, self.tip

        def leads(commit: Oid) -> bool:
            return history.find(commit) is not None and history.is_ancestor(commit, tip)

        branch = GitLedger(self.clone.git, settings.ledger_branch, remote, tip, leads)
        signing = ledger_keys(self, self.tip, settings.ledger_keys)
        keys = {**ledger_keys(self, self.tip, settings.ledger_bounded), **signing}
        told = os.environ.get(SIGNER_VARIABLE, "")
        private = os.environ.get(KEY_VARIABLE, "")
        ledger = SignedLedger(
            branch,
            self.clone.state_dir / "standing.sqlite",
            keys,
            lambda: find_signer(signing, keys_folder(), hold_signer(SIGNER_VARIABLE, told, settings), private),
            limits_of(settings.ledger_retired, settings.ledger_revoked),
        )
        return noting(ledger, LEDGER)

    @property
    def signs(self) -> bool:
        """Whether the environment was given something to sign the ledger with."""
        return bool(os.environ.get(KEY_VARIABLE) or os.environ.get(SIGNER_VARIABLE))

    @cached_property
    def standing(self) -> Standing:
        """The ledger's verified state."""
        return self.ledger.load()

    def targets(self, revision: Oid | None = None, *, told: bool = True) -> Mapping[str, Target | EdgeError]:
        """Open every target that the settings of a commit of main name, of its tip unless told otherwise.

        ``told``: those that ask hear what the ledger has there, which is read for that. One that cannot be opened, or
        whose settings make no sense, is an error in its place and stops only itself.
        """
        from daypass.edges.targets.registry import Known, asks, open_target

        found: dict[str, Target | EdgeError] = {}
        for name, settings in self.settings_at(revision or self.tip).targets.items():
            known = self._known(name, revision or self.tip, told) if asks(settings.kind) else Known()
            try:
                found[name] = open_target(settings, self.clone.state_dir, known)
            except EdgeError as error:
                found[name] = error
            except InvalidError as error:
                found[name] = EdgeError(error.message, hint=error.hint)
        return found

    def _known(self, target: str, revision: Oid, told: bool = True) -> Known:
        """Return what the catalogue and, with ``told``, the ledger know of a target."""
        from daypass.edges.targets.registry import Known

        mine = [one for one in self.policy_at(revision).catalogue.resources.values() if one.target == target]
        named = frozenset((one.name, role.privilege_text) for one in mine for role in one.roles.values())
        ours = self.standing.holdings.keys() | self.standing.unfinished if told else ()
        held = frozenset((one.resource, one.privilege) for one in ours if one.target == target)
        return Known(named, held, frozenset(one.name for one in mine if one.exclusive))

    @property
    def memory(self) -> AnswerCache:
        """Where it is remembered that nothing was to be done."""
        from daypass.edges.store import AnswerCache

        return AnswerCache(self.clone.state_dir)

    def instant(self, at: datetime | None, *, writes: bool = False, past: bool = False) -> datetime:
        """Return the run's instant: ``--at``, else the clock, read once.

        Where the settings do not simulate the clock, a verb that writes takes no ``--at``: a receipt from the future would
        stop every honest run until that day. One that tells of what is on record, the ``past``, takes none that is still to
        come: what is live today would be told as overdue then.
        """
        if at is None:
            return now()
        if writes and not self.settings.simulated_clock:
            raise UsageError(
                "--at may not be used with a verb that writes",
                hint="`clock: simulated` in policies/daypass.yaml allows it, for demonstrations only",
            )
        if past and at > now() and not self.settings.simulated_clock:
            hint = "leave it out to ask as of now; `daypass plan --at` says what is to come"
            raise UsageError("--at is still to come, and this verb tells of what is on record", hint=hint)
        return at

    def acting_handle(self) -> str:
        """Return the handle of who is acting.

        Raises UsageError for somebody whom the directory does not know, InvalidError where main's policies do not read.
        """
        try:
            account = self.forge.acting()
        except UsageError as error:
            unknown = error
        else:
            if account.handle:
                return account.handle
            hint = "set `git config user.email` to the address that policies/directory has for you, or use --as"
            unknown = UsageError(f"the directory does not know {account.name!r}", hint=hint)
        if self.policy.broken:  # who is acting may stand in the file that does not read
            raise InvalidError("main's policies do not read, so nobody can tell who is acting", self.policy.broken)
        raise unknown

    def run_name(self, at: datetime) -> str:
        """Name this run for the ledger as the forge names its own, else by process and instant; hashed: no host leaks."""
        mine = sha256(f"{os.getpid()}/{at.isoformat()}/{os.urandom(8).hex()}".encode()).hexdigest()[:12]
        return (self.host.run_name() if self.away is None else "") or mine
