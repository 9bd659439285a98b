# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Run a model file: uint8 frames in, class ids and confidence out."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from seg_perception.core.errors import ImageError, ParameterError, ProviderError
from seg_perception.inference.model_file import (
    INPUT_NAME,
    OUTPUT_NAMES,
    STRANGENESS_NAME,
    TORCH_ENDING,
    ModelCard,
    card_of,
    open_session,
)

PROVIDERS = ('auto', 'cpu', 'cuda', 'tensorrt')
_ORT_NAMES = {
    'tensorrt': 'TensorrtExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'cpu': 'CPUExecutionProvider',
}
_NEAR = 0.92  # of the sides, that a whole fraction keeps at least
_ROUNDING = 1e-6  # 385 * (384 / 385) may be less than 384
_GPU_FIX = (
    'Install the GPU build with `pip install seg_perception[gpu]` '
    'and a driver that fits it, or set `provider: cpu`.'
)


@dataclass(frozen=True)
class Segmentation:
    """The model's answer for N images, at the size that the model was given."""

    labels: np.ndarray  # (N, h, w) uint8 class ids
    confidence: np.ndarray  # (N, h, w) uint8, 0..255 for 0..1
    strangeness: np.ndarray  # (N,) float32, read with ``card.strange_of``; NaN: not in the file


class Engine(ABC):
    """
    One loaded model on one execution provider; ``open_engine`` makes the one for a file.

    ``run`` may be called from several threads. ``provider`` is what is really used; ``fallback``
    is None, or the sentence why ``auto`` took the CPU.
    """

    card: ModelCard
    provider: str
    fallback: str | None

    def size_for(self, frame_size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) to which a frame of that (height, width) should be resized."""
        card = self.card
        if not card.dynamic:
            return card.input_size
        return working_size(frame_size, card.input_size, card.size_multiple, card.upscale)

    def warm_up(self, frame_size: tuple[int, int] | None = None) -> None:
        """
        Run twice, so that the first frame is not the slow one.

        :param frame_size: (height, width) of the frames to come; GPUs choose algorithms by size.
        """
        size = self.size_for(frame_size) if frame_size else self.card.input_size
        for _ in range(2):
            self.run(np.zeros((1, *size, 3), np.uint8))

    def run(self, rgb: np.ndarray) -> Segmentation:
        """
        Segment N images, (N, h, w, 3) uint8 RGB of a size that ``size_for`` gives.

        :raises ImageError: when type, shape or size is not what the model takes.
        """
        self._check(rgb)
        labels, confidence, *more = self._run(rgb)
        strangeness = more[0] if more else np.full(len(rgb), np.nan, np.float32)
        return Segmentation(labels, confidence, strangeness)

    @abstractmethod
    def _run(self, rgb: np.ndarray) -> Sequence[np.ndarray]:
        """Labels, confidence and, where the file has it, strangeness of checked images; new."""

    def _check(self, rgb: np.ndarray) -> None:
        if rgb.dtype != np.uint8 or rgb.ndim != 4 or rgb.shape[3] != 3 or len(rgb) == 0:
            raise ImageError(
                'model input', f'{rgb.dtype} {rgb.shape}', 'uint8 (N, h, w, 3) with N above 0'
            )
        height, width = rgb.shape[1:3]
        card = self.card
        if not card.dynamic and (height, width) != card.input_size:
            raise ImageError(
                'size of model input', (height, width), card.input_size, 'Resize to size_for().'
            )
        if min(height, width) < 1 or height % card.size_multiple or width % card.size_multiple:
            raise ImageError(
                'size of model input',
                (height, width),
                f'positive multiples of {card.size_multiple}',
                'Resize to size_for().',
            )


class OnnxEngine(Engine):
    """
    A model file on onnxruntime.

    :param provider: one of ``PROVIDERS``.
    :param threads: CPU threads of one run, 0 for all cores that this process may use.
    :raises ModelFileError: when the file is missing, damaged or not in the contract.
    :raises ProviderError: when the asked-for provider is not there or does not work.
    :raises ParameterError: when threads is negative.
    """

    def __init__(self, path: str | Path, provider: str = 'auto', threads: int = 0) -> None:
        self.fallback = None
        count = thread_count(threads)
        if provider == 'auto':
            self.provider, self._session, self.fallback = _open_best(path, count)
        else:
            self.provider, self._session = provider, _open(path, provider, count)
        self.card = card_of(self._session, path)
        batch = self._session.get_inputs()[0].shape[0]
        self._one_by_one = batch == 1
        names = {output.name for output in self._session.get_outputs()}
        self._outputs = [*OUTPUT_NAMES, *({STRANGENESS_NAME} & names)]

    def _run(self, rgb: np.ndarray) -> Sequence[np.ndarray]:
        rgb = np.ascontiguousarray(rgb)
        if not self._one_by_one:
            return self._run_bound(rgb)
        parts = [self._run_bound(rgb[i : i + 1]) for i in range(len(rgb))]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def _run_bound(self, rgb: np.ndarray) -> list[np.ndarray]:
        """Bound input and outputs: one copy to the device and one back, nothing between runs."""
        binding = self._session.io_binding()
        binding.bind_cpu_input(INPUT_NAME, rgb)
        for name in self._outputs:
            binding.bind_output(name, 'cpu')
        self._session.run_with_iobinding(binding)
        outputs: list[np.ndarray] = binding.copy_outputs_to_cpu()
        return outputs


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
        raise ProviderError(
            f'model file {str(path)!r}',
            'a Python without torch',
            'torch, which runs .pt2 files',
            'Run `pip install torch`, or use the ONNX file of the same model.',
        )
    from seg_perception.inference.torch_engine import TorchEngine

    return TorchEngine(path, provider, threads)


def thread_count(threads: int) -> int:
    """
    CPU threads to use where so many are asked for, 0 for all cores that this process may use.

    :raises ParameterError: when it is negative.
    """
    if threads < 0:
        raise ParameterError('threads', threads, '0 for all cores, or more')
    # A number of our own: libraries count the cores of the machine.
    return threads or len(os.sched_getaffinity(0))


def check_provider(provider: str) -> None:
    """
    Refuse a word that names no provider.

    :raises ProviderError: when it is none of ``PROVIDERS``.
    """
    if provider not in PROVIDERS:
        raise ProviderError('provider', repr(provider), 'one of ' + ', '.join(PROVIDERS))


def available_providers() -> tuple[str, ...]:
    """The providers that the installed onnxruntime was built with; a GPU one may yet not work."""
    built = ort.get_available_providers()
    return tuple(name for name, ort_name in _ORT_NAMES.items() if ort_name in built)


def working_size(
    frame_size: tuple[int, int], input_size: tuple[int, int], multiple: int, upscale: float = 1.0
) -> tuple[int, int]:
    """
    The (height, width) at which a dynamic model works on a frame: its aspect, in multiples.

    Within ``input_size``, which is turned for an upright frame; a smaller frame grows by
    ``upscale`` at most.
    """
    height, width = frame_size
    is_turned = (height > width) != (input_size[0] > input_size[1])
    box = input_size[::-1] if is_turned else input_size
    scale = min(upscale, box[0] / height, box[1] / width)
    if whole := _whole_fraction(frame_size, scale, multiple):
        return whole
    up = tuple(-(-side // multiple) * multiple for side in frame_size)
    if upscale == 1 and up[0] <= box[0] and up[1] <= box[1]:
        return up[0], up[1]

    def down(side: int) -> int:
        return max(multiple, int(side * scale + _ROUNDING) // multiple * multiple)

    return down(height), down(width)


def _whole_fraction(
    frame_size: tuple[int, int], scale: float, multiple: int
) -> tuple[int, int] | None:
    """
    The whole frame, a half, a third ... of it, if that is near the scale.

    It keeps the aspect exactly, and OpenCV halves 720p in a third of the time that 0.51 takes.
    """
    height, width = frame_size
    parts = max(1, ceil(1 / scale - _ROUNDING))
    if height % (parts * multiple) or width % (parts * multiple):
        return None
    return (height // parts, width // parts) if _NEAR * scale * parts <= 1 else None


def _open_best(path: str | Path, threads: int) -> tuple[str, ort.InferenceSession, str | None]:
    """CUDA where it really runs the model, else the CPU and why."""
    try:
        session = _open(path, 'cuda', threads)
        _try_out(session, path)
        return 'cuda', session, None
    except ProviderError as error:
        return 'cpu', _open(path, 'cpu', threads), f'CPU instead of CUDA: {error}'


def _open(path: str | Path, provider: str, threads: int) -> ort.InferenceSession:
    check_provider(provider)
    if provider not in available_providers():
        raise ProviderError(
            f'provider {provider!r}',
            f'an onnxruntime with {", ".join(available_providers())}',
            f'one with {provider}',
            _GPU_FIX,
        )
    if provider != 'cpu' and hasattr(ort, 'preload_dlls'):
        ort.preload_dlls()  # finds CUDA and cuDNN where pip put them
    session = open_session(path, _options(threads), _provider_options(provider))
    if _ORT_NAMES[provider] not in session.get_providers():  # it falls back without an error
        raise ProviderError(
            f'provider {provider!r}',
            f'a session on {", ".join(session.get_providers())}',
            'a library set and driver with which it loads (see the lines of onnxruntime above)',
            _GPU_FIX,
        )
    session.disable_fallback()
    return session


def _try_out(session: ort.InferenceSession, path: str | Path) -> None:
    """
    Run the model once, since a driver that is too old shows only then.

    :raises ProviderError: when it does not run.
    """
    rgb = np.zeros((1, *card_of(session, path).input_size, 3), np.uint8)
    try:
        session.run(list(OUTPUT_NAMES), {INPUT_NAME: rgb})
    except Exception as error:  # onnxruntime's errors share no base of their own
        raise ProviderError("provider 'cuda'", error, 'a run without error', _GPU_FIX) from error


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')  # a shared CPU
    options.log_severity_level = 3
    return options


def _provider_options(provider: str) -> list[Any]:
    """onnxruntime's provider list; what the first cannot run goes to the next."""
    cuda = {
        'cudnn_conv_algo_search': 'EXHAUSTIVE',
        'cudnn_conv_use_max_workspace': '1',
        'arena_extend_strategy': 'kSameAsRequested',
    }
    chain: list[Any] = ['CPUExecutionProvider']
    if provider in ('cuda', 'tensorrt'):
        chain.insert(0, ('CUDAExecutionProvider', cuda))
    if provider == 'tensorrt':
        chain.insert(0, ('TensorrtExecutionProvider', _tensorrt_options()))
    return chain


def _tensorrt_options() -> dict[str, str]:
    """Half precision, and the built engines kept: building takes minutes."""
    root = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    cache = root / 'seg_perception' / 'tensorrt'
    cache.mkdir(parents=True, exist_ok=True)
    return {
        'trt_fp16_enable': 'True',
        'trt_engine_cache_enable': 'True',
        'trt_engine_cache_path': str(cache),
        'trt_timing_cache_enable': 'True',
        'trt_timing_cache_path': str(cache),
    }
