# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from seg_perception.core.classes import CAMVID_11
from seg_perception.inference.model_file import OodCalibration
from tiny_frames import TinyFrames, flat
from training.config import parse_config
from training.data import OpenedData
from training.data.domains import Domain
from training.evaluate.domains import score_domains
from training.evaluate.scores import score
from training.export.candidate import ExportCandidate
from training.export.card import FileNote, card_text, make_card, score_table

ROAD, CAR = 3, 8
VAL = TinyFrames([flat(ROAD), flat(CAR)])
FILES = [
    FileNote('a.onnx', 1_240_000, 'for onnxruntime', ['equal to torch']),
    FileNote('a.pt2', 2_000_000, 'for torch', ['equal too', 'kept']),
]


def candidate(train=VAL, **config):
    parsed = parse_config(
        {
            'name': 'mine',
            'out': 'x',
            'model': {'name': 'enet', 'options': {'width': 2}},
            'data': {
                'train': [{'kind': 'camvid', 'exclude': ['0001TP']}],
                'val': [{'kind': 'camvid', 'only': ['0001TP']}],
            },
            'deploy': {'input_size': [64, 96], 'upscale': 1.25},
        }
        | config
    )
    data = OpenedData([(train, 0.0)], VAL, CAMVID_11)
    return ExportCandidate(parsed, CAMVID_11, data, nn.Identity(), 0.7, 8, epoch=3, step=12)


@pytest.fixture(scope='module')
def scores():
    """Road is found everywhere, also where the car is: IoU 0.5, 0 and 0.25 on average."""
    sure = np.full((32, 32), 255, np.uint8)
    return score(lambda rgb: (np.full(rgb.shape[:2], ROAD, np.uint8), sure), VAL)


def test_card_of_the_file():
    card = make_card(candidate())
    assert (card.name, card.classes, card.temperature) == ('mine', CAMVID_11, 0.7)
    assert (card.input_size, card.dynamic, card.size_multiple) == ((64, 96), True, 8)
    assert card.upscale == 1.25 and card.scores == {}
    assert card.licence.startswith('CC BY-NC: CamVid')
    assert card.data.startswith('Trained on CamVid') and len(card.commit) in (0, 40)


def test_variant_is_in_the_name():
    assert make_card(candidate(), 'int8').name == 'mine int8'


def test_fixed_size():
    card = make_card(candidate(deploy={'input_size': [50, 70], 'dynamic': False}))
    assert (card.input_size, card.dynamic, card.size_multiple) == ((50, 70), False, 1)


def test_scores_by_name(scores):
    assert score_table(candidate(), scores) == {
        'mean_iou 0001TP': 0.25,
        'pixel_accuracy 0001TP': 0.5,
        'calibration_error 0001TP': 0.5,
        'iou road 0001TP': 0.5,
        'iou car 0001TP': 0.0,
    }


def test_card_says_what_was_blended(scores):
    about = replace(candidate(), blend=('after.pt', 'before.pt'))
    text = card_text(make_card(about), about, scores, FILES)
    assert 'mean of after.pt and before.pt' in text


def test_card_in_words(scores):
    about = candidate(train=TinyFrames([flat(0)]))
    text = card_text(make_card(about), about, scores, FILES)
    facts = (
        *('mine', 'enet', 'width 2', 'epoch 3', 'step 12', 'version 2', '`camvid_11`', '64x96'),
        *('at most 1.25', 'multiples of 8', '`a.onnx`, 1.2 MB', 'equal to torch'),
        *('`a.pt2`, 2.0 MB', 'equal too', 'kept'),
        *('CamVid (SegNet grouping, 360x480) train (without 0001TP)', '2 frames of 0001TP'),
    )
    places = [text.find(fact) for fact in facts]
    assert -1 not in places and places == sorted(places)
    assert 'not trained on' in text
    assert '| sky | not in the ground truth |' in text
    assert '| road | 0.500 |' in text and '| **mean** | **0.250** |' in text
    assert 'Pixel accuracy 0.500.' in text and 'logits / 0.7;' in text
    assert '**Not for driving a car**' in text and 'miss vehicles at night' in text


def test_scores_of_training_frames_are_called_that(scores):
    text = card_text(make_card(candidate()), candidate(), scores, FILES)
    assert '**The run was trained on these frames' in text


def test_fixed_size_and_weights_in_words(scores):
    about = candidate(
        deploy={'input_size': [50, 70], 'dynamic': False},
        model={'name': 'enet', 'weights': 'imagenet'},
    )
    text = card_text(make_card(about), about, scores, FILES)
    assert 'enet, trained from the weights `imagenet` by' in text
    assert 'Every frame is stretched to 50x70 (height x width).' in text
    assert '- ImageNet weights: ' in text


def test_frames_for_calibration_are_spread_over_every_set():
    first = TinyFrames([flat(label, (64, 96)) for label in range(9)])
    second = TinyFrames([flat(10, (64, 96))])
    about = candidate()
    about = replace(about, data=OpenedData([(first, 0.0), (second, 0.1)], VAL, CAMVID_11))
    frames = about.frames_to_calibrate(6)
    assert [int(rgb[0, 0, 0]) for rgb in frames] == [0, 8, 16, 20]  # twice the label
    assert all(rgb.shape == (64, 96, 3) for rgb in frames)


def test_frames_to_check_have_one_of_another_size():
    assert [rgb.shape[:2] for rgb in candidate().frames_to_check()] == [
        (40, 40),
        (40, 40),
        (56, 88),
    ]
    fixed = candidate(deploy={'input_size': [50, 70], 'dynamic': False})
    assert [rgb.shape[:2] for rgb in fixed.frames_to_check()] == [(50, 70), (50, 70)]


def test_scale_of_the_ood_score_is_told(scores):
    one = candidate()
    card = make_card(one)
    assert 'no OOD calibration' in card_text(card, one, scores, FILES)
    card = replace(card, ood_calibration=OodCalibration('energy', -9.1, -8.12))
    text = card_text(card, one, scores, FILES)
    assert 'median on these frames, -9.1, is OOD score 0' in text
    assert '95 % quantile, -8.12, is OOD score 0.25 (of 1)' in text


@pytest.fixture
def by_domain():
    """The same answers on two kinds of streets: the second has cars alone."""
    domains = [
        Domain('us', VAL, CAMVID_11, ()),
        Domain('night', TinyFrames([flat(CAR)]), CAMVID_11, ()),
    ]
    sure = np.full((32, 32), 255, np.uint8)
    return score_domains(
        lambda rgb: (np.full(rgb.shape[:2], ROAD, np.uint8), sure), CAMVID_11, domains
    )


def of_domains():
    val = [{'kind': 'camvid', 'domain': name, 'only': ['0001TP']} for name in ('us', 'night')]
    train = [{'kind': 'folder', 'root': 'x', 'classes': 'camvid_11', 'about': 'a campus',
              'terms': 'CC BY 4.0'}]  # fmt: skip
    return candidate(data={'train': train, 'val': val})


def test_scores_of_domains_by_name(by_domain):
    table = score_table(of_domains(), by_domain)
    assert table['mean_iou us'] == 0.25 and table['mean_iou night'] == 0
    assert table['mean_iou mean of domains'] == 0.125


def test_card_with_domains_in_words(by_domain):
    about = of_domains()
    card = make_card(about)
    text = card_text(card, about, by_domain, FILES)
    assert '| us | 2 | 0.250 |' in text and '| **mean** |  | **0.125** |' in text
    assert '| night | car | 0.000 | road (100.0%) |' in text
    assert card.data.startswith('Trained on a campus.') and 'CC BY 4.0' in card.licence
    assert card.data.endswith('selected on us, night.')
