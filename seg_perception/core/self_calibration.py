# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
A camera that calibrates itself against the direction of travel while its vehicle drives.

A few times a second, static points are followed over a short time (``optical_flow``). How the
camera moved (``camera_motion``) gives the direction of travel in the image, and points on the
ground give the roll. Samples from straight driving are gathered (``calibration_evidence``). Lines
on the road (``lane_lines``) tell the horizon, roughly and even while the vehicle stands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import hypot, inf, nan, radians
from typing import Any

import cv2
import numpy as np

from seg_perception.core.calibration_evidence import Estimate, Evidence
from seg_perception.core.camera import Calibration
from seg_perception.core.camera_height import HeightEvidence, heights_from_vehicles
from seg_perception.core.camera_motion import CameraMotion, across, find_motion
from seg_perception.core.classes import ClassTable, Role
from seg_perception.core.ego_mask import EgoMaskEstimator
from seg_perception.core.ground_travel import GroundTravel
from seg_perception.core.lane_lines import LineEvidence, meeting_of_lines
from seg_perception.core.optical_flow import Flow, corners, follow, small_grey
from seg_perception.core.results import CalibrationState, OnlineCalibration, VanishingPoint
from seg_perception.core.settings import Settings, ratio, setting

_FINE_PX = 640  # width of the image in which the ego mask is looked for
_ASSUMED_FOCAL = 0.8  # share of the width; only compensates small rotations
_GAP_S = (0.09, 0.45)  # between the two images of a pair
_FLOW_PX = 7.0  # median that the gap is adapted to
_LONGEST_GAP_S = 1.0  # after it nothing is followed
_LOST, _ALIKE = 0.15, 0.6  # share of points followed and correlation below which it is a cut
_STARTS = [(x, y, 1.0) for x in (-0.2, 0.0, 0.2) for y in (-0.15, 0.0, 0.15)]
_ASIDE = [(1.0, 0.0, 0.1), (1.0, 0.0, -1.0), (-1.0, 0.0, -1.0)]
_AHEAD = 0.7  # least cosine between the optical axis and the direction of travel
_LEVER = 1.0  # distance of a camera ahead of the rear axle / its height, of usual cars
_MOST_LEVER_RAD = radians(0.5)
_LEAST_GROUND, _LEAST_ON_PLANE = 12, 0.75  # points, and share of them that tell the roll
_MOST_ROLL_RAD = radians(8.0)
_FIRST_TURN = 2.5  # times the largest turn will do for a first sample
_RECENT = 12  # pairs that tell whether the camera looks ahead at all
_LINES_EVERY = 4  # pairs, once something is known
_BACKWARD, _SIDEWAYS = 'the camera looks or moves backwards', 'the camera looks sideways'


@dataclass(frozen=True)
class SelfCalibrationParams(Settings, name='self_calibration'):
    """How a camera calibrates itself."""

    rate_hz: float = setting(3.0, 'pairs of images that are compared', '1/s', 0.2, 30)
    width_px: int = setting(480, 'width of the grey images that are compared', 'px', 160, 4096)
    points: int = setting(160, 'maximum number of points that are followed', '', 40, 2000)
    least_speed_mps: float = setting(
        2.0, 'speed below which nothing is learned, where the speed is known', 'm/s', 0, 50
    )
    most_turn_radps: float = setting(
        0.035, 'rate of rotation above which nothing is learned', 'rad/s', 0.001, 1
    )
    least_parallax_px: float = setting(
        2.5, 'flow without rotation below which the camera counts as standing', 'px', 0.5, 50
    )
    least_fit: float = ratio(0.6, 'minimum share of the points that fit one motion', 0.2)
    blocks: int = setting(4, 'blocks of samples that CALIBRATED needs', '', 2, 40)
    most_pitch_std_rad: float = setting(
        0.005, 'largest standard deviation of the pitch of CALIBRATED', 'rad', 0.0005, 0.1
    )
    most_yaw_std_rad: float = setting(
        0.008, 'largest standard deviation of the yaw of CALIBRATED', 'rad', 0.0005, 0.1
    )
    height_m: float = setting(0.0, 'height of the camera above the ground; 0: learned', 'm', 0, 30)
    height_std_m: float = setting(0.05, 'standard deviation of a given height', 'm', 0.001, 5)


@dataclass(frozen=True, eq=False)
class _Anchor:
    """The first image of a pair."""

    grey: np.ndarray
    points: np.ndarray
    is_ground: np.ndarray  # (h, w) uint8
    stamp_s: float


class SelfCalibrator:
    """
    Learns how one camera looks, frame by frame.

    :param calibration: of its images; None: an uncalibrated camera, which learns its vanishing
        point alone.
    """

    def __init__(
        self,
        params: SelfCalibrationParams = SelfCalibrationParams(),
        calibration: Calibration | None = None,
    ) -> None:
        self._params, self._calibration = params, calibration
        self._evidence, self._heights, self._ego = Evidence(), HeightEvidence(), EgoMaskEstimator()
        self._lines, self._travel, self._pairs = LineEvidence(), GroundTravel(), 0
        self._ego_mask: np.ndarray | None = None
        self._anchor: _Anchor | None = None
        self._gap_s, self._next_s = 0.2, -inf
        self._lens: Calibration | None = None
        self._verdicts: list[str] = []  # of the last pairs: empty, or why they are of no use
        self._was_calibrated = self._was_turned = False
        self.online = OnlineCalibration(reason='nothing has been seen yet')

    def update(
        self,
        pixels: np.ndarray,
        order: str,
        labels: np.ndarray,
        table: ClassTable,
        stamp_s: float,
        *,
        speed_mps: float = nan,
        yaw_rate_radps: float = nan,
    ) -> OnlineCalibration:
        """
        Look at one frame; most are skipped.

        :param pixels: (H, W, 3) uint8.
        :param order: of the channels, rgb or bgr.
        :param labels: (h, w) uint8 class ids of the frame.
        :param stamp_s: when it was taken; frames come in order.
        """
        anchor = self._anchor
        if anchor is not None and not 0.0 < stamp_s - anchor.stamp_s < _LONGEST_GAP_S:
            anchor, self._next_s = None, -inf
        is_due = anchor is not None and stamp_s - anchor.stamp_s >= self._gap_s
        if not is_due and (anchor is not None or stamp_s < self._next_s):
            self._ego.proceed()
            return self.online
        fine = small_grey(pixels, order, max(_FINE_PX, self._params.width_px))
        grey = _narrowed(fine, self._params.width_px)
        if anchor is not None:
            self._next_s = max(anchor.stamp_s + 1.0 / self._params.rate_hz, stamp_s)
            self._judge(self._look(anchor, grey, stamp_s, speed_mps, yaw_rate_radps))
            self._learn_lines(grey, labels, table)
            self._learn_rest(fine, labels, table, pixels.shape[:2], stamp_s)
            self.online = self._said(stamp_s)
        starts = stamp_s >= self._next_s
        self._anchor = self._anchored(grey, labels, table, stamp_s) if starts else None
        return self.online

    def _learn_lines(self, grey: np.ndarray, labels: np.ndarray, table: ClassTable) -> None:
        """Look now and then for lines on the road."""
        self._pairs += 1
        if self._lost or (not self._evidence.is_empty and self._pairs % _LINES_EVERY):
            return
        point = meeting_of_lines(grey, labels, table, self._lens_of(grey.shape))
        if point is not None:
            self._lines.add(point, self._verdicts[-1] != 'standing')

    def _learn_rest(
        self,
        fine: np.ndarray,
        labels: np.ndarray,
        table: ClassTable,
        size: tuple[int, int],
        stamp_s: float,
    ) -> None:
        """Learn the ego mask and the height, which need the vanishing point."""
        has_ego = any(row.role == Role.EGO for row in table.classes)
        own = cv2.LUT(labels, table.role_mask(Role.EGO)) if has_ego else None
        point, is_moving = self.online.vanishing_point, self._verdicts[-1] != 'standing'
        point = None if self._evidence.is_empty else point  # lines alone are too rough
        self._ego.update(fine, is_moving, stamp_s, own, point)
        if self._ego.mask is not None:
            self._ego_mask = self._ego.mask
        if point is not None and is_moving:
            heights = heights_from_vehicles(labels[::2, ::2], table, point, size)
            self._heights.add('vehicle width', heights)

    def state_dict(self) -> dict[str, Any]:
        """
        What was learned; ``restore`` reads it back.

        JSON types, but for ``ego_mask``: (h, w) uint8, None while unknown.
        """
        lens = self._calibration
        return {
            'focal_share': None if lens is None else float(lens.k[0, 0]) / lens.size[1],
            'blocks': [block.tolist() for block in self._evidence.blocks],
            'heights': self._heights.samples,
            'ego_mask': self._ego_mask,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Start from what ``state_dict`` gave for this camera; what is of another lens is not."""
        if state['focal_share'] == self.state_dict()['focal_share']:
            self._evidence = Evidence([np.array(block, float) for block in state['blocks']])
            self._heights = HeightEvidence(state['heights'])
            self._ego_mask = state['ego_mask']
            self.online = self._said(-inf)

    def _anchored(
        self, grey: np.ndarray, labels: np.ndarray, table: ClassTable, stamp_s: float
    ) -> _Anchor:
        size = grey.shape[::-1]
        small = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
        moving = cv2.dilate(cv2.LUT(small, table.lookup(_unfit)), np.ones((5, 5), np.uint8))
        ground = cv2.LUT(small, table.lookup(_ground))
        if self.online.ego_mask is not None:
            own = cv2.resize(self.online.ego_mask, size, interpolation=cv2.INTER_NEAREST)
            moving = cv2.bitwise_or(moving, own)
            ground = cv2.subtract(ground, own)
        points = corners(grey, cv2.bitwise_not(moving), self._params.points)
        return _Anchor(grey, points, ground, stamp_s)

    def _look(
        self, anchor: _Anchor, grey: np.ndarray, stamp_s: float, speed: float, turn: float
    ) -> str:
        """Why a pair is of no use; empty when it gave a sample."""
        params, elapsed_s = self._params, stamp_s - anchor.stamp_s
        if anchor.grey.shape != grey.shape:
            return 'the image has another size'
        flow = follow(anchor.grey, grey, anchor.points)
        lost = len(flow.before) < _LOST * len(anchor.points)
        if lost and _alikeness(anchor.grey, grey) < _ALIKE:
            self._evidence.doubt()
            self._lines.clear()
            return 'the image changed altogether'
        self._gap_s = _next_gap(self._gap_s, inf if lost else flow.median_px)
        lens = self._lens_of(grey.shape)
        known = self._evidence.estimate()
        starts: list[Any] = [*_STARTS, *_ASIDE]
        if known.blocks and not self._lost:
            starts = [known.direction, (0.0, 0.0, 1.0)][: 1 if known.blocks >= 1 else 2]
        motion = find_motion(
            lens.rays(flow.before), lens.rays(flow.after), 1.0 / lens.k[0, 0], starts
        )
        if motion is None:
            return 'too little texture'
        rates = [abs(turn), float(np.linalg.norm(motion.rotation)) / elapsed_s]
        if motion.parallax_px < params.least_parallax_px or speed < params.least_speed_mps:
            return 'standing'
        travelled = nan
        if motion.fits.mean() >= params.least_fit and motion.direction[2] >= _AHEAD:
            roll, stamps_s = float(np.nan_to_num(known.mean[2])), (anchor.stamp_s, stamp_s)
            travelled = self._travel.measure(
                anchor.grey, grey, anchor.is_ground, motion, lens, roll, stamps_s
            )
            if speed * elapsed_s > 0 and travelled > 0:
                self._heights.add('speed', [speed * elapsed_s / travelled])
        limit = params.most_turn_radps * (1.0 if known.blocks else _FIRST_TURN)
        if max(rate for rate in rates if rate == rate) > limit:
            return 'turning'
        if motion.fits.mean() < params.least_fit:
            return 'no common motion'
        if motion.direction[2] < _AHEAD:
            return _BACKWARD if motion.direction[2] < -_AHEAD else _SIDEWAYS
        return self._sample(motion, flow, anchor, lens, travelled)

    def _sample(
        self, motion: CameraMotion, flow: Flow, anchor: _Anchor, lens: Calibration,
        travelled: float,
    ) -> str:  # fmt: skip
        """Add what a motion tells; heights ``travelled`` are NaN where they are not known."""
        x, y, z = motion.direction
        spread = np.linalg.inv(motion.information)
        tangents = motion.basis[:, :2] / z  # of small moves; the rest is of second order
        variance = np.diag(tangents.T @ spread @ tangents)
        if variance.max() > radians(1.5) ** 2:
            return 'too little parallax'
        roll, roll_variance = _ground_roll(motion, flow, anchor, lens)
        slip = -_LEVER * motion.rotation[1] / travelled if travelled > 0 else 0.0
        slip = float(np.clip(slip, -_MOST_LEVER_RAD, _MOST_LEVER_RAD))
        value = np.array([x / z + slip, y / z, roll])
        turned = self._evidence.add(value, np.array([*variance + [slip**2, 0], roll_variance]))
        self._was_turned |= turned
        if turned:
            self._lines.clear()
        return ''

    @property
    def _lost(self) -> bool:
        """Whether recent pairs say that the camera does not look ahead."""
        return sum(word in (_BACKWARD, _SIDEWAYS) for word in self._verdicts[-_RECENT:]) >= 3

    def _judge(self, verdict: str) -> None:
        self._verdicts = [*self._verdicts, verdict][-2 * _RECENT :]

    def _lens_of(self, size: tuple[int, int]) -> Calibration:
        if self._lens is None or self._lens.size != size:
            self._lens = _lens(self._calibration, size)
        return self._lens

    def _said(self, now_s: float) -> OnlineCalibration:
        """What is known now, in words and numbers."""
        said, given = self._judged(), self._params.height_m
        height = (given, self._params.height_std_m, 'parameter') if given else None
        metres, std, source = height or self._heights.estimate()
        return replace(
            said, height_m=metres, height_std_m=std, height_source=source, ego_mask=self._ego_mask,
            path_bend=self._travel.curvature(now_s),
        )  # fmt: skip

    def _judged(self) -> OnlineCalibration:
        """State, reason and angles."""
        estimate, params = self._lines.joined(self._evidence.estimate()), self._params
        moving = [v for v in self._verdicts if v != 'standing'][-_RECENT:]
        for wrong in (_BACKWARD, _SIDEWAYS):
            if moving.count(wrong) > 0.6 * _RECENT:
                return OnlineCalibration(CalibrationState.INVALID, 0, wrong)
        verdict = self._verdicts[-1] if self._verdicts else 'nothing has been seen yet'
        if np.isnan(estimate.mean[0]) or (not estimate.blocks and self._lost):
            return OnlineCalibration(reason=verdict)
        ratios = (
            estimate.blocks / params.blocks,
            params.most_yaw_std_rad / estimate.std[0],
            params.most_pitch_std_rad / estimate.std[1],
        )
        percent = int(100 * min(1.0, *ratios))
        state, reason = CalibrationState.CALIBRATED, ''
        if percent < 100 or self._evidence.is_doubted:
            again = self._was_turned or self._evidence.is_doubted
            state = CalibrationState.RECALIBRATING if again else CalibrationState.CALIBRATING
            reason = (verdict if self._verdicts else '') or f'{percent} % of the evidence'
        else:
            self._was_turned = False
        return self._described(state, percent, reason, estimate)

    def _described(
        self, state: CalibrationState, percent: int, reason: str, estimate: Estimate
    ) -> OnlineCalibration:
        lens = self._lens or self._calibration
        roll_known = bool(np.isfinite(estimate.std[2]))
        roll = float(estimate.mean[2]) if roll_known else 0.0
        roll_std = float(estimate.std[2]) if roll_known else radians(3.0)
        point = None if lens is None else _vanishing_point(estimate, lens, roll, roll_std)
        if self._calibration is None or point is None:
            return OnlineCalibration(state, percent, reason, point)
        pitch, yaw = angles(estimate.direction, roll)
        yaw_std, pitch_std = (float(std) for std in estimate.std[:2])
        return OnlineCalibration(
            state, percent, reason, point, pitch, yaw, roll if roll_known else nan,
            pitch_std, yaw_std, roll_std if roll_known else nan,
        )  # fmt: skip


def angles(direction: np.ndarray, roll_rad: float) -> tuple[float, float]:
    """Pitch and yaw, as in ``Extrinsics``, of a camera that travels in a direction (3,)."""
    cos, sin = np.cos(roll_rad), np.sin(roll_rad)
    right = cos * direction[0] - sin * direction[1]
    down = sin * direction[0] + cos * direction[1]
    return float(np.arctan2(-down, direction[2])), float(np.arcsin(np.clip(right, -1.0, 1.0)))


def _vanishing_point(
    estimate: Estimate, lens: Calibration, roll: float, roll_std: float
) -> VanishingPoint | None:
    column, row = lens.project(estimate.direction)[0]
    if not np.isfinite(column + row):
        return None
    (height, width), (fx, fy) = lens.size, np.diag(lens.k)[:2]
    return VanishingPoint(
        (float(column) + 0.5) / width, (float(row) + 0.5) / height, roll,
        float(estimate.std[0] * fx) / width, float(estimate.std[1] * fy) / height, roll_std,
    )  # fmt: skip


def _ground_roll(
    motion: CameraMotion, flow: Flow, anchor: _Anchor, lens: Calibration
) -> tuple[float, float]:
    """
    Roll and its variance (inf: not seen), from ground points.

    On a plane, closeness is linear: d / Z = d / h (n . x) with the normal n, which is across the
    direction of travel.
    """
    columns, rows = np.rint(flow.before).astype(int).T
    used = motion.fits & (anchor.is_ground[rows, columns] > 0)
    if used.sum() < _LEAST_GROUND:
        return nan, inf
    rays, close = lens.rays(flow.before[used]), motion.closeness[used]
    right, down = across(motion.direction)
    away = np.linalg.norm(rays - motion.direction / motion.direction[2], axis=1)
    terms, noise = np.column_stack([rays @ down, rays @ right]), motion.noise_px / lens.k[0, 0]
    weights = away**2
    for _ in range(5):
        normal = terms.T @ (terms * weights[:, None]) + 1e-12 * np.eye(2)
        plane = np.linalg.solve(normal, terms.T @ (weights * close))
        off = (close - terms @ plane) * away / (4.0 * noise)
        weights = away**2 / (1.0 + off**2) ** 2
    roll = float(np.arctan2(plane[1], plane[0]))
    if np.mean(np.abs(off) < 1.0) < _LEAST_ON_PLANE or abs(roll) > _MOST_ROLL_RAD:
        return nan, inf
    travelled = hypot(*plane)
    variance = (2.0 * noise / travelled) ** 2 * np.linalg.inv(normal)[1, 1]
    return roll, float(variance)


def _narrowed(grey: np.ndarray, width: int) -> np.ndarray:
    height, own_width = grey.shape
    if own_width <= width:
        return grey
    size = (width, max(1, round(height * width / own_width)))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA)


def _next_gap(gap_s: float, median_px: float) -> float:
    wanted = gap_s * float(np.clip(_FLOW_PX / max(median_px, 0.1), 0.7, 1.4))
    return min(max(wanted, _GAP_S[0]), _GAP_S[1])


def _alikeness(grey: np.ndarray, other: np.ndarray) -> float:
    """Correlation -1..1 of two images, seen from afar."""
    thumbs = [cv2.resize(each, (16, 9), interpolation=cv2.INTER_AREA) for each in (grey, other)]
    return float(cv2.matchTemplate(thumbs[0], thumbs[1], cv2.TM_CCOEFF_NORMED)[0, 0])


def _lens(calibration: Calibration | None, size: tuple[int, int]) -> Calibration:
    if calibration is not None:
        return calibration.scaled(size)
    focal = _ASSUMED_FOCAL * size[1]
    k = np.array([[focal, 0, (size[1] - 1) / 2], [0, focal, (size[0] - 1) / 2], [0, 0, 1.0]])
    return Calibration.pinhole(k, size)


def _unfit(table: ClassTable) -> np.ndarray:
    return table.role_mask(Role.VULNERABLE, Role.VEHICLE, Role.EGO, Role.SKY)


def _ground(table: ClassTable) -> np.ndarray:
    return table.role_mask(Role.DRIVABLE, Role.MARKING)
