"""The double's dials, and its manners in a crowd."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests


@pytest.fixture
def alice(world, visit):
    return visit(world.alice, clone=world.repo)


def _refs(world):
    return world.path + "/git/refs"


def test_an_error_before_the_effect_leaves_things_as_they_were(hub, world, alice):
    """https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api (5xx)."""
    sha = alice.get(f"{world.path}/git/ref/heads/main")["object"]["sha"]
    hub.faults.server_error("POST", ".*/git/refs", times=2)
    for _ in range(2):
        assert alice.ask("POST", _refs(world), {"ref": "refs/heads/x", "sha": sha}).status_code == 502
    assert alice.ask("GET", f"{world.path}/git/ref/heads/x").status_code == 404
    assert alice.ask("POST", _refs(world), {"ref": "refs/heads/x", "sha": sha}).status_code == 201


def test_an_error_after_the_effect_hides_that_it_was_done(hub, world, alice):
    """As above: a gateway may give up on a request that goes through."""
    sha = alice.get(f"{world.path}/git/ref/heads/main")["object"]["sha"]
    hub.faults.server_error("POST", ".*/git/refs", status=504, after_effect=True)
    assert alice.ask("POST", _refs(world), {"ref": "refs/heads/x", "sha": sha}).status_code == 504
    hub.faults.no_answer("POST", ".*/git/refs")
    with pytest.raises(requests.ConnectionError):
        alice.ask("POST", _refs(world), {"ref": "refs/heads/y", "sha": sha})
    for name in ("x", "y"):
        assert alice.ask("GET", f"{world.path}/git/ref/heads/{name}").status_code == 200


def test_a_body_may_end_in_its_middle(hub, world, alice):
    """https://www.rfc-editor.org/rfc/rfc9112#name-handling-incomplete-messages."""
    hub.faults.half_answer("GET", f"{world.path}/pulls", cut=1)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        alice.ask("GET", f"{world.path}/pulls")
    assert alice.get(f"{world.path}/pulls") == []


def test_an_answer_may_be_slow(hub, world, alice):
    """https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api (timeouts)."""
    hub.faults.slow("GET", world.path, 0.3)
    begun = time.monotonic()
    alice.get(world.path)
    assert time.monotonic() - begun >= 0.3


def test_limits_say_when_to_come_again(hub, world, alice):
    """https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit."""
    hub.faults.secondary_limit("GET", world.path, retry_after=7)
    answer = alice.ask("GET", world.path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (403, "7")
    assert "secondary rate limit" in answer.json()["message"]
    hub.faults.primary_limit("GET", world.path, resets_in=30)
    answer = alice.ask("GET", world.path)
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert int(answer.headers["X-RateLimit-Reset"]) >= int(hub.now().timestamp()) + 29
    assert alice.ask("GET", world.path).status_code == 200


def test_a_read_may_be_stale(hub, world, alice):
    """https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api (replicas lag)."""
    number = alice.propose(world.repo, "ask", {"a": "1\n"})
    path = f"{world.path}/pulls/{number}"
    old = alice.get(path)["head"]["sha"]
    hub.faults.stale(path)
    new = alice.commit({"a": "2\n"})
    alice.git("push", "-q", "origin", "ask")
    assert [alice.get(path)["head"]["sha"] for _ in range(2)] == [old, new]


def test_an_event_may_be_lost(hub, world, alice):
    """https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries."""
    hub.faults.lose_event("push")
    alice.git("push", "-q", "origin", "HEAD:one")
    alice.git("push", "-q", "origin", "HEAD:two")
    assert [e.payload["ref"] for e in hub.events if e.name == "push"] == ["refs/heads/two"]


def test_git_meets_faults_too(hub, world, alice):
    """https://git-scm.com/docs/http-protocol."""
    alice.commit({"a": "1\n"})
    hub.faults.add("POST", "/acme/access.git/git-receive-pack", status=503, after_effect=True)
    assert alice.git("push", "origin", "HEAD:x", check=False).returncode != 0
    assert "refs/heads/x" in alice.git("ls-remote", "origin").stdout


_BURST = """
import sys, requests
url, token, me = sys.argv[1:]
head = {"Authorization": f"Bearer {token}"}
sha = requests.get(f"{url}/git/ref/heads/main", headers=head).json()["object"]["sha"]
for n in range(8):
    tree = requests.post(f"{url}/git/trees", headers=head, json={"base_tree": sha, "tree": [{"path": f"{me}-{n}", "mode": "100644", "content": me}]}).json()
    made = requests.post(f"{url}/git/commits", headers=head, json={"message": me, "tree": tree["sha"], "parents": [sha]}).json()
    ref = requests.post(f"{url}/git/refs", headers=head, json={"ref": f"refs/heads/{me}-{n}", "sha": made["sha"]})
    assert ref.status_code == 201, ref.text
    pull = requests.post(f"{url}/pulls", headers=head, json={"title": me, "head": f"{me}-{n}", "base": "main"})
    assert pull.status_code == 201, pull.text
"""


def test_a_burst_of_processes_loses_nothing(hub, world, visit):
    """https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api (concurrency)."""
    token = hub.token(world.alice)
    runs = [
        subprocess.Popen([sys.executable, "-c", _BURST, hub.url + world.path, token, f"p{n}"], stderr=subprocess.PIPE)
        for n in range(4)
    ]
    for run in runs:
        _, said = run.communicate(timeout=120)
        assert run.returncode == 0, said.decode()
    assert sorted(world.repo.pulls) == list(range(1, 33))


def test_only_one_of_two_merges_of_one_pull_request_wins(world, alice):
    """https://docs.github.com/en/rest/pulls/pulls#merge-a-pull-request."""
    number = alice.propose(world.repo, "ask", {"a": "1\n"})
    with ThreadPoolExecutor(4) as crowd:
        answers = list(crowd.map(lambda _: alice.ask("PUT", f"{world.path}/pulls/{number}/merge", {}), range(4)))
    assert sorted(a.status_code for a in answers) == [200, 405, 405, 405]
