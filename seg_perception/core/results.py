# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is said about one frame. Frozen records, shared by every ring."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from math import atan2, nan
from typing import NamedTuple

import numpy as np

from seg_perception.core.camera import Calibration


class RiskLevel(IntEnum):
    """Level of the safety risk; the numbers are those of ``SafetyRisk.msg``."""

    UNKNOWN = 0
    LOW = 1
    MODERATE = 2
    HIGH = 3
    CRITICAL = 4


@dataclass(frozen=True)
class RiskFactor:
    """One named cause of risk: risk 0..1, weight 0..1, reason in words."""

    name: str
    risk: float
    weight: float
    reason: str


class DistanceSource(IntEnum):
    """What the distance of a hazard was measured with; numbers as in ``Hazard.msg``."""

    UNKNOWN = 0
    FLAT_GROUND = 1  # its ground contact in the image
    DEPTH = 2
    LIDAR = 3
    SIZE = 4  # its size in the image, and the typical size of its class


class Box(NamedTuple):
    """A rectangle of pixels; a width of 0: unknown."""

    left: int = 0  # first column
    top: int = 0  # first row
    width: int = 0
    height: int = 0


NO_BOX = Box()


@dataclass(frozen=True)
class Hazard:
    """
    The hazards of one factor in one zone of the corridor.

    Metres are those of the vehicle frame; NaN where they are not known.
    """

    factor: str  # such as vulnerable_road_users
    zone: int  # -2 far left, -1 left, 0 in the ego corridor, 1 right, 2 far right
    risk: float  # 0..1, what they alone would make the factor
    proximity: float  # 1 near to 0 far: the distance that counts as near / their distance
    distance_m: float  # along the path, from the origin of the vehicle frame
    who: str  # class name, or "something unknown"
    width_px: float = nan  # mean of the lower rows, a quarter of the corridor's width high
    centred: float = 0.0  # 0..1, share of the vehicle's track that they fill there
    extent: float = 1.0  # 0..1, how far they are there at all: risk without zone and proximity
    class_id: int = 255
    role: str = 'other'
    confidence: float = nan  # 0..1, mean of their pixels
    box: Box = NO_BOX  # of their pixels in the zone
    position_m: tuple[float, float] = (nan, nan)  # x forward, y left, of the ground contact
    distance_std_m: float = nan
    distance_source: DistanceSource = DistanceSource.UNKNOWN
    closing_speed_mps: float = nan  # the rate at which the distance falls
    time_to_contact_s: float = nan  # NaN when they do not come nearer
    age_s: float = 0.0  # since they were last seen
    camera: str = ''  # that sees them, where several do

    @property
    def bearing_rad(self) -> float:
        """Their direction in the vehicle frame; 0 is ahead, left is positive."""
        return atan2(self.position_m[1], self.position_m[0])


@dataclass(frozen=True)
class SafetyRisk:
    """
    Safety score 0..100 (100 is safe, NaN when unknown), its level and its factors.

    ``time_to_contact_s`` needs memory (``RiskFilter``), the suggested speed a calibrated camera;
    what the brakes can do needs the speed too, and hazards in the ego corridor.
    """

    score: float
    level: RiskLevel
    factors: tuple[RiskFactor, ...]
    hazards: tuple[Hazard, ...] = ()  # the places behind the factors, which the reasons name
    time_to_contact_s: float = nan  # until what is in the ego corridor and comes nearer is reached
    suggested_speed_mps: float = nan  # from which the vehicle can stop within the free distance
    ego_speed_mps: float = nan  # forward; negative in reverse
    stopping_distance_m: float = nan  # for the hazard with the least margin, else a standing one
    stop_margin_m: float = nan  # distance of that hazard from the front - the stopping distance
    required_deceleration_mps2: float = nan  # with which contact is avoided; 0: none is needed


UNKNOWN_RISK = SafetyRisk(nan, RiskLevel.UNKNOWN, ())


class BoundaryFlag(IntEnum):
    """How a row of the free-space boundary is known; numbers as in ``DrivableArea.msg``."""

    SEEN = 0  # something of a known class ends the road there
    BRIDGED = 1  # a patch too low for an obstacle, or one that no other frame shows, is skipped
    EGO = 2  # the own vehicle ends there, and no road is seen above it
    UNKNOWN = 3  # what ends the road is unlabeled, uncertain or outside the image


@dataclass(frozen=True)
class DrivableArea:
    """
    Where the road is free, in the pixels of ``mask``.

    ``boundary_rows`` holds, for the strip around each of ``boundary_columns``, the topmost row
    that is reached from the bottom of the image over drivable pixels and the own vehicle alone; H
    when the bottom row is blocked.
    """

    mask: np.ndarray  # (H, W) uint8, 255 where drivable and connected to the ego zone
    image_share: float  # 0..1, share of the image that is drivable and connected
    corridor_share: float  # 0..1, share of the ego corridor that is free
    boundary_columns: np.ndarray  # (K,) int32, pixel columns
    boundary_rows: np.ndarray  # (K,) int32, pixel rows, 0..H
    confidence: float  # 0..1, mean over the mask; 0 when the mask is empty
    boundary_class_ids: np.ndarray = field(  # (K,) uint8, what ends the road there; 255 unlabeled,
        default_factory=lambda: np.zeros(0, np.uint8)  # or the top of the image
    )
    boundary_flags: np.ndarray = field(  # (K,) uint8, BoundaryFlag
        default_factory=lambda: np.zeros(0, np.uint8)
    )
    # (H, W) uint8, 255 in the part of the mask that is not the own lane; None: the model has none
    mask_alternative: np.ndarray | None = None
    # Metres need a calibrated camera that sees the corridor. They count from the origin of the
    # vehicle frame; NaN without, or when nothing in the strip is known.
    free_distance_m: float = nan  # free road ahead in the ego corridor, along its curve
    free_distance_std_m: float = nan  # of it, from the pitch and the size of a pixel
    free_distance_band_m: tuple[float, float] = (nan, nan)  # 95 %; up to inf, not symmetric
    free_left_m: float = nan  # as free_distance_m, in the strip of equal width to the left
    free_right_m: float = nan  # and to the right
    ground_polygon_m: np.ndarray = field(  # (M, 2) float32 x forward, y left; counter-clockwise
        default_factory=lambda: np.zeros((0, 2), np.float32)
    )


@dataclass(frozen=True, eq=False)
class Grid:
    """
    Cells of the ground in the vehicle frame: 0 free, 100 blocked, -1 unknown.

    Rows run along y from right to left, columns along x from back to front, as in OccupancyGrid.
    """

    cells: np.ndarray  # (rows, columns) int8
    resolution_m: float
    origin_x_m: float  # outer corner of cell (0, 0)
    origin_y_m: float

    @property
    def layout(self) -> tuple[tuple[int, ...], float, float, float]:
        """Shape of the cells, resolution and origin in metres."""
        return self.cells.shape, self.resolution_m, self.origin_x_m, self.origin_y_m


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """Labels, confidence and places (vehicle frame, metres) of the same pixels; NaN: unknown."""

    labels: np.ndarray  # (h, w) uint8
    confidence: np.ndarray  # (h, w) uint8, 0..255 for 0..1
    xyz_m: np.ndarray  # (3, h, w) float32
    lens: Calibration  # of these pixels


@dataclass(frozen=True, eq=False)
class Scan:
    """
    Ranges from the origin of the vehicle frame, as in LaserScan; angles from ahead to the left.

    inf: free up to ``range_max_m`` and more. NaN: not known.
    """

    angle_min_rad: float
    angle_increment_rad: float
    ranges_m: np.ndarray  # (N,) float32
    range_min_m: float
    range_max_m: float


class CalibrationState(IntEnum):
    """How far a camera has calibrated itself; numbers as in ``CameraCalibration.msg``."""

    UNCALIBRATED = 0  # nothing is known yet
    CALIBRATING = 1  # an estimate, too uncertain to claim metres
    CALIBRATED = 2
    INVALID = 3  # what is seen fits no forward-looking camera; the reason says why
    RECALIBRATING = 4  # what is seen contradicts what was known, as after a remount


@dataclass(frozen=True)
class VanishingPoint:
    """
    Where the direction of travel meets the image plane, and the slope of the horizon through it.

    In shares of the image width and height, so it holds for an image of any size: pixel column c
    is the share (c + 0.5) / W. The point may lie outside the image.
    """

    column: float  # share of the width
    row: float  # share of the height
    roll_rad: float = 0.0  # of the camera, as in Extrinsics; 0 where it cannot be seen
    column_std: float = 0.0
    row_std: float = 0.0
    roll_std_rad: float = 0.0


@dataclass(frozen=True, eq=False)
class OnlineCalibration:
    """
    What a camera has learned of itself while driving; NaN for what is not known.

    Angles need a focal length (CameraInfo); they are those of ``Extrinsics``: pitch positive
    down, yaw positive left, against the direction of travel.
    """

    state: CalibrationState = CalibrationState.UNCALIBRATED
    percent: int = 0  # 0..100 of the evidence that CALIBRATED needs
    reason: str = ''  # for the state, in words; empty when CALIBRATED
    vanishing_point: VanishingPoint | None = None
    pitch_rad: float = nan
    yaw_rad: float = nan
    roll_rad: float = nan
    pitch_std_rad: float = nan
    yaw_std_rad: float = nan
    roll_std_rad: float = nan
    height_m: float = nan
    height_std_m: float = nan
    height_source: str = ''  # parameter, TF, speed, vehicle width; empty when unknown
    ego_mask: np.ndarray | None = None  # (h, w) uint8, 255 on the own vehicle; scales to any size
    path_bend: float = nan  # curvature of the path * height of the camera, positive to the left


@dataclass(frozen=True)
class PitchEstimate:
    """Pitch of the camera against the road, positive down; NaN when the scene does not tell."""

    pitch_rad: float = nan
    std_rad: float = nan
    horizon_row: float = nan  # in the middle column


class SceneStatus(IntEnum):
    """Whether an answer can be relied on; the numbers are those of ``RoadScene.msg``."""

    OK = 0
    DEGRADED = 1  # an answer, but not one to trust fully
    STALE = 2  # no frame has come: nothing is known
    INVALID = 3  # the frame could not be processed: nothing is known


@dataclass(frozen=True)
class SceneRecord:
    """Everything that is said about one frame, at the frame's own size (H, W)."""

    labels: np.ndarray  # (H, W) uint8 class ids, 255 unlabeled
    confidence: (
        np.ndarray
    )  # (H, W) uint8, 0..255 for 0..1; lowered when the frame is out of distribution
    area: DrivableArea
    risk: SafetyRisk
    stage_ms: dict[str, float]  # resize, inference, drivable, risk, upscale: milliseconds
    grid: Grid | None = None  # where asked for and calibrated
    scan: Scan | None = None
    cloud: LabelledImage | None = None  # of the image as it came, where asked for and calibrated
    pitch: PitchEstimate | None = None
    ood_score: float = nan  # 0..1, out-of-distribution score; NaN: the model has none
    uncalibrated_reason: str = ''  # why nothing is metric, in words; empty when metres are given
    doubts: tuple[str, ...] = ()  # why the answer is not to be trusted fully, in words

    @property
    def status(self) -> SceneStatus:
        """OK, or DEGRADED where there is a doubt."""
        return SceneStatus.DEGRADED if self.doubts else SceneStatus.OK

    @property
    def status_text(self) -> str:
        """The doubts in one line; empty when OK."""
        return '; '.join(self.doubts)
