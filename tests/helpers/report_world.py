"""Reports of the worked example, as the tests of what is shown share them."""

from __future__ import annotations

from datetime import datetime

from daypass.core.request import Report
from daypass.pipeline.judge.gate import look
from daypass.pipeline.judge.report import report_of
from driver import Access

T = "2026-11-20T{}:00Z".format
GRANT = """version: 1
subject: alice
resource: orders-db
role: readonly
reason: Duplicate charges reported by support; reading the payment rows of four orders.
ticket: INC-1234
window:
  duration: 8h
"""
HEAD = "4f0c1d2b7a9e5836c1f4d0b8e2a7690355bd1c4e"
"""What stands for a head in texts that are compared: commits carry keys that are made anew each time."""


def propose(
    access: Access, at: str, files: dict[str, str | None], *, acting: str = "alice", email: str = "alice@example.com"
) -> str:
    """Open a pull request of a branch with these files (None: gone) and return its number."""
    branch = f"b{at}".replace(":", "")
    access.git("switch", "-q", "-c", branch)
    for path, text in files.items():
        if text is None:
            (access.top / path).unlink()
        else:
            access.write(path, text)
    access.commit("Ask", email=email)
    access.git("switch", "-q", "main")
    site = access.repo(acting)
    head = site.history.resolve(branch)
    return str(site.forge.open(branch=branch, head=head, title="Ask", at=datetime.fromisoformat(at)).number)


def told(access: Access, number: str, at: str) -> Report:
    """Judge an open request and gather what there is to show."""
    site = access.repo()
    instant = datetime.fromisoformat(at)
    found = look(site, int(number), at=instant)
    return report_of(site, found, at=instant)


def steady(text: str, report: Report) -> str:
    """Put the same head into every text."""
    head = report.found.pull.head
    return text.replace(head, HEAD).replace(head[:12], HEAD[:12])
