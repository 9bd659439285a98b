# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""From when on a model file calls a frame strange: measured on frames that are known."""

from __future__ import annotations

import cv2
import numpy as np

from seg_perception.inference.engine import Engine
from seg_perception.inference.model_file import StrangeScale
from training.data.sample import FrameSet
from training.evaluate.reading import read_ahead
from training.evaluate.strangeness import scale_of

MAX_FRAMES = 500  # more say the same


def fit_scale(engine: Engine, frames: FrameSet) -> StrangeScale | None:
    """The scale of a model file from its own answers; None where all frames give the same."""
    chosen = np.linspace(0, len(frames) - 1, min(MAX_FRAMES, len(frames))).astype(int).tolist()
    samples = read_ahead(frames, chosen, 'strangeness')
    return scale_of([_strangeness(engine, sample.rgb) for sample in samples])


def _strangeness(engine: Engine, rgb: np.ndarray) -> float:
    width_height = engine.size_for((rgb.shape[0], rgb.shape[1]))[::-1]
    working = cv2.resize(rgb, width_height, interpolation=cv2.INTER_LINEAR)
    return float(engine.run(working[None]).strangeness[0])
