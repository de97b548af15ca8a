"""A real repository with a real key and a ledger in it, and the ways to tamper with one."""

import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

from daypass.core.ids import ABSENT, GrantId, Oid
from daypass.core.ledger.chain import Head, seal, verify_chain
from daypass.core.ledger.receipt import Admission, Genesis, Intent, Outcome, Retirement
from daypass.core.ledger.records import ApprovalRecord
from daypass.core.plan import Action, Entitlement, Intended, Reason
from daypass.core.window import Window
from daypass.edges.git.plumbing import Git
from daypass.edges.ledger.keyfiles import generate_key
from daypass.edges.ledger.ledger import GitLedger, receipt_path
from daypass.edges.ledger.signing import EnvelopeSigner, EnvelopeVerifier
from daypass.edges.ledger.standing import SignedLedger

BEGIN = datetime(2026, 11, 21, 9, tzinfo=UTC)
LATER = BEGIN + timedelta(hours=1)
MAIN = Oid("a" * 40)
BRANCH = "daypass-ledger"


def entitlement(n):
    return Entitlement("postgres", "orders-db", f"person{n}", '{"member_of":"orders_readonly"}')


def addition(n):
    grant = GrantId(f"orders-db/g{n}")
    return Intended(Action.ADD, entitlement(n), (grant,), Reason.WINDOW_OPENED, BEGIN, BEGIN + timedelta(hours=1))


def admission(n):
    return Admission(
        grant=GrantId(f"orders-db/g{n}"),
        blob=Oid(f"{n:040x}"),
        landing=Oid("b" * 40),
        pull=n,
        head=Oid("c" * 40),
        base=Oid("d" * 40),
        merged_at=BEGIN,
        requested_at=BEGIN - timedelta(hours=1),
        requester="alice",
        subject="alice",
        resource="orders-db",
        role="readonly",
        window=Window(BEGIN, BEGIN + timedelta(hours=1, seconds=n)),
        entitlement=entitlement(n),
        grant_digest="sha256:" + "0" * 64,
        policy="sha256:" + "1" * 64,
        meaning="sha256:" + "2" * 64,
        approvals=(ApprovalRecord("bob", "owners", Oid("c" * 40), BEGIN, "1"),),
    )


def life(n):
    """The bodies of one grant's life: proved, begun, given."""
    return [admission(n), Intent((addition(n),), "sha256:" + "3" * 64), Outcome(addition(n), ok=True)]


def retirement(n):
    return Retirement(GrantId(f"orders-db/g{n}"), Oid(f"{n:040x}"), MAIN)


@dataclass
class Made:
    folder: Path
    key: Path
    public: bytes

    @property
    def git(self):
        return Git(self.folder)

    @property
    def ledger(self):
        return GitLedger(self.git, BRANCH)

    @property
    def signer(self):
        return EnvelopeSigner(self.key, self.public)

    @property
    def verifier(self):
        return EnvelopeVerifier({"ledger.pub": self.public})

    @property
    def cache(self):
        return self.signed()

    def signed(self, keys=None, signer=None, path=None):
        """Join the branch and this machine's file as a run does; ``keys`` are those of the settings."""
        path = path or self.folder / ".git" / "daypass" / "standing.sqlite"
        return SignedLedger(self.ledger, path, keys or {"ledger.pub": self.public}, lambda: signer or self.signer)

    def load(self, keys=None):
        ledger = self.signed(keys)
        standing = ledger.load()
        return SimpleNamespace(standing=standing, verified=ledger.verified, rebuilt=ledger.rebuilt)

    def append(self, standing, bodies, at=LATER, run="run"):
        return self.signed().append(standing, bodies, at=at, main=MAIN, run=run)

    def write(self, bodies, at=LATER):
        """Append to the branch as another machine would: this one's cache learns nothing of it."""
        ledger, verifier = self.ledger, self.verifier
        head = None
        parent = self.git.find(f"refs/heads/{BRANCH}") or ABSENT
        if parent != ABSENT:
            for receipt in verify_chain(ledger.envelopes(), verifier.open):
                head = Head.of(receipt, head)
        sealed = seal(bodies, head, self.signer.sign, at=at, main=MAIN, run="other")
        return ledger.append(parent, sealed, message="append", at=at)

    def receipts(self):
        return list(verify_chain(self.ledger.envelopes(), self.verifier.open))

    def git_do(self, *arguments, stdin=None):
        return subprocess.run(
            ["git", "-C", str(self.folder), *arguments], input=stdin, check=True, capture_output=True
        ).stdout

    def forge(self, files, *, parents=None, mode="100644"):
        """Point the branch at a commit of a tree in which files were put (bytes), or taken away (None), by force."""
        tip = self.ledger.head()
        changes = [b"M 040000 %s \n" % self.git.text("rev-parse", f"{tip}^{{tree}}").encode()]
        for path, content in files.items():
            quoted = b'"%s"' % path.encode().replace(b"\n", b"\\n")
            if content is None:
                changes.append(b"D %s\n" % quoted)
            else:
                changes.append(b"M %s inline %s\ndata %d\n%s\n" % (mode.encode(), quoted, len(content), content))
        chosen = [tip] if parents is None else parents
        # A commit of no parents begins on a branch that is not there yet; with --force any other may move to it.
        lines = [b"reset refs/heads/%s\n" % BRANCH.encode(), b"commit refs/heads/%s\n" % BRANCH.encode()]
        lines += [b"committer x <x@x> %d +0000\ndata 6\nforged\n" % LATER.timestamp()]
        lines += [b"%s %s\n" % (b"merge" if n else b"from", parent.encode()) for n, parent in enumerate(chosen)]
        self.git_do("fast-import", "--force", "--quiet", stdin=b"".join([*lines, *changes, b"\n"]))
        return self.ledger.head()

    def raw(self, sequence):
        return self.ledger.envelope(sequence, commit=self.ledger.head())


def make(folder, *, lives=2):
    """Return a repository whose ledger has a genesis and some lives, three receipts each."""
    from copies import copy, once  # here: the programs that tests start have no use for it

    found = once(("ledger", lives), lambda place: _make(place, lives))
    copy(found / "repository", folder)
    keys = shutil.copytree(found / "keys", folder.parent / f"{folder.name}-keys")
    return Made(folder, keys / "ledger.pem", (found / "public").read_bytes())


def _make(place, lives):
    subprocess.run(["git", "init", "-q", str(place / "repository")], check=True)
    key = place / "keys" / "ledger.pem"
    public = generate_key(key)
    (place / "public").write_bytes(public)
    made = Made(place / "repository", key, public)
    made.write([Genesis(made.verifier.key_ids)], at=BEGIN)
    for n in range(lives):
        made.write(life(n), at=BEGIN + timedelta(minutes=n))


__all__ = [
    "BEGIN",
    "BRANCH",
    "LATER",
    "MAIN",
    "Made",
    "addition",
    "admission",
    "entitlement",
    "life",
    "make",
    "receipt_path",
    "retirement",
]
