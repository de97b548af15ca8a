from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from daypass.core.bounds.settings import TargetSettings
from daypass.core.errors import InvalidError
from daypass.core.plan import Action, Done, Entitlement, Order
from daypass.edges.targets.embedded.target import EmbeddedTarget, read_options
from daypass.edges.targets.registry import TARGETS, open_target
from daypass.ports import Observing


def of(kind: str = "embedded", **options: Any) -> TargetSettings:
    return TargetSettings("main", kind, MappingProxyType(options))


def refusal(settings: TargetSettings, folder: Path) -> tuple[str, str]:
    with pytest.raises(InvalidError) as refused:
        open_target(settings, folder)
    return refused.value.message, refused.value.hint


def test_every_row_names_something_that_can_be_called() -> None:
    for kind in TARGETS.values():
        for place in filter(None, (kind.opens, kind.reads, kind.privilege)):
            module, _, name = place.partition(":")
            assert callable(getattr(import_module(module), name))


def test_the_embedded_target_lies_below_the_folder_given(tmp_path: Path) -> None:
    target = open_target(of(), tmp_path)
    assert isinstance(target, EmbeddedTarget)
    assert (target.path, target.name) == (tmp_path / "embedded.sqlite", "main")
    assert tmp_path / read_options(of(path="stores/a.sqlite")) == tmp_path / "stores" / "a.sqlite"


def test_an_embedded_target_may_keep_nothing_so_that_the_ledgers_word_stands(tmp_path: Path) -> None:
    target = open_target(of(keep="nothing"), tmp_path)
    assert not isinstance(target, Observing)
    one = Entitlement("main", "orders-db", "alice", "{}")
    at = datetime(2026, 11, 20, tzinfo=UTC)
    orders = [Order(action, one, at=at, until=at + timedelta(hours=1)) for action in Action]
    assert target.carry_out(orders) == [Done(), Done()]
    assert target.carry_out([Order(Action.ADD, Entitlement("other", "a", "b", "{}"), at=at, until=at)])[0].error
    assert target.health().facts == (
        "it keeps nothing and lets nobody in: the ledger alone says who would have access",
    )
    assert target.health().concerns == ()
    assert target.inspect().others == ()
    assert list(tmp_path.iterdir()) == []


def test_what_an_embedded_target_keeps_is_said_in_one_way(tmp_path: Path) -> None:
    assert isinstance(open_target(of(keep="store"), tmp_path), EmbeddedTarget)
    assert refusal(of(keep="all"), tmp_path) == (
        "keep of target main is 'all', expected store or nothing",
        "leave it out for a store",
    )
    assert (
        refusal(of(keep="nothing", path="a"), tmp_path)[0] == "target main keeps nothing, and names the path of a store"
    )


def test_an_unknown_kind_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    message = f"target main is of kind 'embeded', expected one of {', '.join(sorted(TARGETS))}"
    assert refusal(of("embeded"), tmp_path) == (message, "did you mean embedded?")
    assert refusal(of("ldap"), tmp_path)[1] == ""


def test_an_unknown_option_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    message = "target main has an option 'pth'; kind embedded knows: keep, path"
    assert refusal(of(pth="x"), tmp_path) == (message, "did you mean path?")


@pytest.mark.parametrize("path", ["../x.sqlite", "a/../../x", "/etc/x.sqlite", "..", ".", "", "a/.."])
def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    message, hint = refusal(of(path=path), tmp_path)
    assert message == f"path of target main is not below daypass's own folder: {path!r}"
    assert hint == "write a file name, for example embedded.sqlite"


@pytest.mark.parametrize("path", [7, None, ["a"], "a\0b"])
def test_a_path_that_is_no_text_is_refused(tmp_path: Path, path: object) -> None:
    assert refusal(of(path=path), tmp_path)[0] == f"expected path of target main to be text, got {path!r}"
