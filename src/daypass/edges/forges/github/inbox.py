"""Requests in words at GitHub: the issue form, made from the catalogue, and issues and comments, each read afresh.

https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests/syntax-for-issue-forms
and .../syntax-for-githubs-form-schema and .../common-validation-errors-when-creating-issue-forms say what a form may
hold: ids and labels once each, choices once each and all text, none of them the word "none". A form with one fault is
left out of the list of forms without a word, so every text here is quoted.

An answered form is an issue whose text is, question by question, ``### <label>``, an empty line and the answer. Anybody
can write such a text by hand, and an answer can hold what looks like the next question. So nothing is guessed: a text
that does not have exactly the form's questions, each once and in order, is no answer to it.

Whether somebody changed the words since they were written decides whether they count, and REST does not tell it: an
issue's ``updated_at`` moves with every comment and label. GraphQL does
(https://docs.github.com/en/graphql/reference/interfaces#comment), so it is asked after the words were read: a change
in between is seen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from urllib.parse import quote

from daypass.core.bounds.purposes import DetailField
from daypass.core.catalogue import Catalogue
from daypass.core.errors import EdgeError
from daypass.core.files.form import BESIDES, QUESTIONS, FormAnswers, Question, questions, read_answers
from daypass.core.files.text import quoted
from daypass.core.finding import Finding, Place
from daypass.core.forge import Links, Remark, Ticket
from daypass.core.policy.details import expected
from daypass.edges.forges.github.answers import Fields, as_documented
from daypass.edges.forges.github.reading import RepositoryPart

EDITED = "query($id: ID!) { node(id: $id) { ... on Comment { lastEditedAt } } }"
"""When the text of an issue, pull request or comment was changed last; null where it never was."""


class GitHubInbox(RepositoryPart):
    """Implements ports.Inbox. Raises EdgeError for what is not there and for an answer that is not understood."""

    def ticket(self, number: int) -> Ticket:
        """Return one issue or pull request (https://docs.github.com/en/rest/issues/issues#get-an-issue). 2 calls."""
        what = f"issue {number}"
        found = Fields(what, self._api.get(f"{self._root}/issues/{number}"))
        # An issue that was moved to another repository is answered from there.
        home = found.text("repository_url").lower()
        if found.number("number") != number or not home.endswith(self._root.lower()):
            raise EdgeError(
                f"{what} is not {self._repository}'s any more", hint="it was moved; ask again with the form"
            )
        labels = found.value("labels")
        if not isinstance(labels, list):
            raise EdgeError(f"GitHub's answer about {what} is not understood: it names no labels")
        named = [str(label.get("name", "")) if isinstance(label, dict) else str(label) for label in labels]
        return Ticket(
            number=number,
            by=self._account(found.value("user")),
            at=found.instant("created_at"),
            title=found.text("title"),
            asked=asked_in(number, named, _body(found)),
            is_pull="pull_request" in found.data,
            edited=self._edited(found),
        )

    def remark(self, comment: int) -> Remark:
        """Return one comment (https://docs.github.com/en/rest/issues/comments#get-an-issue-comment). 2 calls."""
        what = f"comment {comment}"
        found = Fields(what, self._api.get(f"{self._root}/issues/comments/{comment}"))
        place, _, number = found.text("issue_url").rpartition("/")
        if place and not place.lower().endswith(f"{self._root}/issues".lower()):
            # An issue that was moved takes its comments along, and its number here may be another issue's.
            raise EdgeError(f"{what} is not on an issue of {self._repository} any more", hint="write it there again")
        if not number.isascii() or not number.isdecimal():
            raise EdgeError(f"GitHub's answer about {what} is not understood: it names no issue")
        return Remark(
            id=comment,
            number=int(number),
            by=self._account(found.value("user")),
            at=found.instant("created_at"),
            body=_body(found),
            edited=self._edited(found),
        )

    @as_documented("our requests")
    def asked(self, branch: str) -> int | None:
        """Return the newest pull request that our own bot opened from a branch of this repository, open or not. 1 call."""
        if self._bot is None:
            return None
        ours = [one for one in self._pulls_of(branch, state="all") if self._is_bots(one.value("user"))]
        return max((one.number("number") for one in ours), default=None)

    def _edited(self, found: Fields) -> bool:
        query = {"query": EDITED, "variables": {"id": found.text("node_id")}}
        answer = Fields(found.what, self._api.send("POST", "/graphql", query, safe=True))
        node = answer.data.get("data") if isinstance(answer.data, dict) else None
        asked = node.get("node") if isinstance(node, dict) else None
        if not isinstance(asked, dict) or answer.data.get("errors") or "lastEditedAt" not in asked:
            raise EdgeError(
                f"GitHub does not say whether {found.what} was edited",
                hint="words that may be somebody else's are not acted on; run it again",
            )
        return asked["lastEditedAt"] is not None


def _body(found: Fields) -> str:
    return "" if found.value("body") is None else found.text("body")  # an issue without a text


_MOST_LINK = 6_000
"""Longer addresses are cut or refused on their way."""


def links_of(page: str) -> Links:
    """Return where people ask and change files, by the repository's address for people.

    https://docs.github.com/en/repositories/working-with-files/managing-files/creating-new-files
    """

    def new_file(path: str, text: str) -> str:
        folder, _, name = path.rpartition("/")
        empty = f"{page}/new/main/{quote(folder)}?filename={quote(name)}"
        filled = f"{empty}&value={quote(text, safe='')}"
        return filled if len(filled) <= _MOST_LINK else empty

    return Links(
        form=f"{page}/issues/new?template={FORM_FILE.rpartition('/')[2]}",
        new_file=new_file,
        edit=lambda path: f"{page}/edit/main/{quote(path)}",
        delete=lambda path: f"{page}/delete/main/{quote(path)}",
        number=lambda number: f"{page}/issues/{number}",  # which leads on to a pull request of that number
        files=lambda number: f"{page}/pull/{number}/files",
        commit=lambda commit: f"{page}/commit/{quote(commit)}",
    )


LABEL = "daypass-request"
"""The label that the form puts on its issues. It says that somebody means us, and nothing else."""

FORM_FILE = f".github/ISSUE_TEMPLATE/{LABEL}.yml"
MOST_CHOICES = 100
"""A list with more choices than this is answered by typing: nobody documents how many a list may have."""

_HELP = {
    "role": "What you need access to, and the role on it.",
    "subject": "A handle of the directory, such as alice. Leave it empty to ask for yourself.",
    "duration": (
        "From the merge on, such as 8h, 30m or 2d. Or a window, 2026-12-01T09:00Z until 2026-12-01T17:00Z; one that recurs "
        "has hours or a calendar, and a zone: 2026-12-01 until 2027-01-15, Mon 06:00-08:00, Europe/Berlin, or "
        "2026-12-01 until 2027-01-15, calendar office, Europe/Berlin."
    ),
    "purpose": "A ready-made kind of request, where one fits.",
    "ticket": "The ticket of the task, such as INC-1234.",
    "ends_when": (
        "What ends the access before its time, such as issue_closed acme/orders#88 or pull_merged acme/orders#91; a comma "
        "between the two. An issue alone, acme/orders#88, ends it when it is closed."
    ),
    "reason": "Why, in words that a reviewer and an auditor understand. Write no line that begins with ###.",
}


_LONGEST = 20_000
_HEADING = re.compile(r"[ \t]*###(?!#)")
_NOTHING = "_No response_"  # what GitHub writes for a text that was left empty
_NO_CHOICE = "none"  # ... and for a list of which nothing was chosen; hence a reserved word there
_NAMED_NONE = "purpose none"
_AGAIN = "open a new issue with the form, and leave its headings as they are"


def form_text(catalogue: Catalogue, introduction: str) -> str:
    """Write the issue form for a catalogue, below an introduction in Markdown. The same catalogue gives the same bytes."""
    pairs = [f"{resource.name}/{role}" for resource in catalogue.resources.values() for role in resource.roles]
    choices: dict[str, Sequence[str]] = {
        "role": sorted(pairs),
        "purpose": [purpose_choice(name) for name in catalogue.purposes],
    }
    lines = [
        "# Generated by `daypass form` from policies/; do not edit.",
        f"name: {_text('Access request')}",
        f"description: {_text('Ask for access to a system, for a while and for a reason.')}",
        f"title: {_text('Access request')}",
        f"labels: [{_text(LABEL)}]",
        "body:",
        "  - type: markdown",
        "    attributes:",
        f"      value: {_text(introduction)}",
    ]
    told = details_help(catalogue)
    besides = {"ends_when": catalogue.settings.forge.watches, "details": bool(told)}
    for question in questions([key for key, wanted in besides.items() if wanted]):
        offered = choices.get(question.key, ())
        kind = "dropdown" if 0 < len(offered) <= MOST_CHOICES else "textarea" if question.lines else "input"
        lines += [
            f"  - type: {kind}",
            f"    id: {question.key}",
            "    attributes:",
            f"      label: {_text(question.label)}",
            f"      description: {_text(_HELP.get(question.key, told))}",
        ]
        if kind == "dropdown":
            lines += ["      options:", *(f"        - {_text(choice)}" for choice in offered)]
        lines += ["    validations:", f"      required: {'true' if question.required else 'false'}"]
    return "\n".join(lines) + "\n"


def details_help(catalogue: Catalogue) -> str:
    """Say which details each purpose asks for, "" where none asks for any."""
    told = [
        f"For {purpose.name}: " + ". ".join(_field_help(field) for field in purpose.fields.values())
        for purpose in catalogue.purposes.values()
        if purpose.fields
    ]
    return "What the purpose asks for, one a line. " + ". ".join(told) + "." if told else ""


def _field_help(of: DetailField) -> str:
    title = f" ({of.title})" if of.title else ""
    return f"{of.name}{title}: {expected(of)}" + ("" if of.required else "; may be left out")


def _text(text: str) -> str:
    """Quote as JSON, which is YAML: `no`, `1e3` and `a: b` stay the text that they are."""
    return json.dumps(text, ensure_ascii=False)


def purpose_choice(name: str) -> str:
    """Return how a purpose is written in the form, where the word ``none`` means that none was chosen."""
    return _NAMED_NONE if name == _NO_CHOICE else name


def asked_in(number: int, labels: Collection[str], body: str) -> FormAnswers | tuple[Finding, ...] | None:
    """Return what an issue asks for with the form, or all that is wrong with it; None where it is not about the form."""
    return read_form(f"issue {number}", body) if LABEL in labels or looks_like_form(body) else None


def looks_like_form(body: str) -> bool:
    """Say whether a text begins as an answered form does; whether it is one, `read_form` says."""
    return body.lstrip().startswith(f"### {QUESTIONS[0].label}")


def read_form(file: str, body: str) -> FormAnswers | tuple[Finding, ...]:
    """Read the text of an issue (``file`` names it in findings), or say everything that is wrong with it."""
    if len(body) > _LONGEST:
        message = f"the text has {len(body)} characters, more than the {_LONGEST} that are read"
        return (Finding("form-broken", Place(file), message, "shorten the reason, and open a new issue"),)
    lines = body.replace("\r\n", "\n").split("\n")
    places = [number for number, line in enumerate(lines) if _HEADING.match(line)]
    headings = [lines[number] for number in places]
    asked = _asked_by(headings)
    if headings != [f"### {question.label}" for question in asked] or "".join(lines[: places[0]]).strip():
        return (Finding("form-broken", Place(file), _what_is_wrong(headings), _AGAIN),)
    ends = (*places[1:], len(lines))
    return read_answers(
        file,
        {
            question.key: _said(question.key, "\n".join(lines[start + 1 : end]).strip(" \t\n"))
            for question, start, end in zip(asked, places, ends, strict=True)
        },
    )


def _asked_by(headings: Collection[str]) -> tuple[Question, ...]:
    """Return the questions of the form that has these headings, as far as they say."""
    return questions([question.key for question in BESIDES if f"### {question.label}" in headings])


def _said(key: str, text: str) -> str:
    """Return an answer, "" where GitHub says in its words that there is none."""
    if text == _NOTHING or (key == "purpose" and text.casefold() == _NO_CHOICE):
        return ""
    return _NO_CHOICE if key == "purpose" and text == _NAMED_NONE else text


def _what_is_wrong(headings: list[str]) -> str:
    """Say how the headings differ from the form's, the first difference only."""
    wanted = [f"### {question.label}" for question in _asked_by(headings)]
    for heading in wanted:
        if headings.count(heading) != 1:
            times = "is missing" if heading not in headings else f"stands {headings.count(heading)} times"
            return f"the heading {quoted(heading)} {times}; the form has it once"
    for heading in headings:
        if heading not in wanted:
            return (
                f"the line {quoted(heading)} is no heading of the form; an answer may hold no line that begins with ###"
            )
    if headings != wanted:
        return "the headings are not in the form's order"
    return "there is text above the form's first heading"
