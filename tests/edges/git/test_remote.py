"""Git's way to a forge: forward only, to no other place, and with a token that nobody can read off."""

from __future__ import annotations

import pytest

from daypass.core.errors import EdgeError, InvalidError, RefusedError
from daypass.edges.git.remote import Remote, repository_url


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


URL = "http://127.0.0.1:9/acme/access.git"


def remote(scene):
    return Remote(scene.git, URL, lambda: "sesame")


@pytest.mark.parametrize("key", ["insteadOf", "pushInsteadOf"])
@pytest.mark.parametrize("part", ["http://", "http://127.0.0.1:9/", "http://127.0.0.1:9/acme/"])
def test_no_rewriting_of_addresses_leads_elsewhere(scene, make_scene, key, part):
    """A user may have all of a server's addresses rewritten; here to a repository that has what is asked for."""
    other = make_scene("other")
    other.commit()
    base = other.folder.parent / "other"
    scene.run("config", f"url.file://{base}?.{key}", part)
    scene.run("config", "protocol.file.allow", "always")
    for ask in (lambda: remote(scene).heads("main"), lambda: remote(scene).fetch("refs/heads/main:refs/heads/x")):
        with pytest.raises(EdgeError, match=r"127\.0\.0\.1:9/acme/access\.git"):
            ask()
    first = scene.commit()
    with pytest.raises(EdgeError, match=r"127\.0\.0\.1"):
        remote(scene).push("main", old="0" * 40, new=first)
    assert scene.run("-c", f"url.{URL}.insteadOf={URL}", "ls-remote", "--get-url", URL) == URL


@pytest.mark.parametrize("key", ["insteadOf", "pushInsteadOf"])
def test_a_setting_that_rewrites_the_whole_address_is_named(scene, key):
    scene.run("config", f"url.https://elsewhere.example/.{key}", URL)
    with pytest.raises(RefusedError, match="puts another address in the place of"):
        remote(scene).heads("main")
