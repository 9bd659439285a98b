# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import csv
import json

import cv2
import numpy as np
import pytest
import yaml

from seg_perception.core.classes import CAMVID_11, ClassTable
from training.cli import main
from training.stats import ClassStatistics
from training.stats_report import statistics_text, write_statistics

STATISTICS = ClassStatistics(
    classes=ClassTable('three', CAMVID_11.classes[:3]),
    pixels=np.array([9500, 500, 0]),
    frames=np.array([4, 1, 0]),
    pixels_around=np.array([10000, 4000, 0]),
    total_frames=4,
    void_share=0.125,
)


def test_text_is_a_row_a_class():
    assert statistics_text(STATISTICS, 1.02).splitlines() == [
        '4 frames, 12.50% of the pixels have the ignore label',
        'class                     pixels %  frames  frames %    enet  inverse  median  group',
        'sky                         95.000       4     100.0    1.47    0.100   0.566      1',
        'building                     5.000       1      25.0   14.78    1.900   4.300      0',
        'pole                         0.000       0       0.0   14.78    1.900   4.300      -',
    ]


def test_files_hold_the_figures(tmp_path):
    write_statistics(STATISTICS, 1.02, tmp_path / 'new')
    with (tmp_path / 'new/stats.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert [(row['name'], row['pixels'], row['frame_share']) for row in rows] == [
        ('sky', '9500', '1.0'), ('building', '500', '0.25'), ('pole', '0', '0.0'),
    ]  # fmt: skip
    whole = json.loads((tmp_path / 'new/stats.json').read_text())
    assert (whole['class_table'], whole['frames'], whole['void_share']) == ('three', 4, 0.125)
    assert whole['classes'][0]['magnitude_group'] == 1
    assert whole['classes'][1]['enet'] == pytest.approx(14.7801, abs=1e-4)
    picture = cv2.imread(str(tmp_path / 'new/stats.png'))
    assert picture.shape[1] > 1000 and (picture == CAMVID_11.classes[1].rgb[::-1]).all(2).any()


def test_command(camvid, tmp_path, capsys):
    source = {'kind': 'camvid', 'root': str(camvid)}
    config = {'name': 'a', 'out': 'unused', 'data': {'train': [source], 'val': [source]}}
    path = tmp_path / 'config.yaml'
    path.write_text(yaml.safe_dump(config))
    assert main(['stats', '--config', str(path), '--out', str(tmp_path / 'stats')]) == 0
    shown = capsys.readouterr().out
    assert '6 frames, 2.08% of the pixels have the ignore label' in shown  # 2 of 96 columns
    assert f'wrote {tmp_path / "stats"}' in shown
    assert sorted(file.name for file in (tmp_path / 'stats').iterdir()) == [
        'stats.csv', 'stats.json', 'stats.png',
    ]  # fmt: skip
    assert main(['stats', '--config', str(path), 'data.train=[]']) == 2
    assert 'config key data.train: got nothing' in capsys.readouterr().err
