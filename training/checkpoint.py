# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoint files: written whole or not at all, read without running their content."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from training.errors import CheckpointError

KEYS = ('config', 'epoch', 'step', 'seconds', 'best', 'net', 'average', 'optimizer')


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write beside the target, flush, rename: a kill leaves the old file or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix('.partial')
    with partial.open('wb') as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


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
