# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from training.config import parse_config
from training.data import KINDS
from training.export.sources import ABOUT, data_text, limits, terms, val_name


def config(**data):
    return parse_config({'name': 'x', 'out': 'y', **data})


CAMVID = config(
    data={
        'train': [
            {'kind': 'camvid', 'exclude': ['0001TP'], 'limit': 9},
            {'kind': 'synthetic', 'frames': 60, 'share': 0.13},
        ],
        'val': [{'kind': 'camvid', 'only': ['0001TP']}],
    }
)


def test_every_kind_has_a_row():
    assert set(ABOUT) == set(KINDS)
    assert all(about.name and about.terms for about in ABOUT.values())


def test_data_in_words():
    assert data_text(CAMVID) == (
        'trained on CamVid (SegNet grouping, 360x480) train (without 0001TP) (the first 9 frames)'
        '; 60 rendered streets (13% of the samples); '
        'chosen and calibrated on CamVid (SegNet grouping, 360x480) train (0001TP only)'
    )


def test_terms_once_each():
    camvid, synthetic = terms(CAMVID)
    assert camvid.startswith('CC BY-NC: CamVid') and synthetic.startswith('rendered streets: Apa')


def test_weights_bring_their_terms():
    started = config(
        model={'weights': 'imagenet'}, data={'val': [{'kind': 'cityscapes', 'split': 'val'}]}
    )
    assert terms(started) == [
        'Cityscapes terms: non-commercial use only, no redistribution of the data',
        'the terms of the weights imagenet that it started from',
    ]
    assert 'trained on nothing, starting from the weights imagenet; chosen' in data_text(started)


def test_a_network_brings_the_terms_of_its_code():
    first, *_ = terms(config(model={'name': 'segformer_b0'}, data={'val': [{'kind': 'camvid'}]}))
    assert first.startswith('NVIDIA Source Code License') and 'research or evaluation' in first


def test_limits_are_of_what_it_was_trained_on():
    (line,) = limits(CAMVID)
    assert 'CamVid is a few hundred frames of one city' in line


@pytest.mark.parametrize(
    ('val', 'name'),
    [
        ([{'kind': 'camvid', 'only': ['0001TP']}], '0001TP'),
        ([{'kind': 'cityscapes', 'split': 'val'}], 'cityscapes val'),
        (
            [{'kind': 'vistas', 'split': 'val'}, {'kind': 'bdd100k', 'only': ['a', 'b']}],
            'vistas val + a+b',
        ),
    ],
)
def test_short_name_of_the_frames_that_scores_are_of(val, name):
    assert val_name(config(data={'val': val})) == name
