"""No text of people can be anything but text, whoever reads the Markdown."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from daypass.views.findings import printable
from daypass.views.markdown import code, fence, folded, html_code, prose, table

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])

# What forges make something of in text that is in no code span, after Markdown and entities are resolved.
REACTS = re.compile(
    r"@[\w-]|#[0-9]|\bGH-[0-9]|\b[0-9a-fA-F]{7,64}\b|://|\bwww\.|:[a-z0-9_+-]+:|\S@\S|[a-z0-9]\.[a-z]{2}|&|<|>|\$|`",
    re.ASCII,
)

HOSTILE = (
    "@alice", "@acme/owners", "a@b.example", "#12", "acme/access#12", "GH-12", "deadbeef", "c0ffee1234", "https://x.example",
    "www.x.example", "mailto:a@b.example", "[a](https://x.example)", "![a](https://x.example/p.png)", "[a]: https://x.example",
    "<img src=x>", "<b>", "</td>", "</details>", "<!--", "-->", "<!-- daypass:notice -->", "&#64;alice", "&lt;", "&commat;alice",
    "`", "``", "```", "~~~", "|", "\\|", "\\", "\\\\|", "*a*", "**", "_a_", "~~a~~", "# a", "===", "---", "- a", "+ a", "1. a", "1) a", "> a",
    "    a", "\t", "\n", "\r\n", "\n\n# a", "\n::error::x", "::error::x", "%0A::error::x", "##[error]x", "##[", ":smile:", "$x$", "$`x`$",
    "\u202e", "\u200b", "\u2028", "\x1b[2J", "\x00", "[^1]", "[ ]", "e\u0301", "\ud800", "Skip: [skip ci]", "don't", "4h", "(and)", "plain words, here.",
)  # fmt: skip

texts = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=6).map("".join),
    st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=6).map(" ".join),
    st.lists(st.text("`|\\ @#a1.<>[]()!*_-:/", max_size=12), max_size=4).map(" ".join),
)


def spoken(text: str) -> str:
    """What a reader is to see: what daypass writes as escapes anyway, then a bar and a command's beginning as one."""
    return printable(text).replace("##[", r"##\x5b").replace("|", r"\x7c")


def seen(children) -> str:
    assert {child.type for child in children} <= {"text", "code_inline"}, [child.type for child in children]
    for child in children:
        if child.type == "text":
            assert not REACTS.search(child.content), child.content
    return "".join(child.content for child in children).replace("|", r"\x7c")


def inline(markdown: str) -> tuple[list[str], list]:
    tokens = READER.parse(markdown)
    return [token.type for token in tokens], [token for token in tokens if token.type == "inline"]


@settings(deadline=None)
@given(texts)
@example("`a` `")
@example("\\|")
@example(" `")
@example("a|")
@example("\\")
def test_a_value_is_one_code_span_and_reads_as_it_was_written(text: str) -> None:
    types, (line,) = inline(f"value: {code(text)}")
    assert types == ["paragraph_open", "inline", "paragraph_close"]
    if printable(text):
        # Outside of a table nobody takes the backslash before a bar away; readers see it there.
        assert seen(line.children).replace(r"\\x7c", r"\x7c") == f"value: {spoken(text)}".replace(r"\\x7c", r"\x7c")
        assert [child.type for child in line.children] == ["text", "code_inline"]


@settings(deadline=None)
@given(texts, texts)
@example("\\", "|")
@example("a\\|b", "`|`")
def test_a_value_stays_in_its_cell(one: str, other: str) -> None:
    types, cells = inline(table(("a", "b"), [(code(one), code(other)), (prose(one), prose(other))]))
    assert types.count("tr_open") == 3
    assert types.count("td_open") == 4
    for cell, text in zip(cells[2:4], (one, other), strict=True):
        if printable(text):
            assert seen(cell.children) == spoken(text)
    for cell, text in zip(cells[4:], (one, other), strict=True):
        assert seen(cell.children).strip(" ") == spoken(text).strip(" ")


@settings(deadline=None)
@given(texts)
@example("- a")
@example("1. a")
@example("# a")
@example("a\n===")
def test_a_sentence_opens_nothing_even_at_the_beginning_of_a_line(text: str) -> None:
    for before in ("", "- ", "**x** "):
        types, found = inline(before + prose(text))
        assert {kind.removesuffix("_open").removesuffix("_close") for kind in types} <= {
            "paragraph", "inline", "bullet_list", "list_item",
        }  # fmt: skip
        assert types.count("list_item_open") == (1 if before == "- " else 0)
        if before != "**x** " and found:
            got = seen(found[0].children).replace(r"\\x7c", r"\x7c")
            assert got == spoken(text).strip(" ").replace(r"\\x7c", r"\x7c")


@settings(deadline=None)
@given(st.lists(texts, max_size=4))
def test_a_fence_is_closed_by_us_alone(lines: list[str]) -> None:
    tokens = READER.parse(fence(lines, "diff"))
    assert [token.type for token in tokens] == ["fence"]
    assert tokens[0].content == "".join(printable(line).replace("##[", r"##\x5b") + "\n" for line in lines)


@settings(deadline=None)
@given(texts, texts)
def test_a_folded_part_is_opened_and_closed_by_us_alone(title: str, text: str) -> None:
    tokens = READER.parse(folded(html_code(title), code(text)))
    assert [token.type for token in tokens] == [
        "html_block", "paragraph_open", "inline", "paragraph_close", "html_block",
    ]  # fmt: skip
    head = tokens[0].content
    assert re.findall(r"<[^>]*>", head) == ["<details>", "<summary>", "<code>", "</code>", "</summary>"]
    assert "\n" not in head.rstrip("\n")


@settings(deadline=None)
@given(texts)
def test_no_line_is_a_command_to_a_workflow(text: str) -> None:
    for written in (code(text), prose(text), fence([f"+ {text}"], "diff"), table(("a",), [(code(text),)])):
        assert not re.search(r"^\s*::|##\[", written, re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("dave is in no group that is asked", "dave is in no group that is asked"),
        ("it was given on 0123456789ab, the head is 4h now", "it was given on `0123456789ab`, the head is 4h now"),
        ("ask @alice <b> please", "ask `@alice <b>` please"),
        ("orders-db offers no role 'x'", "orders-db offers no role `'x'`"),
        ("somebody (id 666).", "somebody (id 666)."),
        ("2) two", "`2)` two"),
        ("", ""),
    ],
)
def test_plain_words_stay_plain(text: str, written: str) -> None:
    assert prose(text) == written


def test_nothing_is_said_to_be_nothing() -> None:
    assert code("") == "*empty*"
