"""Files in the form that daypass itself writes grants in, read without libyaml, which takes twenty times as long.

A line is ``key: value`` of plain ASCII text, or ``key:`` with such lines two spaces further in below it; comments stand
above. In this form there is nothing that readers of YAML could refuse or take differently. Anything else is left to
`daypass.core.files.subset`, which would read the same of what is read here.
"""

from __future__ import annotations

import re

_KEY = r"[a-z_]{1,40}"
_VALUE = (
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9 ._/,;()@+-]*[A-Za-z0-9.)])?|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)"
)
_FORM = re.compile(rf"(?:#[ -~]*\n)*(?:{_KEY}: {_VALUE}\n|{_KEY}:\n(?:  {_KEY}: {_VALUE}\n)+)+")
_LINES = 100

Values = dict[str, "str | Values"]


def read_plain(text: str) -> Values | None:
    """Return what stands in a text of this form, None for any other."""
    if text.count("\n") > _LINES or not _FORM.fullmatch(text):
        return None
    top: Values = {}
    values = top
    for line in text.splitlines():
        if line[0] == "#":
            continue
        key, _, value = line.partition(":")
        if line[0] != " ":
            values = top
        key = key.lstrip()
        if key in values:
            return None
        if value:
            values[key] = value[1:]
        else:
            below: Values = {}
            values[key] = below
            values = below
    return top
