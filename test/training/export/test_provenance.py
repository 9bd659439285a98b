# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

import pytest

from training.checkpoint import KEYS, save_checkpoint
from training.config import parse_config
from training.data import KINDS
from training.export.provenance import ABOUT, data_text, limits, terms, val_name


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
        'Trained on CamVid (SegNet grouping, 360x480) train (without 0001TP) (the first 9 frames)'
        '; 60 rendered streets. Training started from fresh weights. Checkpoint and temperature '
        'were selected on CamVid (SegNet grouping, 360x480) train (0001TP only).'
    )


def test_terms_once_each():
    camvid, synthetic = terms(CAMVID)
    assert camvid.startswith('CC BY-NC: CamVid') and synthetic.startswith('rendered streets: Apa')


def test_weights_bring_their_terms():
    started = config(
        model={'weights': 'own.pt'}, data={'val': [{'kind': 'cityscapes', 'split': 'val'}]}
    )
    cityscapes, weights = terms(started)
    assert cityscapes.startswith('Cityscapes terms: non-commercial') and 'own.pt' in weights
    assert 'own.pt' in data_text(started)


def test_a_chain_of_runs_brings_the_data_and_terms_of_each(tmp_path):
    first = config(
        model={'name': 'fpn_lite0', 'weights': 'imagenet'},
        data={'train': [{'kind': 'crowdai'}], 'val': [{'kind': 'camvid'}]},
    )
    state = dict.fromkeys(KEYS, 0) | {'config': first.to_dict()}
    save_checkpoint(tmp_path / 'last.pt', state)
    second = config(
        model={'weights': str(tmp_path / 'last.pt')},
        data={'train': [{'kind': 'cityscapes'}], 'val': [{'kind': 'cityscapes'}]},
    )
    assert re.search(
        'Cityscapes fine train.*CrowdAI boxes train.*ImageNet.*2 runs.*Cityscapes fine train',
        data_text(second),
    )
    cityscapes, crowdai, camvid, imagenet = terms(second)
    assert cityscapes.startswith('Cityscapes terms') and crowdai.startswith('MIT')
    assert camvid.startswith('CC BY-NC') and imagenet.startswith('ImageNet weights: licence')


def test_a_long_chain_names_each_set_once(tmp_path):
    """The card of the first default model nested the texts of five runs: 1,100 characters."""
    weights = 'imagenet'
    for index in range(5):
        held_out = {'exclude': ['0001TP']} if index < 3 else {}
        run = config(
            model={'name': 'fpn_lite0', 'weights': weights},
            data={
                'train': [
                    {'kind': 'camvid', **held_out},
                    {'kind': 'synthetic', 'frames': 800, 'share': 0.1 + index / 100},
                ],
                'val': [{'kind': 'camvid', 'only': ['0001TP']}],
            },
        )
        weights = str(tmp_path / f'{index}.pt')
        save_checkpoint(Path(weights), dict.fromkeys(KEYS, 0) | {'config': run.to_dict()})
    text = data_text(run)
    assert text.startswith(
        'Trained on CamVid (SegNet grouping, 360x480) train; 800 rendered streets. '
        'Training started from ImageNet weights and continued through 5 runs. '
    )
    assert len(text) < 500


def test_a_run_that_was_chosen_elsewhere_says_so():
    text = data_text(config(data={'train': [{'kind': 'camvid'}]}), CAMVID)
    assert re.search(r'selected on CamVid .* train \(0001TP only\), .*left .* out', text)


def test_a_network_brings_the_terms_of_its_code():
    first, *_ = terms(config(model={'name': 'segformer_b0'}, data={'val': [{'kind': 'camvid'}]}))
    assert first.startswith('NVIDIA Source Code License') and 'research or evaluation' in first


def test_limits_are_of_what_it_was_trained_on():
    (line,) = limits(CAMVID)
    assert 'CamVid' in line and 'one city' in line


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
