"""Merges that the forge itself recorded and that hold more, less or other than what was reviewed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from daypass.core.ids import Oid
from daypass.core.window import parse_instant
from daypass.pipeline.judge.gate import gate
from driver import Access

pytestmark = pytest.mark.on_disk

T = "2026-11-20T{}:00Z".format
GRANT = """\
version: 1
subject: alice
resource: orders-db
role: readonly
reason: Duplicate charges reported by support.
window: {duration: 2h}
"""
FILE = "grants/orders-db/a.yaml"
RULES = "policies/rules/access.yaml"


def ready(access: Access, *, reviewers: tuple[str, ...] = ("bob", "dave")) -> str:
    """Open a request that has its approvals; return its head."""
    access.git("switch", "-q", "-c", "mine")
    access.write(FILE, GRANT)
    head = access.commit("ask", email="alice@example.com")
    access.git("switch", "-q", "main")
    access.run("request", "--branch", "mine", "--at", T("10:00"), acting="alice", expect=None)
    for who in reviewers:
        access.run("approve", "1", "--at", T("10:01"), acting=who)
    return head


def record_merge(access: Access, head: str, files: Mapping[str, str | None], *, at: str = T("10:05")) -> None:
    """Merge with these files on top of what the head brings, and record it as the forge records its own merges."""
    site = access.repo()
    forge: Any = site.forge
    base = access.git("rev-parse", "main")
    access.git("merge", "-q", "--no-ff", "--no-commit", head)
    for path, text in files.items():
        if text is None:
            access.git("rm", "-q", "-f", path)
        else:
            access.write(path, text)
    access.git("add", "-A")
    tree = access.git("write-tree")
    access.git("merge", "--abort")
    commit = access.git("commit-tree", "-p", base, "-p", head, "-m", "Grant\n\nDaypass-Pull: 1", tree)
    fields = {"base": base, "commit": commit, "head": head}
    forge._append(
        forge._open_chain(1),
        "merged",
        MappingProxyType(fields),
        parse_instant(at),
        carried=(Oid(commit),),
        moves={"refs/heads/main": (Oid(base), Oid(commit))},
    )
    access.git("reset", "-q", "--hard", "main")


def test_such_a_merge_of_just_what_was_reviewed_is_believed(access: Access) -> None:
    record_merge(access, ready(access), {})
    access.run("apply", "--at", T("10:06"))
    access.run("can", "alice", "orders-db", "readonly")
    access.run("audit", "verify", "--at", T("10:07"), expect=None)


@pytest.mark.parametrize(
    ("files", "grant", "words"),
    [
        (
            {"grants/orders-db/extra.yaml": GRANT.replace("alice", "erin")},
            "orders-db/extra",
            "the file on main is not the one that was reviewed in pull request 1 [bytes-differ]",
        ),
        (
            {FILE: GRANT.replace("2h", "8h")},
            "orders-db/a",
            "the file on main is not the one that was reviewed in pull request 1 [bytes-differ]",
        ),
    ],
)
def test_what_a_recorded_merge_adds_to_the_reviewed_bytes_is_refused(access: Access, files, grant, words) -> None:
    record_merge(access, ready(access), files)
    said = access.run("apply", "--at", T("10:06"), expect=14)
    assert f"refused  {grant}: {words}" in said.out
    access.run("can", "erin", "orders-db", "readonly", expect=20)


def test_a_file_that_the_head_only_still_had_is_not_brought_back_by_its_merge(access: Access) -> None:
    old = access.grant(T("09:00"), T("09:05"), "--from", T("09:00"), "--until", T("17:00"))
    access.run("apply", "--at", T("09:06"))
    path = f"grants/{old}.yaml"
    text = (access.top / path).read_text()
    access.git("switch", "-q", "-c", "mine")
    access.write(FILE, GRANT)
    head = access.commit("ask", email="alice@example.com")
    access.git("switch", "-q", "main")
    access.run("end", old, "--at", T("09:30"), acting="alice")
    access.run("request", "--branch", "mine", "--at", T("10:00"), acting="alice", expect=None)
    for who in ("bob", "dave"):
        access.run("approve", "3", "--at", T("10:01"), acting=who)
    site = access.repo()
    forge: Any = site.forge
    base = access.git("rev-parse", "main")
    access.git("merge", "-q", "--no-ff", "--no-commit", head)
    access.write(path, text)
    access.git("add", "-A")
    tree = access.git("write-tree")
    access.git("merge", "--abort")
    commit = access.git("commit-tree", "-p", base, "-p", head, "-m", "Grant\n\nDaypass-Pull: 3", tree)
    forge._append(
        forge._open_chain(3),
        "merged",
        MappingProxyType({"base": base, "commit": commit, "head": head}),
        parse_instant(T("10:05")),
        carried=(Oid(commit),),
        moves={"refs/heads/main": (Oid(base), Oid(commit))},
    )
    access.git("reset", "-q", "--hard", "main")
    said = access.run("apply", "--at", T("10:06"), expect=14)
    assert f"refused  {old}: pull request 3 did not propose these bytes [not-in-request]" in said.out
    assert "+ alice" in said.out  # what was proposed is given


def test_rules_that_come_with_the_merge_do_not_judge_it(access: Access) -> None:
    text = (access.top / RULES).read_text()
    loose = text.replace("from: owners", "from: group:engineering")
    record_merge(access, ready(access, reviewers=()), {RULES: loose})
    said = access.run("apply", "--at", T("10:06"), expect=14)
    assert "[evidence-missing]" in said.out
    assert "1 approval from owners (bob, carol)" in said.out


def test_what_a_role_means_by_the_merge_itself_is_not_what_was_approved(access: Access) -> None:
    path = "policies/resources/orders-db.yaml"
    text = (access.top / path).read_text().replace("orders_readonly", "orders_superuser")
    record_merge(access, ready(access), {path: text})
    said = access.run("apply", "--at", T("10:06"), expect=14)
    assert "blocked  orders-db/a: role means something else since approval" in said.out
    access.run("can", "alice", "orders-db", "readonly", expect=20)


def test_a_merge_recorded_before_the_approvals_were_given_is_not_believed(access: Access) -> None:
    head = ready(access, reviewers=())
    record_merge(access, head, {}, at=T("10:00"))
    said = access.run("apply", "--at", T("10:06"), expect=14)
    assert "[evidence-missing]" in said.out


class Interrupting:
    """A forge at which somebody rejects between the gate's look and its merge."""

    def __init__(self, access: Access) -> None:
        self.forge = access.repo().forge
        self.access = access

    def __getattr__(self, name: str) -> Any:
        return getattr(self.forge, name)

    def merge(self, number: int, **more: Any) -> Any:
        self.access.run("reject", str(number), "--at", T("10:02"), acting="carol")
        return self.forge.merge(number, **more)


def test_a_rejection_that_arrives_while_the_gate_merges_is_heeded_by_the_applier(access: Access) -> None:
    ready(access)
    site = access.repo()
    site.__dict__["forge"] = Interrupting(access)
    found = gate(site, 1, at=parse_instant(T("10:05")))
    assert found.merge is not None
    said = access.run("apply", "--at", T("10:06"), expect=14)
    assert "refused  orders-db/a: carol rejected it at " in said.out
    access.run("can", "alice", "orders-db", "readonly", expect=20)


class Moving(Interrupting):
    """A forge at which main, or the head, moves between the gate's look and its merge."""

    what = "main"

    def merge(self, number: int, **more: Any) -> Any:
        if self.what == "main":
            self.access.write("notes.txt", "meanwhile")
            self.access.commit("meanwhile")
        else:
            self.access.git("switch", "-q", "mine")
            self.access.write(FILE, GRANT.replace("2h", "8h"))
            self.access.commit("more", email="alice@example.com")
            self.access.git("switch", "-q", "main")
            self.access.run("request", "--branch", "mine", "--at", T("10:03"), acting="alice")
        return self.forge.merge(number, **more)


@pytest.mark.parametrize("what", ["main", "head"])
def test_the_gate_merges_only_what_it_looked_at(access: Access, what: str) -> None:
    from daypass.core.errors import ConflictError

    ready(access)
    site = access.repo()
    forge = Moving(access)
    forge.what = what
    site.__dict__["forge"] = forge
    with pytest.raises(ConflictError, match=r"stands at|the head of #1 is"):
        gate(site, 1, at=parse_instant(T("10:05")))
    assert access.git("rev-list", "--count", "--merges", "main") == "0"
