# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
YOLO segmentation: boxes with mask coefficients over shared prototypes, painted as labels.

Bolya et al. 2019 (YOLACT, arXiv 1904.02689) is where prototypes come from. Two layouts of the
detections are known, A boxes of nc classes with nm coefficients:

    (1, 4 + nc + nm, A)  centre x, y, width, height, a score a class; overlaps are still in
    (1, A, 6 + nm)       left, top, right, bottom, score, class; what is left of overlaps

Where objects overlap, the one with the higher score wins; pixels without any are 255.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from onnx import TensorProto

from seg_perception.adapt.graph import Builder
from seg_perception.core.classes import UNLABELED
from seg_perception.core.errors import ClassTableError

SCORE = 0.25  # least score of an object
OVERLAP = 0.7  # two boxes of one class that overlap more are one object
MOST_OBJECTS = 50  # of an image, and so of each class


@dataclass(frozen=True)
class YoloOutputs:
    """Names of the two outputs, and how the detections lie."""

    detections: str
    prototypes: str
    coefficients: int  # nm
    has_boxes_left: bool  # the second layout

    def prefixed(self, prefix: str) -> YoloOutputs:
        return replace(
            self, detections=prefix + self.detections, prototypes=prefix + self.prototypes
        )

    def __str__(self) -> str:
        return f'{self.detections!r} boxes and {self.prototypes!r} prototypes (YOLO segmentation)'


@dataclass(frozen=True)
class _Objects:
    """Names of the tensors of K objects."""

    boxes: str  # (K, 4) left, top, right, bottom in pixels of the image
    scores: str  # (K, 1)
    classes: str  # (K,) int64
    coefficients: str  # (K, nm)


def find_yolo(outputs: dict[str, np.ndarray], num_classes: int) -> YoloOutputs | None:
    """
    The outputs of a YOLO segmentation network, or None when they are of another kind.

    :raises ClassTableError: when they are, but with another number of classes.
    """
    flat = [name for name, array in outputs.items() if array.ndim == 3]
    maps = [name for name, array in outputs.items() if array.ndim == 4]
    if len(flat) != 1 or not maps:
        return None
    rows, columns = outputs[flat[0]].shape[1:]
    prototypes = min(maps, key=lambda name: outputs[name].shape[1])
    count = outputs[prototypes].shape[1]
    if columns == 6 + count:
        return YoloOutputs(flat[0], prototypes, count, True)
    if rows == 4 + num_classes + count:
        return YoloOutputs(flat[0], prototypes, count, False)
    if count == 32 and 4 + count < rows < columns:
        raise ClassTableError(
            f'output {flat[0]!r}',
            f'boxes with {rows - 4 - count} classes',
            f'{num_classes} of the class table',
            'Give the class table that the network was trained with.',
        )
    return None


def add_yolo_head(graph: Builder, outputs: YoloOutputs, num_classes: int) -> None:
    """Append the nodes that paint the objects into ``labels`` and ``confidence``."""
    rows = graph.squeeze(graph.cast(outputs.detections, TensorProto.FLOAT), 0)
    if outputs.has_boxes_left:
        objects = _left_over(graph, rows)
    else:
        objects = _without_overlaps(graph, rows, num_classes)
    objects = _with_nobody(graph, objects, outputs.coefficients)
    size = graph.sides('image', first=1)
    masks = _masks(graph, objects, outputs.prototypes, size)  # (K, H, W) bool
    shown = graph.add('Unsqueeze', objects.scores, graph.numbers(2))  # (K, 1, 1)
    values = graph.add('Where', masks, shown, graph.constant(0.0))
    best = graph.reduce('ReduceMax', values, axis=0)  # (1, H, W)
    who = graph.add('ArgMax', values, axis=0, keepdims=1)
    classes = graph.add('Gather', objects.classes, who, axis=0)
    is_object = graph.add('Greater', best, graph.constant(0.0))
    labels = graph.add('Where', is_object, classes, graph.constant(UNLABELED, np.int64))
    graph.cast(labels, TensorProto.UINT8, out='labels')
    scaled = graph.add('Mul', best, graph.constant(255.0))
    graph.cast(graph.add('Round', scaled), TensorProto.UINT8, out='confidence')


def _left_over(graph: Builder, rows: str) -> _Objects:
    """Objects of the second layout (A, 6 + nm), the best of those above the least score."""
    score = graph.squeeze(_columns(graph, rows, 4, 5), 1)
    is_sure = graph.add('Greater', score, graph.constant(SCORE))
    sure = graph.add('Compress', rows, is_sure, axis=0)
    sure = graph.add(
        'Slice', sure, graph.numbers(0), graph.numbers(MOST_OBJECTS), graph.numbers(0)
    )
    classes = graph.cast(graph.squeeze(_columns(graph, sure, 5, 6), 1), TensorProto.INT64)
    return _Objects(
        _columns(graph, sure, 0, 4),
        _columns(graph, sure, 4, 5),
        classes,
        _columns(graph, sure, 6, 2**31),
    )


def _without_overlaps(graph: Builder, columns: str, num_classes: int) -> _Objects:
    """Objects of the first layout (4 + nc + nm, A), by non-maximum suppression in each class."""
    rows = graph.add('Transpose', columns, perm=[1, 0])
    boxes, scores = _columns(graph, rows, 0, 4), _columns(graph, rows, 4, 4 + num_classes)
    best = graph.reduce('ReduceMax', scores, axis=1)
    is_best = graph.add('GreaterOrEqual', scores, best)  # one class a box
    scores = graph.add('Where', is_best, scores, graph.constant(0.0))
    by_class = graph.add('Transpose', scores, perm=[1, 0])  # (nc, A)
    chosen = graph.add(
        'NonMaxSuppression',
        graph.add('Unsqueeze', boxes, graph.numbers(0)),
        graph.add('Unsqueeze', by_class, graph.numbers(0)),
        graph.numbers(MOST_OBJECTS),
        graph.constant([OVERLAP]),
        graph.constant([SCORE]),
        center_point_box=1,
    )  # (K, 3) int64: image, class, box
    classes = graph.squeeze(_columns(graph, chosen, 1, 2), 1)
    index = graph.squeeze(_columns(graph, chosen, 2, 3), 1)
    scores = graph.add('Gather', best, index, axis=0)
    order = _best_first(graph, scores)
    index, classes = (graph.add('Gather', part, order, axis=0) for part in (index, classes))
    return _Objects(
        _corners(graph, graph.add('Gather', boxes, index, axis=0)),
        graph.add('Gather', best, index, axis=0),
        classes,
        graph.add('Gather', _columns(graph, rows, 4 + num_classes, 2**31), index, axis=0),
    )


def _best_first(graph: Builder, scores: str) -> str:
    """Indices of the highest scores (K, 1), so many as are kept; ``Min`` for fewer."""
    flat = graph.squeeze(scores, 1)
    count = graph.add('Min', graph.add('Shape', flat), graph.numbers(MOST_OBJECTS))
    values = f'{flat}_values'
    return graph.add_second('TopK', values, flat, count)


def _corners(graph: Builder, boxes: str) -> str:
    """Centre and size (K, 4) to left, top, right, bottom."""
    centre = _columns(graph, boxes, 0, 2)
    half = graph.add('Mul', _columns(graph, boxes, 2, 4), graph.constant(0.5))
    corners = graph.add('Sub', centre, half), graph.add('Add', centre, half)
    return graph.add('Concat', *corners, axis=1)


def _with_nobody(graph: Builder, objects: _Objects, coefficients: int) -> _Objects:
    """One object more that is nowhere: an image may show none, and nothing is largest of none."""

    def append(value: str, row: np.ndarray) -> str:
        return graph.add('Concat', value, graph.constant(row, row.dtype), axis=0)

    return _Objects(
        append(objects.boxes, np.zeros((1, 4), np.float32)),
        append(objects.scores, np.zeros((1, 1), np.float32)),
        append(objects.classes, np.array([0], np.int64)),
        append(objects.coefficients, np.zeros((1, coefficients), np.float32)),
    )


def _masks(graph: Builder, objects: _Objects, prototypes: str, size: str) -> str:
    """Where each object is, (K, H, W) bool: its share of the prototypes, inside of its box."""
    maps = graph.squeeze(graph.cast(prototypes, TensorProto.FLOAT), 0)  # (nm, h, w)
    flat = graph.add('Reshape', maps, graph.numbers(0, -1))
    logits = graph.add('MatMul', objects.coefficients, flat)  # (K, h * w)
    sides = graph.add('Slice', graph.add('Shape', maps), graph.numbers(1), graph.numbers(3))
    shape = graph.add('Concat', graph.numbers(1, -1), sides, axis=0)
    large = graph.resize(graph.add('Reshape', logits, shape), size, 'linear')  # (1, K, H, W)
    is_part = graph.add('Greater', graph.squeeze(large, 0), graph.constant(0.0))
    inside_x = _between(graph, objects.boxes, 0, size, 1)  # (K, W)
    inside_y = _between(graph, objects.boxes, 1, size, 0)  # (K, H)
    inside = graph.add(
        'And',
        graph.add('Unsqueeze', inside_x, graph.numbers(1)),
        graph.add('Unsqueeze', inside_y, graph.numbers(2)),
    )
    return graph.add('And', is_part, inside)


def _between(graph: Builder, boxes: str, first: int, size: str, side: int) -> str:
    """Which pixel centres lie between two edges of each box, (K, pixels) bool."""
    length = graph.add('Gather', size, graph.constant(side, np.int64), axis=0)
    zero, one = graph.constant(0, np.int64), graph.constant(1, np.int64)
    pixels = graph.cast(graph.add('Range', zero, length, one), TensorProto.FLOAT)
    centres = graph.add('Add', pixels, graph.constant(0.5))
    begins, ends = (_columns(graph, boxes, edge, edge + 1) for edge in (first, first + 2))
    return graph.add(
        'And', graph.add('Greater', centres, begins), graph.add('Less', centres, ends)
    )


def _columns(graph: Builder, rows: str, first: int, end: int) -> str:
    return graph.add('Slice', rows, graph.numbers(first), graph.numbers(end), graph.numbers(1))
