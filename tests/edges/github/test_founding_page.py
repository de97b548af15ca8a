"""The page on this machine that GitHub sends an App's maker back to: one answer, to a question of ours, and nobody else's."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from daypass.edges.forges.github.founding.manifest import LoopbackPage, app_name, filled_in, manifest

ACCOUNT = "https://github.com/organizations/acme/settings"


@pytest.fixture
def page() -> Iterator[LoopbackPage]:
    with LoopbackPage(ACCOUNT) as found:
        found.manifest = manifest("acme", "https://github.com/acme/access", found.back, organisation=True)
        yield found


@pytest.fixture
def browser(page: LoopbackPage) -> Iterator[requests.Session]:
    """The browser that opened the page."""
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(page.url, timeout=5).status_code == 200
        yield session


def _get(address: str, session: requests.Session | None = None, **more: str) -> requests.Response:
    with session or requests.Session() as found:
        found.trust_env = False
        return found.get(
            address,
            params={k: v for k, v in more.items() if k != "host"},
            headers={"Host": more["host"]} if "host" in more else None,
            timeout=5,
        )


def _state(page: LoopbackPage) -> str:
    return parse_qs(urlsplit(page._target).query)["state"][0]


def test_it_posts_the_manifest_to_github_with_a_state(page):
    answer = _get(page.url)
    assert answer.status_code == 200
    assert f'action="{ACCOUNT}/apps/new?state={_state(page)}"' in answer.text
    assert "statuses: write" in answer.text
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert urlsplit(page.url).hostname == "127.0.0.1"


def test_an_answer_to_no_question_of_ours_is_not_taken(page, browser):
    assert _get(page.back, browser, state="forged", code="abc").status_code == 400
    assert _get(page.back, browser, code="abc").status_code == 400
    assert page.code == ""
    assert _get(page.back, browser, state=_state(page), code="abc123").status_code == 200
    assert page.code == "abc123"


def test_it_takes_one_answer(page, browser):
    _get(page.back, browser, state=_state(page), code="first")
    assert _get(page.back, browser, state=_state(page), code="second").status_code == 404
    assert _get(page.url, browser).status_code == 404
    assert page.code == "first"


def test_who_reads_the_address_from_the_browsers_command_line_sees_nothing_and_answers_nothing(page, browser):
    stranger = _get(page.url)
    assert stranger.status_code == 403
    assert _state(page) not in stranger.text
    assert "end daypass in the terminal" in stranger.text
    assert _get(page.back, state=_state(page), code="theirs").status_code == 403
    assert page.code == ""
    assert _get(page.url, browser).status_code == 200


def test_who_keeps_no_cookies_is_told_how_to_go_on(page):
    assert _get(page.url).status_code == 200
    again = _get(page.url)
    assert again.status_code == 403
    assert "this browser keeps no cookies: run setup again with <code>--no-browser</code>" in again.text


def test_nothing_is_answered_before_the_page_was_opened(page):
    assert _get(page.back, state=_state(page), code="early").status_code == 403
    assert page.code == ""


def test_another_name_of_this_machine_and_other_places_have_nothing(page):
    host = f"127.0.0.1:{urlsplit(page.url).port}"
    assert _get(page.url, host="attacker.example").status_code == 404
    assert _get(f"http://{host}/").status_code == 404
    assert _get(f"http://{host}/back", state=_state(page), code="abc").status_code == 404
    assert page.code == ""


def test_the_address_for_another_browser_is_filled_in():
    asked = parse_qs(urlsplit(filled_in(ACCOUNT, "acme", "https://github.com/acme/access", organisation=True)).query)
    assert asked["name"] == ["daypass-acme"]
    assert asked["public"] == ["false"]
    assert asked["webhook_active"] == ["false"]
    assert asked["contents"] == ["write"]
    assert "workflows" not in asked


def test_a_persons_app_asks_for_nothing_of_organisations():
    assert (
        "members"
        not in manifest("olga", "https://github.com/olga/access", "", organisation=False)["default_permissions"]
    )


def test_a_name_is_no_longer_than_github_takes():
    assert app_name("a" * 39) == f"daypass-{'a' * 26}"
    assert not app_name(f"{'a' * 25}-{'b' * 10}").endswith("-")


@pytest.mark.parametrize("path", ["//[", "/%zz?%", f"/{'a' * 70_000}", "http://[/x"])
def test_what_makes_no_sense_is_answered_and_nothing_is_written_to_the_terminal(page, path, capfd):
    with socket.create_connection(urlsplit(page.url).netloc.split(":"), timeout=5) as visitor:
        visitor.sendall(f"GET {path} HTTP/1.1\r\nHost: {urlsplit(page.url).netloc}\r\n\r\n".encode())
        assert visitor.recv(12) in (b"HTTP/1.1 404", b"HTTP/1.1 414", b"HTTP/1.0 404", b"HTTP/1.0 414")
    assert _get(page.url).status_code == 200
    assert capfd.readouterr() == ("", "")


def test_nobody_waits_for_a_visitor_who_says_nothing(page):
    begun = time.monotonic()
    with socket.create_connection(urlsplit(page.url).netloc.split(":"), timeout=5):
        assert _get(page.url).status_code == 200
    assert time.monotonic() - begun < 2
