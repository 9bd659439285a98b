# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from functools import lru_cache

import cv2
import numpy as np
import pytest

from seg_perception.core.ego_mask import SAMPLES, EgoMaskEstimator
from seg_perception.core.errors import ImageError
from seg_perception.synthetic.hood import Hood
from seg_perception.synthetic.street import Street

SIZE = (240, 426)


HOODS = {
    'low': Hood(0.05, reach=0.9, bumps=((0.3, 0.05, 0.008),), paint=(228, 228, 226), mirror=0.3),
    'mirror': Hood(0.12, centre=0.4, power=3.0, paint=(158, 162, 166), mirror=0.7, zoom=4.0),
    'dashboard': Hood(0.25, reach=1.0, power=4.0, paint=(24, 25, 28), mirror=0.03),
}


@lru_cache(maxsize=4)
def drive(seed: int = 0, weather: str = 'clear', hood: str = '') -> tuple[np.ndarray, ...]:
    """Grey images of a drive, three a second."""
    street = Street(seed, SIZE, weather=weather, fps=3.0, hood=HOODS.get(hood))
    frames = (street.frame(index).rgb for index in range(SAMPLES))
    return tuple(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) for rgb in frames)


def hood() -> np.ndarray:
    """A flat arc over the bottom of the image, (240, 426) bool."""
    column, row = np.meshgrid(np.linspace(-1, 1, SIZE[1]), np.arange(SIZE[0]))
    return row > 212 + 20 * column**2


def learned(images, is_moving: bool = True, rate_hz: float = 3, **more) -> EgoMaskEstimator:
    estimator = EgoMaskEstimator()
    for index, image in enumerate(images):
        estimator.update(image, is_moving, index / rate_hz, **more)
    return estimator


def with_hood(images, shade: int = 40):
    return [np.where(hood(), np.uint8(shade), image) for image in images]


def iou(mask: np.ndarray, wanted: np.ndarray) -> float:
    mask = cv2.resize(mask, wanted.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    return float((mask & wanted).sum() / (mask | wanted).sum())


def test_a_hood_is_found() -> None:
    estimator = learned(with_hood(drive()))
    assert estimator.percent == 100
    assert iou(estimator.mask, hood()) > 0.9


@pytest.mark.parametrize(
    ('seed', 'weather', 'kind'),
    [(1, 'clear', 'low'), (2, 'dusk', 'mirror'), (3, 'rain', 'dashboard')],
)
def test_hoods_of_the_street_are_found(seed: int, weather: str, kind: str) -> None:
    wanted = np.arange(SIZE[0])[:, None] + 0.5 > HOODS[kind].edge(SIZE)
    assert iou(learned(drive(seed, weather, kind)).mask, wanted) > 0.9


@pytest.mark.parametrize('weather', ['clear', 'night'])
def test_no_hood_leaves_an_empty_mask(weather: str) -> None:
    estimator = learned(drive(0, weather))
    assert estimator.percent == 100
    assert not estimator.mask.any()


def test_nothing_is_learned_at_a_standstill_or_from_a_still_image() -> None:
    standing = learned(with_hood(drive()), is_moving=False)
    assert standing.mask is None and standing.percent == 0
    still = learned([with_hood(drive())[0]] * 60)
    assert still.mask is None and still.percent == 3


def test_nothing_is_learned_from_a_second_of_video() -> None:
    hasty = learned(with_hood(drive()), rate_hz=25)
    assert hasty.mask is None and hasty.percent == 16


def test_a_recording_that_is_played_again_starts_again() -> None:
    estimator = learned(with_hood(drive()))
    estimator.update(drive()[0], True, 9.0)
    assert estimator.percent == 100, 'a late image is no new start'
    estimator.update(drive()[0], True, 0.0)
    assert estimator.mask is None and estimator.percent == 3


def test_it_makes_no_difference_who_does_the_steps() -> None:
    images, patient = with_hood(drive()), EgoMaskEstimator()
    for index, image in enumerate(images):
        patient.update(image, True, index / 3)
        for _ in range(4 * (index < len(images) - 1)):
            patient.proceed()
    assert np.array_equal(patient.mask, learned(images).mask)


def test_islands_are_part_of_the_mask() -> None:
    images = [image.copy() for image in with_hood(drive())]
    for image in images:
        image[10:40, 380:415] = 240
    mask = learned(images).mask
    wanted = hood()
    wanted[10:40, 380:415] = True
    assert iou(mask, wanted) > 0.9
    assert mask[25 * 3 // 2, 400 * 3 // 2] == 255


def test_labels_of_the_own_vehicle_count() -> None:
    labels = np.where(hood(), 255, 0).astype(np.uint8)
    assert iou(learned(drive(), labels_ego=labels).mask, hood()) > 0.9


def test_another_size_starts_again() -> None:
    estimator = learned(drive())
    estimator.update(drive()[0][:, :-2], True, 20.0)
    assert estimator.mask is None and estimator.percent == 3


@pytest.mark.parametrize('wrong', [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.float32)])
def test_an_image_that_is_not_grey_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ImageError, match=rf'{wrong.dtype}.*Convert it to grey'):
        EgoMaskEstimator().update(wrong, True, 0.0)
