# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Time per image of the torch engine and of onnxruntime, compared with eager torch.

    python benchmarks/engine.py [--models ddrnet23_slim ...] [--sizes 640x360 ...]
        [--provider auto] [--frames 100] [--rounds 3] [--threads 0] [--out engine.json]

All variants read the same uint8 image from CPU memory and return labels and confidence there:

- eager: the network as trained, with the steps around it, float32, called from Python.
- eager_half: the same under autocast, on a GPU only.
- engine: the `.pt2` file in the torch engine; on a GPU with float16 and CUDA graphs.
- onnxruntime: the `.onnx` file on the same provider.

The variants alternate image by image, so that a disturbance affects all of them. Weights are
random. They influence only the time of the ONNX file, and only slightly, because it upsamples only
the cells with a class boundary. Before the measurement both files must give the labels of eager.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.record import spread, write_record
from seg_perception.core.classes import CITYSCAPES_19
from seg_perception.core.errors import SegPerceptionError
from seg_perception.inference.engine import PROVIDERS
from seg_perception.inference.model_file import ModelCard
from seg_perception.inference.onnx_engine import OnnxEngine
from seg_perception.inference.torch_engine import TorchEngine
from seg_perception.synthetic.street import Street
from training.export.deploy import Deployed, stride_of
from training.export.files import finish, program_bytes, to_onnx, to_program, with_card
from training.export.fold import fold_and_quantise_weights
from training.models import NETWORKS, build_model

MODELS = ('dsnet', 'fast_scnn', 'ddrnet23_slim', 'pidnet_s')
SIZES = ('640x360', '1280x720', '1920x1080')  # width x height
WARM_RUNS = 10
LEAST_EQUAL = 0.9  # of the labels; random weights leave many near ties to half precision

Way = Callable[[np.ndarray], np.ndarray]
"""Turns an image (1, H, W, 3) into its labels (1, H, W), both uint8 in the memory of the CPU."""


def main() -> None:
    """Measure every model at every size and print the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--models', nargs='+', default=MODELS, choices=sorted(NETWORKS))
    parser.add_argument('--sizes', nargs='+', default=SIZES, metavar='WIDTHxHEIGHT')
    parser.add_argument('--provider', default='auto', choices=PROVIDERS[:3])
    parser.add_argument('--frames', type=int, default=100, help='of each round')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--threads', type=int, default=0, help='of the CPU; 0 is every core')
    parser.add_argument('--out', type=Path)
    options = parser.parse_args()
    models: dict[str, Any] = {}
    for name in options.models:
        net = _network(name)
        for size in options.sizes:
            width, height = map(int, size.split('x'))
            row = _measure(net, (height, width), options)
            print(f'{name} {size}: {row}', file=sys.stderr)
            models.setdefault(name, {})[size] = row
    figures = {'frames': options.frames, 'rounds': options.rounds, 'models': models}
    write_record('engine', _torch() | figures, options.out)


def _network(name: str) -> nn.Module:
    """Norms as after training; those of a fresh network make some logits vanish."""
    torch.manual_seed(0)
    net = build_model(name, len(CITYSCAPES_19)).train()
    with torch.no_grad():
        net(torch.randn(2, 3, 128, 256))
    return net.eval()


def _measure(
    net: nn.Module, size: tuple[int, int], options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Figures of each variant."""
    rgb = Street(seed=1, size=size).frame(0).rgb[None]
    with tempfile.TemporaryDirectory() as folder:
        ways = _ways(net, size, options, Path(folder))
    expected = ways['eager'](rgb)
    for name, way in ways.items():
        for _ in range(WARM_RUNS):
            labels = way(rgb)
        equal = float((labels == expected).mean())
        if equal < LEAST_EQUAL:
            raise SegPerceptionError(f'labels of {name}', f'{equal:.1%} as eager', LEAST_EQUAL)
    rounds = [_round(ways, rgb, options.frames) for _ in range(options.rounds)]
    return {name: _summary([part[name] for part in rounds]) for name in ways}


def _ways(
    net: nn.Module, size: tuple[int, int], options: argparse.Namespace, folder: Path
) -> dict[str, Way]:
    light, stride = fold_and_quantise_weights(net), stride_of(net, size)
    card = ModelCard('benchmark', CITYSCAPES_19, size, 1, False, 1.0, 'none', {}, 'Apache-2.0', '')
    onnx, pt2 = folder / 'model.onnx', folder / 'model.pt2'
    program = to_program(Deployed(light, 1.0, stride, by_cells=True), size, dynamic=False)
    onnx.write_bytes(with_card(finish(to_onnx(program)), card))
    program = to_program(Deployed(light, 1.0, stride), size, dynamic=False)
    pt2.write_bytes(program_bytes(program, card))
    engine = TorchEngine(pt2, options.provider, options.threads)
    ways = {
        'eager': _eager(Deployed(net, 1.0, stride), engine.provider),
        'engine': lambda rgb: engine.run(rgb).labels,
    }
    if engine.provider == 'cuda':
        ways['eager_half'] = _eager(Deployed(net, 1.0, stride), 'cuda', half=True)
    try:
        runtime = OnnxEngine(onnx, engine.provider, options.threads)
        ways['onnxruntime'] = lambda rgb: runtime.run(rgb).labels
    except SegPerceptionError as error:  # a GPU for torch alone: say so, and do without
        print(f'without onnxruntime: {error}', file=sys.stderr)
    return ways


def _eager(deployed: Deployed, provider: str, half: bool = False) -> Way:
    module = copy.deepcopy(deployed).eval().to(provider, memory_format=torch.channels_last)

    @torch.inference_mode()
    def run(rgb: np.ndarray) -> np.ndarray:
        with torch.autocast(provider, torch.float16) if half else nullcontext():
            labels, confidence, _ = module(torch.from_numpy(rgb).to(provider))
        confidence.cpu()
        answer: np.ndarray = labels.cpu().numpy()
        return answer

    return run


def _round(ways: dict[str, Way], rgb: np.ndarray, frames: int) -> dict[str, list[float]]:
    """Milliseconds per image; the variants alternate."""
    times_ms: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(frames):
        for name, way in ways.items():
            start_s = time.perf_counter()
            way(rgb)
            times_ms[name].append((time.perf_counter() - start_s) * 1e3)
    return times_ms


def _summary(rounds: list[list[float]]) -> dict[str, Any]:
    return {
        'latency_ms_p50': spread([float(np.percentile(times, 50)) for times in rounds]),
        'latency_ms_p99': spread([float(np.percentile(times, 99)) for times in rounds]),
        'frames_per_s': spread([1e3 / float(np.mean(times)) for times in rounds]),
    }


def _torch() -> dict[str, Any]:
    """Facts that the common part of the record lacks."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else 'none'
    return {'torch': torch.__version__, 'gpu': gpu}


if __name__ == '__main__':
    main()
