"""A pull request's comment: what reviewers of the worked example see, to the letter, and what nobody can make of it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from daypass.core.record import replace
from daypass.core.request import Report
from daypass.edges.forges.github.inbox import links_of
from daypass.pipeline.judge.gate import gate
from daypass.pipeline.judge.report import report_of
from daypass.views.comment import comment_text, title_text
from driver import Access
from report_world import GRANT, T, propose, steady, told

GOLDEN = Path(__file__).parent / "golden"
TOP = Path(__file__).parents[2]
READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
FILE = "grants/orders-db/alice-double-charges.yaml"


LINKS = links_of("https://github.com/acme/access")

PHONE = 40
"""So many characters of 14 pixels stand side by side on a phone, a column's borders taken off (docs/pictures/phone.png)."""


def least_width(text: str) -> int:
    """Return how many characters wide a comment's widest table or block is, its cells broken wherever there is a space.

    What is folded, people unfold; other lines are broken anywhere.
    """
    folded, widths, row = 0, [0], list[int]()
    for token in READER.parse(text):
        if token.type == "html_block":
            folded += token.content.count("<details>") - token.content.count("</details>")
        elif token.type == "table_open":
            columns = dict[int, int]()
        elif token.type == "tr_open":
            row = []
        elif token.type == "inline" and token.level == 4:
            words = "".join(child.content for child in token.children or ()).split()
            row.append(max(map(len, words), default=0))
        elif token.type == "tr_close":
            columns |= {place: max(columns.get(place, 0), width) for place, width in enumerate(row)}
        elif token.type == "table_close" and not folded:
            widths.append(sum(columns.values()))
        elif token.type == "fence" and not folded:
            widths += map(len, token.content.splitlines())
    return max(widths)


def at_github(report: Report) -> Report:
    """The same report where the settings name GitHub."""
    proposal = report.found.proposal
    catalogue = proposal.policy.catalogue
    settings = replace(catalogue.settings, forge_kind="github", forge_options={"repository": "acme/access"})
    policy = replace(proposal.policy, catalogue=replace(catalogue, settings=settings))
    return replace(report, found=replace(report.found, proposal=replace(proposal, policy=policy)))


def golden(name: str) -> str:
    return (GOLDEN / f"comment-{name}.md").read_text(encoding="utf-8")


@pytest.fixture
def asked(access: Access) -> Access:
    propose(access, T("10:00"), {FILE: GRANT})
    return access


def test_a_request_that_waits_names_who_could_help(asked: Access) -> None:
    asked.run("approve", "1", "--at", T("10:01"), acting="bob")
    report = told(asked, "1", T("10:02"))
    assert title_text(report) == f"waiting for 1 approval from group:security since {T('10:00')}"
    assert steady(comment_text(report), report) == golden("waiting")


def test_at_github_a_reviewer_learns_from_it_how_to_approve(asked: Access) -> None:
    asked.run("approve", "1", "--at", T("10:01"), acting="bob")
    report = at_github(told(asked, "1", T("10:02")))
    assert steady(comment_text(report, links=LINKS), report) == golden("github")


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*.md")))
def test_what_people_see_fits_a_phone(name: str) -> None:
    assert least_width((GOLDEN / name).read_text(encoding="utf-8")) <= PHONE


def test_a_grant_with_all_that_it_can_have_fits_a_phone(access: Access) -> None:
    window = f"window: {{from: {T('11:00')}, until: {T('12:00')}}}\npurpose: incident\nends_when: {{issue_closed: acme/orders#88}}\n"
    propose(access, T("10:00"), {FILE: GRANT.partition("window:")[0] + window})
    text = comment_text(told(access, "1", T("10:01")))
    assert all(f"| {row} |" in text for row in ("window", "purpose", "ends when"))
    assert 20 < least_width(text) <= PHONE


def test_pages_that_show_a_comment_show_this_one() -> None:
    for page in (TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        for shown in re.findall(r"<!-- comment:begin[^\n]*-->\n(.*?)<!-- comment:end -->", text, re.DOTALL):
            assert shown.strip() == golden("waiting").strip(), (
                f"{page.name}: paste tests/views/golden/comment-waiting.md"
            )


def test_a_request_that_has_everything_says_so(asked: Access) -> None:
    asked.run("approve", "1", "--at", T("10:01"), acting="bob")
    asked.run("approve", "1", "--at", T("10:02"), acting="dave")
    report = told(asked, "1", T("10:03"))
    assert steady(comment_text(report), report) == golden("approved")


def test_reviews_that_do_not_count_are_explained_to_those_who_gave_them(asked: Access) -> None:
    asked.approve_elsewhere("1", at=T("10:01"), acting="alice")
    for who in ("bob", "carol"):
        asked.run("approve", "1", "--at", T("10:01"), acting=who)
    asked.git("switch", "-q", f"b{T('10:00')}".replace(":", ""))
    asked.write(FILE, GRANT.replace("8h", "7h"))
    asked.commit("Ask for less", email="alice@example.com")
    asked.git("switch", "-q", "main")
    site = asked.repo("alice")
    head = site.history.resolve(f"b{T('10:00')}".replace(":", ""))
    old = site.forge.pull(1).head[:12]
    site.forge.push(1, head=head, at=datetime.fromisoformat(T("10:02")))
    asked.run("approve", "1", "--at", T("10:03"), acting="carol")
    report = told(asked, "1", T("10:04"))
    text = comment_text(report)
    assert text.count("does not count") == 2
    assert (
        "- Alice Ngo (`alice`), your approval does not count: alice receives the access and opened the request" in text
    )
    again = " Please look at what stands here now and approve again."
    assert f"- Bob Osei (`bob`), your approval does not count: it was given on `{old}`, the head is" in text
    assert again in text
    assert "- `owners`: approved by Carol Diaz (`carol`) (`production-needs-two`)" in text


def test_a_denied_request_says_what_would_pass(access: Access) -> None:
    propose(access, T("10:00"), {FILE: GRANT.replace("8h", "9h").replace("readonly", "readonli")})
    report = told(access, "1", T("10:01"))
    assert report.state == "refused"
    assert steady(comment_text(report), report) == golden("refused")


def test_faults_stand_with_their_line_and_how_to_fix_them(access: Access) -> None:
    propose(access, T("10:00"), {FILE: GRANT.replace("8h", "8 hours"), "grants/orders-db/Bad Name.yaml": GRANT})
    report = told(access, "1", T("10:01"))
    assert report.state == "invalid"
    assert steady(comment_text(report), report) == golden("invalid")


def test_what_takes_access_away_needs_nobody(access: Access) -> None:
    name = access.grant(T("10:00"), T("10:10"))
    access.run("apply", "--at", T("10:11"))
    number = propose(access, T("10:20"), {f"grants/{name}.yaml": None})
    report = told(access, number, T("10:21"))
    text = comment_text(report)
    assert "takes a grant away" in text
    assert "Takes away access of alice. Nobody needs to approve it." in text
    assert '- alice  {"member_of":"orders_readonly"}  on orders-db (embedded)  at the next run' in text
    assert "in place of 2026-11-20T12:10:00Z" in text
    assert "**Ends: Alice Ngo joins role `orders_readonly` at orders-db** (" in text


def test_a_removal_that_waits_for_an_owner_promises_no_access(access: Access) -> None:
    name = access.grant(T("10:00"), T("10:10"))
    access.run("apply", "--at", T("10:11"))
    number = propose(access, T("10:20"), {f"grants/{name}.yaml": None}, acting="erin", email="erin@example.com")
    report = told(access, number, T("10:21"))
    assert report.state == "waiting"
    assert "; what it takes away ends at the next run. A push takes approvals away." in comment_text(report)
    assert "the access is given" not in comment_text(report)


def test_a_removal_names_the_grants_that_still_give_the_same(access: Access) -> None:
    one, other = access.grant(T("10:00"), T("10:10")), access.grant(T("10:20"), T("10:30"))
    access.run("apply", "--at", T("10:31"))
    number = propose(access, T("10:40"), {f"grants/{one}.yaml": None})
    assert f"(also given by {other})" in comment_text(told(access, number, T("10:41")))
    # Once the other one has ended it is no help.
    assert "also given" not in comment_text(told(access, number, T("12:30")))


def test_more_time_shows_the_end_so_far(access: Access) -> None:
    name = access.grant(T("10:00"), T("10:10"))
    access.run("apply", "--at", T("10:11"))
    access.run("extend", name, "--for", "1h", "--at", T("10:20"), acting="alice")
    number = str(max(pull.number for pull in access.repo().forge.open_pulls()))
    text = comment_text(told(access, number, T("10:21")))
    assert "gives more than before" in text
    assert "from 2026-11-20T10:10:00Z until 2026-11-20T13:10:00Z, so far until 2026-11-20T12:10:00Z" in text
    moved = "- was until `2026-11-20T12:10:00Z`, **now until `2026-11-20T13:10:00Z`**: 1h longer\n"
    assert (
        f"**What changes:**\n\n{moved}\n**What stays:** subject `alice`, resource `orders-db`, role `readonly`\n"
        in text
    )


def test_what_passes_without_a_person_names_the_rule(access: Access) -> None:
    number = access.ask(T("10:00"), resource="staging", role="deploy")
    report = told(access, number, T("10:01"))
    assert title_text(report) == "everything is there, daypass merges it"
    assert "It passes without a person, by rule `low-risk-passes`." in comment_text(report)


def test_a_merge_and_a_close_end_the_story(asked: Access) -> None:
    other = GRANT.replace("readonly", "admin").replace("8h", "1h")  # of one role the merged grant leaves nothing
    propose(asked, T("10:05"), {FILE.replace("double", "triple"): other})
    for who in ("bob", "dave"):
        asked.run("approve", "1", "--at", T("10:06"), acting=who)
    site = asked.repo()

    def gated(number: int, at: datetime):
        found = gate(site, number, at=at)
        return report_of(site, found, at=at)

    merged = gated(1, datetime.fromisoformat(T("10:07")))
    assert (title_text(merged), merged.state) == ("merged, and not given yet", "approved")
    assert "at `2026-11-20T10:07:00Z`. The applier now proves all of this again" in comment_text(merged)
    late = datetime.fromisoformat(T("10:07")) + timedelta(days=8)
    closed = gated(2, late)
    assert (title_text(closed), closed.state, closed.ask) == ("closed without a merge", "refused", ())
    assert "Closed without a merge: nobody answered within 7d. To ask again" in comment_text(closed)


def test_the_passing_of_time_alone_changes_no_word(asked: Access) -> None:
    first, later = told(asked, "1", T("10:01")), told(asked, "1", T("13:59"))
    assert comment_text(first) == comment_text(later)
    assert first.ask == later.ask


def test_an_escalation_is_announced_and_then_lets_people_in(access: Access) -> None:
    people = access.top / "policies/directory/people.yaml"
    text = people.read_text(encoding="utf-8").replace(
        "security: {members: [dave, erin]}", "security: {members: [dave]}"
    )
    access.write("policies/directory/people.yaml", text)
    access.commit("Leave security to one")
    propose(access, T("10:00"), {FILE: GRANT})
    before, after = told(access, "1", T("13:59")), told(access, "1", T("14:00"))
    assert ", by Dave Kim (`dave`); from `2026-11-20T14:00:00Z` on also Erin Vogt (`erin`) (" in comment_text(before)
    assert before.ask == ("dave", "bob", "carol")
    assert ", by Dave Kim (`dave`) or Erin Vogt (`erin`) (" in comment_text(after)
    assert after.ask == ("dave", "bob", "erin", "carol")


def test_a_rejection_is_said_first_and_nobody_is_asked(asked: Access) -> None:
    asked.run("reject", "1", "--at", T("10:01"), acting="erin")
    report = told(asked, "1", T("10:02"))
    text = comment_text(report)
    assert (report.state, report.ask) == ("refused", ())
    assert text.startswith("### daypass: blocked, whoever else approves\n")
    assert "- erin rejected it at" in text.split("| grant |")[0]


HOSTILE = (
    "<!-- daypass:notice --> @bob @acme/owners see #12 GH-1",
    "![x](https://evil.example/p.png) [y](https://evil.example) https://evil.example www.evil.example a@evil.example",
    "</details></table><script>alert(1)</script><img src=x onerror=alert(1)> &#64;bob",
    "``` | `x` \\| || \\\\| # heading *a* _b_ ~~c~~ $`d`$ :smile: deadbeefcafe",
    "::error::pwned %0A::error::pwned ##[error]pwned ::add-mask::x",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_reason_and_a_file_name_stay_text(access: Access, text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    name = re.sub("[/\0]", "", text)[:100]
    reason = GRANT.replace(
        "Duplicate charges reported by support; reading the payment rows of four orders.", f'"{quoted}"'
    )
    propose(access, T("10:00"), {FILE: reason, f"grants/orders-db/{name}.yaml": GRANT}, email="<@bob #12>@evil.example")
    report = told(access, "1", T("10:01"))
    whole = comment_text(report)
    assert whole.count("pwned") >= text.count("pwned")
    _holds_together(whole)


def _holds_together(text: str) -> None:
    """Only our own structure, only our own HTML, and nothing outside of code that a forge reacts to."""
    links = []
    for token in READER.parse(text):
        if token.type == "html_block":
            assert re.sub(r"<code>[^<>]*</code>", "", token.content).strip() == "</details>" or re.fullmatch(
                r"<details><summary>(<code>[^<>]*</code>: [a-z0-9, ]+|What the merge changes at the target)</summary>\s*",
                token.content,
            )
        for child in token.children or ():
            assert child.type in {
                "text",
                "code_inline",
                "strong_open",
                "strong_close",
                "em_open",
                "em_close",
                "softbreak",
                "html_inline",
            }
            if child.type == "html_inline":
                assert child.content in {"<sub>", "</sub>"}
            if child.type == "text":
                links += re.findall(r"@\w|#\d|GH-\d|://|www\.|\b[0-9a-f]{7,40}\b|::|##\[", child.content)
    assert links == []
    assert not re.search(r"^\s*::|##\[", text, re.MULTILINE)
    assert text.count("\n```diff\n") * 2 == len(re.findall(r"^```", text, re.MULTILINE))


def test_a_mention_is_made_of_the_directory_alone_and_only_to_explain(access: Access) -> None:
    people = access.top / "policies/directory/people.yaml"
    text = people.read_text(encoding="utf-8")
    text = text.replace("carol: {name: Carol Diaz", "carol: {forge: {login: carol-d, id: 77}, name: Carol Diaz")
    text = text.replace("erin: {name: Erin Vogt", "erin: {forge: {login: erin.v_x, id: 78}, name: Erin Vogt")
    access.write("policies/directory/people.yaml", text)
    access.commit("Know logins")
    number = propose(access, T("10:00"), {FILE: GRANT}, acting="carol", email="carol@example.com")
    access.approve_elsewhere(number, at=T("10:01"), acting="carol")
    shown = comment_text(told(access, number, T("10:02")))
    assert "- @carol-d, your approval does not count: carol opened the request and" in shown
    assert "Asked by Carol Diaz (`carol-d`)." in shown
    assert "Erin Vogt (`erin.v_x`)" in shown
    assert re.findall(r"@[\w-]+", shown) == ["@carol-d"]


def test_many_grants_are_folded_and_ten_thousand_are_counted(access: Access) -> None:
    many = {f"grants/orders-db/g{n:05}.yaml": GRANT.replace("INC-1234", f"INC-{n}") for n in range(300)}
    propose(access, T("10:00"), many)
    report = told(access, "1", T("10:01"))
    text = comment_text(report)
    assert len(text.encode()) <= 60_000
    assert text.count("<details>") == text.count("</details>") > 20
    assert text.count("a new grant, which waits for 2 approvals</summary>") == text.count("<details>")
    left = re.search(r"\*… and (\d+) more grants: the summary of the run that wrote this has all\.\*", text)
    assert left is not None
    assert int(left[1]) + text.count("<details>") == 300
    _holds_together(text)
    whole = comment_text(report, limit=900_000)
    assert "more grants" not in whole
    assert whole.count("<details>") == 300
    assert whole.startswith("### daypass: waiting for 2 approvals from group:security and owners since ")


@pytest.mark.parametrize("limit", [1_500, 2_000, 4_000, 8_000])
def test_whatever_the_limit_no_table_or_fence_is_cut(access: Access, limit: int) -> None:
    files = {f"grants/orders-db/{'`' * 40}{n}.yaml": GRANT for n in range(30)}
    propose(access, T("10:00"), {FILE: GRANT.replace("8h", "9h"), **files})
    report = told(access, "1", T("10:01"))
    text = comment_text(report, limit=limit, pointer="run daypass")
    assert len(text.encode()) <= limit
    assert text.startswith("### daypass: ")
    assert "more findings: run daypass.*" in text
    assert text.rstrip().endswith("</sub>")
    for row in re.findall(r"^\|.*$", text, re.MULTILINE):
        assert row.endswith("|")
    _holds_together(text)


def test_another_role_is_said_as_a_change_and_the_rest_as_staying(access: Access) -> None:
    name = access.grant(T("10:00"), T("10:10"))
    access.run("apply", "--at", T("10:11"))
    file = f"grants/{name}.yaml"
    text = (access.top / file).read_text(encoding="utf-8").replace("role: readonly", "role: admin").replace("2h", "1h")
    number = propose(access, T("10:20"), {file: text})
    shown = comment_text(told(access, number, T("10:21")))
    assert "- role: was `readonly`, now `admin`\n" in shown
    assert "- window: was 2h, from the merge on, now 1h, from the merge on\n" in shown
    assert "**What stays:** subject `alice`, resource `orders-db`\n" in shown
    assert "- **Alice Ngo joins role `orders_admin` at orders-db** (" in shown
    assert "- **Ends: Alice Ngo joins role `orders_readonly` at orders-db** (" in shown
