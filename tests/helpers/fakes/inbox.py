"""A inbox in memory: issues and comments as a test writes them. Pull requests are those of the local forge."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from daypass.core.errors import EdgeError
from daypass.core.files.form import questions
from daypass.core.forge import Account, Remark, Ticket
from daypass.edges.forges.github.inbox import LABEL, asked_in
from daypass.ports import ForgeReader


def answered(**said: str) -> str:
    """Write what the forge writes of an answered form."""
    asked = {"role": "orders-db/readonly", "duration": "2h", "reason": "reading four orders of a complaint"} | said
    return "\n\n".join(f"### {q.label}\n\n{asked.get(q.key, '_No response_')}" for q in questions(said))


@dataclass
class MemoryInbox:
    """Implements ports.Inbox."""

    forge: ForgeReader
    at: datetime
    tickets: dict[int, Ticket] = field(default_factory=dict)
    remarks: dict[int, Remark] = field(default_factory=dict)

    def ticket(self, number: int) -> Ticket:
        if number not in self.tickets:
            raise EdgeError(f"there is no issue {number}")
        return self.tickets[number]

    def remark(self, comment: int) -> Remark:
        if comment not in self.remarks:
            raise EdgeError(f"there is no comment {comment}")
        return self.remarks[comment]

    def asked(self, branch: str) -> int | None:
        number, found = 1, None
        while True:
            try:
                pull = self.forge.pull(number)
            except EdgeError:
                return found
            found = number if pull.branch == branch else found
            number += 1

    def write(
        self, number: int, by: Account, body: str, *, labels: tuple[str, ...] = (LABEL,), is_pull: bool = False,
        edited: bool = False,
    ) -> int:  # fmt: skip
        """Open an issue, or say that a pull request is there."""
        asked = asked_in(number, labels, body)
        self.tickets[number] = Ticket(number, by, self.at, "Access request", asked, is_pull, edited)
        return number

    def comment(self, number: int, by: Account, body: str, *, edited: bool = False) -> int:
        """Write a comment; return its id."""
        made = 1000 + len(self.remarks)
        self.remarks[made] = Remark(made, number, by, self.at, body, edited)
        return made
