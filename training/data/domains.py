# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Kinds of streets that a model is scored on one by one, each with the classes of its own labels.

A model of any class table is scored: what it predicts is mapped to the classes of the domain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seg_perception.core.classes import ClassTable
from seg_perception.evaluation.class_mapping import class_lut
from training.config import DataConfig, SourceConfig
from training.data.frames import Frames, Joined, Mapped
from training.data.sources import open_source
from training.data.tables import check_table, keep_classes, keep_lut


@dataclass(frozen=True)
class Domain:
    """
    Labelled frames of one kind of street.

    :param table: all classes of the labels.
    :param keep: those of them that are scored, as in ``data.keep``; the frames have them alone.
    """

    name: str
    frames: Frames
    table: ClassTable
    keep: tuple[str, ...]

    def lut(self, model: ClassTable) -> np.ndarray:
        """
        Class of the frames, or 255, of each class of a model, (256,) uint8.

        :raises ClassTableError: when a class of the model is nothing here.
        """
        lut = class_lut(model, self.table)
        return keep_lut(self.table, self.keep)[lut] if self.keep else lut


def open_domains(data: DataConfig) -> list[Domain]:
    """
    The domains of ``data.val`` in their order; none where its sources name no domain.

    :raises ConfigError: when a key cannot be.
    :raises DatasetError: when a data set is not as it should be.
    :raises ClassTableError: when the sources of a domain have different classes.
    """
    names = dict.fromkeys(row.domain for row in data.val if row.domain)
    return [_open(name, [row for row in data.val if row.domain == name]) for name in names]


def _open(name: str, sources: Sequence[SourceConfig]) -> Domain:
    sets, keep = [open_source(source) for source in sources], sources[0].keep
    table = sets[0].classes
    for frames in sets[1:]:
        check_table(f'domain {name}', frames.classes, table)
    if keep:
        kept, lut = keep_classes(table, keep), keep_lut(table, keep)
        sets = [Mapped(frames, kept, lut) for frames in sets]
    return Domain(name, sets[0] if len(sets) == 1 else Joined(sets), table, keep)
