"""Files in the form that grants are usually written in, read without libyaml, which takes twenty times as long.

A line is ``key: value`` of plain ASCII text, ``key: {key: value, …}``, or ``key:`` with such lines of text two spaces
further in below it; comments stand above. In this form there is nothing that readers of YAML could refuse or take
differently. Anything else is left to `daypass.core.files.subset`, which would read the same of what is read here.
"""

from __future__ import annotations

import re

_KEY = r"[a-z_]{1,40}"
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
_VALUE = r"(?:[A-Za-z0-9](?:[A-Za-z0-9 ._/,;()@+:#'\"!?%&=*<>$-]*[A-Za-z0-9.)])?)"
_SHORT = rf"(?:{_TIME}|[A-Za-z0-9](?:[A-Za-z0-9 ._/+-]*[A-Za-z0-9.])?)"
_FEW = rf"\{{{_KEY}: {_SHORT}(?:, {_KEY}: {_SHORT}){{0,9}}\}}"
_FORM = re.compile(rf"(?:#[ -~]*\n)*(?:{_KEY}: (?:{_VALUE}|{_FEW})\n|{_KEY}:\n(?:  {_KEY}: {_VALUE}\n)+)+")
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
        if not value:
            below: Values = {}
            values[key] = below
            values = below
        elif value[1] == "{":
            pairs = [pair.partition(": ") for pair in value[2:-1].split(", ")]
            few: Values = {name: said for name, _, said in pairs}
            if len(few) < len(pairs):  # a key is there twice
                return None
            values[key] = few
        elif ": " in value or " #" in value:  # these end a text
            return None
        else:
            values[key] = value[1:]
    return top
