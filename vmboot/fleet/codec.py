"""Frozen dataclasses to JSON and back, without loss.

The plan, the journal and ``--json`` all speak of the same values; this is the one place that knows
how they are spelled. Names are the field names; enums are their values; members of a union of
dataclasses carry their class name as ``"type"``.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from vmboot.errors import InputError
from vmboot.vsphere.changes import Change

T = TypeVar("T")

_TAGGED: frozenset[type] = frozenset(get_args(Change))


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def encode(value: Any) -> Any:
    """``value`` as what :mod:`json` can write.

    >>> from vmboot.vsphere.machine import BootEntry
    >>> encode(BootEntry(kind="disk", key=2000))
    {'kind': 'disk', 'key': 2000}
    """
    if value is None or value.__class__ in (str, int, bool, float):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    return _encode_dataclass(value)


def _encode_dataclass(value: Any) -> dict[str, Any]:
    kind: Any = type(value)
    tag = {"type": kind.__name__} if kind in _TAGGED else {}
    return tag | {name: encode(getattr(value, name)) for name in _field_names(kind)}


def decode(kind: type[T], data: Any) -> T:
    """The value of type ``kind`` that :func:`encode` wrote as ``data``.

    :raises InputError: ``data`` is not of that shape
    """
    try:
        return typing.cast("T", _decoder(typing.cast("Any", kind))(data))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"this is not a {getattr(kind, '__name__', kind)} as vmboot writes it: {error}",
            hint="the file was written by another version, or edited",
        ) from error


@cache
def _decoder(kind: Any) -> Callable[[Any], Any]:
    origin = get_origin(kind)
    if origin is tuple:
        return _tuple_decoder(_decoder(get_args(kind)[0]))
    if origin in (typing.Union, types.UnionType):
        return _union_decoder(get_args(kind))
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass_decoder(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    return _same


def _same(data: Any) -> Any:
    return data


def _tuple_decoder(item: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda data: tuple(item(one) for one in data)


def _union_decoder(members: tuple[Any, ...]) -> Callable[[Any], Any]:
    tagged = {member.__name__: member for member in members if member in _TAGGED}
    if tagged:
        return lambda data: _decoder(tagged[data["type"]])(data)
    (only,) = [member for member in members if member is not types.NoneType]
    inner = _decoder(only)
    return lambda data: None if data is None else inner(data)


def _dataclass_decoder(kind: type) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    required = [
        f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING
    ]

    def build(data: Any) -> Any:
        missing = [name for name in required if name not in data]
        if missing:
            raise KeyError(f"{kind.__name__} without {', '.join(missing)}")
        given = [name for name in _field_names(kind) if name in data]
        return kind(**{name: _decoder(hints[name])(data[name]) for name in given})

    return build
