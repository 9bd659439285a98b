# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores against cityscapesScripts, on the same label files, and against torchmetrics."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as Cityscapes
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassJaccardIndex,
    MulticlassPrecision,
)

from seg_perception.core.classes import CITYSCAPES_19
from seg_perception.evaluation.calibration_error import ConfidenceCalibration
from seg_perception.evaluation.metrics import ConfusionMatrix

SAMPLES = Path(__file__).parents[4] / 'shared/data/cityscapes'
# Written down here once more, so that a wrong table of the package does not check itself.
TRAIN_IDS = np.full(256, 255, np.uint8)
for label in Cityscapes.labels:
    if label.id >= 0 and not label.ignoreInEval:
        TRAIN_IDS[label.id] = label.trainId


def blobs(rng: np.random.Generator, values: list[int], size: tuple[int, int]) -> np.ndarray:
    small = rng.choice(np.array(values, np.uint8), (size[0] // 8, size[1] // 8))
    return cv2.resize(small, size[::-1], interpolation=cv2.INTER_NEAREST)


def their_scores(pairs: list[tuple[np.ndarray, np.ndarray]], folder: Path) -> dict:
    """What cityscapesScripts says of pairs of truth and prediction, both label ids, in files."""
    names = {'gt': [], 'pred': []}
    for number, pair in enumerate(pairs):
        for (kind, files), mask in zip(names.items(), pair, strict=True):
            files.append(str(folder / f'{kind}_{number}.png'))
            assert cv2.imwrite(files[-1], mask)
    args = SimpleNamespace(**vars(Cityscapes.args))
    args.evalInstLevelScore = args.JSONOutput = False
    args.quiet = True
    return Cityscapes.evaluateImgLists(names['pred'], names['gt'], args)


def our_matrix(pairs: list[tuple[np.ndarray, np.ndarray]]) -> ConfusionMatrix:
    matrix = ConfusionMatrix(19)
    for truth, prediction in pairs:
        matrix.add(TRAIN_IDS[truth], TRAIN_IDS[prediction])
    return matrix


def assert_same(pairs: list[tuple[np.ndarray, np.ndarray]], folder: Path) -> dict:
    theirs, matrix = their_scores(pairs, folder), our_matrix(pairs)
    expected = [theirs['classScores'][name] for name in CITYSCAPES_19.names]
    np.testing.assert_allclose(matrix.iou(), expected, rtol=0, atol=1e-9, equal_nan=True)
    assert matrix.mean_iou() == pytest.approx(theirs['averageScoreClasses'], abs=1e-9)
    return theirs


@pytest.mark.parametrize('seed', range(3))
def test_all_classes_and_ignored_ones_as_cityscapes(seed, tmp_path):
    rng = np.random.default_rng(seed)
    everything = list(range(34))
    pairs = []
    for _ in range(3):
        truth = blobs(rng, everything, (96, 160))
        wrong = rng.random(truth.shape) < 0.3
        pairs.append((truth, np.where(wrong, blobs(rng, everything, (96, 160)), truth)))
    assert_same(pairs, tmp_path)


def test_absent_classes_as_cityscapes(tmp_path):
    rng = np.random.default_rng(9)
    truth = blobs(rng, [0, 7, 11, 26], (64, 96))  # unlabeled, road, building, car
    prediction = truth.copy()
    prediction[10:20] = 31  # train, which is nowhere in the truth
    prediction[30:40] = 4  # static, which is ignored
    theirs = assert_same([(truth, prediction)], tmp_path)
    assert theirs['classScores']['train'] == 0
    assert np.isnan(theirs['classScores']['bus'])
    # Without the class that was invented, three are left.
    scores = theirs['classScores']
    left = [scores[name] for name in ('road', 'building', 'car')]
    skipped = our_matrix([(truth, prediction)]).mean_iou('skip')
    assert skipped == pytest.approx(sum(left) / 3, abs=1e-9)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason='no Cityscapes samples in ../shared/data')
def test_real_label_files_as_cityscapes(tmp_path):
    files = sorted(SAMPLES.glob('*_gtFine_labelIds.png'))
    assert len(files) == 2
    pairs = []
    for file in files:
        truth = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        moved = cv2.blur(np.roll(truth, (3, -5), axis=(0, 1)), (1, 1))
        moved[:, 700:720] = 0
        pairs.append((truth, moved))
    theirs = assert_same(pairs, tmp_path)
    assert 0.5 < theirs['averageScoreClasses'] < 0.9


@pytest.fixture
def masks() -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Truth with void and a prediction, six classes, all present; a confidence."""
    rng = np.random.default_rng(4)
    truth = rng.choice(np.array([0, 1, 2, 3, 4, 5, 255], np.uint8), (60, 80))
    random = rng.integers(0, 6, truth.shape, dtype=np.uint8)
    prediction = np.where((rng.random(truth.shape) < 0.6) & (truth < 6), truth, random)
    return truth, prediction, rng.integers(0, 256, truth.shape, dtype=np.uint8)


def test_scores_as_torchmetrics(masks):
    truth, prediction, _ = masks
    matrix = ConfusionMatrix(6)
    matrix.add(truth, prediction)
    pair = torch.from_numpy(prediction).long(), torch.from_numpy(truth).long()

    def theirs(metric, **options):
        return metric(num_classes=6, ignore_index=255, **options)(*pair).numpy()

    np.testing.assert_array_equal(matrix.counts, theirs(MulticlassConfusionMatrix))
    for values, metric in (
        (matrix.iou(), MulticlassJaccardIndex),
        (matrix.dice(), MulticlassF1Score),
        (matrix.recall(), MulticlassAccuracy),
        (matrix.precision(), MulticlassPrecision),
    ):
        np.testing.assert_allclose(values, theirs(metric, average=None), atol=1e-6)
    for value, metric, average in (
        (matrix.mean_iou(), MulticlassJaccardIndex, 'macro'),
        (matrix.frequency_weighted_iou(), MulticlassJaccardIndex, 'weighted'),
        (matrix.mean_accuracy(), MulticlassAccuracy, 'macro'),
        (matrix.pixel_accuracy(), MulticlassAccuracy, 'micro'),
        (matrix.mean_dice(), MulticlassF1Score, 'macro'),
    ):
        assert value == pytest.approx(float(theirs(metric, average=average)), abs=1e-6)


def test_calibration_error_as_torchmetrics(masks):
    truth, _, confidence = masks
    # Two classes, of which the one with a share of a half or more is the prediction.
    truth = np.where(truth == 255, 255, truth % 2).astype(np.uint8)
    share = 0.5 + confidence.astype(np.float64) / 510
    says_one = confidence % 2
    ours = ConfidenceCalibration(bins=15)
    ours.add(truth, says_one, np.round(share * 255).astype(np.uint8))
    rounded = np.round(share * 255) / 255
    shares = np.stack(
        [np.where(says_one, 1 - rounded, rounded), np.where(says_one, rounded, 1 - rounded)]
    )
    metric = MulticlassCalibrationError(2, n_bins=15, norm='l1', ignore_index=255)
    theirs = metric(torch.from_numpy(shares)[None], torch.from_numpy(truth).long()[None])
    # Bins are closed at the other end there: confidences on an edge may change bins.
    assert ours.error() == pytest.approx(float(theirs), abs=5e-3)
