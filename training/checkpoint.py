# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoint files: written whole or not at all, read without running their content."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seg_perception.core.classes import ClassTable
from seg_perception.io.atomic import write_bytes
from seg_perception.io.job_folder import check_same
from training.config import TrainConfig, parse_config
from training.data.tables import check_table
from training.errors import CheckpointError

KEYS = (
    'config',  # TrainConfig.to_dict()
    'classes',  # ClassTable.to_dict()
    'epoch',  # epochs done
    'step',  # steps done
    'step_in_epoch',  # steps done of the epoch after those
    'meter',  # what was logged of that epoch so far
    'seconds',  # time of the run
    'best',  # mean IoU of best.pt
    'stale',  # evaluations since then
    'net',
    'average',  # what is evaluated and exported
    'heads',  # training-only heads of the loss
    'optimizer',
    'scaler',  # of float16
)
MAY_CHANGE = ('out', 'threads', 'device', 'data', 'transform', 'loss', 'optim')
"""Groups that may be changed by hand before a run is resumed."""
FIXED = ('optim.name', 'optim.freeze')
"""Keys of those that may not: the optimiser's state is of one kind and of those weights."""


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """
    Write a checkpoint.

    :raises OutputError: when there is no room for it, say; the old file stays as it was.
    """
    # In memory first: torch's own writer turns a full disk into an internal error without a name.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_bytes(path, buffer.getbuffer())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """
    Read a checkpoint; only tensors and plain types are accepted.

    :raises CheckpointError: when it is missing, damaged or of another program.
    """
    if not path.is_file():
        raise CheckpointError(f'checkpoint {path}', 'no file', 'best.pt or last.pt of a run')
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise CheckpointError(
            f'checkpoint {path}', f'{type(error).__name__}', 'a whole file of training fit'
        ) from error
    missing = [key for key in KEYS if key not in state] if isinstance(state, dict) else list(KEYS)
    if missing:
        raise CheckpointError(f'checkpoint {path}', f'no {", ".join(missing)}', ', '.join(KEYS))
    return state


def check_same_run(state: Mapping[str, Any], config: TrainConfig, classes: ClassTable) -> None:
    """
    Refuse to continue another experiment's run.

    :raises CheckpointError: naming the keys that differ.
    :raises ClassTableError: when the data have other classes: the logits mean other things.
    """
    fix = 'Use another out, or the configuration of that run.'
    old, new = parse_config(state['config']).to_dict(), config.to_dict()

    def may_change(key: str) -> bool:
        return key.split('.')[0] in MAY_CHANGE and key not in FIXED

    check_same('checkpoint', old, new, fix, may_change, CheckpointError)
    check_table('the checkpoint', ClassTable.from_dict(state['classes']), classes)


def load_weights(net: nn.Module, weights: Mapping[str, Any]) -> None:
    """
    Load all weights into a network.

    :raises CheckpointError: when names or shapes differ.
    """
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f'weights of the checkpoint for {type(net).__name__}',
            ' '.join(str(error).split()),
            'the same names and shapes',
            'Use the model and the heads of the loss that it was trained with.',
        ) from error
