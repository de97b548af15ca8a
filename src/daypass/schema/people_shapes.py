"""What ``daypass people`` prints as JSON."""

from __future__ import annotations

from pydantic import BaseModel

from daypass.schema.shapes import Texts, many, of, output, shape

_ENTRY = shape("DirectoryEntry", {**of(str, "person", "number"), "keys": Texts})
_UNFIT = shape("UnfitPerson", of(str, "number", "called", "why", "hint"))
_LEFT = shape("LeftPerson", of(str, "person", "number", "code"))

PEOPLE: dict[str, type[BaseModel]] = {
    "people-import": output(
        "people-import",
        {
            "source": str,
            **of(many(_ENTRY), "new", "changed"),
            "gone": many(shape("GonePerson", of(str, "person", "what"))),
            "same": Texts,
            **of(many(_UNFIT), "refused", "left_out"),
            "files": Texts,
            "pull": int | None,
        },
    ),
    "people-check": output(
        "people-check",
        {
            **of(str, "source", "held", "digest"),
            "known": int,
            "left": many(_LEFT),
            "back": many(shape("PersonBack", of(str, "person", "number"))),
            **of(bool, "recorded", "merged"),
            "pull": int | None,
        },
    ),
}
"""The outputs of these verbs, by name."""
