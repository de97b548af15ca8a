"""Who approves sees what they approve."""

from __future__ import annotations

import pytest

from driver import Access

T = "2026-11-20T{}:00Z".format
FILE = "grants/orders-db/mine.yaml"
GRANT = """version: 1
subject: alice
resource: orders-db
role: readonly
reason: "Duplicate charges \\e[2J reported by support"
ticket: INC-1234
purpose: incident
window: {duration: 2h}
"""


def asked(access: Access, text: str) -> str:
    access.git("switch", "-q", "-c", "mine", "main")
    access.write(FILE, text)
    access.commit("ask", email="alice@example.com")
    access.git("switch", "-q", "main")
    said = access.run("request", "--branch", "mine", "--at", T("10:00"), acting="alice", expect=None)
    return said.out.split("#", 1)[1].split(":", 1)[0]


def test_all_that_is_approved_is_shown(access: Access) -> None:
    number = asked(access, GRANT.replace("\\e[2J ", ""))
    shown = access.run("show", number, "--at", T("10:01")).out
    for line in (
        "#1 Grant orders-db/mine",
        "  asked by  alice (Alice Ngo), at 2026-11-20T10:00:00Z",
        "  subject   alice (Alice Ngo)",
        "  role      readonly",
        "  window    2h, from the merge on",
        "  reason    Duplicate charges reported by support",
        "  ticket    INC-1234",
        "  purpose   incident",
        "    +subject: alice",
        '    + alice  {"member_of":"orders_readonly"}  on orders-db (embedded)  for 2h from the merge on',
        "    missing: 1 approval from owners (bob, carol)",
    ):
        assert line in shown


def test_what_people_wrote_acts_on_no_terminal(access: Access) -> None:
    number = asked(access, GRANT.replace("\\e[2J", "\u202egnp.exe"))
    shown = access.run("show", number, "--at", T("10:01")).out
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_a_removal_shows_whose_access_ends(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.run("end", grant, "--at", T("10:07"), "--reason", "Not needed", acting="erin", expect=12)
    shown = access.run("show", "2", "--at", T("10:08")).out
    for line in (
        f"remove  {grant}",
        "  subject   alice (Alice Ngo)",
        "    -subject: alice",
        "reason: Not needed",
        "    - alice",
    ):
        assert line in shown


def test_what_was_merged_or_closed_is_shown_as_well(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    assert "merged as" in access.run("show", "1", "--at", T("10:06")).out
    assert "merged as" in access.run("gate", "1", "--dry-run", "--at", T("10:06")).out
    number = access.ask(T("10:10"))
    access.run("close", number, "--reason", "enough", "--at", T("10:11"), acting="alice")
    assert "closed, enough" in access.run("show", number, "--at", T("10:12")).out


@pytest.mark.parametrize(("answer", "recorded"), [("y", True), ("n", False)])
def test_on_a_terminal_it_is_shown_and_asked_first(
    access: Access, monkeypatch: pytest.MonkeyPatch, answer: str, recorded: bool
) -> None:
    number = access.ask(T("10:00"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: answer)
    said = access.run("approve", number, "--at", T("10:01"), acting="bob")
    assert "  reason    a reason that is long enough" in said.out
    assert ("#1 approved by bob" in said.out) is recorded
    assert ("approved by bob" in access.run("status", "--at", T("10:02")).out) is recorded


def test_who_says_yes_is_not_asked(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    number = access.ask(T("10:00"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    said = access.run("approve", number, "--yes", "--at", T("10:01"), acting="bob")
    assert "#1 approved by bob" in said.out
