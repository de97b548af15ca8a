"""One part of the settings is written anew, and all else of the file stays as it is."""

from __future__ import annotations

import pytest

from daypass.core.files.document import Document, read
from daypass.core.files.settings import with_mapping
from daypass.core.ledger.keys import KeyRing

WANTED = {"branch": "daypass-ledger", "keys": ["ledger-2.pub", "1.pub"], "retired": {"ledger.pub": 7}, "signer": "x:y"}
LINE = 'ledger: {branch: daypass-ledger, keys: [ledger-2.pub, "1.pub"], retired: {ledger.pub: 7}, signer: "x:y"}'
BEFORE, AFTER = "# ours\nversion: 1\n", "\n# limits\nlimits: {max_duration: 30d}   # a month\n"


@pytest.mark.parametrize(
    ("stood", "stands"),
    [
        ("ledger: {keys: [ledger.pub]}\n", f"{LINE}\n"),
        ("ledger: {keys: [ledger.pub]}   # who signs\n", f"{LINE}   # who signs\n"),
        ("ledger:\n  # two of them\n  keys:\n    - a.pub\n\n    - b.pub\n", f"# two of them\n{LINE}\n"),
        ("ledger: {keys: [a.pub,\n  b.pub]}\n", f"{LINE}\n"),
        ('ledger: {signer: "a#b"}\n', f"{LINE}\n"),
    ],
)
def test_what_stood_there_is_replaced(stood: str, stands: str) -> None:
    found = with_mapping(f"{BEFORE}{stood}{AFTER}", "ledger", WANTED)
    assert found == f"{BEFORE}{stands}{AFTER}"
    document = read("policies/daypass.yaml", found.encode())
    assert isinstance(document, Document)
    ledger = document.value["ledger"]
    assert ledger["keys"] == ["ledger-2.pub", "1.pub"]
    assert ledger["signer"] == "x:y"


@pytest.mark.parametrize("text", ["", BEFORE, BEFORE.rstrip()])
def test_what_did_not_stand_there_is_added_at_the_end(text: str) -> None:
    found = with_mapping(text, "ledger", WANTED)
    assert found.endswith(f"{LINE}\n")
    assert found.startswith(text)
    assert found.count("\n") == text.rstrip().count("\n") + (2 if text else 1)


def test_what_stood_at_the_end_is_replaced() -> None:
    assert with_mapping(f"{BEFORE}ledger:\n  keys: [a.pub]\n", "ledger", WANTED) == f"{BEFORE}{LINE}\n"


def test_a_word_that_is_no_text_in_yaml_is_quoted() -> None:
    assert with_mapping("", "a", {"b": "no", "c": "True"}) == 'a: {b: "no", c: "True"}\n'


def test_the_keys_of_a_ledger_change_step_by_step() -> None:
    ring = KeyRing(("old.pub",), {"first.pub": 3}, {})
    both = ring.joined_by("new.pub")
    assert both.signing == ("new.pub", "old.pub")
    after = both.retiring({"new.pub": 12, "old.pub": 9})
    assert (after.signing, after.retired) == (("new.pub",), {"first.pub": 3, "old.pub": 9})
    assert both.retiring({"new.pub": 12}).retired["old.pub"] == 0
    assert after.data() == {"keys": ["new.pub"], "retired": {"first.pub": 3, "old.pub": 9}}
    stolen = ring.revoking("old.pub", 5, "new.pub")
    assert (stolen.signing, stolen.revoked) == (("new.pub",), {"old.pub": 5})
    assert both.revoking("old.pub", 5, "").signing == ("new.pub",)
    assert stolen.revoking("old.pub", 9).revoked == {"old.pub": 5}
