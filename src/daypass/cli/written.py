"""What a run has written at the forge and in the ledger so far, so that somebody who interrupts it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

_IN_DOUBT = "may have gone through: the interruption came while it was made"

FORGE: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "commit": ("a commit on a branch of its own", lambda oid: f"commit {oid[:12]}, on a branch of its own"),
    "open": ("opening the pull request", lambda pull: f"pull request #{pull.number} was opened"),
    "push": ("moving a pull request's head", lambda pull: f"the head of pull request #{pull.number} was moved"),
    "review": ("recording the review", lambda review: f"the review of {review.commit[:12]} was recorded"),
    "merge": ("the merge", lambda merge: f"{merge.head[:12]} was merged as {merge.commit[:12]}"),
    "close": ("closing a pull request", lambda _: "a pull request was closed"),
}
"""What writes at a forge: its name while it is made, and what is said of it afterwards."""

LEDGER: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "begin": ("the ledger's first receipt", lambda _: "the ledger was begun"),
    "append": ("a receipt", lambda standing: f"the ledger has every receipt up to {standing.next_sequence - 1}"),
}
"""What writes to the ledger."""


BOARD: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    name: ("telling people at the forge", lambda _: "people were told at the forge")
    for name in ("show", "say", "issue")
}
"""What writes for people at a forge."""

SETTINGS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "send": ("a change of the repository's settings", lambda _: "settings of the repository were changed"),
}
"""What changes how a forge is set up."""

SHARING: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "run": ("what was brought from and pushed to the remote", lambda _: "what was brought and pushed stands"),
}
"""What exchanges with other clones."""


class Noting:
    """A port whose writing methods note what they did; everything else is the port's own."""

    def __init__(self, port: Any, words: Mapping[str, tuple[str, Callable[[Any], str]]]) -> None:
        context = click.get_current_context(silent=True)
        self._port = port
        self._words = words
        self._written: dict[object, str] = context.obj.setdefault("written", {}) if context is not None else {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name not in self._words:
            return found
        begun, done = self._words[name]

        def noted(*arguments: Any, **options: Any) -> Any:
            entry = object()
            self._written[entry] = f"{begun} {_IN_DOUBT}"
            try:
                result = found(*arguments, **options)
            except Exception:
                del self._written[entry]
                raise
            self._written[entry] = done(result)
            return result

        return noted


def interrupted(written: Mapping[object, str]) -> list[str]:
    """Say to who interrupted a run what it had written, each thing once and the last word on the ledger only."""
    lines = list(dict.fromkeys(written.values()))
    ledger = [line for line in lines if line.startswith("the ledger has")]
    told = [line for line in lines if line not in ledger[:-1]]
    if not told:
        return ["daypass: interrupted; nothing was written at the forge or in the ledger"]
    more = ["the next run looks at every change that was begun and not recorded"] if ledger else []
    return ["daypass: interrupted; this was written and stands:", *(f"  {line}" for line in [*told, *more])]
