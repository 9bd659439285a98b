# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Predictions as the benchmark servers of Cityscapes and BDD100K take them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from seg_perception.core.classes import BDD100K_DRIVABLE_3, CITYSCAPES_19, ClassTable
from seg_perception.core.errors import ClassTableError, ParameterError
from seg_perception.io.atomic import write_image
from training.data.cityscapes import SCORED_IDS
from training.data.sample import Sample
from training.errors import DatasetError, check_known
from training.evaluate.scores import Seen

# What the Cityscapes server finds: <city>_<sequence>_<frame>*.png in any folder.
CITYSCAPES_NAME = re.compile(r'[a-zA-Z-]+_\d{6}_\d{6}')
UNLABELED_ID = 0  # ignored in the truth, a miss in a prediction


def cityscapes_writer(folder: Path, classes: ClassTable) -> Seen:
    """
    Writes label ids, not train ids, to ``<city>_<sequence>_<frame>_pred.png``.

    :raises ClassTableError: when the classes are not the nineteen of Cityscapes.
    """
    _check_classes('cityscapes', classes, CITYSCAPES_19)
    label_ids = np.full(256, UNLABELED_ID, np.uint8)
    label_ids[: len(SCORED_IDS)] = SCORED_IDS

    def write(sample: Sample, labels: np.ndarray) -> None:
        name = PurePosixPath(sample.name).name
        found = CITYSCAPES_NAME.match(name)
        if not found:
            expected = '<city>_<6 digits>_<6 digits>'
            raise DatasetError('frame for the Cityscapes server', repr(name), expected)
        write_image(folder / f'{found[0]}_pred.png', cv2.LUT(labels, label_ids))

    return write


def bdd100k_writer(folder: Path, classes: ClassTable) -> Seen:
    """
    Writes train ids to ``<image>.png``.

    :raises ClassTableError: when the classes are not those of a BDD100K task.
    """
    _check_classes('bdd100k', classes, CITYSCAPES_19, BDD100K_DRIVABLE_3)

    def write(sample: Sample, labels: np.ndarray) -> None:
        write_image(folder / f'{PurePosixPath(sample.name).name}.png', labels)

    return write


WRITERS: dict[str, Callable[[Path, ClassTable], Seen]] = {
    'cityscapes': cityscapes_writer,
    'bdd100k': bdd100k_writer,
}


def open_writer(server: str, folder: Path, classes: ClassTable) -> Seen:
    """
    A function that writes each prediction for that server into the folder.

    :raises ParameterError: when there is no such server.
    :raises ClassTableError: when it takes other classes.
    """
    check_known('submission', server, WRITERS, ParameterError)
    return WRITERS[server](folder, classes)


def _check_classes(server: str, classes: ClassTable, *takes: ClassTable) -> None:
    if any(classes.names == table.names for table in takes):
        return
    raise ClassTableError(
        f'classes of a submission to {server}',
        f'{classes.name} ({", ".join(classes.names)})',
        ' or '.join(table.name for table in takes),
        'Use a model of those classes.',
    )
