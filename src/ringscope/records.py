"""Dataclasses that cost little to declare: what ``--help``, ``check`` and ``exec`` wait for before they can begin.

The standard decorator compiles six functions a class and imports ``inspect`` (Python 3.11: 0.7 ms and 17 ms); with two
hundred records in the package that was half of a command's start. Here one function a class is compiled, its
``__init__``; the others are made of the fields' names. To type checkers and to the functions of :mod:`dataclasses` a
class of this decorator is a dataclass; :func:`replace` and :func:`fields` are here for those who need no more of it.

Left out, as nothing here needs it: ``InitVar``, ``ClassVar``, ``unsafe_hash``, ``compare``, ``metadata``, keyword-only
fields among others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from operator import attrgetter, ge, gt, le, lt
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["dataclass", "field", "fields", "replace"]

_NONE: Any = object()


class Field:
    """One field, as its class declares it."""

    __slots__ = ("default", "factory", "init", "name", "repr", "type")
    name: str
    type: str

    def __init__(
        self, *, default: Any = _NONE, default_factory: Any = _NONE, init: bool = True, repr: bool = True
    ) -> None:
        self.default, self.factory, self.init, self.repr = default, default_factory, init, repr


if TYPE_CHECKING:
    from dataclasses import dataclass, field, fields, replace
else:
    field = Field

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True, order=False, kw_only=False):
        """As :func:`dataclasses.dataclass`."""
        if cls is None:
            return lambda cls: _made(cls, frozen, slots, eq, order, kw_only)
        return _made(cls, frozen, slots, eq, order, kw_only)

    def fields(record):
        """The fields of a record or of its class, in order; each has a ``name``."""
        return tuple(record.__record_fields__.values())

    def replace(record, /, **changes):
        """As :func:`dataclasses.replace`."""
        for one in fields(record):
            if one.init and one.name not in changes:
                changes[one.name] = getattr(record, one.name)
        return type(record)(**changes)


def _made(cls: Any, frozen: bool, slots: bool, eq: bool, order: bool, kw_only: bool) -> Any:
    inherited = getattr(cls, "__record_fields__", {})
    own = {}
    for name, kind in cls.__annotations__.items():
        given = cls.__dict__.get(name, _NONE)
        one = own[name] = given if isinstance(given, Field) else Field(default=given)
        one.name, one.type = name, kind
        if one.default is not _NONE:
            setattr(cls, name, one.default)
        elif given is one:
            delattr(cls, name)
    found = inherited | own
    methods: dict[str, Any] = {"__repr__": _repr}
    if eq:
        methods |= _comparisons(tuple(found), frozen, order)
    if frozen:
        methods |= {"__setattr__": _refuse, "__delattr__": _refuse}
    methods["__match_args__"] = tuple(name for name, one in found.items() if one.init and not kw_only)
    for name, method in methods.items():
        if cls.__dict__.get(name) is None:  # __hash__ is None where a class has an __eq__ of its own
            setattr(cls, name, method)
    cls.__init__ = _Init(found, frozen, kw_only)
    cls.__record_fields__ = found
    cls.__dataclass_fields__ = _Standard("__dataclass_fields__", frozen, kw_only)
    cls.__dataclass_params__ = _Standard("__dataclass_params__", frozen, kw_only)
    return _slotted(cls, tuple(own), tuple(found)) if slots else cls


class _Init:
    """Stands for ``__init__`` until the first record of its class is made."""

    def __init__(self, found: dict[str, Field], frozen: bool, kw_only: bool) -> None:
        self._of = (found, frozen, kw_only)
        self._made: Any = None

    def __get__(self, record: object, owner: Any) -> Any:
        if self._made is None:
            cls = next(base for base in owner.__mro__ if base.__dict__.get("__init__") is self)
            self._made = _init(cls, *self._of)
            cls.__init__ = self._made  # after _made is there: another thread may stand here, too
        return self._made if record is None else self._made.__get__(record, owner)


def _init(cls: Any, found: dict[str, Field], frozen: bool, kw_only: bool) -> Any:
    """The one function that is compiled. Its text names fields and these: _NONE, _PUT, and _0, _1, … by position."""
    names: dict[str, object] = {"_NONE": _NONE, "_PUT": object.__setattr__}
    words, lines = ["self"] + ["*"] * (kw_only and bool(found)), []
    for index, (name, one) in enumerate(found.items()):
        value, made = name, f"_{index}"
        names[made] = one.default if one.factory is _NONE else one.factory
        if one.init:
            if one.factory is not _NONE:
                words.append(f"{name}=_NONE")
                value = f"{made}() if {name} is _NONE else {name}"
            else:
                words.append(name if one.default is _NONE else f"{name}={made}")
        elif one.factory is not _NONE:
            value = f"{made}()"
        elif one.default is not _NONE:
            value = made
        else:
            continue  # __post_init__ sets it
        lines.append(f"_PUT(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    text = f"def make({', '.join(names)}):\n def __init__({', '.join(words)}):\n  " + "\n  ".join(lines or ["pass"])
    made_by: dict[str, Any] = {}
    exec(f"{text}\n return __init__", vars(sys.modules[cls.__module__]), made_by)  # noqa: S102 - of our own class bodies
    init = made_by["make"](**names)
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__annotations__ = {name: one.type for name, one in found.items() if one.init} | {"return": None}
    return init


@recursive_repr()
def _repr(record: Any) -> str:
    shown = (one.name for one in record.__record_fields__.values() if one.repr)
    return f"{type(record).__qualname__}({', '.join(f'{name}={getattr(record, name)!r}' for name in shown)})"


def _refuse(record: object, name: str, *value: object) -> NoReturn:
    from dataclasses import FrozenInstanceError  # noqa: PLC0415 - see above

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _few(names: tuple[str, ...]) -> Callable[[object], tuple[Any, ...]]:
    """As attrgetter, which gives no tuple for one name and takes no fewer."""
    return lambda record: tuple([getattr(record, name) for name in names])


def _comparisons(names: tuple[str, ...], frozen: bool, order: bool) -> dict[str, Any]:
    key: Callable[[object], tuple[Any, ...]] = attrgetter(*names) if len(names) > 1 else _few(names)

    def compared_by(compare: Any) -> Any:
        def method(record: object, other: object) -> Any:
            return compare(key(record), key(other)) if type(other) is type(record) else NotImplemented

        return method

    def equal(record: object, other: object) -> bool:
        return key(record) == key(other) if type(other) is type(record) else NotImplemented

    methods: dict[str, Any] = {"__eq__": equal, "__hash__": (lambda record: hash(key(record))) if frozen else None}
    if order:
        methods |= {f"__{compare.__name__}__": compared_by(compare) for compare in (lt, le, gt, ge)}
    return methods


def _slotted(cls: Any, own: tuple[str, ...], names: tuple[str, ...]) -> Any:
    """The class anew, with slots for its own fields: a class cannot be given slots once it is there."""

    def state(record: Any) -> list[Any]:
        return [getattr(record, name) for name in names]

    def set_state(record: Any, values: list[Any]) -> None:
        for name, value in zip(names, values, strict=True):
            object.__setattr__(record, name, value)

    kept = {name: value for name, value in vars(cls).items() if name not in (*own, "__dict__", "__weakref__")}
    extra = {"__slots__": own, "__getstate__": state, "__setstate__": set_state}
    made = type(cls)(cls.__name__, cls.__bases__, kept | extra)
    made.__qualname__ = cls.__qualname__
    return made


class _Standard:
    """What the functions of :mod:`dataclasses` look for, made when one of them does."""

    def __init__(self, name: str, frozen: bool, kw_only: bool) -> None:
        self._name, self._options = name, {"frozen": frozen, "kw_only": kw_only}

    def __get__(self, record: object, owner: Any) -> Any:
        import dataclasses  # noqa: PLC0415 - see above

        body: dict[str, Any] = {"__annotations__": {}}
        for name, one in owner.__record_fields__.items():
            body["__annotations__"][name] = one.type
            given = {"default": one.default, "default_factory": one.factory}
            given = {key: value for key, value in given.items() if value is not _NONE}
            body[name] = dataclasses.field(**given, init=one.init, repr=one.repr)
        double: Any = dataclasses.dataclass(
            type(owner.__name__, (), body), init=False, repr=False, eq=False, **self._options
        )
        found = getattr(double, self._name)
        setattr(owner, self._name, found)  # the next look is a plain one
        return found
