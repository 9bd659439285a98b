# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Predictions as the benchmark servers of Cityscapes and BDD100K take them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Server:
    """What a server takes: classes of one of these tables, file names, ids by our label."""

    tables: tuple[ClassTable, ...]
    file_name: Callable[[str], str]  # by the name of the frame
    ids: np.ndarray  # (256,) uint8


def _cityscapes_name(frame: str) -> str:
    found = CITYSCAPES_NAME.match(frame)
    if not found:
        expected = '<city>_<6 digits>_<6 digits>'
        raise DatasetError('frame for the Cityscapes server', repr(frame), expected)
    return f'{found[0]}_pred.png'


_LABEL_IDS = np.full(256, UNLABELED_ID, np.uint8)
_LABEL_IDS[: len(SCORED_IDS)] = SCORED_IDS

SERVERS = {
    # Label ids, not train ids.
    'cityscapes': Server((CITYSCAPES_19,), _cityscapes_name, _LABEL_IDS),
    'bdd100k': Server(
        (CITYSCAPES_19, BDD100K_DRIVABLE_3), '{}.png'.format, np.arange(256, dtype=np.uint8)
    ),
}


def open_writer(server: str, folder: Path, classes: ClassTable) -> Seen:
    """
    A function that writes each prediction for that server into the folder.

    :raises ParameterError: when there is no such server.
    :raises ClassTableError: when it takes other classes.
    """
    check_known('submission', server, SERVERS, ParameterError)
    takes = SERVERS[server]
    if all(classes.names != table.names for table in takes.tables):
        raise ClassTableError(
            f'classes of a submission to {server}',
            f'{classes.name} ({", ".join(classes.names)})',
            ' or '.join(table.name for table in takes.tables),
            'Use a model of those classes.',
        )

    def write(sample: Sample, labels: np.ndarray) -> None:
        """:raises DatasetError: when the frame is not named as the server has it."""
        name = takes.file_name(PurePosixPath(sample.name).name)
        write_image(folder / name, cv2.LUT(labels, takes.ids))

    return write
