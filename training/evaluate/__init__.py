# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of networks and model files on labelled frames, and the files that show them."""

from training.evaluate.model_files import file_predictor, score_file
from training.evaluate.network import (
    checkpoint_network,
    fit_temperature,
    holdout_temperature,
    network_labels,
    network_predictor,
    score_network,
)
from training.evaluate.scores import (
    FrameScore,
    Predictor,
    RarityGroup,
    Scores,
    SizeFor,
    at_working_size,
    score,
)
from training.evaluate.views import Mode

__all__ = [
    'FrameScore',
    'Mode',
    'Predictor',
    'RarityGroup',
    'Scores',
    'SizeFor',
    'at_working_size',
    'checkpoint_network',
    'file_predictor',
    'fit_temperature',
    'holdout_temperature',
    'network_labels',
    'network_predictor',
    'score',
    'score_file',
    'score_network',
]
