from __future__ import annotations

from pathlib import Path

from conformance.suite import NAME, TargetContract
from daypass.edges.targets.embedded import EmbeddedTarget


class TestEmbedded(TargetContract):
    def make(self, folder: Path) -> EmbeddedTarget:
        return EmbeddedTarget(folder / "embedded.sqlite", NAME)

    def spoil(self, target: EmbeddedTarget) -> None:
        target.path.write_bytes(b"not a database, whatever its name says\n" * 200)
