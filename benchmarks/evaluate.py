# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Cost of `evaluate` in addition to the network.

    python benchmarks/evaluate.py [--only speed outputs seed memory] [--frames 200] [--rounds 3]
        [--seed-frames 8] [--gigabytes 20] [--out evaluate.json]

- speed: frames per second of `evaluate` with all outputs except the report, on 1280x720 bags (JPEG
  and raw), compared with the bare engine on the same frames, decoded and resized beforehand.
- outputs: the JPEG bag with each output on its own, and without outputs.
- seed: the same Fast-SCNN (66 classes, 1024x2048) on the same video, with the pipeline of seed 001
  (PIL and torchvision, eager torch, colouring class by class, full-size video) and with
  `evaluate`, which also writes a bag of masks.
- memory: the largest resident set of a process that evaluates a bag of `--gigabytes` of raw
  1920x1080, and one of a tenth of that, with a small and fast network.

Ways take turns, round by round, so that a disturbance meets all of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from benchmarks.record import spread, write_record
from seg_perception.core.classes import VISTAS_66, ClassTable
from seg_perception.evaluation.evaluate import evaluate
from seg_perception.inference.open_engine import open_engine
from seg_perception.io.cdr_messages import (
    COMPRESSED,
    IMAGE,
    header,
    image_message,
    jpeg_message,
    typestore,
)
from seg_perception.models import model_path
from seg_perception.options import EvaluationOptions
from seg_perception.synthetic.street import Street

SIZE, FPS = (720, 1280), 30.0
SEED_SIZE = (1024, 2048)
VIEWS = 8  # different frames; more would only take longer to draw
WRITTEN = ('bag', 'video', 'thumbs')
TOPIC = '/camera/image_raw'
PARTS = ('speed', 'outputs', 'seed', 'memory')
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SMALL = (192, 320)  # input of the network for the memory


def main() -> None:
    """Measure the selected parts and print the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--only', nargs='+', choices=PARTS, default=PARTS)
    parser.add_argument('--frames', type=int, default=200, help='of a bag')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seed-frames', type=int, default=8)
    parser.add_argument('--gigabytes', type=float, default=20.0)
    parser.add_argument('--folder', type=Path, help='for the bags, with room; a temporary one')
    parser.add_argument('--out', type=Path)
    parser.add_argument('--resident', nargs=3, help=argparse.SUPPRESS)  # bag, out, model
    options = parser.parse_args()
    if options.resident:
        _print_resident(*map(Path, options.resident))
        return
    measures: dict[str, Callable[[Path, argparse.Namespace], Any]] = {
        'speed': _speed,
        'outputs': _outputs,
        'seed': _seed,
        'memory': _memory,
    }
    figures: dict[str, Any] = {'frames': options.frames, 'rounds': options.rounds}
    for name in options.only:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            figures[name] = measures[name](Path(folder), options)
            print(f'{name}: {json.dumps(figures[name])}', file=sys.stderr)
    write_record('evaluate', figures, options.out)


def _speed(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    bgr = _views(SIZE)
    bags = {
        kind: _write_bag(folder / kind, bgr, options.frames, raw=kind == 'raw')
        for kind in ('jpeg', 'raw')
    }
    engine = open_engine(model_path())
    size = engine.size_for(SIZE)
    inputs = [cv2.cvtColor(cv2.resize(one, size[::-1]), cv2.COLOR_BGR2RGB)[None] for one in bgr]

    def bare() -> float:
        start_s = time.perf_counter()
        for i in range(options.frames):
            engine.run(inputs[i % VIEWS])
        return options.frames / (time.perf_counter() - start_s)

    ways: dict[str, Callable[[], float]] = {'engine': bare}
    ways |= {kind: partial(_evaluated, bag, folder, WRITTEN) for kind, bag in bags.items()}
    rates = _rounds(ways, options.rounds)
    shares = {
        f'{kind}_share_of_engine': spread(
            [mine / its for mine, its in zip(rates[kind], rates['engine'], strict=True)]
        )
        for kind in bags
    }
    return {f'{name}_frames_per_s': spread(found) for name, found in rates.items()} | shares


def _outputs(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    bag = _write_bag(folder / 'jpeg', _views(SIZE), options.frames, raw=False)
    choices = {'none': (), **{name: (name,) for name in WRITTEN}, 'all': WRITTEN}
    ways = {name: partial(_evaluated, bag, folder, chosen) for name, chosen in choices.items()}
    rates = _rounds(ways, options.rounds)
    return {f'{name}_frames_per_s': spread(found) for name, found in rates.items()}


def _seed(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    count = options.seed_frames
    video = _write_video(folder / 'drive.mp4', _views(SIZE), count)
    net, model = _network(folder / 'model.onnx', SEED_SIZE)
    asked = EvaluationOptions((str(video),), folder / 'out', model, outputs=('bag', 'video'))
    asked = replace(asked, overlay_width=0)
    ways = {
        'seed_001': lambda: count / _as_in_seed_001(video, net, folder / 'coloured.mp4'),
        'evaluate': lambda: _timed(asked, count),
    }
    rates = _rounds(ways, options.rounds)
    ratio = [a / b for a, b in zip(rates['evaluate'], rates['seed_001'], strict=True)]
    return {f'{name}_frames_per_s': spread(found) for name, found in rates.items()} | {
        'ratio': spread(ratio)
    }


def _memory(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Each bag in its own process, because the largest resident set never shrinks."""
    _, model = _network(folder / 'model.onnx', SMALL)
    frame_bytes = 1080 * 1920 * 3
    found = {}
    for share in (0.1, 1.0):
        gigabytes = share * options.gigabytes
        frames = round(gigabytes * 1e9 / frame_bytes)
        bag = _write_bag(folder / 'bag', _views((1080, 1920)), frames, raw=True)
        arguments = [str(path) for path in (bag, folder / f'out{share}', model)]
        answer = subprocess.run(
            [sys.executable, __file__, '--resident', *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        found[f'{gigabytes:g}_gb'] = json.loads(answer.stdout.splitlines()[-1])
        for file in bag.iterdir():
            file.unlink()
        bag.rmdir()
    return found


def _print_resident(bag: Path, out: Path, model: Path) -> None:
    found = evaluate(EvaluationOptions((str(bag),), out, model, outputs=WRITTEN))
    # Not ru_maxrss: that of the process which started this one is part of it.
    status = Path('/proc/self/status').read_text(encoding='utf-8').splitlines()
    (peak_kb,) = (line.split()[1] for line in status if line.startswith('VmHWM:'))
    resident_mb = round(int(peak_kb) / 1024)
    print(json.dumps({'resident_mb': resident_mb, 'frames': found.summary['frames']}))


def _rounds(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Frames per second of each variant in each round, after a warm-up round."""
    for way in ways.values():
        way()
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            rates[name].append(way())
    return rates


def _evaluated(bag: Path, folder: Path, outputs: tuple[str, ...]) -> float:
    with Reader(bag) as reader:
        frames = reader.message_count
    return _timed(EvaluationOptions((str(bag),), folder / 'out', outputs=outputs), frames)


def _timed(asked: EvaluationOptions, frames: int) -> float:
    """Frames per second from the call to the finished summary, in a new folder."""
    with tempfile.TemporaryDirectory(dir=asked.out.parent) as folder:
        start_s = time.perf_counter()
        found = evaluate(replace(asked, out=Path(folder) / 'out'))
        seconds = time.perf_counter() - start_s
    assert found.summary['frames'] == frames, found.summary
    return frames / seconds


def _views(size: tuple[int, int]) -> list[np.ndarray]:
    street = Street(seed=1, size=size)
    return [cv2.cvtColor(street.frame(10 * i).rgb, cv2.COLOR_RGB2BGR) for i in range(VIEWS)]


def _write_bag(path: Path, views: list[np.ndarray], frames: int, raw: bool) -> Path:
    kind, topic = (IMAGE, TOPIC) if raw else (COMPRESSED, f'{TOPIC}/compressed')
    jpegs = [cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])[1] for bgr in views]
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(topic, kind, typestore=typestore())
        for i in range(frames):
            at_ns = 10**18 + round(i * 1e9 / FPS)
            head = header(at_ns, 'camera')
            if raw:
                data = image_message(views[i % VIEWS], head, 'bgr8')
            else:
                data = jpeg_message(jpegs[i % VIEWS], head)
            writer.write(connection, at_ns, data)
    return path


def _write_video(path: Path, views: list[np.ndarray], frames: int) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), FPS, SIZE[::-1])
    for i in range(frames):
        writer.write(views[i % VIEWS])
    writer.release()
    return path


def _network(path: Path, size: tuple[int, int], table: ClassTable = VISTAS_66) -> tuple[Any, Path]:
    """Fast-SCNN with random weights, and its model file for one size."""
    import torch

    from seg_perception.inference.model_file import ModelCard
    from training.export.deploy import Deployed, stride_of
    from training.export.files import finish, to_onnx, to_program, with_card
    from training.export.fold import fold_and_quantise_weights
    from training.models import build_model

    torch.manual_seed(0)
    net = build_model('fast_scnn', len(table)).train()
    with torch.no_grad():
        net(torch.randn(2, 3, 128, 256))  # norms as after training
    net.eval()
    deployed = Deployed(fold_and_quantise_weights(net), 1.0, stride_of(net, size), by_cells=True)
    card = ModelCard('benchmark', table, size, 1, False, 1.0, 'none', {}, 'Apache-2.0', '')
    path.write_bytes(with_card(finish(to_onnx(to_program(deployed, size, dynamic=False))), card))
    return net, path


def _as_in_seed_001(video: Path, net: Any, out: Path) -> float:
    """Seconds for the whole video."""
    import torch
    from PIL import Image
    from torchvision import transforms

    prepare = transforms.Compose(
        [transforms.Resize(SEED_SIZE), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    )
    palette = VISTAS_66.palette[:, ::-1]
    writer = cv2.VideoWriter(str(out), cv2.VideoWriter.fourcc(*'mp4v'), FPS, SEED_SIZE[::-1])
    capture = cv2.VideoCapture(str(video))
    start_s = time.perf_counter()
    while (read := capture.read())[0]:
        image = Image.fromarray(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
        with torch.inference_mode():
            logits = net(prepare(image)[None])
            full = torch.nn.functional.interpolate(logits, SEED_SIZE, mode='bilinear')
            labels = full.argmax(1)[0].numpy()
        coloured = np.zeros((*SEED_SIZE, 3), np.uint8)
        for value in range(len(VISTAS_66)):
            coloured[labels == value] = palette[value]
        writer.write(coloured)
    writer.release()
    return time.perf_counter() - start_s


if __name__ == '__main__':
    main()
