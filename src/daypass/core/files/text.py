"""From bytes to text that shows what it holds: UTF-8, composed, without characters that a reviewer cannot see.

What was approved is what a person saw. Hence a file may hold no control character, no character that turns or hides its
neighbours, no line break that only some programs know, and no letter that is written in two ways. A byte order mark at
the very start and Windows line ends are accepted; a carriage return alone is not.

Nor may a text hold words that make a hosted forge run nothing, ``[skip ci]`` and its kin, wherever it may reach a commit
message: a merge that carries one into main would be applied by nobody, in silence.
"""

from __future__ import annotations

import re
import unicodedata

from daypass.core.finding import Finding, Place

BOM = b"\xef\xbb\xbf"
MOST = 20
"""No more findings of this kind are listed for one file."""

MOST_FAULTS = 100
"""No more faults are told of one file; a file made of faults is not read to its end."""

_LONGEST_QUOTE = 60

_ASCII = bytes([0x09, 0x0A, 0x0D, *range(0x20, 0x7F)])
_LONE_CR = re.compile(r"\r(?!\n)")
_LINE_BREAKS = "\u0085\u2028\u2029"
"""Line breaks to YAML 1.1 parsers and to hardly any editor: a key could hide at the end of a comment."""

_CONTROL = "\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f"
_BIDIRECTIONAL = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# Zero-width, fillers, variation selectors, tags (which spell invisible ASCII), spaces that are not the space, private
# characters that mean nothing outside one font, and code points that are no characters.
_INVISIBLE = (
    "\u00a0\u00ad\u034f\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200d\u202f\u205f-\u2065\u206a-\u206f\u2800"
    "\u3164\ue000-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001d173-\U0001d17a\U000e0000-\U0010ffff"
)
# Left for `re` to compile when a file first asks for them: they are large, and files in ASCII never do.
_REFUSED = f"[{_CONTROL}{_LINE_BREAKS}{_BIDIRECTIONAL}{_INVISIBLE}]|\\r(?!\\n)"
_IN_VALUE = f"[{_CONTROL}{_LINE_BREAKS}{_BIDIRECTIONAL}{_INVISIBLE}\\r]"
_KINDS = (
    ("\r", "carriage-return", "a carriage return without a line feed", "end lines with LF or CR LF"),
    (f"[{_CONTROL}]", "control-character", "the control character", "remove it"),
    (f"[{_LINE_BREAKS}]", "line-separator", "the line break", "end lines with LF or CR LF"),
    (
        f"[{_BIDIRECTIONAL}]",
        "bidirectional-character",
        "the bidirectional control",
        "remove it; it makes text read in another order than it is stored",
    ),
    (
        f"[{_INVISIBLE}]",
        "invisible-character",
        "the invisible character",
        "remove it, or type a plain space",
    ),
)


def decode(file: str, raw: bytes) -> str | tuple[Finding, ...]:
    """Return the text of a file without its byte order mark, or everything that it must not hold (at most MOST)."""
    raw = raw.removeprefix(BOM)
    if raw.isascii() and not raw.translate(None, _ASCII):
        text = raw.decode("ascii")
        return _refused(file, text) if "\r" in text and _LONE_CR.search(text) else text
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return (_not_utf8(file, raw, error.start),)
    if re.search(_REFUSED, text):
        return _refused(file, text)
    return text if unicodedata.is_normalized("NFC", text) else (_not_composed(file, text),)


def unseen(text: str) -> tuple[str, str, str] | None:
    """Say what is wrong with text that was written with escapes: code, message, hint; None when nothing is."""
    match = re.search(_IN_VALUE, text)
    if match is not None:
        return _describe(match.group())
    if not unicodedata.is_normalized("NFC", text):
        return (
            "not-composed",
            f"{quoted(text)}, which is not in Unicode's composed form (NFC)",
            "write accented letters as one character",
        )
    return None


def quoted(text: str) -> str:
    """Quote a text for a message, cut where it is long."""
    return repr(text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…")


def position(text: str, offset: int) -> tuple[int, int]:
    """Return the 1-based line and column of a character."""
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


def _refused(file: str, text: str) -> tuple[Finding, ...]:
    return tuple(
        _finding(file, text, match) for match, _ in zip(re.finditer(_REFUSED, text), range(MOST), strict=False)
    )


def _finding(file: str, text: str, match: re.Match[str]) -> Finding:
    code, message, hint = _describe(match.group())
    line, column = position(text, match.start())
    return Finding(code, Place(file, line, column), message, hint)


def _describe(character: str) -> tuple[str, str, str]:
    code, what, hint = next((code, what, hint) for kind, code, what, hint in _KINDS if re.match(kind, character))
    if character == "\r":
        return code, what, hint
    name = unicodedata.name(character, "")
    return code, f"{what} U+{ord(character):04X}{f' ({name})' if name else ''}", hint


def _not_utf8(file: str, raw: bytes, offset: int) -> Finding:
    before = raw[:offset].decode("utf-8")
    line, column = position(before, len(before))
    return Finding(
        "not-utf8",
        Place(file, line, column),
        f"byte 0x{raw[offset]:02X} at offset {offset} is not UTF-8",
        "save the file as UTF-8",
    )


def _not_composed(file: str, text: str) -> Finding:
    # Neither can be the other's beginning, since both are the same text when taken apart again.
    composed = unicodedata.normalize("NFC", text)
    offset = next(index for index, (one, other) in enumerate(zip(text, composed, strict=False)) if one != other)
    line, column = position(text, offset)
    pair = " ".join(f"U+{ord(character):04X}" for character in text[offset : offset + 2])
    return Finding(
        "not-composed",
        Place(file, line, column),
        f"the text from here ({pair}) is not in Unicode's composed form (NFC)",
        "write accented letters as one character",
    )


_WORDS = r"ci|actions|action|workflows?|pipelines?|checks?"
_DIRECTIVE = (
    rf"\[[\s_-]*(?:(?:skip|no)[\s_-]*(?:{_WORDS})|(?:{_WORDS})[\s_-]*(?:skip|off))[\s_-]*\]"
    r"|\*\*\*\s*no_ci\s*\*\*\*"
    r"|\bskip[\s_-]*checks[\s_-]*:\s*true"
)


def skip_directives(text: str) -> list[str]:
    """Return the directives in a text as they are written there, in any case and spacing."""
    return [match.group() for match in re.finditer(_DIRECTIVE, text, re.IGNORECASE)]


def directive_findings(text: str, place: Place) -> tuple[Finding, ...]:
    """Refuse a text that would make a forge skip its workflows."""
    return tuple(
        Finding("skip-directive", place, f"{found!r} would make the forge skip its workflows", "remove these words")
        for found in dict.fromkeys(skip_directives(text))
    )
