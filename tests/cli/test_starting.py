"""What a question on an index that is up to date loads: loading the program is most of what it costs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

pytestmark = pytest.mark.on_disk

if TYPE_CHECKING:
    from driver import Access

HEAVY = {
    *("yaml", "pydantic", "jsonschema", "jsonschema_rs", "referencing", "git", "github", "requests"),
    *("cel_expr_python", "securesystemslib", "cryptography", "tempfile", "dataclasses"),
    *("daypass.core.catalogue", "daypass.core.files.subset", "daypass.core.files.grants", "daypass.schema.models"),
    *("daypass.edges.ledger.ledger", "daypass.edges.ledger.signing", "daypass.edges.targets.registry"),
}


@pytest.mark.parametrize(
    "asked",
    [("access", "--resource", "staging"), ("history", "--resource", "staging"), ("history", "--subject", "alice")],
)
def test_a_question_loads_neither_policies_nor_ledger_nor_yaml(access: Access, asked: tuple[str, ...]) -> None:
    access.run(
        "--as",
        "alice",
        "request",
        "--resource",
        "staging",
        "--role",
        "deploy",
        "--for",
        "1h",
        "--reason",
        "To see how it starts",
    )
    access.run("gate")
    access.run("apply")
    access.run("audit", *asked)
    code = (
        "import sys; from daypass.cli.main import main; "
        f"assert main(['-C', {str(access.top)!r}, 'audit', *{asked!r}]) == 0; print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "alice" in done.stdout
    loaded = set(done.stderr.split())
    assert not HEAVY & loaded
    assert len([name for name in loaded if name.startswith("daypass.")]) <= 60
