# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
What several networks say of a frame, as labels that may be any of several classes.

Each teacher knows classes of its own. Where it is sure, its answer allows a set of classes of the
target, elsewhere all. A pixel may be what all teachers allow; it is labelled where enough of them
named classes, or one that was very sure did, and ignored where they contradict each other.
Labels that were made by people are such an answer too, and teachers only make them finer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from seg_perception.core.classes import UNLABELED, ClassTable, SegClass
from seg_perception.core.masks import resize_nearest
from seg_perception.core.settings import Setting, load
from seg_perception.evaluation.class_mapping import JOINT, class_sets
from seg_perception.inference.open_engine import open_engine
from seg_perception.io.yaml_file import read_mapping
from training.data.decode import decode_ids, read_file
from training.data.tables import class_id, open_table
from training.errors import ConfigError
from training.evaluate.predictors import engine_predictor

NOT = 'not '
"""Before names in ``means``: every class but these."""
MOST_CLASSES = 32
"""Classes of a target: a set of them is a number of 32 bits."""
Gate = Annotated[float, Setting('least confidence', '', 0, 2)]


@dataclass(frozen=True)
class TeacherConfig:
    """A network, or a folder of what one has answered, and when it is believed."""

    model: str = ''  # model file
    masks: str = ''  # or a folder of masks, by the names of the frames
    classes: str = ''  # of masks: a shipped class table, or a YAML file
    means: dict[str, str] = field(default_factory=dict)  # by class, what it may be: a+b, not a+b
    sure: dict[str, float] = field(default_factory=dict)  # by class, instead of the common one
    alone: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TeachersConfig:
    """Teachers of a class table."""

    classes: str
    teachers: tuple[TeacherConfig, ...]
    votes: Annotated[int, Setting('teachers that decide together', '', 1, 16)] = 2
    sure: Gate = 0.7  # from here on a teacher has an opinion
    alone: Gate = 2.0  # from here on it decides alone; above 1: never


@dataclass(frozen=True)
class Opinion:
    """
    Of one teacher on a frame.

    :param allowed: classes that it allows, (H, W) uint32 as bits.
    :param votes: where it names classes, (H, W) bool. To say what a pixel is not is no vote.
    :param decides: where it needs no other vote, (H, W) bool.
    """

    allowed: np.ndarray
    votes: np.ndarray
    decides: np.ndarray


class Teacher:
    """
    One row of the configuration, opened.

    :raises ConfigError: when a class of it is nothing in the target, or no key names its source.
    """

    def __init__(self, config: TeacherConfig, common: TeachersConfig, target: ClassTable) -> None:
        self._masks = Path(config.masks) if config.masks else None
        name = config.model or config.masks
        if bool(config.model) == bool(config.masks):
            raise ConfigError('teacher', config, 'either model or masks')
        if config.model:
            engine = open_engine(config.model, 'cpu')
            self._predict, table = engine_predictor(engine), engine.card.classes
        else:
            table = open_table(config.classes, f'classes of teacher {name}: ')
        self._allowed = _allowed(table, target, config.means, name)
        vetoes = [key for key, text in config.means.items() if text.startswith(NOT)]
        self._names = self._allowed != self._allowed[UNLABELED]
        self._names[[table.names.index(key) for key in vetoes]] = False
        gates = ((config.sure, common.sure), (config.alone, common.alone))
        self._sure, self._alone = (_by_class(own, table, least, name) for own, least in gates)

    def opinion(self, name: str, rgb: np.ndarray) -> Opinion:
        """Answer for a frame (H, W, 3)."""
        labels, confidence = self._answer(name, rgb)
        sure = confidence >= self._sure[labels]
        allowed = np.where(sure, self._allowed[labels], self._allowed[UNLABELED])
        votes = sure & self._names[labels]
        return Opinion(allowed, votes, votes & (confidence >= self._alone[labels]))

    def _answer(self, name: str, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Labels (H, W) uint8 and confidence 0..1; 0 where the mirrored frame has another."""
        if self._masks is not None:
            path = self._masks / f'{name}.png'
            labels = decode_ids(read_file(path), f'mask {path}')
            labels = resize_nearest(labels, (rgb.shape[0], rgb.shape[1]))
            return labels, np.ones(labels.shape)
        labels, confidence = self._predict(rgb)
        mirrored = self._predict(np.ascontiguousarray(rgb[:, ::-1]))
        other_labels, other = (part[:, ::-1] for part in mirrored)
        mean = (confidence.astype(float) + other) / 510
        return labels, np.where(labels == other_labels, mean, 0.0)


class Teachers:
    """All teachers of a file, and the sets of classes that they have agreed on so far."""

    def __init__(self, config: TeachersConfig) -> None:
        self.target = open_table(config.classes, 'classes of teachers: ')
        if len(self.target) > MOST_CLASSES:
            raise ConfigError('classes of teachers', len(self.target), f'up to {MOST_CLASSES}')
        self._votes = config.votes
        self._teachers = [Teacher(row, config, self.target) for row in config.teachers]

    def sets(self, name: str, rgb: np.ndarray, truth: np.ndarray | None = None) -> np.ndarray:
        """
        What the pixels of a frame may be, (H, W) uint32 as bits; 0 where that is unknown.

        :param truth: bits of labels that people made, 0 where there is none.
        """
        opinions = [teacher.opinion(name, rgb) for teacher in self._teachers]
        return agreed(opinions, self._votes, len(self.target), truth)


def agreed(
    opinions: Sequence[Opinion], votes: int, num_classes: int, truth: np.ndarray | None = None
) -> np.ndarray:
    """
    Bits (H, W) uint32 of what all opinions allow; 0 where they say too little or contradict.

    Where there is truth it holds, and counts as a vote that decides.
    """
    everything = np.uint32((1 << num_classes) - 1)
    allowed = np.full(opinions[0].allowed.shape, everything)
    count = np.zeros(allowed.shape, np.uint8)
    decides = np.zeros(allowed.shape, bool)
    for opinion in opinions:
        allowed &= opinion.allowed
        count += opinion.votes
        decides |= opinion.decides
    found = np.where((count >= votes) | decides, allowed, 0)
    if truth is None:
        return found
    finer = truth & allowed
    return np.where(truth == 0, found, np.where(finer == 0, truth, finer))


def read_teachers(path: Path) -> Teachers:
    """
    Open the teachers of a YAML file.

    :raises ConfigError: when a key, a class or a value cannot be.
    """
    data: dict[str, Any] = read_mapping(path, 'teachers', ConfigError)
    return Teachers(load(TeachersConfig, data, 'teachers key', error=ConfigError))


def bits_of(table: ClassTable, target: ClassTable) -> np.ndarray:
    """What each label of a table may be in the target, (256,) uint32 as bits; 0: nothing."""
    bits = np.zeros(256, np.uint32)
    for label, ids in enumerate(class_sets(table, target)):
        bits[label] = sum(1 << i for i in ids)
    return bits


class SetTable:
    """The class table of a data set whose labels are sets; grows with the sets that turn up."""

    def __init__(self, target: ClassTable, name: str, known: Sequence[str] = ()) -> None:
        self.target, self.name = target, name
        self._names = [*target.names]
        self._names += [row for row in known if row not in target.names]

    def labels(self, bits: np.ndarray) -> np.ndarray:
        """Labels (H, W) uint8 of bits (H, W); sets beyond what a mask can hold are ignored."""
        labels = np.full(bits.shape, UNLABELED, np.uint8)
        for value in np.unique(bits[bits != 0]).tolist():
            names = [row.name for row in self.target.classes if value >> row.id & 1]
            label = self._label(JOINT.join(names))
            if label is not None:
                labels[bits == value] = label
        return labels

    def _label(self, name: str) -> int | None:
        if name not in self._names:
            if len(self._names) == UNLABELED:
                return None
            self._names.append(name)
        return self._names.index(name)

    @property
    def table(self) -> ClassTable:
        """All rows so far; a set has colour and role of its first class."""
        of = {row.name: row for row in self.target.classes}
        firsts = [of[name.split(JOINT)[0]] for name in self._names]
        rows = zip(self._names, firsts, strict=True)
        return ClassTable(
            self.name, tuple(SegClass(i, n, f.rgb, f.role) for i, (n, f) in enumerate(rows))
        )


def _allowed(
    table: ClassTable, target: ClassTable, means: Mapping[str, str], name: str
) -> np.ndarray:
    """Bits (256,) that each label of a teacher allows; everything where it says nothing."""
    everything = (1 << len(target)) - 1
    bits = np.full(256, everything, np.uint32)
    thing = f'means of teacher {name}'
    for key, text in means.items():
        names = text.removeprefix(NOT).split(JOINT)
        found = sum(1 << class_id(part.strip(), target, thing) for part in names)
        bits[class_id(key, table, thing)] = everything - found if text.startswith(NOT) else found
    rest = [row.id for row in table.classes if row.name not in means]
    if rest:
        known = bits_of(table, target)
        bits[rest] = np.where(known[rest] == 0, everything, known[rest])
    return bits


def _by_class(own: Mapping[str, float], table: ClassTable, common: float, name: str) -> np.ndarray:
    """Least confidence of each label, (256,)."""
    least = np.full(256, common)
    for key, value in own.items():
        least[class_id(key, table, f'gates of teacher {name}')] = value
    return least
