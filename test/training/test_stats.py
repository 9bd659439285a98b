# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest

from data_trees import SHARED
from seg_perception.core.classes import CAMVID_11, ClassTable, Role, SegClass
from tiny_frames import TinyFrames, flat
from training.config import SourceConfig, parse_config
from training.data import open_source
from training.data.sample import Sample
from training.errors import DatasetError
from training.stats import (
    ClassStatistics,
    count_labels,
    label_counts,
    magnitude_groups,
    rare_classes,
    summarise,
)

# CamVid train, from its label files: labelled pixels in the order of the table.
CAMVID = np.array(
    [10682767, 14750079, 623349, 20076880, 2845085, 6166762, 743859, 714595, 3719877, 405385,
     184967]
)  # fmt: skip
CAMVID_ENET = [5.60, 4.30, 33.57, 3.34, 15.49, 8.74, 31.54, 32.01, 12.83, 38.01, 43.91]

THREE = ClassTable('three', CAMVID_11.classes[:3])


def framed(*rows, name='frame'):
    """A frame of one row of labels."""
    labels = np.array(rows, np.uint8)
    return Sample(name, np.zeros((*labels.shape, 3), np.uint8), labels)


PAIR = TinyFrames(
    [framed([0, 0, 0, 1], name='a'), framed([0, 2, 255, 255], [1, 1, 1, 1], name='b')], THREE
)


def weights_of(pixels, kind, offset=1.02, around=None):
    """Weights of classes with those pixels, all in one frame unless told otherwise."""
    rows = tuple(SegClass(i, f'class {i}', (0, 0, 0), Role.OTHER) for i in range(len(pixels)))
    pixels = np.array(pixels)
    around = np.full_like(pixels, pixels.sum()) if around is None else np.array(around)
    statistics = ClassStatistics(ClassTable('made up', rows), pixels, pixels > 0, around, 1, 0.0)
    return statistics.weights(kind, offset)


def test_enet_weights_of_camvid():
    weights = weights_of(CAMVID, 'enet')
    assert weights.dtype == np.float32
    assert weights.tolist() == pytest.approx(CAMVID_ENET, abs=0.005)
    # 1 / ln(1.2 + 0.1754) of the sky.
    assert weights_of(CAMVID, 'enet', 1.2)[0] == pytest.approx(3.138, abs=1e-3)


@pytest.mark.parametrize(
    ('kind', 'weights'),
    [
        ('none', [1, 1, 1]),
        ('inverse_frequency', [0.375, 0.75, 1.875]),  # 2, 4, 10 by their mean
        ('median_frequency', [0.5, 1, 2.5]),  # shares 0.5, 0.25, 0.1
    ],
)
def test_weights_by_hand(kind, weights):
    assert weights_of([50, 25, 10], kind).tolist() == pytest.approx(weights)


def test_median_frequency_is_of_the_frames_that_have_the_class():
    weights = weights_of([60, 30, 10], 'median_frequency', around=[100, 100, 20])  # 0.6, 0.3, 0.5
    assert weights.tolist() == pytest.approx([0.5 / 0.6, 0.5 / 0.3, 1.0])


@pytest.mark.parametrize('kind', ['enet', 'inverse_frequency', 'median_frequency'])
def test_class_without_pixels_weighs_as_much_as_the_heaviest_and_leaves_the_others(kind):
    with_gap = weights_of([50, 0, 25, 10], kind)
    without = weights_of([50, 25, 10], kind)
    assert with_gap[[0, 2, 3]].tolist() == without.tolist()
    assert with_gap[1] == without[2]


@pytest.mark.parametrize(
    ('kind', 'weights'),
    [('inverse_frequency', [0.1, 0.1, 3.0]), ('median_frequency', [1.0, 1.0, 10.0])],
)
def test_stray_pixels_do_not_take_all_the_weight(kind, weights):
    assert weights_of([10**9, 10**9, 1], kind).tolist() == pytest.approx(weights)


def test_weights_of_nothing_are_ones():
    assert ClassStatistics.unknown(THREE).weights('enet').tolist() == [1, 1, 1]


def test_unknown_weights_are_refused():
    with pytest.raises(ValueError, match="no class weights 'inverse'"):
        weights_of(CAMVID, 'inverse')


def test_magnitudes_of_cityscapes_are_those_of_dsnet():
    # Per mille of the labelled pixels of the fine train set, and table 4 of the paper.
    per_mille = {
        'road': (368.7, 2), 'sidewalk': (60.8, 1), 'building': (228.2, 2), 'wall': (6.55, 0),
        'fence': (8.77, 0), 'pole': (12.27, 1), 'traffic light': (2.08, 0),
        'traffic sign': (5.51, 0), 'vegetation': (159.3, 2), 'terrain': (11.58, 1),
        'sky': (40.2, 1), 'person': (12.19, 1), 'rider': (1.35, 0), 'car': (69.9, 1),
        'truck': (2.67, 0), 'bus': (2.35, 0), 'train': (2.33, 0), 'motorcycle': (0.987, 0),
        'bicycle': (4.14, 0),
    }  # fmt: skip
    counts = np.array([round(1000 * share) for share, _ in per_mille.values()])
    assert magnitude_groups(counts).tolist() == [group for _, group in per_mille.values()]


def test_magnitudes_at_the_powers_of_ten_and_without_pixels():
    assert magnitude_groups(np.array([7, 69, 70, 699, 700, 0])).tolist() == [0, 0, 1, 1, 2, -1]
    assert magnitude_groups(np.array([3, 3000])).tolist() == [0, 3]
    assert magnitude_groups(np.zeros(2, np.int64)).tolist() == [-1, -1]


def test_rare_classes_of_camvid():
    assert [CAMVID_11.names[label] for label in rare_classes(CAMVID)] == [
        'pole', 'sign_symbol', 'fence', 'pedestrian', 'bicyclist',
    ]  # fmt: skip


@pytest.mark.parametrize('workers', [0, 1])
def test_counts_pixels_of_classes_and_void_in_each_frame(workers):
    counts = count_labels(PAIR, workers)
    assert counts.dtype == np.int64
    assert counts.tolist() == [[3, 1, 0, 0], [1, 4, 1, 2]]


def test_damaged_labels_stop_the_counting():
    with pytest.raises(DatasetError, match=r'file broken.png: got unreadable data'):
        count_labels(TinyFrames([flat(1), flat(1, name='broken')]))


def test_summary_of_a_set():
    statistics = summarise([(PAIR, 0.0)], [count_labels(PAIR)])
    assert statistics.pixels.tolist() == [4, 5, 1]
    assert statistics.frames.tolist() == [2, 2, 1]
    assert statistics.pixels_around.tolist() == [10, 10, 6]
    assert (statistics.total_frames, statistics.void_share) == (2, pytest.approx(2 / 12))
    assert statistics.share.tolist() == pytest.approx([0.4, 0.5, 0.1])
    # Of the frames that have it: 0.4, 0.5, 1/6.
    weights = statistics.weights('median_frequency')
    assert weights.tolist() == pytest.approx([1.0, 0.8, 2.4])


def test_set_with_a_share_counts_as_often_as_an_epoch_draws_it():
    ones = TinyFrames([framed([1, 1, 1, 1], name=f'{n}') for n in range(6)], THREE)
    sets = [(PAIR, 0.0), (ones, 0.6)]  # an epoch: 2 of the pair, 3 of the six
    statistics = summarise(sets, [count_labels(frames) for frames, _ in sets])
    assert statistics.pixels.tolist() == [4, 5 + 12, 1]
    assert statistics.frames.tolist() == [2, 8, 1]


class Unread(TinyFrames):
    """Frames whose labels must not be read."""

    def labels(self, index):
        raise AssertionError('read again')


def test_counts_are_kept_for_the_next_start_until_the_data_change(tmp_path):
    config = parse_config({'name': 'a', 'out': str(tmp_path / 'run')})
    first = label_counts([(PAIR, 0.0), (PAIR, 0.5)], config)
    unread = Unread(PAIR.samples, THREE)
    again = label_counts([(unread, 0.0), (unread, 0.5)], config)
    assert [part.tolist() for part in again] == [part.tolist() for part in first]
    assert again[1].tolist() == [[3, 1, 0, 0], [1, 4, 1, 2]]
    others = Unread([framed([0], name='c')], THREE)
    smaller = dataclasses.replace(config, data=dataclasses.replace(config.data, size=(2, 2)))
    for changed in ([(unread, 0.0)], config), ([(others, 0.0)] * 2, config), (
        [(unread, 0.0), (unread, 0.5)], smaller,
    ):  # fmt: skip
        with pytest.raises(AssertionError, match='read again'):
            label_counts(*changed)


@pytest.mark.skipif(not SHARED.is_dir(), reason='no real samples beside the repository')
def test_figures_of_camvid():
    frames = open_source(SourceConfig('camvid', str(SHARED / 'camvid')))
    statistics = summarise([(frames, 0.0)], [count_labels(frames)])
    assert statistics.pixels.tolist() == CAMVID.tolist()
    assert statistics.share.round(4).tolist() == [
        0.1754, 0.2421, 0.0102, 0.3296, 0.0467, 0.1012, 0.0122, 0.0117, 0.0611, 0.0067, 0.0030,
    ]  # fmt: skip
    assert statistics.weights('enet').tolist() == pytest.approx(CAMVID_ENET, abs=0.005)
    assert statistics.void_share == pytest.approx(0.0395, abs=5e-5)
    assert statistics.total_frames == 367
