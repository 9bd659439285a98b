# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import csv
import json
from math import nan

import numpy as np

from seg_perception.core.classes import CAMVID_11
from training.evaluate.report import (
    best_median_worst,
    comparison_text,
    confusion_figure,
    prediction_figure,
    ranked,
    reliability_figure,
    write_report,
    write_scores,
)
from training.evaluate.scores import score


def all_but_cars(rgb):
    """Right but for the class car, which is taken for road."""
    labels = np.where(rgb[..., 2] == 128, 3, 0).astype(np.uint8)
    return labels, np.full(labels.shape, 230, np.uint8)


def test_ranks_of_frames():
    values = [0.5, nan, 0.9, 0.1, 0.7, 0.3, 0.8]
    assert ranked(values, 1) == [('best', 2), ('median', 4), ('worst', 3)]
    assert ranked(values, 2) == [
        ('best', 2),
        ('best', 6),
        ('median', 4),
        ('median', 0),
        ('worst', 5),
        ('worst', 3),
    ]


def test_ranks_of_fewer_frames_than_rows():
    assert ranked([0.5, 0.9], 2) == [('best', 1), ('best', 0)]
    assert ranked([0.5, 0.9, 0.1], 1) == [('best', 1), ('median', 0), ('worst', 2)]
    assert ranked([nan], 2) == []


def test_rows_of_a_sheet(streets):
    scores = score(all_but_cars, streets)
    rows = best_median_worst(scores, streets, all_but_cars, each=1)
    assert [row.title.split(',')[0] for row in rows] == ['best: a', 'median: c', 'worst: e']
    np.testing.assert_array_equal(rows[2].truth, streets.samples[4].labels)


def test_folder_of_a_report(streets, tmp_path):
    scores = score(all_but_cars, streets)
    rows = best_median_worst(scores, streets, all_but_cars)
    write_report(tmp_path, scores, CAMVID_11, rows)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        'confusion.png',
        'per_class.csv',
        'per_frame.csv',
        'predictions.png',
        'reliability.png',
    ]
    table = list(csv.DictReader((tmp_path / 'per_class.csv').open()))
    assert [row['name'] for row in table] == CAMVID_11.names
    assert table[3]['accuracy'] == '1.000000' and table[8]['iou'] == '0.000000'
    assert table[1]['iou'] == '' and table[1]['rarity_group'] == ''
    assert table[8]['pixels'] == str(12 * (4 + 8 + 12 + 16 + 20))
    frames = list(csv.DictReader((tmp_path / 'per_frame.csv').open()))
    assert [row['name'] for row in frames] == list('abcde')


def test_report_without_a_frame_to_show(frame_set, tmp_path):
    scores = score(all_but_cars, frame_set(np.full((4, 4), 255, np.uint8)))
    write_report(tmp_path, scores, CAMVID_11, [])
    assert not (tmp_path / 'predictions.png').exists()
    assert (tmp_path / 'per_class.csv').exists()


def test_scores_as_json(streets, tmp_path):
    scores = score(all_but_cars, streets)
    write_scores(tmp_path / 'scores.json', {'one': scores}, CAMVID_11, {'absent': 'zero'})

    def refuse(word):
        raise AssertionError(f'{word} is no JSON')

    data = json.loads((tmp_path / 'scores.json').read_text(), parse_constant=refuse)
    assert data['class_table'] == 'camvid_11' and data['absent'] == 'zero'
    model = data['models']['one']
    assert model['classes']['car']['iou'] == 0
    assert model['classes']['tree']['iou'] is None
    # 720 pixels of cars, 6960 of road, 7200 of sky
    assert [row['classes'] for row in model['rarity_groups']] == [['road', 'car'], ['sky']]
    assert np.array(model['confusion'])[8, 3] > 0
    assert model['missed'] == [0] * 11


def test_models_side_by_side(frame_set):
    frames = frame_set(np.uint8([[3, 3, 3, 8]]))

    def constant(label):
        return lambda rgb: (np.full((1, 4), label, np.uint8), np.full((1, 4), 255, np.uint8))

    named = {'fp32': score(constant(3), frames), 'int8': score(constant(8), frames)}
    lines = {
        line[:24].strip(): line[24:].split()
        for line in comparison_text(named, CAMVID_11).splitlines()
    }
    assert lines[''] == ['fp32', 'int8', 'difference']
    assert lines['road'] == ['0.7500', '0.0000', '-0.7500']
    assert lines['car'] == ['0.0000', '0.2500', '+0.2500']
    assert lines['mean iou'] == ['0.3750', '0.1250', '-0.2500']
    assert len(lines['ms per frame']) == 3


def test_figures_say_their_score(streets):
    scores = score(all_but_cars, streets)
    title = confusion_figure(scores.matrix, CAMVID_11).get_suptitle()
    assert title == f'mean IoU {scores.matrix.mean_iou():.4f}, 14,880 pixels'  # 5 * 48 * 62
    title = reliability_figure(scores.calibration).axes[0].get_title()
    assert title == f'expected calibration error {scores.calibration.error():.4f}'


def test_contact_sheet_names_the_classes_that_occur(streets):
    scores = score(all_but_cars, streets)
    rows = best_median_worst(scores, streets, all_but_cars, each=1)
    figure = prediction_figure(rows, CAMVID_11)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['sky', 'road', 'car']
    assert len(figure.axes) == 3 * 4
