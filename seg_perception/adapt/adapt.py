# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Wrap a segmentation network from elsewhere into the model file contract.

    network (N, 3, H, W) floats -> logits        what any exporter writes
    image (N, H, W, 3) uint8 -> [normalise] -> network -> [resize, argmax, softmax] -> labels, ...

Only nodes are added around the graph; its own are untouched, unless its opset is older than 13.
No torch is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, compose, helper

from seg_perception.adapt.graph import FLOATS, Builder, opset_of, outputs_of, prune
from seg_perception.adapt.heads import READY_LABELS, Output, add_head, sides_of_labels, understand
from seg_perception.adapt.network import Network, load_network, refused_as
from seg_perception.adapt.yolo import YoloOutputs, add_yolo_head, find_yolo
from seg_perception.core.classes import UNLABELED, ClassTable
from seg_perception.core.errors import ModelFileError, ParameterError, SourceError
from seg_perception.core.masks import overlay, resize_nearest
from seg_perception.inference.engine import Segmentation
from seg_perception.inference.model_file import INPUT_NAME, METADATA_KEY, OUTPUT_NAMES, ModelCard
from seg_perception.inference.onnx_engine import OnnxEngine
from seg_perception.io.atomic import clear_abandoned, whole
from seg_perception.options import NetworkOptions
from seg_perception.synthetic.street import Street

_OURS = 'network/'  # goes before every name of the network, so that none is one of ours
_MARGIN = 1e-3  # of the spread of the scores; closer ones may swap places


@dataclass(frozen=True)
class AdaptOptions(NetworkOptions):
    """What the file of a network does not say, with its classes in the order of its outputs."""

    classes: ClassTable

    def scale_and_shift(self) -> tuple[np.ndarray, np.ndarray]:
        """Factor and summand of each channel on 0..255, (3,) float32 each."""
        full = 255.0 / self._range()
        mean, std = np.array(self.mean) * full, np.array(self.std) * full
        return (1 / std).astype(np.float32), (-mean / std).astype(np.float32)

    def _range(self) -> int:
        if self.value_range:
            return self.value_range
        values = (*self.mean, *self.std)
        if values == (0, 0, 0, 1, 1, 1):
            fix = 'Give --range 1 if it was fed 0..1, or --range 255.'
            raise ParameterError('mean 0 and std 1', 'no range', 'range 1 or 255', fix)
        return 255 if max(values) > 2 else 1


@dataclass(frozen=True)
class Adapted:
    """What was found and made: lines for people, and the answer on the check image."""

    lines: list[str]
    overlay_rgb: np.ndarray


def check_image(path: Path | None) -> np.ndarray:
    """
    The image in a file, or a rendered street, (H, W, 3) uint8 RGB.

    :raises SourceError: when the file is no image.
    """
    if path is None:
        return Street(seed=1).frame(0).rgb
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        seen = 'data that is no image' if path.is_file() else 'no file'
        raise SourceError(f'image {path}', seen, 'a JPEG or PNG image')
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def write_overlay(out: Path, overlay_rgb: np.ndarray) -> Path:
    """Write the overlay next to a model file; return its path."""
    path = out.with_name(f'{out.stem}_check.jpg')
    cv2.imwrite(str(path), cv2.cvtColor(overlay_rgb, cv2.COLOR_RGB2BGR))
    return path


def adapt(source: Path, out: Path, options: AdaptOptions, rgb: np.ndarray) -> Adapted:
    """
    Write a model file around the network in ``source``, checked on an image.

    :param rgb: the check image, (H, W, 3) uint8: any street image.
    :raises ModelFileError: when the network or its answer is not of a kind that is known, or the
        wrapped file does not give what the network gives; nothing is written then.
    :raises ClassTableError: when the classes do not fit.
    """
    network = load_network(source)
    size = network.size or options.size
    working = cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_LINEAR)
    outputs = _run(network, options, working)
    yolo = None if options.output else find_yolo(outputs, len(options.classes))
    sigmoids = outputs_of(network.model, 'Sigmoid')
    output = yolo or understand(outputs, sigmoids, options.output, options.classes, size)
    lines = _story(network, options, output, size)
    clear_abandoned(out.absolute().parent)
    with whole(out) as unfinished:  # named when the node's engine gives the same answer
        onnx.save(_wrapped(network, options, output), str(unfinished))
        answer = OnnxEngine(unfinished, 'cpu').run(working[None])
        if isinstance(output, Output):
            array = outputs[output.name]
            lines.append(_compare(array, output, len(options.classes), answer))
    lines.append(_shares(answer.labels[0], options.classes))
    return Adapted(lines, overlay(working, answer.labels[0], options.classes))


def _run(network: Network, options: AdaptOptions, rgb: np.ndarray) -> dict[str, np.ndarray]:
    """The network's own answer, fed by NumPy."""
    pixels = rgb[..., ::-1] if options.color == 'bgr' else rgb
    if network.input_type in FLOATS:
        scale, shift = options.scale_and_shift()
        pixels = (pixels * scale + shift).astype(FLOATS[network.input_type])
    images = pixels.transpose(2, 0, 1) if network.is_nchw else pixels
    thing = f'model {network.path} on {rgb.shape[0]} x {rgb.shape[1]}'
    with refused_as(thing, 'an answer', 'Give a size that it takes with --size and --multiple.'):
        return network.run(np.ascontiguousarray(images[None]))


def _wrapped(
    network: Network, options: AdaptOptions, output: Output | YoloOutputs
) -> onnx.ModelProto:
    """The whole graph, with its card."""
    model = compose.add_prefix(network.model, _OURS)
    added = Builder(opset_of(model))
    _add_normalise(added, network, options)
    before = len(added.nodes)
    output = output.prefixed(_OURS)
    if isinstance(output, YoloOutputs):
        add_yolo_head(added, output, len(options.classes))
    else:
        add_head(added, output, options.classes, options.temperature, options.label_confidence)
    graph = model.graph
    nodes = [*added.nodes[:before], *graph.node, *added.nodes[before:]]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.initializer.extend(added.constants)
    batch = 1 if network.is_one_by_one or isinstance(output, YoloOutputs) else 'N'
    sides = network.size or ('H', 'W')
    value = helper.make_tensor_value_info
    graph.input.append(value(INPUT_NAME, TensorProto.UINT8, [batch, *sides, 3]))
    graph.output.extend(value(name, TensorProto.UINT8, [batch, *sides]) for name in OUTPUT_NAMES)
    prune(graph)
    del model.metadata_props[:]
    helper.set_model_props(model, {METADATA_KEY: _card(network, options).to_json()})
    return model


def _add_normalise(graph: Builder, network: Network, options: AdaptOptions) -> None:
    """uint8 (N, H, W, 3) to what the network takes, under the name of its input."""
    wanted = _OURS + network.input_name
    value, axis = INPUT_NAME, 3
    if network.is_nchw:  # first of all, while a pixel is one byte
        value, axis = graph.add('Transpose', value, perm=[0, 3, 1, 2]), 1
    if options.color == 'bgr':
        value = graph.add('Gather', value, [2, 1, 0], axis=axis)
    if network.input_type == TensorProto.UINT8:
        graph.add('Identity', value, out=wanted)
        return
    shape = (3, 1, 1) if network.is_nchw else (3,)
    scale, shift = (part.reshape(shape) for part in options.scale_and_shift())
    scaled = graph.add('Mul', graph.cast(value, TensorProto.FLOAT), scale)
    graph.cast(graph.add('Add', scaled, shift), network.input_type, out=wanted)


def _card(network: Network, options: AdaptOptions) -> ModelCard:
    is_free = network.size is None
    return ModelCard(
        name=options.name or network.path.stem,
        classes=options.classes,
        input_size=network.size or options.size,
        size_multiple=options.size_multiple if is_free else 1,
        dynamic=is_free,
        temperature=options.temperature,
        data=options.data,
        scores={},
        licence=options.licence,
        commit='',
    )


def _compare(array: np.ndarray, output: Output, num_classes: int, answer: Segmentation) -> str:
    """
    Labels against those that NumPy and OpenCV make of the network's own output.

    :raises ModelFileError: when they differ where no two classes nearly tie.
    """
    expected, is_clear = _expected(array, output, num_classes, answer.labels.shape[1:])
    wrong = int(((answer.labels[0] != expected) & is_clear).sum())
    if wrong:
        raise ModelFileError('wrapped model', f'{wrong} other labels', 'those of the network')
    ties = int((answer.labels[0] != expected).sum())
    return f'check        {expected.size} labels as the network has them, {ties} at ties'


def _expected(
    array: np.ndarray, output: Output, num_classes: int, size: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (H, W) uint8, and where they are clear."""
    width_height = size[1], size[0]
    if output.kind == READY_LABELS:
        ids = array.reshape(sides_of_labels(output.shape)).astype(np.int64)
        known = np.where((ids >= 0) & (ids < num_classes), ids, UNLABELED).astype(np.uint8)
        return resize_nearest(known, (size[0], size[1])), np.ones(size, bool)
    scores = np.moveaxis(array.astype(np.float32), output.class_axis, -1)[0]  # (h, w, C)
    planes = [
        cv2.resize(scores[..., i], width_height, interpolation=cv2.INTER_LINEAR)
        for i in range(scores.shape[-1])
    ]
    scores = np.stack(planes)
    spread = max(float(np.ptp(scores)), 1e-6)
    if len(scores) == 1:
        middle = 0.5 if output.kind == 'probabilities' else 0.0
        is_clear = np.abs(scores[0] - middle) > _MARGIN * spread
        return (scores[0] > middle).astype(np.uint8), is_clear
    top = np.partition(scores, -2, axis=0)[-2:]
    return scores.argmax(0).astype(np.uint8), (top[1] - top[0]) > _MARGIN * spread


def _story(
    network: Network, options: AdaptOptions, output: Output | YoloOutputs, size: tuple[int, int]
) -> list[str]:
    """What was found, so that a wrong guess is seen."""
    layout = '(N, 3, H, W)' if network.is_nchw else '(N, H, W, 3)'
    free = 'fixed' if network.size else f'free, multiples of {options.size_multiple}'
    kind = TensorProto.DataType.Name(network.input_type).lower()
    lines = [
        f'input        {network.input_name!r} {kind} {layout}, {options.color}, '
        f'{size[0]} x {size[1]} ({free})',
        f'output       {output}',
        f'classes      {options.classes.name}, {len(options.classes)}',
    ]
    if network.input_type in FLOATS:
        scale, shift = options.scale_and_shift()
        numbers = ', '.join(f'{a:.5f} x {b:+.3f}' for a, b in zip(scale, shift, strict=True))
        lines.insert(1, f'normalise    {numbers} on 0..255')
    return lines


def _shares(labels: np.ndarray, table: ClassTable) -> str:
    counts = np.bincount(labels.ravel(), minlength=256) / labels.size
    names = [*table.names, *['unlabeled'] * (256 - len(table))]
    order = np.argsort(-counts)[:6]
    found = ', '.join(f'{names[i]} {counts[i]:.0%}' for i in order if counts[i] >= 0.005)
    return f'it sees      {found}'
