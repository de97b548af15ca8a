"""The issue form keeps every rule that GitHub documents, whatever legal names the catalogue holds.

https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests/common-validation-errors-when-creating-issue-forms
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from daypass.core.bounds.purposes import DetailField, Purpose
from daypass.core.bounds.settings import Settings
from daypass.core.catalogue import Catalogue, Directory, Resource, Role
from daypass.core.files.form import QUESTIONS, FormAnswers
from daypass.core.files.grants import grant_text, read_grant
from daypass.core.grant import Grant
from daypass.core.ids import GrantId
from daypass.core.record import replace
from daypass.core.window import Span
from daypass.edges.forges.github.inbox import MOST_CHOICES, read_form
from daypass.edges.forges.host import request_form
from daypass.views.form import form_introduction
from daypass.views.markdown import fence

_KEYS = {
    "markdown": {"value"},
    "dropdown": {"label", "description", "options"},
    "input": {"label", "description"},
    "textarea": {"label", "description"},
}
_FORBIDDEN_WORDS = ("password", "passwd", "secret", "token", "credential")
_BEGIN = "0123456789abcdefghijklmnopqrstuvwxyz"
"""What a name begins with. Names are put together of letters, of which hypothesis makes many more than by a pattern."""


def _names(more: str, most: int) -> st.SearchStrategy[str]:
    """Return names that go on with ``more`` too, by ``most`` letters."""
    return st.builds(str.__add__, st.sampled_from(_BEGIN), st.text(_BEGIN + more, max_size=most))


def catalogue(
    resources: Mapping[str, tuple[str, ...]], purposes: tuple[str, ...] = (), title: str = "A system"
) -> Catalogue:
    made = {
        name: Resource(
            name, title, "embedded", "production", "internal", ("dba",),
            {role: Role(role, timedelta(hours=8), {}) for role in roles},
        )
        for name, roles in resources.items()
    }  # fmt: skip
    nobody = Directory(MappingProxyType({}), MappingProxyType({}))
    return Catalogue(Settings(), made, nobody, {name: Purpose(name) for name in purposes})


def form_text(made: Catalogue) -> str:
    return request_form(made, form_introduction(made))[1]


@lru_cache(maxsize=1)
def loaded(text: str) -> dict[str, Any]:
    """Return a form as YAML reads it, which takes longer than to make it."""
    form: dict[str, Any] = yaml.safe_load(text)
    return form


def fields(text: str) -> dict[str, Any]:
    return {field["id"]: field for field in loaded(text)["body"] if field["type"] != "markdown"}


def check_rules(text: str) -> None:
    form = loaded(text)
    assert list(form) == ["name", "description", "title", "labels", "body"]
    assert all(isinstance(form[key], str) and form[key].strip() for key in ("name", "description", "title"))
    assert len(form["description"]) <= 200  # a longer one makes the form vanish from the list
    assert form["labels"] == ["daypass-request"]
    asked = [field for field in form["body"] if field["type"] != "markdown"]
    assert asked
    for field in form["body"]:
        allowed = {"type", "attributes"} if field["type"] == "markdown" else {"type", "id", "attributes", "validations"}
        assert set(field) == allowed
        assert set(field["attributes"]) == _KEYS[field["type"]]
        for key, value in field["attributes"].items():
            assert key == "options" or (isinstance(value, str) and value.strip())
    ids, labels = [field["id"] for field in asked], [field["attributes"]["label"] for field in asked]
    assert all(re.fullmatch("[A-Za-z0-9_-]+", one) for one in ids)
    assert len(set(ids)) == len(ids)
    assert len({re.sub("[^a-z0-9_-]+", "-", label.lower()).strip("-") for label in labels}) == len(labels)
    assert labels == [question.label for question in QUESTIONS]
    assert not any(word in label.lower() for label in labels for word in _FORBIDDEN_WORDS)
    for field in asked:
        options = field["attributes"].get("options")
        if options is not None:
            assert 0 < len(options) <= MOST_CHOICES
            assert all(isinstance(option, str) and option.strip() for option in options)
            assert len(set(options)) == len(options)
            assert "none" not in [option.casefold() for option in options]


def test_only_real_combinations_of_resource_and_role_can_be_chosen() -> None:
    made = catalogue({"orders-db": ("admin", "readonly"), "payroll": ("readonly",)}, ("incident",))
    found = fields(form_text(made))
    assert found["role"]["attributes"]["options"] == ["orders-db/admin", "orders-db/readonly", "payroll/readonly"]
    assert found["purpose"]["attributes"]["options"] == ["incident"]
    assert {key for key, field in found.items() if field["validations"]["required"]} == {"role", "duration", "reason"}


def test_names_that_yaml_or_the_forge_take_for_something_else_stay_names() -> None:
    made = catalogue({"no": ("on", "1e3", "0x1f"), "2026-01-01": ("null",)}, ("none", "yes", "off", "12", "true"))
    check_rules(form_text(made))
    found = fields(form_text(made))
    assert found["role"]["attributes"]["options"] == ["2026-01-01/null", "no/0x1f", "no/1e3", "no/on"]
    assert found["purpose"]["attributes"]["options"] == ["purpose none", "yes", "off", "12", "true"]


def test_a_list_that_is_too_long_is_answered_by_typing_and_read_the_same() -> None:
    many = {f"system-{number:03}": ("readonly",) for number in range(MOST_CHOICES + 1)}
    text = form_text(catalogue(many))
    check_rules(text)
    assert fields(text)["role"]["type"] == "input"
    assert "and 1 more, see policies/resources" in text
    exactly = dict(list(many.items())[:MOST_CHOICES])
    assert fields(form_text(catalogue(exactly)))["role"]["type"] == "dropdown"


def test_without_purposes_and_resources_the_form_is_still_one() -> None:
    text = form_text(catalogue({}))
    check_rules(text)
    assert (fields(text)["role"]["type"], fields(text)["purpose"]["type"]) == ("input", "input")


def test_a_title_is_text_and_no_markdown() -> None:
    text = form_text(catalogue({"a": ("r",)}, title='![x](http://evil.example/x.png) @everyone <img> "quoted" #1'))
    check_rules(text)
    (shown,) = [f["attributes"]["value"] for f in loaded(text)["body"] if f["type"] == "markdown"]
    assert '`![x](http://evil.example/x.png) @everyone <img> "quoted" #1`' in shown


@given(
    resources=st.dictionaries(
        _names("-", 20),
        st.lists(_names("_-", 20), min_size=1, max_size=4, unique=True).map(tuple),
        min_size=1,
        max_size=20,
    ),
    purposes=st.lists(_names("-", 10), max_size=6, unique=True).map(tuple),
    title=st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=60),
)
def test_every_legal_catalogue_gives_a_form_that_keeps_the_rules_and_whose_choices_are_read_back(
    resources: dict[str, tuple[str, ...]], purposes: tuple[str, ...], title: str
) -> None:
    text = form_text(catalogue(resources, purposes, title))
    assert form_text(catalogue(resources, purposes, title)) == text
    check_rules(text)
    found = fields(text)
    chosen = {"role": found["role"]["attributes"]["options"][-1], "duration": "8h", "reason": "because it is needed"}
    chosen["purpose"] = found["purpose"]["attributes"].get("options", ["_No response_"])[-1]
    body = "\n\n".join(f"### {q.label}\n\n{chosen.get(q.key, '_No response_')}" for q in QUESTIONS)
    read = read_form("issue 1", body)
    assert isinstance(read, FormAnswers)
    assert f"{read.resource}/{read.role}" == chosen["role"]
    assert read.role in resources[read.resource]
    assert read.purpose == (purposes[-1] if purposes else "")


@pytest.mark.parametrize(("size", "forge"), [(1, "github"), (MOST_CHOICES + 5, "local")])
def test_the_form_keeps_the_public_schema_of_issue_forms(tmp_path: Path, size: int, forge: str) -> None:
    made = catalogue({f"system-{n}": ("on", "no") for n in range(size)}, ("none", "incident"))
    made = replace(made, settings=replace(made.settings, forge_kind=forge))
    (tmp_path / "form.yml").write_text(form_text(made), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-issue-forms", str(tmp_path / "form.yml")],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@given(reason=st.text(alphabet=st.characters(exclude_categories=("Cs",)), min_size=10, max_size=60))
def test_a_grant_shown_to_be_copied_is_the_grant(reason: str) -> None:
    asked = Grant(GrantId("a/b"), "alice", "a", "r", f"because: ##[ {reason}", Span(duration=timedelta(hours=1)))
    read = read_grant(asked.path, grant_text(asked).encode())
    if isinstance(read, Grant):
        lines = fence(grant_text(read).rstrip("\n").split("\n"), "yaml").split("\n")
        assert read_grant(asked.path, "\n".join(lines[1:-1]).encode()) == read


def test_a_form_asks_for_details_where_a_purpose_has_fields() -> None:
    fields = {
        "due": DetailField("due", "moment", "Answer due by", required=True),
        "classes": DetailField("classes", "names", of=("personal", "payment")),
    }
    made = catalogue({"orders-db": ("readonly",)})
    form = yaml.safe_load(request_form(replace(made, purposes={"case": Purpose("case", fields=fields)}), "Hello")[1])
    asked = [one["id"] for one in form["body"] if "id" in one]
    watching = replace(
        made, settings=replace(made.settings, forge_kind="github"), purposes={"case": Purpose("case", fields=fields)}
    )
    form_there = yaml.safe_load(form_text(watching))
    assert [one["id"] for one in form_there["body"] if "id" in one] == [*asked[:-2], "ends_when", *asked[-2:]]
    assert asked == ["role", "subject", "duration", "purpose", "ticket", "details", "reason"]
    (details,) = [one for one in form["body"] if one.get("id") == "details"]
    assert (details["type"], details["validations"]["required"]) == ("textarea", False)
    assert details["attributes"]["description"] == (
        "What the purpose asks for, one a line. For case: due (Answer due by): a date or an instant, for example 2026-12-20. "
        "classes: some of personal, payment, with commas between; may be left out."
    )
