from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import Hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """The worked example without GitHub's own protection of main; any merge method."""
    with Hub(tmp_path, protected=False) as found:
        found.repo.methods = {"squash", "merge", "rebase"}
        yield found
