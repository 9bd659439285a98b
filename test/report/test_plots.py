# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The static figures show what they are given: their ink is counted, their texts are read."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import pytest

from seg_perception.core.errors import OutputError
from seg_perception.report import plots

BLUE, RED = (31, 119, 180), (214, 39, 40)  # the first curve, and what is marked


def drawn(figure: Any) -> np.ndarray:
    """The figure as it will be seen, (H, W, 3) RGB; it must show something."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / 'figure.png'
        plots.write_figure(path, figure)
        bgr = cv2.imread(str(path))
    assert bgr.std() > 5
    return bgr[..., ::-1]


def ink(figure: Any, rgb: tuple[int, int, int]) -> int:
    """How many pixels of the figure are of about that colour."""
    return int((np.abs(drawn(figure).astype(int) - rgb).max(axis=2) < 24).sum())


@pytest.mark.parametrize(('name', 'start'), [('a.png', b'\x89PNG'), ('a.jpg', b'\xff\xd8\xff')])
def test_file_is_of_the_kind_that_its_ending_says(name: str, start: bytes, tmp_path: Path) -> None:
    plots.write_figure(tmp_path / 'new' / name, plots.subplots((2, 1))[0])
    assert (tmp_path / 'new' / name).read_bytes().startswith(start)
    assert cv2.imread(str(tmp_path / 'new' / name)).shape[:2] == (110, 220)


def test_figure_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match=r'output .*plot\.png'):
        plots.write_figure(tmp_path / 'file' / 'plot.png', plots.subplots((1, 1))[0])


@pytest.mark.parametrize(('classes', 'is_told'), [(11, True), (66, False)])
def test_confusion_of_few_and_of_many_classes(classes: int, is_told: bool) -> None:
    names = [f'class {number}' for number in range(classes)]
    shares = 0.9 * np.eye(classes, classes + 1) + 0.1 * np.eye(classes, classes + 1, k=1)
    figure = plots.confusion(names, shares, 'mean IoU 0.9')
    axes = figure.axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert texts == (['90', '10'] * classes if is_told else [])
    assert axes.get_xticklabels()[-1].get_text() == 'unlabeled'
    assert (axes.get_xlabel(), axes.get_ylabel()) == ('predicted', 'true')
    assert 600 < drawn(figure).shape[1] < 3000


def test_confusion_of_nothing() -> None:
    drawn(plots.confusion(['a', 'b'], np.zeros((2, 2)), 'nothing'))


def test_reliability_has_a_bar_for_each_bin() -> None:
    bins = [
        {'confidence': 0.51, 'accuracy': 0.4, 'count': 10},
        {'confidence': 1.0, 'accuracy': 0.9, 'count': 90},
    ]
    figure = plots.reliability(bins, 1 / 5, 'error 0.1')
    upper, lower = figure.axes
    assert [round(bar.get_x()) for bar in upper.patches] == [40, 80]
    assert [bar.get_height() for bar in upper.patches] == [40, 90]
    assert [bar.get_height() for bar in lower.patches] == [10, 90]
    drawn(figure)
    drawn(plots.reliability([], 1 / 5, 'nothing'))


def test_training_curves_mark_the_best_score() -> None:
    epochs = np.arange(1.0, 5)
    series = dict.fromkeys(('learning_rate', 'loss', 'mean_iou'), (epochs, 0.1 * epochs))
    series['pixel_accuracy'] = none = (np.zeros(0), np.zeros(0))
    figure = plots.training_curves(series)
    assert ink(figure, BLUE) > 1000
    assert 20 < ink(figure, RED) < 400
    assert [text.get_text() for text in figure.axes[1].texts] == ['0.400']
    assert ink(plots.training_curves(series | {'mean_iou': none}), RED) == 0


def test_parts_of_the_loss_are_drawn_where_there_are_several() -> None:
    one = (np.arange(3.0), np.ones(3))
    names = ('loss', 'loss_cross_entropy', 'mean_iou', 'pixel_accuracy', 'learning_rate')
    series = dict.fromkeys(names, one)
    assert len(plots.training_curves(series).axes[0].lines) == 1  # the only part is the sum
    axes = plots.training_curves(series | {'loss_dice': one}).axes[0]
    assert [line.get_label() for line in axes.lines] == ['loss', 'cross entropy', 'dice']


def test_sweep_marks_the_suggestion() -> None:
    rates, losses = np.geomspace(1e-6, 1, 20), np.linspace(3, 1, 20)
    assert ink(plots.learning_rate_sweep((rates, losses), (rates, losses), 1e-3), RED) > 200


def test_pareto_names_all_and_colours_the_front() -> None:
    figure = plots.pareto(['a', 'b', 'c'], [10, 20, 30], [0.3, 0.5, 0.4], [1, 2, 3], [0, 1])
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ['a', 'b', 'c']
    assert axes.lines[0].get_ydata().tolist() == [0.3, 0.5]
    drawn(figure)


def test_bars_show_means_and_seeds() -> None:
    figure = plots.grouped_bars(['mean iou'], {'x': [[0.2, 0.4]], 'y': [[0.5]]})
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([0.3, 0.5])
    assert [list(line.get_ydata()) for line in axes.lines] == [[0.2, 0.4], [0.5]]
    assert [text.get_text() for text in axes.texts] == ['0.300', '0.500']


def test_histograms_of_sets_of_any_size_have_one_area() -> None:
    figure, axes = plots.subplots((4, 3))
    plots.histograms(axes, {'known': np.arange(8.0)}, {'unknown': np.arange(4.0)})
    _, labels = axes.get_legend_handles_labels()
    assert sorted(labels) == ['known', 'unknown']
    top = max(patch.get_xy()[:, 1].max() for patch in axes.patches)
    assert top == pytest.approx(0.25)  # one of four
    drawn(figure)


def test_roc_has_a_line_per_set() -> None:
    figure, axes = plots.subplots((4, 3))
    plots.roc_curves(axes, [([0, 0, 1], [0, 1, 1]), ([0, 1], [0, 1])], first_colour=2)
    assert [line.get_color() for line in axes.lines[:2]] == ['C2', 'C3']
    drawn(figure)
