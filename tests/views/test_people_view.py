"""What an import of people leaves out stands in the request's words, in code spans: others wrote it."""

from __future__ import annotations

from daypass.core.catalogue import Directory
from daypass.core.people.matching import match
from daypass.core.people.source import SourcePerson
from daypass.views.policy.people import import_data, import_markdown, import_text


def test_what_is_left_out_is_told_in_every_form() -> None:
    found = match([SourcePerson("z-1", "zoe", manager="`w`|[x](y)")], Directory({}, {}))
    why = "their manager '`w`|[x](y)' is not written: neither in the directory nor in the source"
    said = import_text(found, "it", ())
    assert said.startswith("From it: ")
    assert f"  zoe                      left out: {why}" in said
    assert import_data(found, "it", (), None)["left_out"] == [
        {"number": "z-1", "called": "zoe", "why": why, "hint": ""}
    ]
    assert f"- Left out of `zoe`: ``{why.replace('|', chr(92) + '|')}``\n" in import_markdown(found, "it")
