"""Which server an API belongs to: its hidden addresses name the accounts of that one."""

from __future__ import annotations

import pytest

from daypass.edges.forges.environment import server_of


@pytest.mark.parametrize(
    ("base", "server"),
    [
        ("https://api.github.com", "github.com"),
        ("https://ghe.example/api/v3", "ghe.example"),
        ("https://api.acme.ghe.com", "acme.ghe.com"),
        ("http://127.0.0.1:8123", "github.com"),
    ],
)
def test_a_server_is_known_by_its_own_name(base: str, server: str) -> None:
    assert server_of(base) == server
