# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Opens the data sets of a configuration as frames of one class table."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from seg_perception.core.classes import UNLABELED, ClassTable
from seg_perception.evaluation.class_mapping import class_lut
from training.config import DataConfig, SourceConfig
from training.data import bdd100k, camvid, cityscapes, crowdai, vistas
from training.data.files import some
from training.data.folder import open_folder
from training.data.frames import Cached, Frames, Joined, Mapped, Resized, Subset
from training.data.label_sets import NO_SETS, LabelSets
from training.data.shards import open_shards
from training.data.synthetic import open_synthetic
from training.data.tables import class_id, keep_classes, keep_lut, open_table
from training.errors import ConfigError, DatasetError, check_known

KINDS: Mapping[str, Callable[[SourceConfig], Frames]] = {
    'camvid': camvid.open_grouped,
    'camvid_exact': camvid.open_exact,
    'cityscapes': cityscapes.open_fine,
    'cityscapes_coarse': cityscapes.open_coarse,
    'bdd100k': bdd100k.open_semantic,
    'bdd100k_drivable': bdd100k.open_drivable,
    'vistas': vistas.open_v1,
    'vistas_v2': vistas.open_v2,
    'crowdai': crowdai.open_crowdai,
    'folder': open_folder,
    'synthetic': open_synthetic,
    'shards': open_shards,
}
"""The function that opens each kind of data set, with the classes of that set."""

SPLIT_NAMES = ('folder', 'shards')  # kinds whose splits may use the same names for other frames
CHECK_THREADS = 8  # that read files to find damaged ones: the disk is what they wait for

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenedData:
    """Sets to train on, each with its share of an epoch, and frames to choose the model on."""

    train: list[tuple[Frames, float]]  # share 0: each frame once an epoch
    val: Frames
    classes: ClassTable
    sets: LabelSets = NO_SETS  # what labels above the classes stand for


def open_source(source: SourceConfig, size: tuple[int, int] = (0, 0)) -> Frames:
    """
    The frames that a source asks for, with its own classes.

    :param size: height and width at which frames that are rendered are wanted; 0: any.
    :raises ConfigError: when a key cannot be.
    :raises DatasetError: when the data set is not as it should be.
    """
    check_known('kind of a data set', source.kind, KINDS)
    if source.kind == 'synthetic':
        frames: Frames = open_synthetic(source, size)
    else:
        frames = KINDS[source.kind](source)
    if source.void:
        frames = Mapped(frames, frames.classes, _void_lut(frames.classes, source))
    chosen = _choose(frames.names, source)
    return frames if len(chosen) == len(frames) else Subset(frames, chosen)


def open_frames(data: DataConfig) -> OpenedData:
    """
    All frames of a configuration, brought to one class table and one size.

    Train may be empty, for those who only score.

    :raises ConfigError: when a key cannot be.
    :raises DatasetError: when a data set is not as it should be.
    :raises ClassTableError: when classes have no map to those of the first set.
    """
    _check(data)
    train = [_open(source, data) for source in data.train]
    val = [_open(source, data) for source in data.val]
    classes = (
        open_table(data.classes, 'config key data.classes=')
        if data.classes
        else [*train, *val][0].classes
    )
    kept = keep_classes(classes, data.keep) if data.keep else classes
    _warn_of_leak(data, train, val)
    tables = [frames.classes for frames in train] if data.partial_labels else []
    sets = LabelSets.of(tables, classes)
    finished = [_finish(frames, classes, kept, data, data.workers, sets) for frames in train]
    joined = [_finish(frames, classes, kept, data, 0) for frames in val]
    return OpenedData(
        train=[(frames, row.share) for frames, row in zip(finished, data.train, strict=True)],
        val=joined[0] if len(joined) == 1 else Joined(joined),
        classes=kept,
        sets=sets,
    )


def open_val(data: DataConfig) -> Frames:
    """
    The frames to score, as ``open_frames`` has them, without what is trained on.

    Of that the first set is opened where it alone tells the classes.
    """
    _check(data)
    origins = [(row.kind, row.root, row.classes) for row in (*data.train[:1], data.val[0])]
    tells = not data.classes and len(set(origins)) > 1
    return open_frames(dataclasses.replace(data, train=data.train[:1] if tells else ())).val


def _check(data: DataConfig) -> None:
    if not data.val:
        raise ConfigError('config key data.val', 'nothing', 'a list of data sets')
    if data.partial_labels and data.keep:
        seen, fix = f'with data.keep {list(data.keep)}', 'Give a class table of these by classes.'
        raise ConfigError('data.partial_labels=true', seen, 'whole class tables', fix)
    if any(data.size) and not all(data.size):
        raise ConfigError('config key data.size', data.size, 'height and width, or 0 for both')


def _open(source: SourceConfig, data: DataConfig) -> Frames:
    frames = open_source(source, data.size)
    return _without_damaged(frames, source) if data.skip_damaged else frames


def _finish(
    frames: Frames,
    classes: ClassTable,
    kept: ClassTable,
    data: DataConfig,
    workers: int,
    sets: LabelSets | None = None,
) -> Frames:
    """
    Map, resize and cache what the configuration asks for.

    :param sets: of classes, where labels may be them; None: each becomes one class.
    """
    lut = sets.lut(frames.classes, classes) if sets else class_lut(frames.classes, classes)
    if data.keep:
        lut = keep_lut(classes, data.keep)[lut]
    if frames.classes != kept:
        frames = Mapped(frames, kept, lut)
    if all(data.size):
        frames = Resized(frames, data.size)
    return Cached(frames, max(1, workers)) if data.cache else frames


def _void_lut(classes: ClassTable, source: SourceConfig) -> np.ndarray:
    """Labels as they are, but for 255 in the place of the classes that ``void`` names."""
    lut = np.arange(256, dtype=np.uint8)
    for name in source.void:
        lut[class_id(name, classes, f'void of {_name(source)}')] = UNLABELED
    return lut


def _choose(names: Sequence[str], source: SourceConfig) -> list[int]:
    """Indices of the frames that ``only``, ``exclude``, ``part`` and ``limit`` leave."""
    if source.limit < 0:
        raise ConfigError(f'limit of {_name(source)}', source.limit, 'how many, or 0 for all')
    for key, starts in (('only', source.only), ('exclude', source.exclude)):
        for start in starts:
            if not any(name.startswith(start) for name in names):
                seen = f'{start!r}, with which no name starts'
                raise ConfigError(f'{key} of {_name(source)}', seen, f'starts of {some(names)}')
    chosen = [
        index
        for index, name in enumerate(names)
        if name.startswith(source.only or '') and not name.startswith(source.exclude or ())
    ]
    if not chosen:
        seen = f'only {list(source.only)}, exclude {list(source.exclude)}'
        raise ConfigError(f'frames of {_name(source)}', seen, 'some frames left')
    return _part(chosen, source)[: source.limit or None]


def _part(chosen: list[int], source: SourceConfig) -> list[int]:
    """Those of the indices that ``part`` takes of their random order, in their own order."""
    low, high = source.part
    if not 0 <= low < high <= 1:
        raise ConfigError(f'part of {_name(source)}', list(source.part), 'two shares, 0 to 1')
    generator = torch.Generator().manual_seed(source.part_seed)
    order = torch.randperm(len(chosen), generator=generator).tolist()
    start, end = (round(share * len(chosen)) for share in source.part)
    if start == end:
        seen = f'{list(source.part)} of {len(chosen)}'
        raise ConfigError(f'part of {_name(source)}', seen, 'some frames left')
    return sorted(chosen[place] for place in order[start:end])


def _without_damaged(frames: Frames, source: SourceConfig) -> Frames:
    """
    The frames whose files are whole; the others are named on stderr.

    Every file is read once for it, but not decoded. What is left out is left out everywhere and
    always, so that a run stays reproducible.
    """
    with ThreadPoolExecutor(CHECK_THREADS) as pool:
        found = list(pool.map(frames.damage, range(len(frames))))
    whole = [index for index, damage in enumerate(found) if not damage]
    if len(whole) == len(frames):
        return frames
    damaged = [damage for damage in found if damage]
    if not whole:
        raise DatasetError(f'frames of {_name(source)}', f'damaged: {some(damaged)}', 'some whole')
    head = f'{_name(source)}: left out {len(damaged):,} damaged of {len(frames):,} frames'
    log.warning('\n  '.join([head, *damaged]))
    return Subset(frames, whole)


def _warn_of_leak(data: DataConfig, train: Sequence[Frames], val: Sequence[Frames]) -> None:
    """Say it when frames are trained on and scored too; BDD100K's two sets overlap, for one."""
    trained = _identities(data.train, train)
    if shared := sorted(name for root, name in trained & _identities(data.val, val)):
        log.warning(
            '%d frames of data.val are trained on too, which flatters their score: %s',
            len(shared),
            some(shared),
        )


def _identities(sources: Sequence[SourceConfig], sets: Sequence[Frames]) -> set[tuple[str, str]]:
    # Elsewhere names are the same in no two splits, and the same in both sets of BDD100K.
    places = [
        Path(source.root).resolve() / (source.split if source.kind in SPLIT_NAMES else '')
        for source in sources
    ]
    return {
        (str(place), name)
        for place, frames in zip(places, sets, strict=True)
        for name in frames.names
    }


def _name(source: SourceConfig) -> str:
    return ' '.join(filter(None, (source.kind, source.root, source.split)))
