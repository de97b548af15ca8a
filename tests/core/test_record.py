"""Records behave as those of the standard library's decorator do: each behaviour is asked of both."""

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import daypass
from daypass.core import record

Decorator = Callable[..., Any]


@record.dataclass(frozen=True, slots=True)
class Kept:
    """At the top of a module, where pickle finds it."""

    name: str
    others: tuple[str, ...] = ()
    found: dict[str, int] = field(default_factory=dict, compare=False)
    length: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", len(self.name))


@pytest.fixture(params=[dataclass, record.dataclass], ids=["standard", "ours"])
def decorate(request: pytest.FixtureRequest) -> Decorator:
    return request.param


@pytest.fixture
def made(decorate: Decorator) -> Any:
    @decorate(frozen=True, slots=True)
    class Made:
        """A record with each kind of field."""

        name: str
        others: tuple[str, ...] = ()
        found: dict[str, int] = field(default_factory=dict, compare=False)
        secret: str = field(default="", repr=False)

    return Made


def test_a_record_takes_its_fields_by_place_and_by_name(made: Any) -> None:
    assert made("a", ("b",)).others == ("b",)
    assert made(name="a", found={"c": 1}).found == {"c": 1}
    assert made.__match_args__ == ("name", "others", "found", "secret")
    with pytest.raises(TypeError, match=r"__init__\(\) missing 1 required positional argument: 'name'"):
        made()


def test_a_default_that_is_made_is_each_records_own(made: Any) -> None:
    first, second = made("a"), made("a")
    first.found["b"] = 1
    assert second.found == {}


def test_records_are_equal_and_hashed_by_what_they_compare(made: Any) -> None:
    assert made("a", found={"b": 1}) == made("a")
    assert hash(made("a", found={"b": 1})) == hash(made("a"))
    assert made("a") != made("b")
    assert made("a") != ("a", (), "")


def test_no_field_is_set_or_deleted(made: Any) -> None:
    one = made("a")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'name'"):
        one.name = "b"
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'name'"):
        del one.name
    assert not hasattr(one, "__dict__")


def test_a_record_says_its_fields(made: Any) -> None:
    assert repr(made("a", secret="s")).endswith("Made(name='a', others=(), found={})")


def test_a_record_that_is_compared_by_identity(decorate: Decorator) -> None:
    @decorate(frozen=True, slots=True, eq=False)
    class Same:
        """A record that equals nothing but itself."""

        name: str

    one = Same("a")
    assert len({one, one, Same("a")}) == 2


def test_a_record_whose_fields_are_named(decorate: Decorator) -> None:
    @decorate(frozen=True, slots=True, kw_only=True)
    class Named:
        """A record that nobody makes by the places of its fields."""

        name: str = ""
        number: int

    assert Named(number=1).name == ""
    with pytest.raises(TypeError):
        Named("a", 1)


def test_what_a_class_says_itself_stays(decorate: Decorator) -> None:
    @decorate(frozen=True, slots=True)
    class Quiet:
        """A record that is shown in its own way."""

        name: str

        def __repr__(self) -> str:
            return "quiet"

    @decorate(frozen=True, slots=True)
    class Louder(Quiet):
        """One with a field more."""

        volume: int

    assert repr(Quiet("a")) == "quiet"
    assert Louder("a", 2) == Louder("a", 2) != Quiet("a")
    assert repr(Louder("a", 2)).endswith("Louder(name='a', volume=2)")


def test_an_order_and_a_record_that_changes_are_left_to_the_standard_library() -> None:
    @record.dataclass(frozen=True, slots=True, order=True)
    class Ordered:
        """A record with an order."""

        number: int

    @record.dataclass(slots=True)
    class Counted:
        """Something that changes."""

        number: int

    assert Ordered(1) < Ordered(2)
    counted = Counted(1)
    counted.number += 1
    assert counted == Counted(2)


def test_records_are_replaced_copied_and_sent_to_another_process() -> None:
    one = Kept("a", found={"b": 1})
    assert replace(one, name="long").length == 4
    for other in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):  # noqa: S301
        assert (other, other.found, other.length) == (one, {"b": 1}, 1)
    assert dataclasses.asdict(one)["others"] == ()


def test_every_frozen_record_of_the_program_is_made_so() -> None:
    for path in Path(daypass.__file__).parent.rglob("*.py"):
        text = path.read_text()
        if path.name != "record.py" and "@dataclass(frozen=True, slots=True" in text:
            assert "from daypass.core.record import dataclass" in text, path


def test_a_record_keeps_the_comparison_that_its_class_writes(decorate: Decorator) -> None:
    @decorate(frozen=True, slots=True)
    class Loose:
        name: str

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Loose) and self.name.lower() == other.name.lower()

        def __hash__(self) -> int:
            return hash(self.name.lower())

    assert Loose("A") == Loose("a") != Loose("b")
    assert len({Loose("A"), Loose("a")}) == 1
