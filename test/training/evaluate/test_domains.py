# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest
import yaml

from seg_perception.core.classes import CAMVID_11, COMMA10K_6
from seg_perception.io.atomic import write_image
from tiny_model import write_tiny_model
from training.cli import main
from training.config import DATA_GROUPS, DataConfig, SourceConfig, load_config
from training.data.domains import open_domains
from training.evaluate.domains import score_domains

ROAD, CAR = CAMVID_11.names.index('road'), CAMVID_11.names.index('car')


@pytest.fixture
def val(tmp_path):
    """Two frames of the own car, of which the upper half is road, and one of CamVid's road."""
    own = np.full((8, 8), COMMA10K_6.names.index('own car'), np.uint8)
    own[:4] = COMMA10K_6.names.index('road')
    road = np.full((8, 8), ROAD, np.uint8)
    sources = []
    for domain, classes, masks in (('us', 'comma10k_6', [own, own]), ('uk', 'camvid_11', [road])):
        for number, mask in enumerate(masks):
            write_image(
                tmp_path / domain / 'images' / f'{number}.png', np.zeros((8, 8, 3), np.uint8)
            )
            write_image(tmp_path / domain / 'masks' / f'{number}.png', mask)
        root = str(tmp_path / domain)
        sources.append({'domain': domain, 'kind': 'folder', 'root': root, 'classes': classes})
    return sources


def always(label):
    def predict(rgb):
        size = rgb.shape[:2]
        return np.full(size, label, np.uint8), np.full(size, 255, np.uint8)

    return predict


def test_each_domain_is_scored_in_its_own_classes(val):
    domains = open_domains(DataConfig(val=tuple(SourceConfig(**row) for row in val)))
    scores = score_domains(always(ROAD), CAMVID_11, domains)
    rows = scores.by_domain()
    assert (rows['us']['frames'], rows['uk']['frames']) == (2, 1)
    assert rows['us']['mean_iou'] == pytest.approx((0.5 + 0) / 2) and rows['uk']['mean_iou'] == 1
    assert scores.means()['mean_iou'] == pytest.approx((0.25 + 1) / 2)


def test_the_most_frequent_mistake_is_named(val):
    domains = open_domains(DataConfig(val=tuple(SourceConfig(**row) for row in val)))
    scores = score_domains(always(ROAD), CAMVID_11, domains)
    own = scores.record()['domains']['us']['classes']['own car']
    assert (own['taken_for'], own['taken_for_share']) == ('road', 1.0)
    text = scores.text('default')
    assert 'own car           IoU 0.000, recall 0.000, 1.000 called road' in text


def test_command_scores_a_file_of_other_classes(val, tmp_path, capsys):
    config = {'name': 'x', 'out': 'x', 'device': 'cpu', 'data': {'val': val}}
    (tmp_path / 'config.yaml').write_text(yaml.safe_dump(config))
    model = write_tiny_model(tmp_path / 'tiny.onnx')
    words = ['--config', str(tmp_path / 'config.yaml'), '--model', str(model)]
    assert main(['evaluate', *words, '--out', str(tmp_path / 'out')]) == 0
    printed = capsys.readouterr().out
    assert 'us ' in printed and 'mean ' in printed
    record = json.loads((tmp_path / 'out' / 'domains.json').read_text())['tiny']
    assert record['domains']['us']['frames'] == 2
    assert 0 <= record['mean']['mean_iou'] <= 1


def test_submissions_are_of_one_data_set(val, tmp_path, capsys):
    config = {'name': 'x', 'out': 'x', 'data': {'val': val}}
    (tmp_path / 'config.yaml').write_text(yaml.safe_dump(config))
    words = ['--config', str(tmp_path / 'config.yaml'), '--model', 'a.onnx', '--out', 'x']
    assert main(['evaluate', *words, '--submission', 'cityscapes']) == 2
    assert 'frames of one data set' in capsys.readouterr().err


def test_a_data_group_is_a_configuration_to_evaluate_with():
    config = load_config(DATA_GROUPS / 'street_domains.yaml')
    assert config.name == 'street_domains' and not config.data.train
    assert [row.domain for row in config.data.val] == [
        'camvid', 'comma10k', 'bdd100k', 'cityscapes', 'lums', 'brazil',
    ]  # fmt: skip
