"""What setup writes on main of where credentials go: beside the variable that names it, and nothing else."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daypass.core.policy.policies import read_policies
from daypass.edges.forges.github.founding.pinned import pinned
from daypass.edges.targets.registry import KINDS

HEAD = "version: 1\nforge: {kind: local}\ntargets:\n"
CA = Ed25519PrivateKey.from_private_bytes(bytes(32))
PEM = CA.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
).decode()
PUBLIC = CA.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def _pinned(targets: str, **values: str) -> str:
    text = f"{HEAD}{targets}"
    settings = read_policies({"policies/daypass.yaml": text.encode()}, kinds=KINDS).catalogue.settings
    found = pinned(text, settings, values)
    assert found.startswith(HEAD)
    return found.removeprefix(HEAD)


@pytest.mark.parametrize(
    ("line", "values", "more"),
    [
        ("url_env: URL", {"URL": "postgresql://me:secret@db.example:5432/orders"}, 'host: "db.example:5432"'),
        ("url_env: URL", {"URL": "postgresql://me@db.example/orders"}, 'host: "db.example"'),
        ("url_env: URL", {"URL": "postgresql://me@[::1]:5432/orders"}, 'host: "[::1]:5432"'),
        pytest.param("ca_key_env: URL", {"URL": PEM}, f"ca: {PUBLIC}", id="a CA"),
        ("organisation: acme, app_id_env: URL, app_key_env: K", {"URL": "77001", "K": "x"}, "app: 77001"),
    ],
)
def test_what_a_value_names_stands_beside_its_variable(line, values, more):
    kind = "ssh" if "ca_key" in line else "github" if "app_id" in line else "postgres"
    found = _pinned(f"  one: {{kind: {kind}, {line}}}\n", **values)
    assert found.count(more) == 1
    assert "secret" not in found
    assert found.replace(f", {more}", "") == f"  one: {{kind: {kind}, {line}}}\n"


def test_a_target_over_several_lines_gets_one_more():
    before = "  one:\n    kind: postgres\n    url_env: URL   # where it is\n    databases: [a]\n"
    found = _pinned(before, URL="postgresql://me@db.example:5432/orders")
    assert '\n    host: "db.example:5432"' in found


@pytest.mark.parametrize("value", ["not an address", "/a/file", "postgresql://me@db.example:port/x"])
def test_what_names_nothing_is_left_to_the_doctor(value):
    for option, kind in (("url_env", "postgres"), ("ca_key_env", "ssh")):
        before = f"  one: {{kind: {kind}, {option}: URL}}\n"
        assert _pinned(before, URL=value) == before


def test_what_main_says_already_stays():
    before = "  one: {kind: postgres, url_env: URL, host: other.example}\n"
    assert _pinned(before, URL="postgresql://me@db.example/orders") == before
    before = "  one: {kind: postgres, url_env: URL}\n"
    assert _pinned(before) == before
