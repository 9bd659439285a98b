# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The engine for a model file."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from seg_perception.core.errors import ProviderError
from seg_perception.inference.engine import Engine
from seg_perception.inference.model_file import TORCH_ENDING
from seg_perception.inference.onnx_engine import OnnxEngine


def open_engine(path: str | Path, provider: str = 'auto', threads: int = 0) -> Engine:
    """
    The engine for a model file: torch for one of torch.export (``.pt2``), else onnxruntime.

    :param provider: one of ``PROVIDERS``.
    :param threads: CPU threads of one run, 0 for all cores that this process may use.
    :raises ModelFileError: when the file is missing, damaged or not in the contract.
    :raises ProviderError: when what would run it is not there or does not work.
    :raises ParameterError: when threads is negative.
    """
    if Path(path).suffix != TORCH_ENDING:
        return OnnxEngine(path, provider, threads)
    if find_spec('torch') is None:
        fix = 'Run `pip install torch`, or use the ONNX file of the same model.'
        raise ProviderError(
            f'model file {str(path)!r}',
            'a Python without torch',
            'torch, which runs .pt2 files',
            fix,
        )
    from seg_perception.inference.torch_engine import TorchEngine

    return TorchEngine(path, provider, threads)
