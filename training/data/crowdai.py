# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Udacity's CrowdAI set: boxes round cars, trucks and pedestrians, painted as masks.

The header of ``labels.csv`` says xmin,xmax,ymin,ymax; the columns are xmin,ymin,xmax,ymax.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from seg_perception.core.classes import CROWDAI_4, UNLABELED
from training.config import SourceConfig
from training.data.files import LabelledFiles, Pair, find_folder, some
from training.errors import DamagedFileError, DatasetError, check_known

Box = tuple[int, int, int, int, int]
"""Left, top, right and bottom pixel (the last two outside), and the class id."""

LAYOUT = 'labels.csv and *.jpg'
HEADERS = (['xmin', 'xmax', 'ymin', 'ymax'], ['xmin', 'ymin', 'xmax', 'ymax'])  # or corrected
ROW = 'xmin, ymin, xmax, ymax, file name, and car, truck or pedestrian'
CLASS_IDS = {row.name: row.id for row in CROWDAI_4.classes[1:]}
VAL_SHARE = 0.1  # the last part of the drive; adjacent frames are nearly the same
MOST_TURNED = 0.01  # of the boxes; more, and the columns are in another order


def open_crowdai(source: SourceConfig) -> LabelledFiles:
    """
    Frames that have boxes: splits train, val (the last tenth of the drive) and all.

    Boxes smaller than ``min_area_px`` are ignored: what shrinks to a few pixels before it reaches
    the network is neither to be found nor to be called background.
    """
    root = find_folder(Path(source.root), '.', LAYOUT)
    boxes = _read_boxes(root / 'labels.csv')
    names = sorted(boxes)
    if missing := [name for name in names if not (root / f'{name}.jpg').is_file()]:
        seen = f'{len(missing):,} of {len(names):,}: {some(missing)}'
        raise DatasetError(f'images of {root / "labels.csv"}', f'no file for {seen}', LAYOUT)
    first_val = round(len(names) * (1 - VAL_SHARE))
    splits = {'train': names[:first_val], 'val': names[first_val:], 'all': names}
    check_known(f'split of {root}', source.split, splits, DatasetError)
    paths = [root / f'{name}.jpg' for name in splits[source.split]]
    pairs = [Pair(path.stem, path, path) for path in paths]
    return LabelledFiles(CROWDAI_4, pairs, BoxLabels(boxes, source.min_area_px))


class BoxLabels:
    """Paints the boxes of an image."""

    def __init__(self, boxes: Mapping[str, list[Box]], min_area_px: int) -> None:
        self._boxes, self._min_area_px = boxes, min_area_px

    def __call__(self, image: Path) -> np.ndarray:
        """
        Class ids (H, W) uint8; what stands lower in the image is nearer, and on top.

        :raises DamagedFileError: when the size of the image cannot be read.
        """
        labels = np.zeros(_size(image), np.uint8)
        for left, top, right, bottom, class_id in sorted(
            self._boxes[image.stem], key=lambda box: box[3]
        ):
            area_px = (right - left) * (bottom - top)
            painted = class_id if area_px >= self._min_area_px else UNLABELED
            labels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = painted
        return labels


def _size(image: Path) -> tuple[int, int]:
    """Height and width, from the header alone."""
    try:
        with Image.open(image) as opened:
            return opened.height, opened.width
    except OSError as error:
        raise DamagedFileError(f'image {image}', str(error), 'a whole JPEG') from error


def _read_boxes(path: Path) -> dict[str, list[Box]]:
    """Boxes of each frame, by its name without the suffix."""
    if not path.is_file():
        raise DatasetError(f'file {path}', 'no file', LAYOUT)
    with path.open(newline='') as file:
        header, *rows = [*csv.reader(file)] or [[]]
    if header[:4] not in HEADERS:
        raise DatasetError(f'header of {path}', ','.join(header), ','.join(HEADERS[0]))
    boxes: dict[str, list[Box]] = {}
    for number, row in enumerate(rows, start=2):
        name, box = _parse(row, f'{path}:{number}')
        boxes.setdefault(name, []).append(box)
    _check_order(path, [box for found in boxes.values() for box in found])
    return boxes


def _parse(row: list[str], place: str) -> tuple[str, Box]:
    try:
        left, top, right, bottom = (round(float(word)) for word in row[:4])
        return Path(row[4]).stem, (left, top, right, bottom, CLASS_IDS[row[5].lower()])
    except (ValueError, IndexError, KeyError) as error:
        raise DatasetError(place, repr(','.join(row)), ROW) from error


def _check_order(path: Path, boxes: list[Box]) -> None:
    if not boxes:
        raise DatasetError(f'file {path}', 'no boxes', ROW)
    turned = sum(left > right or top > bottom for left, top, right, bottom, _ in boxes)
    if turned > MOST_TURNED * len(boxes):
        seen = f'{turned:,} of {len(boxes):,} boxes end before they start'
        raise DatasetError(f'file {path}', seen, f'columns {ROW}')
