# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Names: which parameters may be called what, the old names, and parameters that hold a name."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from rclpy.exceptions import InvalidTopicNameException
from rclpy.validate_topic_name import validate_topic_name

from seg_perception.core.errors import ParameterError
from seg_perception.core.settings import unknown_key
from seg_perception.risk_profiles import REMOVED, current_name, profile_items

# What rclpy itself declares, or takes without declaring it.
FOREIGN = re.compile(r'use_sim_time$|start_type_description_service$|qos_overrides\.')
# What ROS takes as one part of a topic's name.
_CAMERA_NAME = re.compile(r'[A-Za-z](_?[A-Za-z0-9])*')
_SLIP_SHARE = 0.83  # of the letters that a misspelt name has in common with the right one
_SWAP_SHARE = 0.75  # of one with the same letters
_SHORT, _SHORT_SHARE = 7, 0.72  # of a name of few letters, where one slip takes a larger share
_SHOWN = 5  # deprecated names in one warning
# Quantities that had a parameter in each of these groups.
_ONE_QUANTITY = ('clearance_m', 'min_confidence')
_GROUPS = ('drivable', 'grid', 'scan')


def check_topic(name: str, topic: str) -> None:
    """Raise ParameterError unless ROS allows the topic that a parameter names."""
    try:
        validate_topic_name(topic)
    except InvalidTopicNameException as error:
        reason = ' '.join(str(error).split())
        thing = f'parameter {name!r}'
        raise ParameterError(thing, repr(topic), 'the name of a topic', reason) from error


def check_names(values: Mapping[str, Any]) -> None:
    """Raise ParameterError unless ROS allows curvature_topic and base_frame."""
    if values['curvature_topic']:
        check_topic('curvature_topic', values['curvature_topic'])
    if not values['base_frame'] or values['base_frame'].startswith('/'):
        expected = 'the name of a TF frame, without a slash in front'
        seen, fix = repr(values['base_frame']), "Such as 'base_link'."
        raise ParameterError("parameter 'base_frame'", seen, expected, fix)


def check_cameras(names: Sequence[str]) -> None:
    """Raise ParameterError unless each camera has a name of its own that fits into a topic."""
    wrong = [name for name in names if not _CAMERA_NAME.fullmatch(name)]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if wrong or doubled or not names:
        expected = (
            'at least one name, each once, of letters, digits and single underscores, '
            'with a letter first'
        )
        fix = "Such as ['front', 'rear']."
        raise ParameterError("parameter 'cameras'", wrong or doubled or 'none', expected, fix)


def is_misspelt(name: str, known: Collection[str], cameras: Sequence[str]) -> bool:
    """
    Whether a parameter that does not exist is close to ours: its name, its group or its camera.

    Launch files and ``/**`` set parameters of other nodes for all of them; these are not ours.
    """
    if name in known or FOREIGN.match(name):
        return False
    group, _, leaf = name.partition('.')
    is_ours = bool(leaf) and (group in cameras or f'{cameras[0]}.{leaf}' in known)
    rules = {item.path for item in profile_items()}
    groups = {path.partition('.')[0] for path in rules if '.' in path}
    is_ours |= bool(leaf) and group in groups
    return is_ours or is_close(name, {*known, *rules})


def foreign(given: Collection[str], known: Collection[str]) -> list[str]:
    """The parameters among those given that are of other nodes."""
    ours = {*known, *deprecated(dict.fromkeys(given))}
    return sorted(name for name in given if name not in ours and not FOREIGN.match(name))


def is_close(name: str, known: Collection[str]) -> bool:
    """Whether a name is one of these but for a slip: letters swapped, or few of many wrong."""
    shares = ((SequenceMatcher(None, name, own).ratio(), own) for own in known)
    return any(
        share >= (_SHORT_SHARE if len(own) <= _SHORT else _SLIP_SHARE)
        or (share >= _SWAP_SHARE and sorted(name) == sorted(own))
        for share, own in shares
    )


def unknown_parameter(name: str, known: Collection[str], cameras: Sequence[str]) -> ParameterError:
    """The error for a parameter that does not exist; it tells a wrong camera from a wrong name."""
    owner, _, leaf = name.partition('.')
    if f'{cameras[0]}.{leaf}' in known:
        expected = f'a camera of the parameter cameras: {", ".join(cameras)}'
        fix = f'Add {owner!r} to cameras, or correct the name.'
        return ParameterError(f'parameter {name!r}', f'camera {owner!r}', expected, fix)
    error = unknown_key('parameter', name, known)
    fix = error.fix or 'See config/params.yaml.'
    return ParameterError(error.thing, error.seen, error.expected, fix)


def deprecated(given: Mapping[str, Any]) -> dict[str, str]:
    """Where the deprecated names among those given are now, by name."""
    places = {f'{group}.{leaf}': leaf for group in _GROUPS for leaf in _ONE_QUANTITY}
    rules = {item.path for item in profile_items()}
    places |= REMOVED
    for name in given:
        if current_name(name) in rules:
            places[name] = f'{current_name(name)} of a risk_profile file'
        if '.mount.' in name:
            places[name] = name.replace('.mount.', '.extrinsics.')
    return {name: places[name] for name in given if name in places}


def renamed(given: Mapping[str, Any]) -> dict[str, Any]:
    """
    What is given, by the names of today, without what has no effect any more.

    The names of a risk profile stay as they are.

    :raises ParameterError: when two names of one quantity disagree.
    """
    values: dict[str, Any] = {}
    places = deprecated(given)
    for name, value in given.items():
        if name in REMOVED:
            continue
        if name == 'calibration.mode' and value is False:
            value = 'off'  # as YAML reads it unquoted
        place = places.get(name, name)
        new = current_name(name) if ' ' in place else place
        if new in values and values[new] != value:
            seen = f'{values[new]} and {value}'
            raise ParameterError(f'parameter {new!r} and its old names', seen, 'one value')
        values[new] = value
    return values


def advice(places: Mapping[str, str]) -> str:
    """One warning for all deprecated names."""
    pairs = [f'{old} is now {new}' for old, new in places.items()]
    more = f'; and {len(pairs) - _SHOWN} more' if len(pairs) > _SHOWN else ''
    listed = '; '.join(pairs[:_SHOWN])
    return f'deprecated parameters: {listed}{more}. See docs/parameters.md.'
