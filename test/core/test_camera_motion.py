# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Motion from points whose true motion is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from seg_perception.core.camera_motion import CameraMotion, find_motion

FOCAL_PX = 384.0
STARTS = [(x, y, 1.0) for x in (-0.2, 0.0, 0.2) for y in (-0.15, 0.0, 0.15)]


def points(rng: np.random.Generator, count: int = 160) -> np.ndarray:
    """A road 1.4 m below, houses on both sides and some far things, (N, 3) metres."""
    z = rng.uniform(4, 60, count)
    road = np.column_stack([rng.uniform(-12, 12, count), np.full(count, 1.4), z])
    sides = rng.choice([-1, 1], count) * rng.uniform(7, 14, count)
    houses = np.column_stack([sides, rng.uniform(-6, 1.4, count), z])
    far = np.column_stack([rng.uniform(-80, 80, (count, 2)) * (1, 0.2), z * 4 + 60])
    kind = rng.random(count)[:, None]
    return np.where(kind < 0.5, houses, np.where(kind < 0.9, road, far))


def seen(
    direction: np.ndarray,
    turn: np.ndarray,
    metres: float,
    noise_px: float,
    wrong: float,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Rays before and after a motion; a share of the points goes somewhere else."""
    rng = np.random.default_rng(seed)
    before = points(rng)
    # The direction is that halfway, so the step in the first camera is half a turn on.
    step = cv2.Rodrigues(0.5 * turn)[0] @ direction * metres
    after = (before - step) @ cv2.Rodrigues(turn)[0]
    kept = (before[:, 2] > 1) & (after[:, 2] > 1)
    rays = [cloud[kept] / cloud[kept, 2:] for cloud in (before, after)]
    rays[1][:, :2] += rng.normal(0, noise_px / FOCAL_PX, rays[1][:, :2].shape)
    off = rng.random(kept.sum()) < wrong
    rays[1][off, :2] += rng.normal(0, 5 / FOCAL_PX, (off.sum(), 2))
    return rays[0], rays[1]


def unit(*parts: float) -> np.ndarray:
    return np.array(parts) / np.linalg.norm(parts)


def degrees_between(motion: CameraMotion | None, direction: np.ndarray) -> float:
    assert motion is not None
    return float(np.degrees(np.arccos(np.clip(motion.direction @ direction, -1, 1))))


@pytest.mark.parametrize('direction', [(0.0, 0.0, 1.0), (0.15, -0.1, 1.0), (-0.2, 0.12, 1.0)])
@pytest.mark.parametrize('turn', [(0.0, 0.0, 0.0), (0.004, -0.012, 0.002), (-0.01, 0.02, 0.0)])
def test_exact_points_give_the_exact_motion(direction, turn) -> None:
    truth, turn = unit(*direction), np.array(turn)
    motion = find_motion(*seen(truth, turn, 2.5, 0.0, 0.0, 0), 1 / FOCAL_PX, STARTS)
    assert degrees_between(motion, truth) < 0.01
    assert np.allclose(motion.rotation, turn, atol=1e-5)


def test_stated_information_is_that_of_the_errors() -> None:
    truth, errors, stated = unit(0.06, -0.02, 1.0), [], []
    for seed in range(60):
        rays = seen(truth, np.array([0.001, -0.005, 0.0]), 2.5, 0.25, 0.0, seed)
        motion = find_motion(*rays, 1 / FOCAL_PX, [truth])
        errors.append(motion.basis @ truth)
        stated.append(np.diag(np.linalg.inv(motion.information)))
    ratio = np.std(errors, axis=0) / np.sqrt(np.mean(stated, axis=0))
    assert (ratio > 0.7).all() and (ratio < 1.4).all()


@pytest.mark.parametrize('wrong', [0.15, 0.3])
def test_wrong_points_are_left_out(wrong) -> None:
    truth = unit(0.06, -0.02, 1.0)
    start = unit(0.07, -0.01, 1.0)
    errors = [
        degrees_between(
            find_motion(*seen(truth, np.zeros(3), 2.5, 0.25, wrong, s), 1 / FOCAL_PX, [start]),
            truth,
        )
        for s in range(30)
    ]
    assert np.median(errors) < 0.4


@pytest.mark.parametrize('direction', [(0.0, 0.05, -1.0), (1.0, 0.0, 0.05), (-1.0, 0.0, -0.05)])
def test_motion_backwards_and_sideways(direction) -> None:
    truth = unit(*direction)
    starts = [*STARTS, (1.0, 0.0, 0.1)]
    motion = find_motion(*seen(truth, np.zeros(3), 1.0, 0.1, 0.0, 1), 1 / FOCAL_PX, starts)
    assert degrees_between(motion, truth) < 3.0


def test_rotation_alone_leaves_no_parallax() -> None:
    turn = np.array([0.0, 0.03, 0.0])
    rays = seen(unit(0, 0, 1), turn, 0.0, 0.1, 0.0, 2)
    motion = find_motion(*rays, 1 / FOCAL_PX, STARTS)
    assert motion.parallax_px < 0.5
    assert np.allclose(motion.rotation, turn, atol=1e-3)


def test_closeness_is_distance_travelled_over_depth() -> None:
    rays = seen(unit(0, 0, 1), np.zeros(3), 2.0, 0.0, 0.0, 3)
    motion = find_motion(*rays, 1 / FOCAL_PX, STARTS)
    on_road = points(np.random.default_rng(3))
    depth = on_road[on_road[:, 2] > 3.0, 2]  # all of them
    clear = np.hypot(*rays[0][:, :2].T) > 0.05
    assert np.allclose(motion.closeness[clear], 2.0 / depth[clear], rtol=0.01)


def test_too_few_points_give_nothing() -> None:
    rays = np.ones((10, 3))
    assert find_motion(rays, rays, 1 / FOCAL_PX) is None
