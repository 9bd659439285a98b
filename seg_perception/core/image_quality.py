# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
How far the labels of a frame can be trusted: confidence, unknown pixels, image, plausibility.

A network answers with confidence in the dark and through mud too, so the image itself is
looked at. All limits are ramps: no risk at the one end, full at the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import cv2
import numpy as np

from seg_perception.core.errors import ParameterError
from seg_perception.core.settings import Settings, ratio, setting

_ROW_STEP = 8  # rows between those that are looked at
_WIDE_PX = 8  # the far step over which sharpness compares grey levels
_PARTS = 4  # of the view from left to right that are searched for a cover
_COVERED = 2.5  # grey levels; the dullest quarter of a CamVid image has 3.7
_BAND = (0.16, 0.06)  # what is about the horizon: above and below the far end of the road
_WASHED = 245  # grey level from which a pixel holds no detail


@dataclass(frozen=True)
class PerceptionHealthParams(Settings, name='risk trust'):
    """Where each doubt begins and where it is full."""

    weight: float = ratio(0.7, 'largest risk that poor perception alone can cause')
    sure: float = ratio(0.75, 'mean confidence above which there is no doubt')
    unsure: float = ratio(0.45, 'mean confidence below which doubt is full')
    unknown_from: float = ratio(0.03, 'share of unknown pixels at which doubt begins')
    unknown_full: float = ratio(0.4, 'share of unknown pixels at which doubt is full')
    ood_from: float = ratio(0.25, 'out-of-distribution score at which doubt begins')
    ood_full: float = ratio(0.75, 'out-of-distribution score at which doubt is full')
    dim_level: float = setting(
        40.0, 'mean grey level of the road at which doubt begins', 'grey level', 0, 255
    )
    dark_level: float = setting(
        8.0, 'mean grey level of the road at which doubt is full', 'grey level', 0, 255
    )
    washed_from: float = ratio(0.2, 'share of overexposed pixels at which doubt begins')
    washed_full: float = ratio(0.7, 'share of overexposed pixels at which doubt is full')
    hazy_contrast: float = setting(
        18.0, 'contrast at the horizon below which doubt begins', 'grey level', 0, 128
    )
    no_contrast: float = setting(
        6.0, 'contrast at the horizon at which doubt is full', 'grey level', 0, 128
    )
    covered_full: float = ratio(0.5, 'covered share of the lens at which doubt is full', 0.01)
    sharp: float = setting(0.05, 'sharpness below which doubt begins', '', 0, 1)
    blurred: float = setting(0.02, 'sharpness at which doubt is full', '', 0, 1)
    false_ground_from: float = ratio(
        0.2, 'share of ground labels above the horizon at which doubt begins'
    )
    false_ground_full: float = ratio(
        0.5, 'share of ground labels above the horizon at which doubt is full'
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for low, high in _ORDER:
            least, value = getattr(self, low), getattr(self, high)
            if not least < value:
                raise ParameterError(f'risk trust {high}', value, f'above {low}, {least:g}')


# Each ramp from the lower to the higher of its ends.
_ORDER = (
    ('unsure', 'sure'),
    ('unknown_from', 'unknown_full'),
    ('ood_from', 'ood_full'),
    ('dark_level', 'dim_level'),
    ('washed_from', 'washed_full'),
    ('no_contrast', 'hazy_contrast'),
    ('blurred', 'sharp'),
    ('false_ground_from', 'false_ground_full'),
)


@dataclass(frozen=True)
class Exposure:
    """What the image itself says about what can be seen in it."""

    light: float  # mean grey level 0..255 of the rows of the road
    washed_share: float  # 0..1, share of those rows that is washed out
    contrast: float  # standard deviation of the grey levels about the horizon
    covered_share: float  # 0..1, share of the view whose part of the horizon shows nothing
    sharpness: float  # about 1 for noise, 0.1 for sharp edges, 0.02 for blurred ones


@dataclass(frozen=True)
class Knowledge:
    """What the labels say about themselves; shares 0..1."""

    confidence: float  # mean over the rows of the road
    unknown_share: float  # of the rows of the road
    false_ground_share: float  # of the rows well above the horizon
    ood_score: float = nan  # out-of-distribution score of the frame; NaN: not known


def look_at(rgb: np.ndarray, road_from: float) -> Exposure:
    """
    Light, contrast and sharpness of an image (H, W, 3) uint8, from the green of a few rows.

    :param road_from: where the rows of the road begin, share of the height.
    """
    height, width = rgb.shape[:2]
    green = np.ascontiguousarray(rgb[_ROW_STEP // 2 % height :: _ROW_STEP, :, 1])
    small = cv2.resize(green, (max(1, width // 8), len(green)), interpolation=cv2.INTER_AREA)
    first = min(round(road_from * len(small)), len(small) - 1)
    road = small[first:]
    band = small[max(0, first - round(_BAND[0] * len(small))) :][: _band_rows(len(small))]
    parts = np.array_split(band, min(_PARTS, band.shape[1]), axis=1)
    return Exposure(
        light=cv2.mean(road)[0],
        washed_share=cv2.countNonZero(cv2.inRange(road, _WASHED, 255)) / road.size,
        contrast=_contrast(band),
        covered_share=sum(_contrast(part) < _COVERED for part in parts) / len(parts),
        sharpness=_sharpness(green),
    )


def _contrast(grey: np.ndarray) -> float:
    return float(cv2.meanStdDev(grey)[1][0, 0])


def _band_rows(height: int) -> int:
    return max(1, round(sum(_BAND) * height))


def _sharpness(green: np.ndarray) -> float:
    """
    Squared change of grey from pixel to pixel, over that across eight pixels.

    A sharp edge makes an eighth, one that is spread over w pixels about an eighth of 1/w.
    """
    if green.shape[1] <= _WIDE_PX:
        return 1.0  # too small to tell
    near = cv2.norm(green[:, 1:], green[:, :-1], cv2.NORM_L2SQR)
    wide = cv2.norm(green[:, _WIDE_PX:], green[:, :-_WIDE_PX], cv2.NORM_L2SQR)
    narrower = (green.shape[1] - _WIDE_PX) / (green.shape[1] - 1)
    return near / wide * narrower if wide > 0 else 0.0


def worst_doubt(
    knowledge: Knowledge, exposure: Exposure | None, params: PerceptionHealthParams
) -> tuple[float, str]:
    """The worst doubt 0..1 and its reason; the image is not judged without one."""
    known, p = knowledge, params
    doubts = [
        (_ramp(known.confidence, p.sure, p.unsure), f'mean confidence {known.confidence:.0%}'),
        (
            _ramp(known.unknown_share, p.unknown_from, p.unknown_full),
            f'{known.unknown_share:.0%} of the view is unknown',
        ),
        (
            _ramp(known.false_ground_share, p.false_ground_from, p.false_ground_full),
            f'{known.false_ground_share:.0%} ground above the horizon',
        ),
        (_ood_doubt(known.ood_score, p), 'unlike what the model has learned'),
    ]
    if exposure is not None:
        seen = exposure
        doubts += [
            (_ramp(seen.light, p.dim_level, p.dark_level), 'the image is dark'),
            (_ramp(seen.washed_share, p.washed_from, p.washed_full), 'the image is overexposed'),
            (
                _ramp(seen.contrast, p.hazy_contrast, p.no_contrast),
                'the image has no contrast: fog, or a covered lens',
            ),
            (
                _ramp(seen.covered_share, 0.0, p.covered_full),
                f'{seen.covered_share:.0%} of the lens sees nothing',
            ),
            (_ramp(seen.sharpness, p.sharp, p.blurred), 'the image is blurred'),
        ]
    worst = max(doubts, key=lambda doubt: doubt[0])
    return worst if worst[0] > 0 else (0.0, f'mean confidence {known.confidence:.0%}')


def scaled_confidence(
    confidence: np.ndarray, ood_score: float, params: PerceptionHealthParams
) -> np.ndarray:
    """
    Confidence (H, W) uint8 of a frame, scaled down by how far it is out of distribution.

    Networks answer with confidence to what they have never seen; so what they say of it has to
    count as unknown. NaN leaves the confidence as it is.
    """
    trust = 1.0 - params.weight * _ood_doubt(ood_score, params)
    return confidence if trust == 1.0 else cv2.convertScaleAbs(confidence, alpha=trust)


def _ood_doubt(ood_score: float, params: PerceptionHealthParams) -> float:
    return _ramp(ood_score, params.ood_from, params.ood_full)


def _ramp(value: float, none: float, full: float) -> float:
    """0 at ``none``, 1 at ``full``, straight between; 0 for NaN."""
    return min(1.0, max(0.0, (value - none) / (full - none)))  # max keeps 0.0 before NaN
