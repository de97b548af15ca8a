"""One request to GitHub and everything that can become of it."""

from __future__ import annotations

import logging
import re
import socket
from datetime import UTC, datetime, timedelta

import pytest
from github_world import REPOSITORY, ROOT, World

from daypass.core.errors import EdgeError, InvalidError
from daypass.edges.forges.github.answers import LONGEST_WAIT, ApiError
from daypass.edges.forges.github.api import LIMIT, Api
from daypass.edges.forges.github.transport import VERSION, Transport, credential_from

README = f"{ROOT}/git/ref/heads/main"


AWAY = (
    "is GitHub up (https://www.githubstatus.com) and can this machine reach it? What becomes of access meanwhile: "
    "docs/github.md#when-it-is-late-down-or-gone"
)


def fails(call, message: str, *, hint: str = "", status: int | None = None) -> ApiError:
    with pytest.raises(ApiError) as caught:
        call()
    assert caught.value.message == message
    if hint:
        assert caught.value.hint == hint
    if status is not None:
        assert caught.value.status == status
    return caught.value


def sent(world: World) -> list[tuple[str, str, int]]:
    return [(call.method, call.path, call.status) for call in world.double.calls]


# What is sent


def test_every_request_is_counted_those_for_a_token_too(world: World) -> None:
    api = world.api("app")
    assert api.calls == 0
    api.get(README)
    assert api.calls == 2
    api.get(README)
    assert api.calls == 3 == len(world.double.calls)


def test_the_version_of_the_api_is_pinned(world: World) -> None:
    seen: list[dict[str, str]] = []
    from github_double import server

    real = server.answer

    def answer(hub, method, path, query, headers, raw):
        seen.append({name.lower(): text for name, text in headers.items()})
        return real(hub, method, path, query, headers, raw)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "answer", answer)
        world.api("bob").get(README)
    assert seen[0]["x-github-api-version"] == VERSION == "2022-11-28"
    assert seen[0]["accept"] == "application/vnd.github+json"
    assert seen[0]["user-agent"] == "daypass"


def test_a_list_is_read_to_its_last_page(world: World) -> None:
    world.repo.activity = [_activity(world, number) for number in range(205)]
    api = world.api("bob")
    assert len(api.pages(f"{ROOT}/activity")) == 205
    assert api.calls == 3


def test_a_list_whose_newest_suffice_is_not_read_further(world: World) -> None:
    world.repo.activity = [_activity(world, number) for number in range(205)]
    api = world.api("bob")
    wanted = world.repo.activity[150].id
    assert len(api.pages(f"{ROOT}/activity", until=lambda item: item["id"] == wanted)) == 100
    assert api.calls == 1
    assert len(api.pages(f"{ROOT}/activity", until=lambda item: False)) == 205


def _activity(world: World, number: int):
    from github_double.state import Activity

    return Activity(
        world.double.next_id(), "0" * 40, f"{number:040x}", "refs/heads/x", world.double.now(), "push", None
    )


def test_a_list_inside_an_object_is_named(world: World) -> None:
    world.double.faults.add("GET", f"{ROOT}/things", status=200, body={"total_count": 1, "things": [{"id": 1}]})
    assert world.api("bob").pages(f"{ROOT}/things", key="things") == [{"id": 1}]


# What is repeated, and what is not


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_reading_is_tried_again_after_a_5xx(world: World, status: int) -> None:
    world.double.faults.server_error("GET", README, status=status, times=3)
    assert world.api("bob").get(README)["ref"] == "refs/heads/main"
    assert world.waits == [1.0, 2.0, 4.0]


def test_reading_gives_up_after_four_attempts(world: World) -> None:
    world.double.faults.server_error("GET", README, times=9)
    failed = f"GitHub answered 502 to GET {README}: Server Error"
    fails(lambda: world.api("bob").get(README), failed, hint=AWAY, status=502)
    assert len(sent(world)) == 4


def test_an_answer_that_never_comes_is_tried_again_and_then_an_error(world: World) -> None:
    world.double.faults.slow("GET", README, 3, times=9)
    fails(
        lambda: world.api("bob", timeout=1).get(README),
        f"GitHub did not answer GET {README}: nothing came within 1 s",
        status=0,
        hint=AWAY,
    )
    assert world.waits == [1.0, 2.0, 4.0]


def test_a_connection_that_ends_is_tried_again(world: World) -> None:
    world.double.faults.no_answer("GET", README, times=3)
    assert world.api("bob").get(README)
    world.double.faults.no_answer("GET", README, times=4)
    fails(lambda: world.api("bob").get(README), f"GitHub did not answer GET {README}: the connection failed")


def test_half_an_answer_is_tried_again(world: World) -> None:
    world.double.faults.half_answer("GET", README, times=3)
    assert world.api("bob").get(README)["object"]["sha"] == world.main()
    world.double.faults.half_answer("GET", README, times=4)
    fails(lambda: world.api("bob").get(README), f"GitHub did not answer GET {README}: the answer was cut off")


def test_an_answer_that_is_no_json_is_tried_again(world: World) -> None:
    world.double.faults.add("GET", README, status=200, body='{"ref": "refs/he', times=3)
    assert world.api("bob").get(README)["ref"] == "refs/heads/main"
    world.double.faults.add("GET", README, status=200, body="<html>", times=4)
    fails(lambda: world.api("bob").get(README), f"GitHub did not answer GET {README}: its answer is no JSON", status=0)


def test_a_page_that_is_cut_is_no_end_of_the_list(world: World) -> None:
    world.repo.activity = [_activity(world, number) for number in range(150)]
    world.double.faults.add("GET", f"{ROOT}/activity", skip=1, cut=20, after_effect=True, times=4)
    fails(
        lambda: world.api("bob").pages(f"{ROOT}/activity"),
        f"GitHub did not answer GET /repositories/{world.repo.id}/activity: the answer was cut off",
    )


@pytest.mark.parametrize("how", ["server_error", "no_answer", "half_answer"])
def test_what_changes_something_is_never_sent_twice(world: World, how: str) -> None:
    sha = world.main()
    getattr(world.double.faults, how)(
        "POST", f"{ROOT}/git/refs", **({"after_effect": True} if how == "server_error" else {})
    )
    with pytest.raises(ApiError) as caught:
        world.api("bob").send("POST", f"{ROOT}/git/refs", {"ref": "refs/heads/x", "sha": sha})
    assert caught.value.status in (0, 502)
    assert len([call for call in world.double.calls if call.status == 201]) == 1
    assert world.head("x") == sha
    assert world.waits == []


def test_a_write_whose_answer_is_no_json_may_have_happened(world: World) -> None:
    world.double.faults.add("POST", f"{ROOT}/git/refs", status=201, after_effect=True, body="{")
    sha = world.main()
    fails(
        lambda: world.api("bob").send("POST", f"{ROOT}/git/refs", {"ref": "refs/heads/x", "sha": sha}),
        f"GitHub did not answer POST {ROOT}/git/refs: its answer is no JSON",
        status=0,
    )
    assert world.head("x") == sha


def test_a_write_that_is_the_same_twice_is_sent_again(world: World) -> None:
    world.double.faults.no_answer("POST", f"{ROOT}/git/blobs")
    made = world.api("bob").send("POST", f"{ROOT}/git/blobs", {"content": "x", "encoding": "utf-8"}, safe=True)
    assert re.fullmatch("[0-9a-f]{40}", made["sha"])
    assert world.waits == [1.0]


def test_an_empty_answer_is_nothing(world: World) -> None:
    world.push("alice", "gone")
    assert world.api("bob").send("DELETE", f"{ROOT}/git/refs/heads/gone") is None


# Rate limits


def test_a_secondary_limit_is_waited_for_as_long_as_it_says_whatever_the_verb(world: World) -> None:
    world.double.faults.secondary_limit("POST", f"{ROOT}/git/refs", retry_after=7)
    world.double.faults.secondary_limit("GET", README, retry_after=9, status=429)
    world.api("bob").send("POST", f"{ROOT}/git/refs", {"ref": "refs/heads/x", "sha": world.main()})
    world.api("bob").get(README)
    assert world.waits == [7.0, 9.0]


def test_a_secondary_limit_that_names_no_time_is_given_a_minute(world: World) -> None:
    world.double.faults.secondary_limit("GET", README, retry_after=None)
    world.api("bob").get(README)
    assert world.waits == [60.0]


def test_a_limit_that_lifts_too_late_is_an_error_that_says_when(world: World) -> None:
    world.double.faults.secondary_limit("GET", README, retry_after=900)
    before = datetime.now(UTC)
    with pytest.raises(ApiError) as caught:
        world.api("bob").get(README)
    match = re.fullmatch(rf"GitHub's rate limit turns away GET {README} until (\S+)", caught.value.message)
    assert match is not None
    lifts = datetime.fromisoformat(match[1])
    assert timedelta(seconds=890) < lifts - before < timedelta(seconds=960)
    assert caught.value.hint == f"run it again then; no request waits longer than {LONGEST_WAIT:.0f} s"
    assert world.waits == []


def test_the_hours_limit_is_waited_for_where_it_lifts_soon(world: World) -> None:
    world.double.faults.primary_limit("GET", README, resets_in=30)
    world.api("bob").get(README)
    assert len(world.waits) == 1
    assert 25 <= world.waits[0] <= 35


def test_the_hours_limit_is_an_error_where_it_lifts_late(world: World) -> None:
    world.double.faults.primary_limit("GET", README, resets_in=2400)
    with pytest.raises(ApiError, match=rf"GitHub's rate limit turns away GET {README} until 20") as caught:
        world.api("bob").get(README)
    assert caught.value.said == "API rate limit exceeded for user ID 1."


def test_a_token_whose_hour_is_used_up_says_so(world: World) -> None:
    world.double.exhaust(world.tokens["bob"])
    with pytest.raises(ApiError, match="GitHub's rate limit turns away"):
        world.api("bob").get(README)


def test_waiting_again_and_again_ends(world: World) -> None:
    world.double.faults.secondary_limit("GET", README, retry_after=50, times=9)
    with pytest.raises(ApiError, match="rate limit turns away"):
        world.api("bob").get(README)
    assert world.waits == [50.0, 50.0]


def test_a_limit_that_nobody_can_reckon_is_not_waited_for(world: World) -> None:
    headers = {"X-RateLimit-Remaining": "0"}
    world.double.faults.add("GET", README, status=403, headers=headers, body={"message": "API rate limit exceeded"})
    with pytest.raises(ApiError, match=rf"GitHub's rate limit turns away GET {README} until 20"):
        world.api("bob").get(README)
    assert world.waits == []


def test_headers_that_make_no_sense_are_no_answer(world: World) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}
    world.double.faults.add("GET", README, status=403, headers=headers, times=9)
    fails(lambda: world.api("bob").get(README), f"GitHub did not answer GET {README}: its answer makes no sense")


# Refusals


def test_a_wrong_token_is_told_and_not_shown(world: World) -> None:
    world.tokens["bob"] = "ghp_nobodys"
    error = fails(
        lambda: world.api("bob").get(README),
        f"GitHub answered 401 to GET {README}: Bad credentials",
        status=401,
        hint="the token is wrong, ended or revoked; make a new one",
    )
    assert "ghp_" not in f"{error} {error.hint}"


def test_a_missing_permission_is_named(world: World) -> None:
    headers = {"X-Accepted-GitHub-Permissions": "contents=write"}
    world.double.faults.add(
        "POST",
        f"{ROOT}/git/refs",
        status=403,
        headers=headers,
        body={"message": "Resource not accessible by integration"},
    )
    fails(
        lambda: world.api("bob").send("POST", f"{ROOT}/git/refs", {}),
        f"GitHub answered 403 to POST {ROOT}/git/refs: Resource not accessible by integration",
        status=403,
        hint="it needs the permission contents=write; docs/github.md says how to give it",
    )


def test_a_refusal_without_words_is_told_all_the_same(world: World) -> None:
    world.double.faults.add("GET", README, status=403, body="<html>no</html>")
    fails(
        lambda: world.api("bob").get(README),
        f"GitHub answered 403 to GET {README}: no reason given",
        hint="give the App or token the permission that this needs; docs/github.md lists them",
    )
    world.double.faults.add("GET", README, status=400, body=["odd"])
    fails(lambda: world.api("bob").get(README), f"GitHub answered 400 to GET {README}: no reason given")


def test_what_is_not_there_is_told(world: World) -> None:
    fails(
        lambda: world.api("bob").get(f"{ROOT}/git/ref/heads/none"),
        f"GitHub answered 404 to GET {ROOT}/git/ref/heads/none: Not Found",
        status=404,
        hint="it is not there, or the token cannot see it",
    )


def test_every_reason_that_github_gives_is_passed_on_without_what_could_act_on_a_terminal(world: World) -> None:
    errors = [{"message": "first\x1b[31m"}, {"code": "invalid"}, "third", {}]
    world.double.faults.add("GET", README, status=422, body={"message": "Validation Failed", "errors": errors})
    error = fails(
        lambda: world.api("bob").get(README),
        f"GitHub answered 422 to GET {README}: Validation Failed; first?[31m; invalid; third",
    )
    assert error.said == "Validation Failed; first?[31m; invalid; third"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(world: World, status: int) -> None:
    headers = {"Location": f"{world.double.url}/repositories/1/git/ref/heads/main"}
    world.double.faults.add("GET", README, status=status, headers=headers, body={"message": "Moved Permanently"})
    fails(
        lambda: world.api("bob").get(README),
        f"GitHub has moved {README} elsewhere",
        status=status,
        hint="the repository was renamed or moved: name it anew in policies/daypass.yaml on main, then `git pull` here",
    )
    assert len(world.double.calls) == 1


def test_an_answer_that_is_still_being_made_is_asked_for_again_but_not_for_ever(world: World) -> None:
    world.double.faults.add("GET", README, status=202, body={}, times=9)
    fails(lambda: world.api("bob").get(README), f"GitHub did not answer GET {README}: it is still making the answer")
    assert len(world.double.calls) == 4


# Lists that are none


def test_a_list_longer_than_its_limit_is_refused(world: World) -> None:
    world.repo.activity = [_activity(world, number) for number in range(150)]
    fails(
        lambda: world.api("bob").pages(f"{ROOT}/activity", limit=149), f"GitHub lists more than 149 at {ROOT}/activity"
    )
    assert LIMIT == 5000


def test_a_list_of_more_pages_than_it_may_have_items_is_refused(world: World) -> None:
    for page in range(2, 9):
        link = f'<{world.double.url}{ROOT}/x?page={page}>; rel="next"'
        world.double.faults.add("GET", f"{ROOT}/x", status=200, body=[], headers={"Link": link})
    fails(lambda: world.api("bob").pages(f"{ROOT}/x", limit=5), f"GitHub lists more than 5 at {ROOT}/x")
    assert len(world.double.calls) == 6


@pytest.mark.parametrize("body", [{"message": "odd"}, "text", None, [1], [None], 7])
def test_a_body_that_is_no_list_is_an_error_and_never_an_empty_list(world: World, body: object) -> None:
    import json

    world.double.faults.add("GET", f"{ROOT}/x", status=200, body=json.dumps(body))
    fails(lambda: world.api("bob").pages(f"{ROOT}/x"), f"expected a list at {ROOT}/x from GitHub, got something else")


@pytest.mark.parametrize("body", [[], {}, {"things": {}}, {"things": None}])
def test_an_object_without_its_list_is_an_error(world: World, body: object) -> None:
    world.double.faults.add("GET", f"{ROOT}/x", status=200, body=body)
    fails(
        lambda: world.api("bob").pages(f"{ROOT}/x", key="things"),
        f"expected a list 'things' at {ROOT}/x from GitHub, got something else",
    )


def test_pages_never_lead_to_another_server(world: World) -> None:
    link = '<http://127.0.0.1:9/api/v3/x?page=2>; rel="next"'
    world.double.faults.add("GET", f"{ROOT}/x", status=200, body=[], headers={"Link": link})
    fails(lambda: world.api("bob").pages(f"{ROOT}/x"), f"GitHub's pages of {ROOT}/x lead to another server")


def test_pages_never_lead_in_a_circle(world: World) -> None:
    link = f'<{world.double.url}{ROOT}/x?page=2>; rel="next", <{world.double.url}{ROOT}/x>; rel="last"'
    world.double.faults.add("GET", f"{ROOT}/x", status=200, body=[], headers={"Link": link}, times=9)
    fails(lambda: world.api("bob").pages(f"{ROOT}/x"), f"GitHub's pages of {ROOT}/x lead in a circle")


# The App's tokens


def test_an_installations_token_is_kept_and_renewed_before_it_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    import daypass.edges.forges.github.api as module

    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    api = world.api("app")
    first = api.token()
    now[0] += 3000
    assert api.token() == first
    now[0] += 400
    assert api.token() != first


def test_a_token_that_was_revoked_is_replaced_once(world: World) -> None:
    api = world.api("app")
    world.double.tokens[api.token()].revoked = True
    made = api.send("POST", f"{ROOT}/git/refs", {"ref": "refs/heads/x", "sha": world.main()})
    assert made["ref"] == "refs/heads/x"
    world.double.faults.add("GET", README, status=401, body={"message": "Bad credentials"}, times=2)
    fails(lambda: api.get(README), f"GitHub answered 401 to GET {README}: Bad credentials", status=401)


def test_a_token_is_for_this_repository_alone(world: World) -> None:
    world.double.repository("acme/other")
    world.app.repositories.append("acme/other")
    token = world.api("app").token()
    assert world.double.tokens[token].repositories == [REPOSITORY]


def _without_installation(world: World) -> Api:
    environ = world.environ("app")
    del environ["DAYPASS_APP_INSTALLATION"]
    return Api(Transport(world.double.url), credential_from(environ), REPOSITORY, wait=world.waits.append)


def test_the_installation_is_found_by_the_repository(world: World) -> None:
    world.double.faults.add("GET", f"{ROOT}/installation", status=200, body={"id": world.app.installation})
    api = _without_installation(world)
    assert api.get(README)["ref"] == "refs/heads/main"
    assert api.calls == 3


def test_an_app_that_is_not_installed_is_told(world: World) -> None:
    world.double.faults.add("GET", f"{ROOT}/installation", status=404, body={"message": "Not Found"})
    fails(
        _without_installation(world).token,
        f"the App {world.app.id} is not installed on {REPOSITORY}",
        status=404,
        hint="install it on the repository: the App's page, Install App",
    )


def test_an_installation_that_was_made_anew_is_found_though_another_is_named(world: World) -> None:
    api = world.api("app")
    world.app.installation += 1
    assert api.get(README)["ref"] == "refs/heads/main"


def test_an_installation_that_cannot_be_asked_for_is_told(world: World) -> None:
    world.double.faults.server_error("GET", f"{ROOT}/installation", times=9)
    fails(
        _without_installation(world).token, f"GitHub answered 502 to GET {ROOT}/installation: Server Error", status=502
    )
    world.double.faults.clear()
    world.double.faults.add("GET", f"{ROOT}/installation", status=200, body={"id": "7"})
    fails(_without_installation(world).token, "expected an installation with its id from GitHub, got something else")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "expected a token with token and expires_at from GitHub, got something else"),
        ([], "expected a token with token and expires_at from GitHub, got something else"),
        ({"token": "", "expires_at": "2030-01-01T00:00:00Z"}, "expected a token with token and expires_at from GitHub, got something else"),
        ({"token": "x", "expires_at": "later"}, "expected the instant a token ends, got 'later'"),
        ({"token": "x", "expires_at": "2030-01-01T00:00:00"}, "expected the instant a token ends, got '2030-01-01T00:00:00'"),
    ],
)  # fmt: skip
def test_a_token_that_cannot_be_read_is_an_error(world: World, body: object, message: str) -> None:
    path = f"/app/installations/{world.app.installation}/access_tokens"
    world.double.faults.add("POST", path, status=201, body=body)
    fails(world.api("app").token, message)


def test_an_uninstalled_app_is_told(world: World) -> None:
    world.app.uninstalled = True
    fails(
        world.api("app").token,
        f"the App {world.app.id} is not installed on {REPOSITORY}",
        status=404,
        hint="install it on the repository: the App's page, Install App",
    )


def test_nothing_secret_is_logged_or_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    api = world.api("app")
    token = api.token()
    api.get(README)
    with pytest.raises(ApiError) as caught:
        api.get(f"{ROOT}/labels/nothing")
    assert token not in caplog.text + repr(caught.value) + repr(api._credential)
    assert world.app.private_key[:40] not in caplog.text + repr(api._credential)


# The address


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://api.example.com", "expected the address of GitHub's API to begin with https://, got 'http://api.example.com'"),
        ("ftp://127.0.0.1", "expected the address of GitHub's API to begin with https://, got 'ftp://127.0.0.1'"),
        ("https://user:secret@api.example.com", "expected the address of GitHub's API alone, got one of 'api.example.com' with more"),
        ("https://api.example.com/?a=b", "expected the address of GitHub's API alone, got one of 'api.example.com' with more"),
        ("https://", "expected the address of GitHub's API alone, got one of None with more"),
    ],
)  # fmt: skip
def test_an_address_that_could_leak_a_token_is_refused(address: str, message: str) -> None:
    with pytest.raises(InvalidError) as caught:
        Transport(address)
    assert caught.value.message == message


def test_the_address_of_the_real_one_is_taken_where_none_is_named() -> None:
    api = Api.from_environment({"GH_TOKEN": "ghp_x"}, REPOSITORY, wait=lambda seconds: None)
    assert api._transport.base == "https://api.github.com"
    assert (api.kind, api.calls, api.app_id) == ("token", 0, "")


def test_writes_to_the_real_one_are_a_second_apart() -> None:
    assert Transport("https://api.github.com")._pause == 1.0
    assert Transport("http://127.0.0.1:1")._pause is None
    assert Transport("http://[::1]:1").base == "http://[::1]:1"


def test_nobody_there_is_an_error(world: World) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    api = Api(Transport(address), credential_from({"GH_TOKEN": "ghp_x"}), REPOSITORY, wait=world.waits.append)
    fails(lambda: api.get("/x"), "GitHub did not answer GET /x: the connection failed", status=0)
    assert isinstance(ApiError("x"), EdgeError)
