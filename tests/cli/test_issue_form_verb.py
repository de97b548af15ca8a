"""The verbs form and answer, where no GitHub is needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driver import Access

FORM = ".github/ISSUE_TEMPLATE/daypass-request.yml"


def test_the_form_is_written_once_and_then_up_to_date(access: Access) -> None:
    assert access.run("form").out == f"Wrote {FORM}.\n"
    assert access.run("form").out == f"{FORM} is up to date.\n"
    assert access.run("form", "--check").out == f"{FORM} is up to date.\n"


@pytest.mark.parametrize("there", [None, b"", b"name: mine\n", b"\xff\xfe"])
def test_a_form_that_is_not_the_catalogues_is_told_and_left_alone(access: Access, there: bytes | None) -> None:
    path = access.top / FORM
    if there is not None:
        path.parent.mkdir(parents=True)
        path.write_bytes(there)
    said = access.run("form", "--check", expect=13)
    assert said.err == f"daypass: {FORM} does not match the catalogue\n  hint: run `daypass form` and commit it\n"
    assert (path.read_bytes() if path.exists() else None) == there


@pytest.mark.parametrize("link", ["the file", "its folder"])
def test_a_form_is_not_written_through_a_link(access: Access, link: str) -> None:
    path, away = access.top / FORM, access.top / "elsewhere"
    away.mkdir()
    if link == "the file":
        path.parent.mkdir(parents=True)
        path.symlink_to(away / "theirs")
    else:
        path.parent.parent.mkdir(exist_ok=True)
        path.parent.symlink_to(away)
    assert f"{FORM} is or lies behind a symbolic link" in access.run("form", expect=10).err
    assert list(away.iterdir()) == []


def test_a_changed_catalogue_changes_the_form(access: Access) -> None:
    access.run("form")
    access.write("policies/purposes/support.yaml", "version: 1\ntitle: Vendor support\n")
    access.run("form", "--check", expect=13)
    access.run("form")
    assert '        - "support"\n' in (access.top / FORM).read_text(encoding="utf-8")


def test_policies_that_do_not_read_make_no_form(access: Access) -> None:
    access.write("policies/purposes/support.yaml", "version: 2\n")
    said = access.run("form", expect=10)
    assert said.err.startswith("daypass: the policies do not read, so nobody knows what there is to ask for\n")
    assert not (access.top / FORM).exists()


def event(tmp_path: Path, **payload: object) -> str:
    path = tmp_path / "event.json"
    path.write_text(json.dumps(payload), encoding="utf-8")
    return str(path)


def test_answering_needs_an_event(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_EVENT_PATH", raising=False)
    said = access.run("answer", expect=2)
    assert "EVENT_FILE is missing" in said.err
    assert "GITHUB_EVENT_PATH" in said.err


def test_an_event_that_is_none_of_ours_is_left_alone(
    access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = event(tmp_path, action="edi\x1b[2Jted", issue={"number": 1})
    monkeypatch.setenv("GITHUB_EVENT_PATH", path)
    said = access.run("answer")
    assert said.err == "Nothing to answer: the action is 'edi\\x1b[2Jted'; only 'opened' is answered.\n"


def test_an_event_file_that_is_no_event_is_a_failure(access: Access, tmp_path: Path) -> None:
    assert "the event is about no issue" in access.run("answer", event(tmp_path, action="opened"), expect=2).err


def test_answering_is_for_repositories_at_github(access: Access, tmp_path: Path) -> None:
    said = access.run("answer", event(tmp_path, action="opened", issue={"number": 1}), expect=2)
    assert "this needs a forge of kind github, and the settings name 'local'" in said.err
