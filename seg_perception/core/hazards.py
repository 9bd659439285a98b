# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Who stands where: the hazards of a frame by zone of the ego corridor, with their proximity.

The corridor's rows are cut into five zones from left to right. A hazard stands in the lowest row
that it fills; pixels count by the ground that they would cover there, so that a speck close by is
no wall far off. What is not known may be any of the hazards, and counts as each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite, isnan, nan

import cv2
import numpy as np

from seg_perception.core.camera_geometry import CameraGeometry, ImageGeometry
from seg_perception.core.classes import ClassTable, Role
from seg_perception.core.corridor import Corridor, corridor_shape
from seg_perception.core.results import Box, DistanceSource, Hazard, SafetyRisk
from seg_perception.core.settings import Settings, ratio, setting

ROLES = {
    'vulnerable_road_users': (Role.VULNERABLE,),
    'vehicles': (Role.VEHICLE,),
    'obstacles': (Role.OBSTACLE, Role.NATURE),
}
"""The roles of each factor that is a hazard."""

ZONES = (-2, -1, 0, 1, 2)
"""Far left, left of the ego corridor, in it, right, far right; pairs of neighbours."""

UNKNOWN = 'something unknown'

# One bit a group, so that one lookup sorts every pixel.
_HAZARD_BITS = {name: 1 << number for number, name in enumerate(ROLES)}
UNKNOWN_BITS = sum(_HAZARD_BITS.values())
"""Bits of a pixel that may be any hazard."""

GROUND, LANE, TOLD, OWN = 8, 16, 32, 64
"""Bits of pixels: flat ground, where one drives, anything but unknown, the own vehicle."""

_BITS = {
    GROUND: (Role.DRIVABLE, Role.MARKING, Role.WALKABLE),
    LANE: (Role.DRIVABLE, Role.MARKING),
    TOLD: tuple(role for role in Role if role not in (Role.OTHER, Role.EGO)),
    OWN: (Role.EGO,),
}
# Width and height of the smallest hazard that counts in full; smaller ones count by their area. A
# label that is wrong in a patch of the road is as wide as a vehicle, but not as high.
_LEAST_M = {'vulnerable_road_users': (0.3, 0.3), 'vehicles': (0.3, 1.0), 'obstacles': (0.3, 0.3)}
_MOST = 0.4  # of the corridor's width; half of it is looked at
_LOWEST = 'obstacles'
_MOVING = 'vulnerable_road_users'  # what may step from the margin into the vehicle's track
_MARGIN_SHARE = 0.5  # of what stands in the margin and is passed
# Share of the lowest footprint that is a ground contact; thin legs count where they stand.
_CONTACT = 0.1
_LEAST = 0.01  # risk below which a hazard is not worth mention


@dataclass(frozen=True)
class HazardRule(Settings, name='risk hazard'):
    """How one group of classes becomes a risk."""

    weight: float = ratio(1.0, 'largest risk that this factor alone can cause')
    in_path: float = ratio(1.0, 'factor of a near hazard in the ego corridor')
    adjacent: float = ratio(
        0.3, 'factor of a near hazard up to one corridor width to the side of the corridor'
    )
    outer: float = ratio(0.1, 'factor of a near hazard farther to the side')
    fade: float = setting(
        0.8, 'exponent of the proximity; with 1, twice the distance is half the factor', '', 0, 4
    )

    def share(self, zone: int) -> float:
        return (self.in_path, self.adjacent, self.outer)[abs(zone)]


@dataclass(frozen=True, eq=False)
class Zones:
    """The rows (R) of the corridor in an image, cut into zones."""

    rows: slice
    edges: np.ndarray  # (R, 6) first columns of the five zones, and the end of the last
    # (R, 8) flat indices, in an integral image, of the upper ends of the edges and of the columns
    # between which the vehicle itself will be, without the margins
    corners: np.ndarray
    track_px: np.ndarray  # (R,) between those columns
    proximity: np.ndarray  # (R,) 1 near to 0 far
    distance_m: np.ndarray  # (R,) NaN without calibration
    widths_px: np.ndarray  # (R,) of the corridor
    lifted: np.ndarray  # (R,) the row that lies the height of a hazard above
    inside: np.ndarray  # (R, W) uint8, 255 in the corridor
    adjacent: np.ndarray  # (R, W) uint8, 255 up to one corridor width to either side
    width_m: float  # of the corridor

    def footprint_px2(self, factor: str) -> np.ndarray:
        """Pixels that make a hazard of a kind in each row, (R,); no more than are looked at."""
        least = (min(size / self.width_m, _MOST) for size in _LEAST_M[factor])
        width, height = (np.maximum(1.0, share * self.widths_px) for share in least)
        return np.asarray(width * height)


@dataclass(frozen=True)
class ZoneParams:
    """
    How the corridor is cut into zones.

    :param near_m: the distance at which proximity is 1.
    """

    corridor: Corridor
    near_m: float
    curvature_per_m: float = 0.0


def zones_of(geometry: ImageGeometry, params: ZoneParams) -> Zones:
    """The corridor's rows and zones in the images of a geometry; the last ones are kept there."""
    return geometry.part(_zones, params)


def _zones(geometry: ImageGeometry, params: ZoneParams) -> Zones:
    shape = corridor_shape(params.corridor, geometry, params.curvature_per_m)
    near_m = params.near_m
    rows = slice(shape.top_row, shape.end_row)
    inside, adjacent = shape.inside[rows], shape.adjacent[rows]
    range_m = shape.range_m[rows]
    proximity = np.nan_to_num(near_m / np.maximum(range_m, near_m), nan=0.0)
    widths, edges = shape.widths_px[rows], _edges(inside, adjacent)
    margin = params.corridor.margin_m / (2 * params.corridor.half_width_m)
    margin_px = np.rint(margin * (edges[:, 3] - edges[:, 2])).astype(int)
    track = np.stack([edges[:, 2] + margin_px, edges[:, 3] - margin_px], axis=1)
    columns = np.hstack([edges, track])
    return Zones(
        rows=rows,
        edges=edges,
        corners=columns + np.arange(len(edges))[:, None] * (geometry.size[1] + 1),
        track_px=np.maximum(track[:, 1] - track[:, 0], 1),
        proximity=proximity,
        distance_m=range_m if shape.is_metric else np.full_like(range_m, nan),
        widths_px=widths,
        lifted=np.maximum(0, np.arange(len(widths)) - np.rint(widths / 2).astype(int)),
        inside=inside,
        adjacent=adjacent,
        width_m=2 * params.corridor.half_width_m,
    )


def _edges(inside: np.ndarray, adjacent: np.ndarray) -> np.ndarray:
    """First columns of the zones (R, 6); where the corridor has left the image, all are aside."""
    height, width = inside.shape
    inner, outer = _ends(inside), _ends(cv2.bitwise_or(inside, adjacent))
    seen = inner[:, 0] < inner[:, 1]
    # The next row below with the corridor in view tells on which side it has left: at the bottom
    # the corridor is widest and surely in view.
    below = np.minimum.accumulate(np.where(seen, np.arange(height), height)[::-1])[::-1]
    middles = np.append(inner.sum(axis=1) // 2, width // 2)[below]
    inner[~seen] = np.where(middles < width / 2, 0, width)[~seen, None]
    outer = np.where((outer[:, :1] < outer[:, 1:]), outer, inner)
    left, right = np.minimum(outer[:, 0], inner[:, 0]), np.maximum(outer[:, 1], inner[:, 1])
    ends = (np.zeros(height, int), left, inner[:, 0], inner[:, 1], right, np.full(height, width))
    return np.stack(ends, axis=1)


def _ends(mask: np.ndarray) -> np.ndarray:
    """First column of each row of a mask and one past its last, (R, 2); equal when empty."""
    first = (mask > 0).argmax(axis=1)
    last = mask.shape[1] - (cv2.flip(mask, 1) > 0).argmax(axis=1)
    filled = cv2.reduce(mask, 1, cv2.REDUCE_MAX)[:, 0] > 0
    return np.stack([first, np.where(filled, last, first)], axis=1)


def group_bits(table: ClassTable) -> np.ndarray:
    """Lookup table from class id to the bits of its groups, (256,) uint8; unknown is any."""
    bits = np.zeros(256, np.uint8)
    for bit, roles in _BITS.items():
        bits[table.role_mask(*roles) > 0] |= bit
    for name, roles in ROLES.items():
        bits[table.role_mask(*roles) > 0] |= _HAZARD_BITS[name]
    bits[(bits & (TOLD | OWN)) == 0] = UNKNOWN_BITS
    bits.setflags(write=False)
    return bits


def sort_pixels(labels: np.ndarray, table: ClassTable) -> np.ndarray:
    """The bits of every pixel, (R, W) uint8."""
    return np.asarray(cv2.LUT(labels, table.lookup(group_bits)))


def having(groups: np.ndarray, bit: int) -> np.ndarray:
    """Where pixels have a bit, (R, W) uint8 of 0 or the bit."""
    members: np.ndarray = np.bitwise_and(groups, np.uint8(bit))
    return members


@dataclass(frozen=True, eq=False)
class HazardView:
    """The rows (R) of the corridor in a frame, in which hazards are looked for."""

    labels: np.ndarray  # (R, W) uint8
    groups: np.ndarray  # (R, W) uint8, bits of what each pixel is
    confidence: np.ndarray  # (R, W) uint8, as the model states it
    above: np.ndarray  # (r, W) uint8, the labels of the rows above them
    table: ClassTable
    zones: Zones
    geometry: ImageGeometry


def find_hazards(factor: str, rule: HazardRule, view: HazardView) -> tuple[Hazard, ...]:
    """The hazards of one factor: of each zone the place where they are most dangerous."""
    bit, zones = _HAZARD_BITS[factor], view.zones
    counts, track = (each / bit for each in _counts(having(view.groups, bit), zones))
    present = counts.copy()
    if factor != _MOVING:
        present[:, 2] = track + _MARGIN_SHARE * (counts[:, 2] - track)
    filled = _from_below(present / zones.footprint_px2(factor)[:, None])
    standing = _from_below(present / zones.footprint_px2(_LOWEST)[:, None])
    contact = np.minimum(1.0, standing / _CONTACT)
    extent = np.minimum(contact, filled[zones.lifted])
    danger = extent * zones.proximity[:, None] ** rule.fade
    last = len(danger) - 1
    lowest = last - danger[::-1].argmax(axis=0)  # of rows that are equally dangerous
    seen = []
    for number, zone in enumerate(ZONES):
        row = int(lowest[number])
        risk = rule.share(zone) * min(1.0, float(danger[row, number]))
        if risk >= _LEAST:
            low = slice(max(0, row - round(float(zones.widths_px[row]) / 4)), row + 1)
            found = Hazard(
                factor=factor,
                zone=zone,
                risk=risk,
                proximity=float(zones.proximity[row]),
                distance_m=float(zones.distance_m[row]),
                who=UNKNOWN,
                width_px=float(counts[low, number].mean()),
                centred=float((track / zones.track_px)[low].mean()) if zone == 0 else 0.0,
                extent=min(1.0, float(extent[row, number])),
            )
            seen.append(_described(found, row, bit, view))
    return tuple(seen)


def _described(found: Hazard, row: int, bit: int, view: HazardView) -> Hazard:
    """A hazard that stands in a row, with its class and where its pixels are."""
    zones, number = view.zones, found.zone - ZONES[0]
    first, end = zones.edges[row, number : number + 2]
    place = slice(int(zones.lifted[row]), row + 1), slice(first, end)
    class_id = _class_id(view.labels[place], view.groups[place], bit)
    if class_id is not None:
        known = view.table.classes[class_id]
        found = replace(found, who=known.name, class_id=class_id, role=known.role.value)
    members = having(view.groups[place], bit)
    columns = np.flatnonzero(cv2.reduce(members, 0, cv2.REDUCE_MAX)[0])
    if not len(columns):
        return found
    confidence = cv2.mean(view.confidence[place], members)[0] / 255.0
    left, right = int(first + columns[0]), int(first + columns[-1]) + 1
    top, bottom = _rows_filled(bit, view, row, slice(left, right))
    box = Box(left, top, right - left, bottom - top)
    found = replace(found, confidence=confidence, box=box)
    return _on_flat_ground(found, zones.rows.start + row, view.geometry)


def _rows_filled(bit: int, view: HazardView, row: int, columns: slice) -> tuple[int, int]:
    """First row of the image, and one past the last, of those filled around a row."""
    first = view.zones.rows.start
    filled = cv2.reduce(having(view.groups[:, columns], bit), 1, cv2.REDUCE_MAX)[:, 0] > 0
    row = int(np.flatnonzero(filled[: row + 1])[-1])
    below = np.flatnonzero(~filled[row:])
    bottom = first + (row + int(below[0]) if len(below) else len(filled))
    top = _first_of_run(filled[: row + 1])
    if top or not first:
        return first + top, bottom
    above = sort_pixels(np.ascontiguousarray(view.above[:, columns]), view.table)
    filled = cv2.reduce(having(above, bit), 1, cv2.REDUCE_MAX)[:, 0] > 0
    return _first_of_run(filled), bottom


def _first_of_run(filled: np.ndarray) -> int:
    """Where the run that reaches the end of (R,) begins."""
    gaps = np.flatnonzero(~filled)
    return int(gaps[-1]) + 1 if len(gaps) else 0


def _on_flat_ground(found: Hazard, row: int, geometry: ImageGeometry) -> Hazard:
    """A hazard with the place on the ground on which it stands, where the camera tells."""
    if not isinstance(geometry, CameraGeometry) or not isfinite(found.distance_m):
        return found
    column = found.box.left + found.box.width // 2
    ground = geometry.ground
    return replace(
        found,
        position_m=(float(ground.x_m[row, column]), float(ground.y_m[row, column])),
        distance_std_m=geometry.camera.std_m(found.distance_m),
        distance_source=DistanceSource.FLAT_GROUND,
    )


@dataclass(frozen=True)
class MeasuredRange:
    """Where a sensor of range sees a hazard, in the vehicle frame."""

    distance_m: float  # along the path, as in ``Hazard``
    std_m: float
    source: DistanceSource
    position_m: tuple[float, float]  # x forward, y left
    zone: int  # of the corridor, in which it is measured


def measured(hazard: Hazard, range_: MeasuredRange, rule: HazardRule, near_m: float) -> Hazard:
    """The hazard where it was measured, with the proximity and the risk that follow."""
    proximity = near_m / max(range_.distance_m, near_m)
    danger = min(1.0, hazard.extent * proximity**rule.fade)
    return replace(
        hazard,
        proximity=proximity,
        zone=range_.zone,
        risk=rule.share(range_.zone) * danger,
        distance_m=range_.distance_m,
        distance_std_m=range_.std_m,
        distance_source=range_.source,
        position_m=range_.position_m,
    )


def most_dangerous(found: Sequence[Hazard], more: Sequence[Hazard]) -> tuple[Hazard, ...]:
    """Of each zone the most dangerous one."""
    by_zone: dict[int, Hazard] = {}
    for hazard in (*found, *more):
        known = by_zone.get(hazard.zone)
        if known is None or (hazard.risk, hazard.centred) > (known.risk, known.centred):
            by_zone[hazard.zone] = hazard
    return tuple(by_zone[zone] for zone in sorted(by_zone))


def least_area_m2(factor: str) -> float:
    """Area in view of the smallest hazard of a factor that counts in full."""
    width, height = _LEAST_M[factor]
    return width * height


def scale_boxes(risk: SafetyRisk, size: tuple[int, int], to: tuple[int, int]) -> SafetyRisk:
    """A risk of an image (H, W) with the boxes of its hazards in an image of another size."""
    down, across = to[0] / size[0], to[1] / size[1]

    def scaled(box: Box) -> Box:
        left, top = round(box.left * across), round(box.top * down)
        right, bottom = (box.left + box.width) * across, (box.top + box.height) * down
        return Box(left, top, round(right) - left, round(bottom) - top)

    hazards = (replace(each, box=scaled(each.box)) for each in risk.hazards)
    return replace(risk, hazards=tuple(hazards))


def _counts(members: np.ndarray, zones: Zones) -> tuple[np.ndarray, np.ndarray]:
    """
    Sums of the pixels of each row of each zone, (R, 5), and of the vehicle's track, (R,).

    Sums over runs of columns come from the integral image: a few lookups a row.
    """
    sums = cv2.integral(members, sdepth=cv2.CV_32S)
    above, stride = zones.corners, sums.shape[1]
    runs = sums.ravel()[above + stride] - sums.ravel()[above]
    return runs[:, 1:6] - runs[:, :5], runs[:, 7] - runs[:, 6]


def _from_below(values: np.ndarray) -> np.ndarray:
    """Sums over each row and those below it."""
    return np.asarray(np.cumsum(values[::-1], axis=0)[::-1])


def _class_id(labels: np.ndarray, groups: np.ndarray, bit: int) -> int | None:
    """The class of most of the pixels of a group; every second row will do; None: unknown."""
    labels, groups = labels[::2], groups[::2] & UNKNOWN_BITS
    known = labels[groups == bit]
    if known.size <= np.count_nonzero(groups == UNKNOWN_BITS):
        return None
    return int(np.bincount(known).argmax())


def words(seen: Hazard) -> str:
    """Who is where, such as "pedestrian 6.2 m ahead in the ego corridor"."""
    far = f'{seen.distance_m:.1f} m ahead'
    if isnan(seen.distance_m):
        far = _FAR[sum(seen.proximity < least for least in _PROXIMITY)]
    return f'{seen.who} {far} {_WHERE[seen.zone]}'


_PROXIMITY = (0.5, 0.25)  # above: near, ahead, far ahead
_FAR = ('near', 'ahead', 'far ahead')
_WHERE = {
    -2: 'far left of the ego corridor',
    -1: 'left of the ego corridor',
    0: 'in the ego corridor',
    1: 'right of the ego corridor',
    2: 'far right of the ego corridor',
}
