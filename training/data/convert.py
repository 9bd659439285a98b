# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The data sets of a configuration as shards: mapped, resized and chosen from once and for all."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import yaml

from seg_perception.io.atomic import write_text
from training.config import DataConfig
from training.data.shards import write_shards
from training.data.sources import open_frames

HEAD = '# Written by `python -m training shard`. A data group: copy it to config/training/data/.\n'


def convert(data: DataConfig, out: Path, per_shard_mb: float, progress: bool = True) -> Path:
    """
    Write each set of ``train`` and the whole of ``val``; the data group that reads them.

    :raises DatasetError: when a data set, or a folder of earlier shards, is not as it should be.
    :raises OutputError: when the disk is full.
    """
    opened = open_frames(dataclasses.replace(data, cache=False))
    train: list[dict[str, Any]] = []
    for number, (frames, share) in enumerate(opened.train):
        split = f'train{number}' if len(opened.train) > 1 else 'train'
        write_shards(frames, out / split, per_shard_mb, progress)
        train.append({'kind': 'shards', 'root': str(out), 'split': split, 'share': share})
    write_shards(opened.val, out / 'val', per_shard_mb, progress)
    val = [{'kind': 'shards', 'root': str(out), 'split': 'val'}]
    rest = {'sampling': data.sampling, 'workers': data.workers}
    text = yaml.safe_dump({'train': train, 'val': val, **rest}, sort_keys=False)
    path = out / 'data.yaml'
    write_text(path, HEAD + text)
    return path
