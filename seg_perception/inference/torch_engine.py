# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Run a ``.pt2`` model file with torch: on a GPU one CUDA graph for each shape of images.

The module itself normalises and takes argmax and confidence, so only uint8 crosses the bus.
Nothing else of the package needs torch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from operator import attrgetter
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.export.passes import move_to_device_pass

from seg_perception.core.errors import ParameterError, ProviderError
from seg_perception.inference.engine import Engine, check_provider, thread_count
from seg_perception.inference.load_errors import damaged
from seg_perception.inference.model_file import (
    FLOAT,
    OUTPUT_NAMES,
    UINT8,
    ModelCard,
    TensorSpec,
    check_tensors,
    naming,
    torch_card,
)

PRECISIONS = {'float32': torch.float32, 'float16': torch.float16, 'bfloat16': torch.bfloat16}
MAX_SHAPES = 8  # of which buffers and CUDA graphs are kept; the longest unused goes
WARM_RUNS = 3  # in which cuDNN times its algorithms, before a CUDA graph records the choice

_KINDS = {torch.uint8: UINT8, torch.float32: FLOAT}
_aten = torch.ops.aten
_KERNEL_OPS = (_aten.conv2d.default, _aten.conv_transpose2d.input, _aten.linear.default)
"""What autocast runs in half precision with a weight and a bias, its second and third argument."""


class TorchEngine(Engine):
    """
    A model file of torch.export, with float16 on a GPU and float32 on the CPU.

    Loading one can run code that its maker put there: take ``.pt2`` files from where you would
    take a program. An ONNX file is only data.

    :param provider: ``auto``, ``cpu`` or ``cuda``.
    :param threads: CPU threads of torch in this process, 0 for all cores that it may use.
    :param precision: one of ``PRECISIONS``; empty for the provider's own.
    :raises ModelFileError: when the file is missing, damaged or not in the contract.
    :raises ProviderError: when the asked-for provider is not there or does not work.
    :raises ParameterError: when threads or precision cannot be.
    """

    def __init__(
        self, path: str | Path, provider: str = 'auto', threads: int = 0, precision: str = ''
    ) -> None:
        _check_words(provider, precision)
        torch.set_num_threads(thread_count(threads))
        self.card = torch_card(path)
        self.provider, self.fallback = provider, None
        self._lock = Lock()
        try:
            self._open(path, 'cuda' if provider == 'auto' else provider, precision)
        except ProviderError as error:
            if provider != 'auto':
                raise
            self.fallback = f'CPU instead of CUDA: {error}'
            self._open(path, 'cpu', precision)

    def _open(self, path: str | Path, provider: str, precision: str) -> None:
        """Load for a provider, and run once on a GPU, since some faults show only then."""
        if provider == 'cuda' and not torch.cuda.is_available():
            seen = f'torch {torch.__version__} without a GPU that it can use'
            expected = 'an NVIDIA GPU, its driver and a CUDA build of torch'
            fix = 'See `nvidia-smi` and https://pytorch.org, or set `provider: cpu`.'
            raise ProviderError("provider 'cuda'", seen, expected, fix)
        program = load_program(path, self.card)
        default = 'float16' if provider == 'cuda' else 'float32'
        self.provider, self._device = provider, torch.device(provider)
        self._runners: OrderedDict[tuple[int, ...], _CudaGraphRunner] = OrderedDict()
        try:
            dtype = PRECISIONS[precision or default]
            self._compute = prepare(program, self._device, dtype, len(_names(self.card)))
            if provider == 'cuda':
                self.run(np.zeros((1, *self.card.input_size, 3), np.uint8))
        except RuntimeError as error:  # of CUDA and cuDNN, out of memory included
            if provider == 'cpu':
                raise
            raise ProviderError(
                f'provider {provider!r}', error, 'a run without error', 'Set `provider: cpu`.'
            ) from error

    @torch.inference_mode()
    def _run(self, rgb: np.ndarray) -> Sequence[np.ndarray]:
        with self._lock:  # the buffers are one thread's at a time
            return self._runner(rgb.shape).run(rgb)

    def _runner(self, shape: tuple[int, ...]) -> _CudaGraphRunner:
        if shape not in self._runners:
            self._runners[shape] = _CudaGraphRunner(self._compute, shape, self._device)
            if len(self._runners) > MAX_SHAPES:
                self._runners.popitem(last=False)
        self._runners.move_to_end(shape)
        return self._runners[shape]


Compute = Callable[[Tensor], tuple[Tensor, ...]]
"""Turns images (N, h, w, 3) uint8 into the outputs of the file, all on the device."""


class _CudaGraphRunner:
    """Buffers that are used again for every run of one shape, pinned where there is a bus."""

    def __init__(self, compute: Compute, shape: tuple[int, ...], device: torch.device) -> None:
        self._on_gpu = device.type == 'cuda'
        self._sent = torch.empty(shape, dtype=torch.uint8, pin_memory=self._on_gpu)
        self._image = torch.zeros(shape, dtype=torch.uint8, device=device)
        self._compute = record(compute, self._image) if self._on_gpu else compute
        self._received: list[Tensor] = []  # from the first run on

    def run(self, rgb: np.ndarray) -> list[np.ndarray]:
        """The outputs of the file, new arrays."""
        np.copyto(self._sent.numpy(), rgb)
        self._image.copy_(self._sent, non_blocking=True)
        parts = self._compute(self._image)
        self._received = self._received or [
            torch.empty(part.shape, dtype=part.dtype, pin_memory=self._on_gpu) for part in parts
        ]
        for received, part in zip(self._received, parts, strict=True):
            received.copy_(part, non_blocking=True)
        if self._on_gpu:
            torch.cuda.current_stream().synchronize()
        return [received.numpy().copy() for received in self._received]


def record(compute: Compute, image: Tensor) -> Compute:
    """
    The same computation as one CUDA graph, which reads this very ``image`` whenever it runs.

    See "CUDA Graphs" in the notes of PyTorch's documentation for the order of these steps.
    """
    # enabled=True: the defaults of this context manager switch cuDNN off.
    with torch.backends.cudnn.flags(enabled=True, benchmark=True):
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_RUNS):
                compute(image)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # thread_local: another thread's work on the GPU must not spoil the recording.
        with torch.cuda.graph(graph, capture_error_mode='thread_local'):
            answer = compute(image)

    def replay(_: Tensor) -> tuple[Tensor, ...]:
        graph.replay()
        return answer

    return replay


def load_program(path: str | Path, card: ModelCard) -> ExportedProgram:
    """
    Read a ``.pt2`` file and check what goes in and out.

    :raises ModelFileError: when it does not load or is not in the contract.
    """
    try:
        program = torch.export.load(path)
    except Exception as error:  # torch's errors share no base of their own
        expected = f'a file of torch.export that torch {torch.__version__} can read'
        raise damaged(path, error, expected) from error
    nodes = {node.name: node for node in program.graph.nodes}
    signature = program.graph_signature
    inputs = [_spec(name, nodes[name]) for name in signature.user_inputs]
    outputs = [nodes[name] for name in signature.user_outputs]
    with naming(path):
        check_tensors(inputs, list(map(_spec, _names(card), outputs)), card)
    return program


def prepare(
    program: ExportedProgram, device: torch.device, dtype: torch.dtype, outputs: int
) -> Compute:
    """
    The computation of a program on a device, channels last, with kernels of that type.

    :param outputs: how many of the program's are wanted, the first ones.
    """
    if device.type != 'cpu':
        program = move_to_device_pass(program, device)
    # A module of its own, without the checks around the program: torch.export bounds sizes by
    # what some layer had at the example's, such as one row after pooling. The exporter compares
    # the file with the network at other sizes.
    checked = program.module(check_guards=False)
    _drop_type_checks(checked.graph)
    module = fx.GraphModule(checked, checked.graph).to(memory_format=torch.channels_last)
    if dtype != torch.float32:
        _convert_kernels(module, dtype)

    def compute(image: Tensor) -> tuple[Tensor, ...]:
        with _autocast(device, dtype):
            return tuple(module(image)[:outputs])

    return compute


def _autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[None]:
    if dtype == torch.float32:
        return nullcontext()
    # Without its cache: what is cached in one recording is not there in the next.
    return torch.autocast(device.type, dtype, cache_enabled=False)


def _drop_type_checks(graph: fx.Graph) -> None:
    """Take out the program's assertions on types: they do not hold in half precision."""
    for node in graph.find_nodes(op='call_function', target=_aten._assert_tensor_metadata.default):
        graph.erase_node(node)


def _convert_kernels(module: fx.GraphModule, dtype: torch.dtype) -> None:
    """Store weights and biases in the type to which autocast would cast them in every run."""
    for node in module.graph.find_nodes(op='get_attr'):
        uses = list(node.users)
        if uses and all(use.target in _KERNEL_OPS and node in use.args[1:3] for use in uses):
            weight = attrgetter(node.target)(module)
            weight.data = weight.data.to(dtype)


def _names(card: ModelCard) -> tuple[str, ...]:
    """Names of the outputs that are read, in the order in which a program has them."""
    return OUTPUT_NAMES if card.ood_calibration is None else (*OUTPUT_NAMES, card.ood_name)


def _spec(name: str, node: fx.Node) -> TensorSpec:
    value = node.meta['val']
    return TensorSpec(name, _KINDS.get(value.dtype, str(value.dtype)), value.shape)


def _check_words(provider: str, precision: str) -> None:
    check_provider(provider)
    if provider == 'tensorrt':
        seen, expected = 'a file of torch.export (.pt2)', 'auto, cpu or cuda for it'
        fix = 'TensorRT runs the ONNX file of the same model.'
        raise ProviderError("provider 'tensorrt'", seen, expected, fix)
    if precision and precision not in PRECISIONS:
        raise ParameterError('precision', repr(precision), 'one of ' + ', '.join(PRECISIONS))
