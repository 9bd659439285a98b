# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How steady labels are: they are compared where the image has moved to."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from math import isnan

import cv2
import numpy as np
import pytest

from seg_perception.evaluation.stability import LabelStability, Snapshot
from seg_perception.io.encodings import Pixels

CLASSES, SIZE, STEP_NS = 5, (180, 320), 100_000_000


def texture(seed: int = 1) -> np.ndarray:
    """A grey image with detail at every place, wider than a frame."""
    noise = np.random.default_rng(seed).integers(0, 256, (180, 400), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2) * 4


def things() -> np.ndarray:
    """Labels of upright bars, as wide as the texture."""
    return np.tile((np.arange(400) // 40 % CLASSES).astype(np.uint8), (180, 1))


def snapshot(gray: np.ndarray, labels: np.ndarray, number: int = 0) -> Snapshot:
    pixels = Pixels(np.repeat(gray[..., None], 3, axis=2), 'bgr')
    return Snapshot.of(pixels, np.ascontiguousarray(labels), number * STEP_NS, 'camera')


def stability(*frames: Snapshot) -> LabelStability:
    found = LabelStability(CLASSES)
    for before, now in itertools.pairwise(frames):
        found.add(before, now)
    return found


def crop(image: np.ndarray, left: int) -> np.ndarray:
    return image[:, left : left + 320]


def test_labels_that_stay_with_a_moving_image_are_steady() -> None:
    frames = [snapshot(crop(texture(), 5 * i), crop(things(), 5 * i), i) for i in range(4)]
    found = stability(*frames)
    assert found.pairs == 3
    assert found.consistency > 0.95 and found.flips_per_s < 0.3


def test_labels_that_stand_still_while_the_image_moves_flip() -> None:
    frames = [snapshot(crop(texture(), 5 * i), crop(things(), 0), i) for i in range(4)]
    # 5 of 40 columns of each bar change in a tenth of a second: IoU 35 / 45, 1.25 flips a second.
    found = stability(*frames)
    assert found.consistency == pytest.approx(35 / 45, abs=0.04)
    assert found.flips_per_s == pytest.approx(1.25, abs=0.2)


def test_flips_by_hand() -> None:
    gray, labels = crop(texture(), 0), np.zeros(SIZE, np.uint8)
    other = labels.copy()
    other[:18] = 1  # a tenth of the pixels, in a tenth of a second
    found = stability(snapshot(gray, labels), snapshot(gray, other, 1))
    assert found.flips_per_s == pytest.approx(1.0)
    assert found.consistency == pytest.approx((0.9 + 0.0) / 2)
    assert found.row() == {'label_consistency': 0.45, 'label_flips_per_s': pytest.approx(1.0)}
    assert stability(snapshot(gray, labels), snapshot(gray, labels, 1)).consistency == 1.0


def test_what_comes_into_view_does_not_count() -> None:
    labels = np.zeros((180, 400), np.uint8)
    labels[:, 320:] = 3  # in view from the second frame on
    frames = [snapshot(crop(texture(), 15 * i), crop(labels, 15 * i), i) for i in range(3)]
    found = stability(*frames[:2])
    assert found.flips_per_s < 0.05, 'class 3 is new, not a flip'


@pytest.mark.parametrize(
    'changes',
    [{'stamp_ns': 300_000_000}, {'stamp_ns': 0}, {'stamp_ns': -1}, {'frame_id': 'other'}],
)
def test_frames_that_do_not_follow_are_no_pair(changes: dict) -> None:
    one = snapshot(crop(texture(), 0), crop(things(), 0))
    found = stability(one, replace(snapshot(one.gray, one.labels, 1), **changes))
    assert found.pairs == 0 and found.summary() is None
    assert isnan(found.consistency) and isnan(found.flips_per_s)


def test_a_cut_is_no_pair() -> None:
    frames = [snapshot(crop(texture(i), 0), crop(things(), 0), i) for i in range(2)]
    assert stability(*frames).pairs == 0
    small = snapshot(crop(texture(), 0)[:90], crop(things(), 0)[:90], 1)
    assert stability(frames[0], small).pairs == 0


@pytest.mark.parametrize('size', [(1, 1), (8, 8), (8, 320)])
def test_tiny_images_are_no_pair(size: tuple[int, int]) -> None:
    zeros = np.zeros(size, np.uint8)
    assert stability(snapshot(zeros, zeros), snapshot(zeros, zeros, 1)).pairs == 0


def test_shards_together_are_the_whole() -> None:
    rng = np.random.default_rng(3)
    gray = crop(texture(), 0)
    frames = [snapshot(gray, rng.integers(0, CLASSES, SIZE, np.uint8), i) for i in range(5)]
    whole, first, second = stability(*frames), stability(*frames[:3]), stability(*frames[2:])
    again = LabelStability.from_json(json.loads(json.dumps(first.to_json())))
    again.merge(second)
    assert again.to_json() == whole.to_json() and again.summary() == whole.summary()
    assert whole.summary()['pairs'] == 4 and whole.flips_per_s == pytest.approx(8, abs=0.1)


def test_large_frames_are_compared_small() -> None:
    large = np.zeros((720, 1280), np.uint8)
    assert snapshot(large, large).gray.shape == snapshot(large, large).labels.shape == SIZE
