# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Images that are turned and nobody said so: told with the roll that mends it."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest

from seg_perception.core.camera_geometry import CameraView, ImageGeometry
from seg_perception.inference.answer import FrameAnswerer, FrameContext
from seg_perception.inference.open_engine import open_engine
from seg_perception.inference.orientation import OrientationProbe
from seg_perception.io.encodings import Pixels
from seg_perception.models import model_path
from seg_perception.synthetic.street import Street

SIZE = (6, 8)


class Surest:
    """As sure of an image as its upper left pixel is bright."""

    def __init__(self) -> None:
        self.asked = 0

    def answer(self, image: np.ndarray, order: str) -> SimpleNamespace:
        self.asked += 1
        return SimpleNamespace(confidence=np.full(SIZE, image[0, 0, 0]))


def image(corners: tuple[int, int, int, int]) -> np.ndarray:
    """Corners from the upper left one, clockwise: what is there after 0, 3, 2, 1 quarters."""
    pixels = np.zeros((*SIZE, 3), np.uint8)
    pixels[0, 0], pixels[0, -1], pixels[-1, -1], pixels[-1, 0] = corners
    return pixels


def told(pixels: np.ndarray, applied: int = 0, period_s: float = 0.5, looks: int = 9) -> str:
    probe = OrientationProbe(Surest())  # type: ignore[arg-type]
    context = FrameContext(view=CameraView(ImageGeometry(SIZE, turns=applied)))
    confidence = np.rot90(pixels, -applied)[0, 0, 0]
    record = SimpleNamespace(confidence=np.full(SIZE, confidence))
    for i in range(looks):
        probe.look(Pixels(pixels, 'rgb'), record, context, i * period_s)  # type: ignore[arg-type]
    return probe.warning


@pytest.mark.parametrize(
    ('corners', 'applied', 'said'),
    [
        ((60, 60, 60, 60), 0, ''),
        ((60, 60, 80, 60), 0, ''),  # a little surer is no sign
        ((200, 250, 250, 250), 0, ''),  # sure enough
        ((60, 60, 200, 60), 0, '0.8 with a roll of 180 degrees, and 0.2 as it is'),
        ((60, 60, 60, 200), 0, 'roll of 90 degrees.* to 1.5708 rad'),
        ((60, 200, 60, 60), 0, 'roll of -90 degrees.* to -1.5708 rad'),
        ((200, 60, 60, 60), 2, 'roll of 0 degrees'),  # a roll was set, and none is right
        ((60, 60, 200, 60), 2, ''),
    ],
)
def test_the_roll_with_which_the_network_is_surer_is_told(
    corners: tuple[int, int, int, int], applied: int, said: str
) -> None:
    warning = told(image(corners), applied)
    assert re.search(said, warning) and bool(warning) == bool(said)


def test_it_takes_several_seconds_and_costs_nothing_where_the_network_is_sure() -> None:
    upside_down = image((60, 60, 200, 60))
    assert told(upside_down, looks=8) == ''
    assert told(upside_down, period_s=0.1, looks=40) == ''  # 4 s: eight looks
    assert told(upside_down, period_s=0.1, looks=42) != ''
    answerer = Surest()
    probe, record = OrientationProbe(answerer), SimpleNamespace(confidence=np.full(SIZE, 230))
    for i in range(100):
        probe.look(Pixels(upside_down, 'rgb'), record, FrameContext(), i * 0.5)  # type: ignore[arg-type]
    assert (answerer.asked, probe.warning) == (0, '')


@pytest.mark.parametrize(('turns', 'said'), [(0, ''), (2, 'roll of 180 degrees')])
def test_the_default_model_tells_a_street_from_one_upside_down(turns: int, said: str) -> None:
    answerer = FrameAnswerer(open_engine(str(model_path('')), 'cpu', 1))
    probe, street = OrientationProbe(answerer), Street(seed=1, size=(180, 320))
    for i in range(9):
        pixels = np.ascontiguousarray(np.rot90(street.frame(10 * i).rgb, turns))
        probe.look(Pixels(pixels, 'rgb'), answerer.answer(pixels), FrameContext(), i / 2)
    assert said in probe.warning and bool(probe.warning) == bool(said)
