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
_END = 2**31  # beyond the last column


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
    shown = graph.add('Unsqueeze', objects.scores, [2])  # (K, 1, 1)
    values = graph.add('Where', masks, shown, 0.0)
    best = graph.reduce('ReduceMax', values, axis=0)  # (1, H, W)
    who = graph.add('ArgMax', values, axis=0, keepdims=1)
    classes = graph.add('Gather', objects.classes, who, axis=0)
    labels = graph.add('Where', graph.add('Greater', best, 0.0), classes, UNLABELED)
    graph.cast(labels, TensorProto.UINT8, out='labels')
    scaled = graph.add('Mul', best, 255.0)
    graph.cast(graph.add('Round', scaled), TensorProto.UINT8, out='confidence')


def _left_over(graph: Builder, rows: str) -> _Objects:
    """Objects of the second layout (A, 6 + nm), the best of those above the least score."""
    is_sure = graph.add('Greater', graph.squeeze(graph.columns(rows, 4, 5), 1), SCORE)
    sure = graph.add('Compress', rows, is_sure, axis=0)
    sure = graph.add('Slice', sure, [0], [MOST_OBJECTS], [0])
    boxes, scores = graph.columns(sure, 0, 4), graph.columns(sure, 4, 5)
    classes = graph.cast(graph.squeeze(graph.columns(sure, 5, 6), 1), TensorProto.INT64)
    return _Objects(boxes, scores, classes, graph.columns(sure, 6, _END))


def _without_overlaps(graph: Builder, columns: str, num_classes: int) -> _Objects:
    """Objects of the first layout (4 + nc + nm, A), by non-maximum suppression in each class."""
    rows = graph.add('Transpose', columns, perm=[1, 0])
    boxes, scores = graph.columns(rows, 0, 4), graph.columns(rows, 4, 4 + num_classes)
    best = graph.reduce('ReduceMax', scores, axis=1)
    is_best = graph.add('GreaterOrEqual', scores, best)  # one class per box
    scores = graph.add('Where', is_best, scores, 0.0)
    by_class = graph.add('Transpose', scores, perm=[1, 0])  # (nc, A)
    batch = graph.add('Unsqueeze', boxes, [0]), graph.add('Unsqueeze', by_class, [0])
    limits = [MOST_OBJECTS], [OVERLAP], [SCORE]
    # (K, 3) int64: image, class, box
    chosen = graph.add('NonMaxSuppression', *batch, *limits, center_point_box=1)
    classes, index = (graph.squeeze(graph.columns(chosen, i, i + 1), 1) for i in (1, 2))
    order = _best_first(graph, graph.add('Gather', best, index, axis=0))
    index, classes = (graph.add('Gather', part, order, axis=0) for part in (index, classes))
    parts = boxes, best, graph.columns(rows, 4 + num_classes, _END)
    boxes, scores, rest = (graph.add('Gather', part, index, axis=0) for part in parts)
    return _Objects(_corners(graph, boxes), scores, classes, rest)


def _best_first(graph: Builder, scores: str) -> str:
    """Indices of the highest scores (K, 1), so many as are kept; ``Min`` for fewer."""
    flat = graph.squeeze(scores, 1)
    count = graph.add('Min', graph.add('Shape', flat), [MOST_OBJECTS])
    return graph.add('TopK', flat, count, before=[f'{flat}_values'])


def _corners(graph: Builder, boxes: str) -> str:
    """Centre and size (K, 4) to left, top, right, bottom."""
    centre = graph.columns(boxes, 0, 2)
    half = graph.add('Mul', graph.columns(boxes, 2, 4), 0.5)
    corners = graph.add('Sub', centre, half), graph.add('Add', centre, half)
    return graph.add('Concat', *corners, axis=1)


def _with_nobody(graph: Builder, objects: _Objects, coefficients: int) -> _Objects:
    """One object more that is nowhere: an image may show none, and nothing is largest of none."""
    values = (objects.boxes, objects.scores, objects.classes, objects.coefficients)
    none = ([[0.0] * 4], [[0.0]], [0], [[0.0] * coefficients])
    pairs = zip(values, none, strict=True)
    return _Objects(*(graph.add('Concat', value, row, axis=0) for value, row in pairs))


def _masks(graph: Builder, objects: _Objects, prototypes: str, size: str) -> str:
    """Where each object is, (K, H, W) bool: its share of the prototypes, inside of its box."""
    maps = graph.squeeze(graph.cast(prototypes, TensorProto.FLOAT), 0)  # (nm, h, w)
    flat = graph.add('Reshape', maps, [0, -1])
    logits = graph.add('MatMul', objects.coefficients, flat)  # (K, h * w)
    shape = graph.add('Concat', [1, -1], graph.sides(maps, first=1), axis=0)
    large = graph.resize(graph.add('Reshape', logits, shape), size, 'linear')  # (1, K, H, W)
    is_part = graph.add('Greater', graph.squeeze(large, 0), 0.0)
    columns = graph.add('Unsqueeze', _between(graph, objects.boxes, 0, size, 1), [1])  # (K, 1, W)
    rows = graph.add('Unsqueeze', _between(graph, objects.boxes, 1, size, 0), [2])  # (K, H, 1)
    return graph.add('And', is_part, graph.add('And', columns, rows))


def _between(graph: Builder, boxes: str, first: int, size: str, side: int) -> str:
    """Which pixel centres lie between two edges of each box, (K, pixels) bool."""
    length = graph.add('Gather', size, side, axis=0)
    pixels = graph.cast(graph.add('Range', 0, length, 1), TensorProto.FLOAT)
    centres = graph.add('Add', pixels, 0.5)
    begins, ends = (graph.columns(boxes, edge, edge + 1) for edge in (first, first + 2))
    is_after, is_before = graph.add('Greater', centres, begins), graph.add('Less', centres, ends)
    return graph.add('And', is_after, is_before)
