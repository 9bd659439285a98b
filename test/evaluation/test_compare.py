# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One run held against another, and the limits that CI holds a model to."""

import json
from pathlib import Path

import numpy as np
import pytest

from mask_bags import mask, write_masks
from seg_perception.core.errors import ParameterError, SourceError
from seg_perception.evaluation.compare import compare
from seg_perception.report import write_report
from tiny_run import START_NS, STEP_NS, write_run

# Pole: half of its pixels right before, a quarter after, the others taken for road.
MIOU_DROP = 100 * ((60 / 70 + 0.5 + 1) - (60 / 75 + 0.25 + 1)) / 3


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """A run that lost pole pixels and is slower, and its baseline."""
    slower = {'fps': 20.0}
    return (write_run(tmp_path / 'new', pole_hits=5, summary=slower), write_run(tmp_path / 'old'))


def test_what_changed(runs: tuple[Path, Path]) -> None:
    found = compare(*runs, {})
    scores = {one.name: (one.before, one.after) for one in found.changes.scores}
    assert scores['iou.pole'] == pytest.approx((0.5, 0.25))
    assert scores['iou.road'] == pytest.approx((60 / 70, 60 / 75))
    assert scores['iou.car'] == pytest.approx((1, 1))
    assert found.fps == (25, 20)
    assert found.exit_code == 0
    assert str(found).splitlines()[:2] == [
        f'Compared with {runs[1]}: 12 of 12 frames are in both.',
        '12 with truth, IoU of all pixels together; intervals over 12 blocks of 0.1 s.',
    ]
    assert 'iou.pole                   50.00   25.00  -25.00   -25.00 to -25.00' in str(found)
    assert 'Speed 25.0 -> 20.0 frames/s, 0.80 times.' in str(found)


SEEN = {
    'miou_drop': MIOU_DROP,
    'iou_drop.pole': 25,
    'iou_drop.car': 0,
    'drivable_iou_drop': 100 * (60 / 70 - 60 / 75),
    'pixel_accuracy_drop': 0,
    'ece_rise': 0,
    'latency_ratio': 1,
}


def test_limits_are_greatest_values(runs: tuple[Path, Path]) -> None:
    kept = compare(*runs, {name: seen + 0.01 for name, seen in SEEN.items()})
    assert {one.name: one.value for one in kept.limits} == pytest.approx(SEEN, abs=1e-4)
    assert [one.crossed for one in kept.limits] == [False] * len(SEEN)
    assert kept.exit_code == 0
    assert 'Limit miou_drop=10.2481: 10.2, kept.' in str(kept)
    crossed = compare(*runs, {name: seen - 0.01 for name, seen in SEEN.items()})
    assert [one.crossed for one in crossed.limits] == [True] * len(SEEN)
    assert crossed.exit_code == 1
    assert 'Limit iou_drop.pole=24.99: 25, CROSSED.' in str(crossed)


def test_speed_is_a_least_value(runs: tuple[Path, Path]) -> None:
    assert compare(*runs, {'fps_ratio': 0.79}).exit_code == 0
    assert compare(*runs, {'fps_ratio': 0.81}).exit_code == 1


def test_one_crossed_limit_is_enough(runs: tuple[Path, Path]) -> None:
    found = compare(*runs, {'fps_ratio': 0.5, 'iou_drop.pole': 2, 'miou_drop': 99})
    assert [one.crossed for one in found.limits] == [False, True, False]
    assert found.exit_code == 1


def test_disagreement_needs_no_truth(tmp_path: Path) -> None:
    for run, top in (('new', 18), ('old', 0)):
        write_run(tmp_path / run, with_truth=False)
        stamps = [START_NS + index * STEP_NS for index in range(12)]
        masks = {stamp: mask(top if place == 5 else 0) for place, stamp in enumerate(stamps)}
        write_masks(tmp_path / run / 'bags/drive.mcap', masks)
    found = compare(tmp_path / 'new', tmp_path / 'old', {'disagreement': 0.02})
    assert found.disagreement is not None
    assert found.disagreement.share == pytest.approx(0.25 / 12)
    assert found.exit_code == 1
    assert found.worst_by == 'disagreement'
    assert [(one.row, one.baseline_row, one.after) for one in found.worst] == [(5, 5, 0.25)]
    assert 'Labels differ in 2.08 % of the pixels of 12 frames.' in str(found)
    assert 'truth in both runs' in str(found)


def test_labels_of_other_classes_are_not_compared(tmp_path: Path) -> None:
    write_run(tmp_path / 'new', with_truth=False)
    write_run(tmp_path / 'old', with_truth=False, classes=('road', 'car', 'sky'))
    for run in ('new', 'old'):
        write_masks(tmp_path / run / 'bags/drive.mcap', {START_NS: mask()})
    assert compare(tmp_path / 'new', tmp_path / 'old', {}).disagreement is None


def test_frames_that_got_worst(runs: tuple[Path, Path]) -> None:
    found = compare(*runs, {})
    assert found.worst_by == 'miou'
    (one,) = found.worst  # all 12 frames lie within two seconds
    assert one.before == pytest.approx((60 / 70 + 0.5 + 1) / 3, abs=1e-6)
    assert one.after == pytest.approx((60 / 75 + 0.25 + 1) / 3, abs=1e-6)


def test_record_and_report(runs: tuple[Path, Path]) -> None:
    compare(*runs, {'miou_drop': 1})
    record = json.loads((runs[0] / 'compare.json').read_text())
    assert (record['format'], record['baseline'], record['frames']) == (1, '../old', 12)
    assert record['limits'] == [
        {'name': 'miou_drop', 'value': pytest.approx(MIOU_DROP), 'limit': 1, 'crossed': True}
    ]
    page = (runs[0] / 'report.html').read_text()
    assert '<section id="compare">' in page
    assert '<b class="bad">crossed</b>' in page
    assert page.count('alt="baseline"') == page.count('alt="this run"') == 1


def test_report_survives_a_baseline_that_is_gone(runs: tuple[Path, Path]) -> None:
    compare(*runs, {})
    runs[1].rename(runs[1].with_name('elsewhere'))
    page = write_report(runs[0]).read_text()
    assert '<section id="compare">' in page
    assert 'alt="baseline"' not in page


def test_comparison_of_other_frames_is_left_out(runs: tuple[Path, Path]) -> None:
    compare(*runs, {})
    write_run(runs[0], frames=9)
    assert '<section id="compare">' not in write_report(runs[0]).read_text()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"format"', r'expected readable JSON\. Delete compare.json, or run'),
        ('{"format": 2}', r'format: got 2, expected 1\. Delete compare.json, or run'),
        (
            '{"format": 1, "frames": 3}',
            r'got no baseline, run_frames, .*, expected all of its keys',
        ),
    ],
)
def test_damaged_record(runs: tuple[Path, Path], text: str, message: str) -> None:
    (runs[0] / 'compare.json').write_text(text)
    with pytest.raises(SourceError, match=message):
        write_report(runs[0])


@pytest.mark.parametrize(
    ('limits', 'message'),
    [
        ({'miou_dorp': 1}, r"limit 'miou_dorp': got an unknown name, .*Did you mean .*miou_drop"),
        (
            {'iou_drop.pol': 1},
            r"limit 'iou_drop.pol': got an unknown name, .*Did you mean .*iou_drop.pole",
        ),
        ({'speed': 1}, r"limit 'speed': got an unknown name, expected .*fps_ratio"),
        ({'miou_drop': np.nan}, r"limit 'miou_drop': got nan, expected a finite number"),
        (
            {'disagreement': 0.1},
            r"limit 'disagreement': got nothing to hold it against .* output bags of both",
        ),
    ],
)
def test_refused_limits(runs: tuple[Path, Path], limits: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        compare(*runs, limits)
    assert not (runs[0] / 'compare.json').exists()


def test_a_limit_of_scores_without_truth_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / 'new')
    write_run(tmp_path / 'old', with_truth=False)
    message = r"limit 'iou_drop.pole': got nothing to .* truth in both, and the class in it"
    with pytest.raises(ParameterError, match=message):
        compare(tmp_path / 'new', tmp_path / 'old', {'iou_drop.pole': 1})


def test_folder_that_is_no_run(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"evaluation '.*no': got nothing there"):
        compare(runs[0], tmp_path / 'no', {})
