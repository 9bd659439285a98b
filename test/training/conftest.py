# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A tiny data set in CamVid's layout, and a configuration that fits it in seconds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from training.config import TrainConfig, parse_config

SIZE = (64, 96)
NAMES = ('0006R0_f1', '0006R0_f2', '0006R0_f3', '0006R0_f4', '0001TP_1', '0001TP_2')


def scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sky 0 above road 3 with a car 8; a border column is void 11. rgb and ids."""
    rng = np.random.default_rng(seed)
    ids = np.zeros(SIZE, np.uint8)
    horizon, car = int(rng.integers(24, 40)), int(rng.integers(8, 60))
    ids[horizon:] = 3
    ids[horizon - 6 : horizon + 10, car : car + 24] = 8
    ids[:, -2:] = 11
    colours = np.full((12, 3), 255, np.uint8)
    colours[[0, 3, 8]] = (200, 220, 250), (90, 90, 90), (160, 20, 30)
    noise = rng.integers(-8, 8, (*SIZE, 3))
    return np.clip(colours[ids] + noise, 0, 255).astype(np.uint8), ids


@pytest.fixture(scope='session')
def camvid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of the data set; the lists carry the prefix that SegNet's lists have."""
    root = tmp_path_factory.mktemp('camvid')
    for folder in ('train', 'trainannot'):
        (root / folder).mkdir()
    lines = []
    for seed, name in enumerate(NAMES):
        rgb, ids = scene(seed)
        cv2.imwrite(str(root / f'train/{name}.png'), rgb[:, :, ::-1])
        cv2.imwrite(str(root / f'trainannot/{name}.png'), ids)
        lines.append(f'/SegNet/CamVid/train/{name}.png /SegNet/CamVid/trainannot/{name}.png')
    (root / 'train.txt').write_text('\n'.join(lines) + '\n')
    return root


@pytest.fixture
def config(camvid: Path, tmp_path: Path) -> TrainConfig:
    """A narrow network on small views."""
    source = {'kind': 'camvid', 'root': str(camvid)}
    return parse_config(
        {
            'name': 'tiny',
            'out': str(tmp_path / 'run'),
            'model': {'options': {'planes': 8, 'head': 16, 'branch': 16}},
            'data': {
                'train': [source | {'exclude': ['0001TP']}],
                'val': [source | {'only': ['0001TP']}],
                'cache': True,
            },
            'transform': {'crop': [64, 64]},
            'loss': {'stride': 1},
            'optim': {'batch': 2, 'epochs': 4, 'warmup_steps': 2, 'eval_every': 2},
        }
    )


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """One thread: nets this small are slower with more, and sums keep their order."""
    torch.set_num_threads(1)
