# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The zoo in one table: parameters, multiply-adds and, when asked for, time on this CPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from seg_perception.inference.model_file import INPUT_NAME
from seg_perception.report.text import markdown_table
from training.errors import ConfigError, check_known
from training.export.deploy import Deployed, stride_of
from training.export.files import finish, to_onnx, to_program
from training.export.fold import fold_and_quantise_weights
from training.models import MIN_SIZE_PX, NETWORKS, build_model

CPU_THREADS = 2
WARM_UP, RUNS = 3, 20


@dataclass(frozen=True)
class Row:
    """Figures of one network in evaluation; ``cpu_ms`` is None where it was not timed."""

    name: str
    parameters: int  # those that evaluation needs, without auxiliary heads
    published: float  # 0: not published
    macs: float
    cpu_ms: float | None
    paper: str


def summarise(
    names: Sequence[str], size: tuple[int, int], num_classes: int, timed: bool = False
) -> list[Row]:
    """
    Figures of the named networks, of all without names.

    :param size: (height, width) of the image.
    :raises ConfigError: when there is no such network, or the size is too small.
    """
    for name in names:
        check_known('network', name, NETWORKS)
    if min(size) < MIN_SIZE_PX:
        raise ConfigError('size', f'{size[0]}x{size[1]}', f'{MIN_SIZE_PX} or more on each side')
    return [_row(name, size, num_classes, timed) for name in names or NETWORKS]


def _row(name: str, size: tuple[int, int], num_classes: int, timed: bool) -> Row:
    net, listed = build_model(name, num_classes).eval(), NETWORKS[name]
    cpu_ms = time_on_cpu(net, size) if timed else None
    parameters = count_parameters(net)
    macs = count_macs(net, size)
    return Row(name, parameters, listed.parameters, macs, cpu_ms, listed.paper)


def count_parameters(net: nn.Module) -> int:
    """Parameters that take part in evaluation: those that its logits have a gradient in."""
    parameters = list(net.parameters())
    logits = net.eval()(torch.zeros(1, 3, 2 * MIN_SIZE_PX, 2 * MIN_SIZE_PX))
    gradients = torch.autograd.grad(logits.sum(), parameters, allow_unused=True)
    used = zip(parameters, gradients, strict=True)
    return sum(value.numel() for value, gradient in used if gradient is not None)


@torch.no_grad()
def count_macs(net: nn.Module, size: tuple[int, int]) -> float:
    """
    Multiply-adds of convolutions and matrix products for one image; the network has no data after.

    Sizes alone are computed (device ``meta``), so that this is quick for any image.
    """
    with FlopCounterMode(display=False) as counter:
        net.eval().to('meta')(torch.empty(1, 3, *size, device='meta'))
    return counter.get_total_flops() / 2


def time_on_cpu(net: nn.Module, size: tuple[int, int]) -> float:
    """
    Median milliseconds of one frame through the exported file: uint8 in, labels out.

    Labels are taken at every pixel. Exported files have a faster way, whose time depends on what
    the network sees; these weights are fresh, and see nothing.
    """
    deployed = Deployed(fold_and_quantise_weights(net), 1.0, stride_of(net, size))
    model = finish(to_onnx(to_program(deployed, size)))
    options = ort.SessionOptions()
    options.intra_op_num_threads = CPU_THREADS
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=['CPUExecutionProvider']
    )
    frame = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    times = []
    for _ in range(WARM_UP + RUNS):
        start = time.perf_counter()
        session.run(None, {INPUT_NAME: frame})
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[WARM_UP:])


def markdown(rows: Iterable[Row], size: tuple[int, int], num_classes: int) -> str:
    """The table, with a line that tells what was counted."""
    rows = list(rows)
    timed = any(row.cpu_ms is not None for row in rows)
    columns = {
        'network': [row.name for row in rows],
        'parameters [M]': [f'{row.parameters / 1e6:.2f}' for row in rows],
        'published [M]': [f'{row.published / 1e6:.2f}' if row.published else '' for row in rows],
        'GMACs': [f'{row.macs / 1e9:.1f}' for row in rows],
        **({'CPU [ms]': [f'{row.cpu_ms:.1f}' for row in rows]} if timed else {}),
        'paper': [row.paper for row in rows],
    }
    note = f'At {size[0]}x{size[1]}, {num_classes} classes, without what only training needs.'
    if timed:
        engine = f'onnxruntime {ort.__version__}, {CPU_THREADS} threads'
        note += f' CPU: uint8 frame to labels, {engine}.'
    align = f'l{"r" * (len(columns) - 2)}l'
    table = markdown_table([*columns], zip(*columns.values(), strict=True), align)
    return f'{note}\n\n{table}'
