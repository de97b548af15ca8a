"""Git's way to a forge: forward only, to no other place, and with a token that nobody can read off."""

from __future__ import annotations

import pytest

from daypass.core.errors import InvalidError
from daypass.edges.git.remote import repository_url


def test_a_repository_is_cloned_from_its_server() -> None:
    assert repository_url("https://github.com", "acme/access") == "https://github.com/acme/access.git"
    assert repository_url("http://127.0.0.1:8080/", "acme/access") == "http://127.0.0.1:8080/acme/access.git"


@pytest.mark.parametrize(
    ("server", "repository", "message"),
    [
        ("http://github.com", "acme/access", "expected the forge's address to begin with https://"),
        ("ext::sh -c id", "acme/access", "expected the forge's address to begin with https://"),
        ("https://eve:pw@github.com", "acme/access", "without a name or password"),
        ("https://github.com", "acme/../other", "expected a repository as owner/name, got 'acme/../other'"),
        ("https://github.com", "--upload-pack=x", "expected a repository as owner/name"),
    ],
)
def test_no_other_address_is_used(server: str, repository: str, message: str) -> None:
    with pytest.raises(InvalidError, match=message.replace(".", r"\.")):
        repository_url(server, repository)
