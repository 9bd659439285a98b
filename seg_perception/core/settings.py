# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Settings: dataclasses whose fields carry range, unit and description, and one loader for all.

    @dataclass(frozen=True)
    class Corridor(Settings, name='corridor'):
        reach_m: float = setting(60.0, 'length of the corridor', 'm', 1, 500)

``Annotated[float, Setting(...)]`` does the same for a field without a default. A record checks its
ranges when it is made. ``load`` fills one from plain types: YAML, ROS parameters, ``name=value``
words, JSON. ``items`` lists what can be set; parameter descriptors, ``params.yaml`` and the
documentation follow from it.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from functools import cache
from math import inf
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from seg_perception.core.errors import ParameterError, SegPerceptionError, did_you_mean

Record = TypeVar('Record')

# YAML 1.1 reads 1e-4, without a point, as text.
_SCIENTIFIC = re.compile(r'[-+]?\d+(\.\d*)?[eE][-+]?\d+')
_SETTING = 'setting'  # key of the metadata of a field
_KINDS = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'a string'}


@dataclass(frozen=True)
class Setting:
    """Metadata in the type of a field: description, unit and allowed values."""

    description: str
    unit: str = ''
    low: float = -inf
    high: float = inf
    choices: tuple[str, ...] = ()

    @property
    def bounded(self) -> bool:
        return self.low > -inf or self.high < inf

    @property
    def allowed(self) -> str:
        """The values allowed, such as ``0 to 1``; empty when any value of the type is."""
        if self.choices:
            return 'one of ' + ', '.join(self.choices)
        if self.high == inf:
            return f'{self.low:g} or more' if self.bounded else ''
        return f'{round(self.low, 4):g} to {round(self.high, 4):g}'

    def allows(self, value: Any) -> bool:
        """Whether a value, or each one of a tuple, is in range; None always is, NaN never."""
        if value is None:
            return True
        if isinstance(value, tuple):
            return all(self.allows(item) for item in value)
        if self.choices:
            return value in self.choices
        return not self.bounded or self.low <= value <= self.high


def setting(default: Any, *described: Any, **more: Any) -> Any:
    """A field of a dataclass that is a setting, given its default and the rest of ``Setting``."""
    return field(default=default, metadata={_SETTING: Setting(*described, **more)})


def share(description: str, low: float = 0, high: float = 1) -> Setting:
    """A setting within 0 to 1."""
    return Setting(description, '0..1', low, high)


def ratio(default: float, description: str, low: float = 0, high: float = 1) -> Any:
    """A field of a dataclass that is a setting within 0 to 1."""
    return setting(default, description, '0..1', low, high)


HIDDEN = object()
"""Marks a field that code fills and users cannot set."""


class Settings:
    """Base of dataclasses with settings; values out of their range are refused."""

    _name: ClassVar[str] = ''
    _error: ClassVar[type[SegPerceptionError]] = ParameterError

    def __init_subclass__(
        cls, name: str = '', error: type[SegPerceptionError] | None = None
    ) -> None:
        """
        Set up a subclass.

        :param name: of the group in error texts.
        :param error: raised for a value out of range.
        """
        cls._name, cls._error = name or cls._name or cls.__name__, error or cls._error

    def __post_init__(self) -> None:
        for name, kind in hints(type(self)).items():
            setting, value = _setting_of(kind), getattr(self, name)
            if setting is not None and not setting.allows(value):
                raise self._error(f'{self._name} {name}', value, setting.allowed)


@dataclass(frozen=True)
class Item:
    """One setting of a record; ``path`` names it, with dots into the records inside."""

    path: str
    default: Any
    kind: Any
    setting: Setting

    def read(self, value: Any, what: str) -> Any:
        """
        A value of plain types in the type of this setting.

        :param what: the kind of thing that the path names, such as ``parameter``.
        :raises ParameterError: when the value has another type or is out of range.
        """
        return _converted(self.kind, value, _Place(what, self.path), MISSING, self.setting)


def items(record: object, prefix: str = '') -> Iterator[Item]:
    """Everything that can be set in a record and in the records inside it, with its value."""
    for name, kind in hints(type(record)).items():
        value, setting = getattr(record, name), _setting_of(kind)
        if HIDDEN in _extras(kind):
            continue
        if is_dataclass(value):
            yield from items(value, f'{prefix}{name}.')
        elif setting is not None:
            yield Item(f'{prefix}{name}', value, _bare(kind), setting)


def load(
    kind: type[Record],
    data: Any,
    what: str = 'setting',
    *,
    path: str = '',
    base: Record | None = None,
    error: type[SegPerceptionError] = ParameterError,
) -> Record:
    """
    A checked record from plain types; groups may be partial, the rest keeps its default.

    :param data: a mapping of field names to values, with mappings for the records inside.
    :param what: the kind of thing that a key names, for error texts.
    :param path: the dotted name of the whole group, for error texts.
    :param base: a record to start from in place of the defaults.
    :param error: the class of the errors raised.
    :raises ParameterError: when a key is unknown or missing, or a value has another type or is
        out of range. The text names close keys.
    """
    try:
        record: Record = _record(kind, data, _Place(what, path), MISSING if base is None else base)
    except ParameterError as found:
        if isinstance(found, error):
            raise
        raise error(*found.args) from found
    return record


def read_value(kind: Any, value: Any, what: str, error: type[SegPerceptionError]) -> Any:
    """One value of plain types as an annotation wants it; see ``load``."""
    try:
        return _converted(kind, value, _Place(what), MISSING)
    except ParameterError as found:
        raise error(*found.args) from found


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """
    Dotted names as groups inside groups: ``{'a.b': 1}`` becomes ``{'a': {'b': 1}}``.

    :raises ParameterError: when a name is both a value and a group.
    """
    groups: dict[str, Any] = {}
    for name, value in values.items():
        set_dotted(groups, name, value)
    return groups


def set_dotted(groups: dict[str, Any], name: str, value: Any) -> None:
    """Set a dotted name in groups inside groups; ParameterError when a part of it is a value."""
    *path, last = name.split('.')
    for part in path:
        groups = groups.setdefault(part, {})
        if not isinstance(groups, dict):
            raise ParameterError(f'key {name!r}', f'{part} = {groups!r}', 'a group of keys')
    groups[last] = value


def merged(below: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two mappings as one: groups are merged, any other value replaces the one below."""
    both = dict(below)
    for key, value in over.items():
        old = both.get(key)
        groups = isinstance(old, Mapping) and isinstance(value, Mapping)
        both[key] = merged(old, value) if groups else value  # type: ignore[arg-type]
    return both


def unknown_key(what: str, key: str, known: Iterable[str]) -> ParameterError:
    """The error for a key that does not exist; it names close ones."""
    known = list(known)
    fix = did_you_mean(key, known)
    expected = ', '.join(known if len(known) <= 20 else known[:8])
    if len(known) > 20:
        expected = 'a known name' if fix else f'{expected} or another of {len(known)} names'
    return ParameterError(f'{what} {key!r}', 'an unknown name', expected, fix)


def hints(kind: Any) -> dict[str, Any]:
    """The annotation of each field of a dataclass, resolved, in order."""
    return _hints(kind)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    resolved = get_type_hints(kind, include_extras=True)
    return {
        each.name: Annotated[resolved[each.name], *each.metadata.values()]
        if _SETTING in each.metadata
        else resolved[each.name]
        for each in fields(kind)
    }


@dataclass(frozen=True)
class _Place:
    """Where a value stands, for error texts."""

    what: str
    path: str = ''

    def inside(self, key: str) -> _Place:
        return replace(self, path=f'{self.path}.{key}' if self.path else key)

    def wrong(self, seen: object, expected: str, fix: str = '') -> ParameterError:
        thing = f'{self.what} {self.path!r}' if self.path else self.what
        return ParameterError(thing, seen, expected, fix)


def _record(kind: Any, data: Any, place: _Place, base: Any) -> Any:
    if not isinstance(data, Mapping):
        raise place.wrong(repr(data), 'a group of keys')
    kinds = {name: hint for name, hint in hints(kind).items() if HIDDEN not in _extras(hint)}
    for key in data:
        if key not in kinds:
            known = [place.inside(name).path for name in kinds]
            raise unknown_key(place.what, place.inside(str(key)).path, known)
    values = {}
    for each in fields(kind):
        below = _default(each) if base is MISSING else getattr(base, each.name)
        at = place.inside(each.name)
        if each.name in data:
            values[each.name] = _converted(kinds[each.name], data[each.name], at, below)
        elif below is not MISSING:
            values[each.name] = below
        else:
            raise at.wrong('nothing', 'a value')
    return kind(**values)


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _converted(
    kind: Any, value: Any, place: _Place, below: Any, setting: Setting | None = None
) -> Any:
    """
    A value as its annotation wants it: lists become tuples, a whole number will do for a float.

    :param below: the value so far, which a partial group goes over.
    """
    setting, kind = _setting_of(kind) or setting, _bare(kind)
    converted = _of_kind(kind, value, place, below, setting)
    if setting is not None and not setting.allows(converted):
        fix = did_you_mean(str(value), setting.choices) or _about(setting)
        raise place.wrong(_shown(value), _expected(kind, setting), fix)
    return converted


def _of_kind(kind: Any, value: Any, place: _Place, below: Any, setting: Setting | None) -> Any:
    if is_dataclass(kind) and not isinstance(value, kind):  # type: ignore[arg-type]
        return _record(kind, value, place, below if is_dataclass(below) else MISSING)
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        (inner,) = (arg for arg in args if arg is not type(None))
        return None if value is None else _converted(inner, value, place, below)
    if origin is tuple:
        return _tuple(args, value, place, setting)
    if kind is dict or origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise place.wrong(_shown(value), 'a group of keys')
        inner = args[1] if args else Any
        return {key: _converted(inner, item, place.inside(key), {}) for key, item in value.items()}
    if kind is Any:
        return value
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    if kind is float and type(value) is int:
        return float(value)
    if kind is float and isinstance(value, str) and _SCIENTIFIC.fullmatch(value):
        return float(value)
    if type(value) is not kind:
        raise place.wrong(_shown(value), _expected(kind, setting), _about(setting))
    return value


def _tuple(
    args: tuple[Any, ...], value: Any, place: _Place, setting: Setting | None
) -> tuple[Any, ...]:
    many = args[1:] == (Ellipsis,)
    whole = isinstance(value, list | tuple) and (many or len(value) == len(args))
    if not whole:
        expected = f'a list of {_KINDS.get(args[0], "group")}s' if many else f'{len(args)} values'
        expected = expected.replace('a list of a ', 'a list of ')
        raise place.wrong(_shown(value), expected, _about(setting))
    kinds = args[:1] * len(value) if many else args
    pairs = zip(kinds, value, strict=True)
    return tuple(_converted(kind, item, place, MISSING) for kind, item in pairs)


def _expected(kind: Any, setting: Setting | None) -> str:
    """Type and range in words."""
    word = _KINDS.get(kind, 'values' if get_origin(kind) is tuple else kind.__name__)
    if setting is None or not setting.allowed:
        return word
    return setting.allowed if setting.choices else f'{word} from {setting.allowed}'


def _about(setting: Setting | None) -> str:
    return f'It is: {setting.description}.' if setting else ''


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _extras(kind: Any) -> tuple[Any, ...]:
    return get_args(kind)[1:] if get_origin(kind) is Annotated else ()


def _setting_of(kind: Any) -> Setting | None:
    return next((extra for extra in _extras(kind) if isinstance(extra, Setting)), None)
