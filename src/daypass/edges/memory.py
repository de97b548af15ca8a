"""Remembering, beside the clone, that nothing was to be done. Deleting the file costs time only."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from daypass.core.calm import Calm
from daypass.core.window import format_instant, parse_instant
from daypass.edges.trusted import make_folder, others_may_write


class FileMemory:
    """One small JSON file. Implements ports.Memory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def recall(self) -> Calm | None:
        """Return what was remembered last; None where nothing was, or where it cannot be read."""
        try:
            if others_may_write(self.path):
                return None  # who could write "nothing is to be done" could keep access alive
            data = json.loads(self.path.read_text(encoding="utf-8"))
            since, until = parse_instant(data["since"]), parse_instant(data["until"])
            return Calm(str(data["grounds"]), since, until, int(data["live"]), int(data["by_ledger"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None  # a cache that cannot be read is none

    def keep(self, calm: Calm) -> None:
        """Remember, in one step, so that a reader sees the old or the new."""
        data = {
            "grounds": calm.grounds,
            "since": format_instant(calm.since),
            "until": format_instant(calm.until),
            "live": calm.live,
            "by_ledger": calm.by_ledger,
        }
        pending = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        with suppress(OSError):  # what cannot be kept is worked out again; the run itself has not failed
            make_folder(self.path.parent)
            pending.touch(mode=0o600)
            pending.write_text(json.dumps(data), encoding="utf-8")
            pending.replace(self.path)
