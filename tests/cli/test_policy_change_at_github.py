"""The comment on a pull request that changes policies, as its reviewers find it at GitHub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub import REPOSITORY, Hub

RULES = "policies/rules/access.yaml"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path) as made:
        yield made


def comment(hub: Hub, number: int, expect: int = 10) -> str:
    """Run the gate; return the one comment that there is."""
    hub.run("gate", str(number), expect=expect)
    (found,) = hub.api("olga", "GET", f"/repos/{REPOSITORY}/issues/{number}/comments")
    return str(found["body"])


def rules(hub: Hub, more: str = "") -> str:
    return hub.bare("show", f"main:{RULES}") + more


def annotations(hub: Hub, number: int) -> list[dict[str, Any]]:
    head = hub.pull(number)["head"]["sha"]
    (check,) = [
        one
        for one in hub.api("olga", "GET", f"/repos/{REPOSITORY}/commits/{head}/check-runs")["check_runs"]
        if one["name"] == "daypass"
    ]
    found: list[dict[str, Any]] = hub.api("olga", "GET", f"/repos/{REPOSITORY}/check-runs/{check['id']}/annotations")
    return found


def fenced(text: str) -> list[str]:
    """Return the lines within the one fence of a comment, outside of which stands only the title."""
    mark, title, empty, fence, *lines, last = text.rstrip("\n").split("\n")
    assert mark == "<!-- daypass:notice -->"
    assert re.fullmatch(r"### daypass: #[0-9]+ [a-z ]+", title)
    assert (empty, fence.removesuffix("text")) == ("", last)
    assert not any(line.strip().startswith(last) for line in lines)
    return lines


def test_a_looser_rule_shows_the_first_request_and_what_it_would_have_meant(hub: Hub) -> None:
    asked = hub.request_pull("alice", hub.grant(resource="staging", role="deploy", duration="6h"))
    hub.approve(asked, "bob")
    hub.run("gate", str(asked))
    hub.run("apply")
    looser = rules(hub).replace('duration("4h")', 'duration("6h")')
    number = hub.request_pull("carol", files={RULES: looser}, title="Loosen `it` <b> @alice-ngo #1")
    text = comment(hub, number)
    assert f"### daypass: #{number} lets through more than before\n" in text
    lines = fenced(text)
    assert lines[:5] == [
        "LOOSER  no longer asks for an approval that was asked for (every request: 2 requests)",
        "  before: 1 approval from owners",
        "  after:  at once",
        next(line for line in lines if line.startswith("  for example, asked for by alice at ")),
        "    version: 1",
    ]
    assert "      duration: 4h1s" in lines[:13]
    assert "    reason: reading four orders of a complaint" in lines
    assert lines[-3:] == [
        "every request: decided; 2 judged differently",
        "the last requests: 1 request judged by both; 1 judged differently",
        "live grants: 1 request judged by both; 1 judged differently",
    ]
    assert comment(hub, number) == text
    hub.push_branch("carol", hub.pull(number)["head"]["ref"], {RULES: rules(hub, "\n# as it was\n")})
    assert "lets nothing through more easily" in comment(hub, number)


def test_policies_that_do_not_read_are_told_with_every_fault_and_at_its_line(hub: Hub) -> None:
    wrong = "version: 1\nrules:\n  - {id: a, when: nobody.knows, deny: true}\n  - {id: b, when: 'true', denny: true}\n"
    number = hub.request_pull("carol", files={RULES: wrong})
    lines = fenced(text := comment(hub, number))
    assert "has policies that do not read\n" in text
    assert any(line.startswith(f"BROKEN  {RULES}:4:27: error: the key 'denny' is not known here") for line in lines)
    assert any("hint: " in line for line in lines)
    assert lines[-1] == "its policies do not read, so nothing is compared; merged, they deny everything"
    assert [(one["path"], one["start_line"], one["annotation_level"]) for one in annotations(hub, number)] == [
        (RULES, 4, "failure")
    ]
    mended = hub.pull(number)["head"]["ref"]
    hub.push_branch("carol", mended, {RULES: rules(hub), "policies/resources/staging.yaml": "version: 1\n"})
    said = comment(hub, number)
    assert "has policies that do not read\n" in said
    assert "BROKEN  policies/resources/staging.yaml:" in said
    assert "every request: " in said


def test_what_people_wrote_stays_in_the_fence(hub: Hub) -> None:
    message = "``` @alice-ngo <!-- daypass:notice --> [x](http://evil.example) | **b** ````` ##[error]x"
    evil = f"  - id: evil\n    when: 'true'\n    deny_unless: request.kind == \"widen\"\n    message: '{message}'\n"
    number = hub.request_pull("carol", files={RULES: rules(hub, "\n" + evil)}, title="``` ##[error] @alice-ngo")
    lines = fenced(text := comment(hub, number))
    assert any("@alice-ngo <!-- daypass:notice --> [x](http://evil.example)" in line for line in lines)
    assert "##[" not in text


def test_what_does_not_fit_in_a_comment_is_cut_and_says_so(hub: Hub) -> None:
    many = "".join(f"  - {{id: r{number}, when: 'true', {'x' * 200}: {number}}}\n" for number in range(400))
    files = {f"policies/rules/more-{each}.yaml": f"version: 1\nrules:\n{many}" for each in range(6)}
    number = hub.request_pull("carol", files=files)
    text = comment(hub, number)
    lines = fenced(text)
    assert 50_000 < len(text) < 65_536
    assert re.fullmatch(r"… [0-9]+ lines more; `daypass policy diff` and `daypass policy replay` print them", lines[-2])
    assert lines[-1].startswith("its policies do not read")
