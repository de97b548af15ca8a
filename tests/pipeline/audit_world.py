"""A real repository with main, requests, merges and a signed ledger, written step by step by the tests of the audit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace

from daypass.core.audit.verified import Verified
from daypass.core.bounds.settings import Settings, TargetSettings
from daypass.core.catalogue import Catalogue, Directory, Resource, Role, Subject
from daypass.core.errors import EdgeError
from daypass.core.files.grants import read_grant
from daypass.core.grant import Grant
from daypass.core.ids import ABSENT, GrantId, Oid, canonical, digest, grant_path
from daypass.core.ledger.chain import Head, seal, verify_chain
from daypass.core.ledger.merkle import Tree
from daypass.core.ledger.receipt import Admission, Away, Genesis, Intent, Outcome, Receipt, Snapshot
from daypass.core.ledger.records import ApprovalRecord
from daypass.core.ledger.snapshot import INDEX, form, write
from daypass.core.ledger.standing import Standing, fold
from daypass.core.plan import Action, Entitlement, Intended, Reason
from daypass.core.policy.policies import Policy
from daypass.core.policy.rules import Rules
from daypass.core.window import Window
from daypass.edges.git.history import GitHistory
from daypass.edges.git.index import AuditIndex
from daypass.edges.git.objects import Reader
from daypass.edges.git.plumbing import Git
from daypass.edges.git.trees import commit_files
from daypass.edges.ledger.keyfiles import generate_key
from daypass.edges.ledger.ledger import GitLedger
from daypass.edges.ledger.signing import EnvelopeSigner, EnvelopeVerifier
from daypass.pipeline.audit.verify import verify
from repositories import new_repository, store_tree

T0 = datetime(2026, 11, 21, 9, tzinfo=UTC)
AUTHOR = ("Alice", "alice@example.com")
POLICIES = {"policies/daypass.yaml": b"version: 1\n", "policies/privilege": b"ro\n"}


def minutes(count: int) -> datetime:
    return T0 + timedelta(minutes=count)


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        new_repository(folder, bare=True)
        self.git = Git(folder)
        private = folder.parent / f"{folder.name}.pem"
        public = generate_key(private)
        self.signer = EnvelopeSigner(private, public)
        self.verifier = EnvelopeVerifier({"ledger.pub": public})
        self.ledger = GitLedger(self.git, "daypass-ledger")
        self.head: Head | None = None
        self.ledger_at = ABSENT
        self.empty = Oid(store_tree(folder, ()))
        self.main = ABSENT
        self.pulls = 0
        self.policies_read = 0
        self.opened = 0
        self.land(list((POLICIES | {"policies/ledger.pub": public}).items()), "Begin")
        self.write([Genesis(self.verifier.key_ids)], T0)

    @property
    def policy(self) -> Policy:
        return self.policy_at(self.main)

    def policy_at(self, commit: Oid) -> Policy:
        self.policies_read += 1
        read = Reader(self.git)
        written = read.get(f"{commit}:policies/privilege")
        if written is None:
            raise EdgeError(f"there is no commit {commit}")
        privilege = {"member_of": written[2].decode().strip()}
        role = Role("readonly", timedelta(hours=8), privilege)
        resource = Resource("orders-db", "", "embedded", "production", "restricted", ("dba",), {"readonly": role})
        settings = Settings(targets={"embedded": TargetSettings("embedded", "embedded", {}, known_by="handle")})
        people = {
            name: Subject(name, source_id=f"n-{name}") for name in ("alice", "bob", "carol", "dora", "eve", "mallory")
        }
        catalogue = Catalogue(settings, {"orders-db": resource}, Directory(people, {"dba": frozenset({"bob"})}), {})
        return Policy(catalogue, Rules(()), {}, {}, digest(read.tree(f"{commit}:policies")[0]))

    def commit(self, base: Oid, files: list[tuple[str, bytes | None]], message: str, *others: Oid) -> Oid:
        parents = [oid for oid in (base, *others) if oid != ABSENT]
        tree_of = self.empty if base == ABSENT else base
        return commit_files(self.git, tree_of, files, parents, message, author=AUTHOR, at=T0)

    def land(self, files: list[tuple[str, bytes | None]], message: str, *others: Oid) -> Oid:
        made = self.commit(self.main, files, message, *others)
        (self.folder / "refs" / "heads" / "main").write_text(f"{made}\n", encoding="ascii")
        self.main = made
        return made

    @staticmethod
    def file(subject: str = "alice", hours: int = 1, reason: str = "why it is needed") -> bytes:
        return (
            f"version: 1\nsubject: {subject}\nresource: orders-db\nrole: readonly\nreason: {reason}\n"
            f"window:\n  duration: {hours}h\n"
        ).encode()

    def merge(
        self, name: str, content: bytes | None, *, trailers: dict[str, str] | None = None, extra: bytes = b""
    ) -> tuple[Oid, Oid, Oid]:
        """Merge a request that writes (or removes) one grant; return base, head and landing."""
        base, path = self.main, grant_path(GrantId(name))
        self.pulls += 1
        head = self.commit(base, [(path, content)], "Ask")
        said = {
            "Daypass-Grant": name,
            "Daypass-Pull": str(self.pulls),
            "Daypass-Head": head,
            "Daypass-Requester": "alice",
            "Daypass-Approved-By": "bob (owners)",
            "Daypass-Policy": self.policy.digest,
            "Daypass-Ledger": self.head.digest if self.head else "",
        } | (trailers or {})
        message = f"Grant {name}\n\n" + "".join(f"{key}: {value}\n" for key, value in said.items() if value)
        files: list[tuple[str, bytes | None]] = [(path, content)]
        if extra:
            files.append(("grants/orders-db/evil.yaml", extra))
        return base, head, self.land(files, message, head)

    def write(self, bodies: list, at: datetime, *, away: Away | None = None) -> list[Receipt]:
        """Append receipts to the ledger."""
        main = self.main if self.main != ABSENT else ""
        sealed = seal(bodies, self.head, self.signer.sign, at=at, main=main, run="test", away=away)
        self.ledger_at = self.ledger.append(self.ledger_at, sealed, message="Receipts", at=at)
        receipts = list(verify_chain(sealed, self.verifier.open, self.head))
        for receipt in receipts:
            self.head = Head.of(receipt, self.head)
        return receipts

    def snapshot(
        self,
        at: datetime,
        *,
        said: Callable[[Snapshot], Snapshot] = lambda body: body,
        standing: Callable[[Standing], Standing] = lambda standing: standing,
        files: Callable[[dict[str, bytes]], dict[str, bytes]] = lambda files: files,
    ) -> str:
        """Append a snapshot, as a run would, or as whoever has the key might; return its number."""
        tree = Tree()
        for envelope in self.ledger.envelopes():
            tree.add(envelope.raw)
        written = write(standing(fold(verify_chain(self.ledger.envelopes(), self.verifier.open))))
        named = "sha256:" + hashlib.sha256(written[INDEX]).hexdigest()
        body = said(Snapshot(tree.size, tree.root, tree.frontier, named, form()))
        sealed = seal([body], self.head, self.signer.sign, at=at, main=self.main, run="test")
        beside = files(dict(written))
        self.ledger_at = self.ledger.append(self.ledger_at, sealed, message="Snapshot", at=at, beside=beside)
        (receipt,) = verify_chain(sealed, self.verifier.open, self.head)
        self.head = Head.of(receipt, self.head)
        return str(receipt.sequence)

    def entitlement(self, subject: str = "alice") -> Entitlement:
        return Entitlement("embedded", "orders-db", subject, canonical({"member_of": "ro"}))

    def admission(self, name: str, content: bytes, landed: tuple[Oid, Oid, Oid], at: datetime) -> Admission:
        base, head, landing = landed
        grant = read_grant(grant_path(GrantId(name)), content)
        assert isinstance(grant, Grant)
        policy = self.policy
        resource = policy.catalogue.resources["orders-db"]
        window = Window(at, at + grant.span.length)
        return Admission(
            grant=GrantId(name),
            blob=self.git.check(f"{landing}:{grant_path(GrantId(name))}").oid,
            landing=landing,
            pull=self.pulls,
            head=head,
            base=base,
            merged_at=at,
            requested_at=at - timedelta(minutes=20),
            requester="alice",
            subject=grant.subject,
            resource="orders-db",
            role="readonly",
            window=window,
            entitlement=self.entitlement(grant.subject),
            grant_digest=grant.digest,
            policy=policy.digest,
            meaning=policy.catalogue.meaning(resource, resource.roles["readonly"]),
            approvals=(ApprovalRecord("bob", "owners", head, at - timedelta(minutes=5), "r1"),),
        )

    def give(self, admission: Admission, at: datetime, *, ok: bool = True) -> None:
        """Admit and add, as a run at ``at`` would."""
        change = Intended(
            Action.ADD,
            admission.entitlement,
            (admission.grant,),
            Reason.WINDOW_OPENED,
            admission.window.start,
            admission.window.end,
        )
        self.write([admission, Intent((change,), "sha256:" + "0" * 64)], at)
        self.write([Outcome(change, ok, "" if ok else "no connection")], at)

    def take(self, admission: Admission, at: datetime, *, ok: bool = True, reason: Reason = Reason.EXPIRED) -> None:
        """Remove access, as a run at ``at`` would."""
        due = admission.window.end if reason is Reason.EXPIRED else at
        change = Intended(Action.REMOVE, admission.entitlement, (admission.grant,), reason, due)
        self.write([Intent((change,), "sha256:" + "0" * 64)], at)
        self.write([Outcome(change, ok, "" if ok else "no connection")], at)

    def life(self, name: str, start: int, *, subject: str = "alice") -> Admission:
        """One grant from its merge to its end: merged at ``start`` minutes, given a minute later, an hour long."""
        content = self.file(subject, reason=f"why {name}")
        landed = self.merge(name, content)
        admission = self.admission(name, content, landed, minutes(start))
        self.give(admission, minutes(start + 1))
        return admission

    def index(self) -> AuditIndex:
        self.opened = 0

        def open_ledger() -> tuple[GitLedger, object]:
            self.opened += 1
            return self.ledger, self.verifier

        return AuditIndex(self.git, main="refs/heads/main", read_subject=self._subject, open_ledger=open_ledger)  # type: ignore[arg-type]

    @staticmethod
    def _subject(path: str, raw: bytes) -> str | None:
        found = read_grant(path, raw)
        return found.subject if isinstance(found, Grant) else None

    def verified(self, at: datetime, since: str = "", known: str = "", **more: object) -> Verified:
        return verify(
            SimpleNamespace(history=GitHistory(self.git), main="refs/heads/main", policy_at=cache(self.policy_at)),  # type: ignore[arg-type]
            partial(self.ledger.proved, self.verifier.open, since, known),
            at=at,
            **more,  # type: ignore[arg-type]
        )
