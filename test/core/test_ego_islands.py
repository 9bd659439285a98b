# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from functools import lru_cache

import cv2
import numpy as np
import pytest

from seg_perception.core.ego_islands import IslandFinder
from seg_perception.core.results import VanishingPoint
from seg_perception.synthetic.street import Street

SIZE = (360, 640)
IMAGES = 30
POINT = VanishingPoint(0.5, 0.56)


@lru_cache(maxsize=2)
def drive(seed: int = 0, weather: str = 'clear') -> tuple[np.ndarray, ...]:
    """Grey images of a drive, three a second."""
    street = Street(seed, SIZE, weather=weather, fps=3.0)
    return tuple(
        cv2.cvtColor(street.frame(index).rgb, cv2.COLOR_RGB2GRAY) for index in range(IMAGES)
    )


def found(images) -> np.ndarray:
    """The mask (h, w) bool."""
    finder = IslandFinder(SIZE)
    for index, image in enumerate(images):
        finder.add(image, 1 / (index + 1))
    steps = finder.find(POINT, np.zeros(SIZE, np.uint8))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value > 0


def painted(images, area: np.ndarray, paint) -> list[np.ndarray]:
    return [np.where(area, np.uint8(paint), image) for image in images]


def iou(mask: np.ndarray, wanted: np.ndarray) -> float:
    return float((mask & wanted).sum() / (mask | wanted).sum())


def polygon(*points: tuple[float, float]) -> np.ndarray:
    """The area (h, w) bool of a polygon of (column, row), shares of the image."""
    area = np.zeros(SIZE, np.uint8)
    cv2.fillPoly(area, [np.rint(np.array(points) * SIZE[::-1]).astype(np.int32)], 1)
    return area > 0


def bars(rows: int, columns: int) -> np.ndarray:
    area = np.ones(SIZE, bool)
    area[rows : SIZE[0] - rows, columns : SIZE[1] - columns] = False
    return area


def vignette() -> np.ndarray:
    area = np.ones(SIZE, np.uint8)
    cv2.ellipse(area, (320, 180), (380, 220), 0, 0, 360, 0, -1)
    return area > 0


@pytest.mark.parametrize(('rows', 'columns'), [(45, 0), (0, 70), (20, 40)])
@pytest.mark.parametrize('weather', ['clear', 'rain'])
def test_bars_are_found_to_the_pixel(rows: int, columns: int, weather: str) -> None:
    wanted = bars(rows, columns)
    assert np.array_equal(found(painted(drive(1, weather), wanted, 16)), wanted)


@pytest.mark.parametrize(
    ('area', 'paint'),
    [
        (polygon((0.88, 0.03), (0.96, 0.03), (0.96, 0.16), (0.88, 0.16)), 235),
        (polygon((0, 0), (0.11, 0), (0, 0.2)), 20),
        (polygon((1, 0.7), (1, 0.84), (0.82, 0.85), (0.8, 0.77)), 215),
        (vignette(), 4),
    ],
    ids=['sticker', 'corner', 'arm', 'vignette'],
)
def test_islands_are_found(area: np.ndarray, paint: int) -> None:
    assert iou(found(painted(drive(), area, paint)), area) > 0.9


def test_burnt_in_text_is_covered_but_for_what_changes() -> None:
    def stamp(image: np.ndarray, text: str) -> np.ndarray:
        return cv2.putText(image, text, (10, 346), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 250, 1)

    images = [
        stamp(image.copy(), f'2026-11-30 12:40:{10 + index // 3}')
        for index, image in enumerate(drive())
    ]
    mask = found(images)
    lasting = stamp(np.zeros(SIZE, np.uint8), '2026-11-30 12:40:1') > 0
    assert mask[lasting].mean() > 0.9
    around = cv2.dilate(lasting.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert not mask[~around].any()


@pytest.mark.parametrize('weather', ['clear', 'night', 'fog'])
def test_a_scene_without_islands_has_none(weather: str) -> None:
    assert not found(drive(2, weather)).any()


def test_nothing_near_the_vanishing_point_is_an_island() -> None:
    lead = polygon((0.44, 0.5), (0.56, 0.5), (0.56, 0.66), (0.44, 0.66))
    assert not found(painted(drive(), lead, 230)).any()


def test_a_scene_that_does_not_change_has_no_islands() -> None:
    """A sign beside the road stays in place as long as the vehicle stands."""
    rng = np.random.default_rng(0)
    noisy = (drive()[0] + rng.normal(0, 6, SIZE) for _ in range(IMAGES))
    assert not found([np.clip(image, 0, 255).astype(np.uint8) for image in noisy]).any()
