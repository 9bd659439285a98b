# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Run a model file with onnxruntime, on the CPU, with CUDA or with TensorRT."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from seg_perception.core.errors import ProviderError
from seg_perception.inference.engine import Engine, check_provider, thread_count
from seg_perception.inference.model_file import INPUT_NAME, OUTPUT_NAMES, card_of, open_session

_ORT_NAMES = {
    'tensorrt': 'TensorrtExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'cpu': 'CPUExecutionProvider',
}
_GPU_FIX = (
    'Install the GPU build with `pip uninstall onnxruntime` and then '
    '`pip install "onnxruntime-gpu[cuda,cudnn]"`, and a driver that fits it, '
    'or set `provider: cpu`.'
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
        self._one_by_one = self._session.get_inputs()[0].shape[0] == 1
        names = {output.name for output in self._session.get_outputs()}
        self._outputs = [*OUTPUT_NAMES, *({self.card.ood_name} & names)]

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


def available_providers() -> tuple[str, ...]:
    """The providers that the installed onnxruntime was built with; a GPU one may yet not work."""
    built = ort.get_available_providers()
    return tuple(name for name, ort_name in _ORT_NAMES.items() if ort_name in built)


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
        seen = f'an onnxruntime with {", ".join(available_providers())}'
        raise ProviderError(f'provider {provider!r}', seen, f'one with {provider}', _GPU_FIX)
    if provider != 'cpu' and hasattr(ort, 'preload_dlls'):
        ort.preload_dlls()  # finds CUDA and cuDNN where pip put them
    session = open_session(path, _options(threads), _provider_options(provider))
    if _ORT_NAMES[provider] not in session.get_providers():  # it falls back without an error
        seen = f'a session on {", ".join(session.get_providers())}'
        expected = (
            'a library set and driver with which it loads (see the lines of onnxruntime above)'
        )
        raise ProviderError(f'provider {provider!r}', seen, expected, _GPU_FIX)
    session.disable_fallback()
    return session


def _try_out(session: ort.InferenceSession, path: str | Path) -> None:
    """Run once, since an outdated driver shows only then; ProviderError when it does not run."""
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
