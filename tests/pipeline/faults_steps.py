"""Steps that attacks are made of, from the command line."""

from __future__ import annotations

from driver import Access

T = "2026-11-20T{}:00Z".format
"""An instant of the day of every example: ``T("10:05")``."""

GRANT = """\
version: 1
subject: alice
resource: orders-db
role: readonly
reason: Duplicate charges reported by support.
window: {duration: 2h}
"""
FILE = "grants/orders-db/a.yaml"


def branch(access: Access, name: str, files: dict[str, str | None], *, email: str = "alice@example.com") -> str:
    """Commit files (None deletes) on a new branch of main; leave main checked out."""
    access.git("switch", "-q", "-c", name, "main")
    for path, text in files.items():
        if text is None:
            (access.top / path).unlink()
        else:
            access.write(path, text)
    made = access.commit("ask", email=email)
    access.git("switch", "-q", "main")
    return made


def by_hand(access: Access, files: dict[str, str | None], name: str = "hand") -> None:
    """Bring files to main around the gate."""
    branch(access, name, files)
    access.git("merge", "-q", "--no-ff", "-m", "by hand", name)


def opened(access: Access, name: str, at: str, *, acting: str = "alice") -> str:
    said = access.run("request", "--branch", name, "--at", at, acting=acting, expect=None)
    assert "Opened #" in said.out, said.err
    return said.out.split("#", 1)[1].split(":", 1)[0]


def approved(access: Access, number: str, at: str) -> None:
    access.run("approve", number, "--at", at, acting="bob")
    access.run("approve", number, "--at", at, acting="dave")


def has_access(access: Access, who: str = "alice", role: str = "readonly") -> bool:
    return access.run("can", who, "orders-db", role, expect=None).code == 0


def clean(access: Access, at: str) -> str:
    """The whole ledger agrees with git."""
    return access.run("audit", "verify", "--at", at).out
