"""docs/findings.md lists every code that the program gives, and no other.

Codes are collected from the source: the first argument of what makes a finding, a denial, a difference or a refusal;
and the first of a row that begins with a code and goes on with a message.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest
from pages import TOP

from daypass.core.plan import Reason
from daypass.core.policy.analysis.codes import DENIALS
from daypass.pipeline.apply.admit import UNPROVED

SOURCE = TOP / "src" / "daypass"
PAGE = TOP / "docs" / "findings.md"

_CODE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_KEBAB = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+")
_MAKERS = frozenset(
    {"Finding", "Denial", "Difference", "Refusal", "Fault", "add", "_fault", "_stop", "_say", "refuse", "_Flaw"}
)
_NO_CODES = frozenset(
    {
        # git and ssh
        *("ssh-ed25519", "ssh-rsa"),
        *("cat-file", "check-ref-format", "commit-tree", "diff-tree", "for-each-ref", "hash-object", "index-pack"),
        *(
            "ls-files",
            "ls-remote",
            "ls-tree",
            "merge-base",
            "read-tree",
            "rev-list",
            "rev-parse",
            "unpack-objects",
            "update-index",
            "update-ref",
        ),
        *("verify-commit", "ssh-add", "ssh-keygen"),
        # names of outputs
        *("audit-access", "audit-case", "audit-history", "audit-serial", "audit-stats", "audit-vendor", "audit-verify"),
        *(
            "policy-who-can",
            "policy-why-not",
            "policy-diff",
            "policy-replay",
            "policy-prove",
            "policy-lint",
            "calendar-show",
            "people-check",
            "people-import",
        ),
        *("ledger-outbox", "ledger-rekey", "ledger-restore", "ledger-revoke-key", "ledger-settle"),
        # encodings, names of schemas and branches, an example in a schema
        *("utf-8", "utf-8-sig", "policy-test", "daypass-ledger", "orders-db", "on-call", "rota-show"),
        # the trailers of a merge message, in lower case
        *(
            "daypass-approved-by",
            "daypass-grant",
            "daypass-head",
            "daypass-policy",
            "daypass-pull",
            "daypass-reason",
            "daypass-requester",
        ),
        "daypass-rules",
        # the label of the issue form
        "daypass-request",
        # headers of HTTP, and a cell of a table
        *("retry-after", "x-accepted-github-permissions", "x-ratelimit-remaining", "x-ratelimit-reset", "grant"),
        # why an approver does not count, and how a request stands that somebody rejected: no finding's code
        *("co-authored", "blocked-by-review"),
        # critical options of an SSH certificate
        *("source-address", "force-command"),
    }
)
_COMPOSED = {
    "unknown-": ("unknown-target", "unknown-environment", "unknown-classification"),
    "trailer-": ("trailer-pull", "trailer-head", "trailer-requester", "trailer-policy"),
}
"""Codes that the program puts together, by how they begin."""

_ROWS_OF_FIGURES = "views/audit_proof.py"  # its rows begin with the name of a figure
_FORM = "edges/forges/github/inbox.py"  # it reads what people answered in the form, and says what is wrong with it


def _codes() -> Iterator[tuple[str, str]]:
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        spoken = name.startswith(("cli/", "edges/forges/", "edges/targets/"))  # targets speak words of their systems
        if (spoken and name != _FORM) or name == _ROWS_OF_FIGURES:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            for code in _in(node):
                yield code, f"{name}:{node.lineno}"


def _in(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _KEBAB.fullmatch(node.value):
        yield node.value
    elif isinstance(node, ast.Call) and node.args:
        made = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        first = node.args[0]
        if made in _MAKERS and isinstance(first, ast.Constant) and _is_code(first) and len(node.args) > 1:
            yield str(first.value)
    elif isinstance(node, ast.Tuple) and len(node.elts) > 1 and _is_code(node.elts[0]) and _is_prose(node.elts[1]):
        yield str(getattr(node.elts[0], "value", ""))


def _is_code(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_CODE.fullmatch(node.value))


def _is_prose(node: ast.AST) -> bool:
    text = node.value if isinstance(node, ast.Constant) else ""
    return isinstance(node, ast.JoinedStr) or (isinstance(text, str) and " " in text)


@cache
def found() -> dict[str, str]:
    """Return every code that the program gives, with where it is made."""
    codes = {code: place for code, place in _codes() if code not in _NO_CODES}
    codes |= {code: "put together" for each in _COMPOSED.values() for code in each}
    return codes | {UNPROVED: "pipeline/apply/admit.py", "form-broken": "edges/forges/github/form.py"}


WRITTEN = re.findall(r"^\| `([a-z0-9-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_code_of_the_program_is_documented() -> None:
    assert {code: place for code, place in found().items() if code not in WRITTEN} == {}


def test_every_documented_code_is_one_that_the_program_gives() -> None:
    assert [code for code in WRITTEN if code not in found()] == []


def test_no_code_is_documented_twice_and_each_table_is_in_order() -> None:
    assert len(WRITTEN) == len(set(WRITTEN))
    tables = re.findall(r"(?:^\|[^\n]*\n)+", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    for table in tables:
        codes = re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE)
        assert codes == sorted(codes)


def test_the_codes_that_policy_tests_may_expect_are_those_of_the_table_of_denials() -> None:
    """But for one, which stands among those of files, since the limit of a role may be too long as well."""
    text = PAGE.read_text(encoding="utf-8").partition("\n## Denials\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", text, re.MULTILINE)) == DENIALS - {"too-long"}


def test_codes_that_are_put_together_are_known_here() -> None:
    beginnings = set()
    for path in SOURCE.glob("[cpe]*/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr) and len(node.values) == 2 and isinstance(node.values[0], ast.Constant):
                first = str(node.values[0].value)
                elsewhere = path.parts[-2] == "cli" or "github" in path.parts  # GitHub speaks words of its own
                if re.fullmatch(r"[a-z]+(-[a-z]+)*-", first) and not elsewhere:
                    beginnings.add(first)
    assert beginnings == set(_COMPOSED)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_of_a_plan_is_documented(reason: Reason) -> None:
    assert f"`{reason.value}`" in PAGE.read_text(encoding="utf-8").replace("`\n", "` ")


def test_the_collector_sees_the_codes_of_each_kind() -> None:
    assert {"duplicate-key", "symlink", "anchor", "window-past", "around-the-gate", "base", "anchor-missing"} <= set(
        found()
    )
