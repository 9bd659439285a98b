# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Model files as predictors, run by the engine of the node."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seg_perception.core.classes import ClassTable
from seg_perception.inference.open_engine import open_engine
from training.data.sample import FrameSet
from training.data.tables import check_table
from training.evaluate.scores import Predictor, Scores, at_working_size, score


def file_predictor(
    path: Path, classes: ClassTable, provider: str = 'cpu', threads: int = 0
) -> Predictor:
    """
    Predictor of a model file, at the sizes that its card asks for.

    :param provider: one of ``engine.PROVIDERS``.
    :param threads: of the CPU, 0 for all cores.
    :raises ModelFileError: when the file is not in the contract.
    :raises ClassTableError: when it has other classes than those.
    """
    engine = open_engine(path, provider, threads)
    check_table(f'model file {path}', engine.card.classes, classes)

    def predict(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        answer = engine.run(rgb[None])
        return answer.labels[0], answer.confidence[0]

    return at_working_size(predict, engine.size_for)


def score_file(path: Path, frames: FrameSet, provider: str = 'cpu') -> Scores:
    """
    Scores of a model file.

    :raises ModelFileError: when the file is not in the contract.
    :raises ClassTableError: when it has other classes than the frames.
    """
    predict = file_predictor(path, frames.classes, provider)
    return score(predict, frames, task=path.stem)
