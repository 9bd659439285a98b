# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Camera extrinsics from the transforms on /tf and /tf_static.

The chain is composed here, without ROS: tf2_ros is on every ROS machine but in no package
registry, and extrinsics need only the newest transform of each frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot, isfinite
from threading import Lock

import numpy as np

from seg_perception.core.camera import Extrinsics, rotation_of
from seg_perception.core.errors import CalibrationError, SegPerceptionError

_UNIT_TOLERANCE = 0.01  # of a quaternion's length; publishers round


class TransformError(SegPerceptionError):
    """A transform is stale or none."""


class UnconnectedError(TransformError):
    """No chain of transforms connects two frames."""


@dataclass(frozen=True)
class Pose:
    """A frame in another: its origin [m] and its rotation there, as x, y, z, w."""

    translation_m: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]

    @property
    def rotation(self) -> np.ndarray:
        """The axes of the frame in the other one, as columns, (3, 3)."""
        return rotation_of(self.quaternion)

    def after(self, first: Pose) -> Pose:
        """This pose applied to one that is given in it."""
        x, y, z = _turned(first.translation_m, self.quaternion)
        own = self.translation_m
        origin = own[0] + x, own[1] + y, own[2] + z
        return Pose(origin, _product(self.quaternion, first.quaternion))

    def inverse(self) -> Pose:
        """The other frame in this one."""
        x, y, z, w = self.quaternion
        back = -x, -y, -z, w
        dx, dy, dz = _turned(self.translation_m, back)
        return Pose((-dx, -dy, -dz), back)


_SAME = Pose((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))


def _product(
    a: tuple[float, float, float, float], b: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    """Turn by b, then by a."""
    (ax, ay, az, aw), (bx, by, bz, bw) = a, b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def _turned(
    point: tuple[float, float, float], quaternion: tuple[float, float, float, float]
) -> tuple[float, float, float]:
    x, y, z, w = quaternion
    turned = _product(_product(quaternion, (*point, 0.0)), (-x, -y, -z, w))
    return turned[:3]


@dataclass(frozen=True)
class Link:
    """One transform as it was published: the pose of ``child`` in ``parent``."""

    parent: str
    child: str
    pose: Pose
    stamp_s: float
    is_static: bool

    def checked(self) -> Pose:
        """The pose with a quaternion of length 1; TransformError when it is far from that."""
        length = hypot(*self.pose.quaternion)
        finite = all(map(isfinite, self.pose.translation_m))
        if not finite or not abs(length - 1.0) <= _UNIT_TOLERANCE:
            thing = f'transform from {self.child!r} to {self.parent!r}'
            seen = f'translation {self.pose.translation_m}, quaternion {self.pose.quaternion}'
            expected = 'finite numbers and a quaternion of length 1'
            raise TransformError(thing, seen, expected, 'Correct its publisher.')
        x, y, z, w = (part / length for part in self.pose.quaternion)
        return Pose(self.pose.translation_m, (x, y, z, w))


class FrameTree:
    """The newest transform of each frame to its parent; may be used from any thread."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}
        self._lock = Lock()

    def add(self, link: Link) -> None:
        """Take a transform in the place of the one that the child had."""
        link = replace(link, parent=_plain(link.parent), child=_plain(link.child))
        with self._lock:
            self._links[link.child] = link

    def clear(self) -> None:
        with self._lock:
            self._links.clear()

    def pose(self, frame: str, base: str, stamp_s: float, max_age_s: float) -> Pose:
        """
        ``frame`` in ``base``, from the newest transforms.

        :param stamp_s: of the image that it is for.
        :param max_age_s: how far the stamps of transforms that are not static may be from it.
        :raises TransformError: when the two are not connected, or a transform is stale or wrong.
        """
        frame, base = _plain(frame), _plain(base)
        with self._lock:
            up, down = self._to_root(frame), self._to_root(base)
        frames, bases = [frame, *(link.parent for link in up)], [base, *(x.parent for x in down)]
        common = next((name for name in frames if name in bases), None)
        if common is None:
            raise _unconnected(frame, base, up, down)
        up, down = up[: frames.index(common)], down[: bases.index(common)]
        for link in (*up, *down):
            _check_age(link, stamp_s, max_age_s)
        return _composed(down).inverse().after(_composed(up))

    def _to_root(self, frame: str) -> list[Link]:
        """The links from a frame upwards; a loop ends where it closes."""
        links: list[Link] = []
        while (link := self._links.get(frame)) is not None and link not in links:
            links.append(link)
            frame = link.parent
        return links


def _plain(frame: str) -> str:
    """Without the leading slash of ROS 1, as tf2 has it."""
    return frame.lstrip('/')


def _composed(links: Sequence[Link]) -> Pose:
    pose = _SAME
    for link in links:
        pose = link.checked().after(pose)
    return pose


def _check_age(link: Link, stamp_s: float, max_age_s: float) -> None:
    age_s = abs(stamp_s - link.stamp_s)
    if not link.is_static and age_s > max_age_s:
        thing = f'transform from {link.child!r} to {link.parent!r}'
        seen, expected = f'one {age_s:.1f} s away from the image', f'at most {max_age_s:g} s'
        fix = 'Is its publisher running, on the same clock as the camera?'
        raise TransformError(thing, seen, expected, fix)


def _unconnected(
    frame: str, base: str, up: Sequence[Link], down: Sequence[Link]
) -> UnconnectedError:
    ends = [links[-1].parent if links else name for links, name in ((up, frame), (down, base))]
    seen = f'chains that end in {ends[0]!r} and {ends[1]!r}'
    expected = 'one that connects them on /tf or /tf_static'
    fix = (
        'Start robot_state_publisher or a static_transform_publisher, or set extrinsics.height_m.'
    )
    return UnconnectedError(f'transform from {frame!r} to {base!r}', seen, expected, fix)


def extrinsics_of(pose: Pose, base_height_m: float, pitch_std_rad: float) -> Extrinsics:
    """
    The extrinsics of a camera whose optical frame has this pose in the base frame, taken as level.

    :param base_height_m: of the base frame's origin above the ground.
    :raises TransformError: when it cannot be that of a camera.
    """
    x, y, z = pose.translation_m
    try:
        return Extrinsics.from_transform((x, y, z + base_height_m), pose.quaternion, pitch_std_rad)
    except CalibrationError as error:
        fix = 'Is the frame_id of the images that of the optical frame, x right, y down, z ahead?'
        thing = f'transform: {error.thing}'
        raise TransformError(thing, error.seen, error.expected, fix) from error
