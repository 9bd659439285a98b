# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""From what a network gives to labels and confidence at the size of the image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from onnx import TensorProto

from seg_perception.adapt.graph import Builder
from seg_perception.core.classes import UNLABELED, ClassTable
from seg_perception.core.errors import ClassTableError, ModelFileError

READY_LABELS = 'labels'
_TYPES = ('float32', 'float16', 'uint8', 'int8', 'int32', 'int64')


@dataclass(frozen=True)
class Output:
    """
    One output of a network, understood.

    :param kind: logits, probabilities (of a softmax or sigmoid), or labels.
    :param shape: of the array that it gave on the check image.
    :param class_axis: axis of the classes in an array (N, ., ., .); -1 for labels.
    :param is_full_size: whether it has the height and width of the image.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    class_axis: int
    is_full_size: bool

    def prefixed(self, prefix: str) -> Output:
        return replace(self, name=prefix + self.name)

    def __str__(self) -> str:
        return f'{self.name!r} {self.kind} of shape {self.shape}'


def understand(
    outputs: dict[str, np.ndarray],
    sigmoids: frozenset[str],
    wanted: str,
    table: ClassTable,
    size: tuple[int, int],
) -> Output:
    """
    The output to use: the wanted one, else the first that fits the class table.

    :param outputs: arrays by name, of an image of that (height, width).
    :param sigmoids: names of those that come out of a sigmoid.
    :raises ModelFileError: when there is no such output, or none is logits or labels.
    :raises ClassTableError: when the number of classes is another.
    """
    if wanted and wanted not in outputs:
        raise ModelFileError('output', repr(wanted), f'one of {", ".join(outputs)}')
    names = [wanted] if wanted else list(outputs)
    errors = []
    for name in names:
        try:
            return _understand(name, outputs[name], sigmoids, table, size)
        except (ModelFileError, ClassTableError) as error:
            errors.append(error)
    raise errors[0]


def _understand(
    name: str,
    array: np.ndarray,
    sigmoids: frozenset[str],
    table: ClassTable,
    size: tuple[int, int],
) -> Output:
    if array.dtype.name not in _TYPES or array.ndim not in (2, 3, 4):
        raise ModelFileError(
            f'output {name!r}',
            f'{array.dtype} of shape {array.shape}',
            'float logits with a class axis, or integer labels (N, H, W)',
        )
    if np.issubdtype(array.dtype, np.integer):
        if array.ndim == 4 and 1 not in (array.shape[1], array.shape[3]):
            raise ModelFileError(f'output {name!r}', f'shape {array.shape}', 'labels (N, H, W)')
        sides = sides_of_labels(array.shape)
        return Output(name, READY_LABELS, array.shape, -1, sides == size)
    classes = {1, len(table)} if len(table) == 2 else {len(table)}
    axes = [axis for axis in (1, 3) if array.ndim == 4 and array.shape[axis] in classes]
    if not axes:
        raise ClassTableError(
            f'output {name!r}',
            f'shape {array.shape}',
            f'{len(table)} channels, the classes of {table.name}',
            'Give the class table that the network was trained with.',
        )
    axis = axes[0]
    sides = array.shape[1:3] if axis == 3 else array.shape[2:]
    is_sigmoid = array.shape[axis] == 1 and name in sigmoids
    kind = 'probabilities' if is_sigmoid or _are_shares(array, axis) else 'logits'
    return Output(name, kind, array.shape, axis, sides == size)


def sides_of_labels(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(h, w) of labels (h, w), (N, h, w), (N, 1, h, w) or (N, h, w, 1)."""
    return shape[1:3] if len(shape) == 4 and shape[1] != 1 else shape[-2:]


def _are_shares(array: np.ndarray, axis: int) -> bool:
    """Whether the values of each pixel are what a softmax gives."""
    return bool(array.min() >= 0 and np.allclose(array.sum(axis=axis), 1.0, atol=1e-2))


def add_head(
    graph: Builder, output: Output, table: ClassTable, temperature: float, label_confidence: float
) -> None:
    """Append the nodes that turn the output into ``labels`` and ``confidence``."""
    size = '' if output.is_full_size else graph.sides('image', first=1)
    if output.kind == READY_LABELS:
        _ready_labels(graph, output, size, len(table), label_confidence)
        return
    scores = graph.cast(output.name, TensorProto.FLOAT)
    if output.class_axis == 3:
        scores = graph.add('Transpose', scores, perm=[0, 3, 1, 2])
    if output.kind == 'logits':
        scores = graph.add('Div', scores, np.float32(temperature))
    is_binary = output.shape[output.class_axis] == 1
    (_binary if is_binary else _multi_class)(graph, scores, output.kind, size)


def _multi_class(graph: Builder, scores: str, kind: str, size: str) -> None:
    """The largest share is taken where the scores are, and then resized: one channel, not C."""
    largest = graph.reduce('ReduceMax', scores, axis=1)
    if kind == 'logits':
        shares = graph.add('Exp', graph.add('Sub', scores, largest))
        largest = graph.add('Reciprocal', graph.reduce('ReduceSum', shares, axis=1))
    index = graph.add('ArgMax', graph.resize(scores, size, 'linear'), axis=1, keepdims=0)
    graph.cast(index, TensorProto.UINT8, out='labels')
    _confidence(graph, graph.resize(largest, size, 'linear'))


def _binary(graph: Builder, scores: str, kind: str, size: str) -> None:
    """One channel: the share of class 1 against class 0."""
    share = graph.resize(scores, size, 'linear')
    if kind == 'logits':
        share = graph.add('Sigmoid', share)
    is_one = graph.add('Greater', graph.squeeze(share, 1), 0.5)
    graph.cast(is_one, TensorProto.UINT8, out='labels')
    _confidence(graph, graph.add('Max', share, graph.add('Sub', 1.0, share)))


def _confidence(graph: Builder, share: str) -> None:
    """(N, 1, H, W) of 0..1 to uint8."""
    scaled = graph.add('Mul', graph.squeeze(share, 1), 255.0)
    clipped = graph.add('Clip', graph.add('Add', scaled, 0.5), 0.0, 255.0)
    graph.cast(clipped, TensorProto.UINT8, out='confidence')


def _ready_labels(
    graph: Builder, output: Output, size: str, num_classes: int, confidence: float
) -> None:
    """
    Class ids as they come, those without a class as 255.

    Such a network says nothing of its confidence: it is one value for all, 0 where no class is.
    """
    ids = _with_channel(graph, graph.cast(output.name, TensorProto.INT32), output.shape)
    ids = graph.squeeze(graph.resize(ids, size, 'nearest'), 1)
    is_known = graph.add('Less', ids, np.int32(num_classes))
    is_class = graph.add('And', is_known, graph.add('Greater', ids, np.int32(-1)))
    labels = graph.add('Where', is_class, ids, np.int32(UNLABELED))
    graph.cast(labels, TensorProto.UINT8, out='labels')
    level = np.uint8(round(255 * confidence))
    graph.add('Where', is_class, level, np.uint8(0), out='confidence')


def _with_channel(graph: Builder, ids: str, shape: tuple[int, ...]) -> str:
    """(h, w), (N, h, w), (N, 1, h, w) or (N, h, w, 1) as (N, 1, h, w)."""
    if len(shape) == 4:
        return ids if shape[1] == 1 else graph.add('Transpose', ids, perm=[0, 3, 1, 2])
    return graph.add('Unsqueeze', ids, [0, 1] if len(shape) == 2 else [1])
