# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets of an image and a label file a frame: listed when opened, decoded when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from seg_perception.core.classes import ClassTable
from training.data.decode import check_sizes, damage, decode_rgb, read_file
from training.data.sample import Sample
from training.errors import DatasetError

NAMED = 5  # so many names stand for all in a message
COMPLETE = 'Complete the download, or move what is too much elsewhere.'


@dataclass(frozen=True)
class Pair:
    """The two files of a frame."""

    name: str
    image: Path
    label: Path


class LabelledFiles:
    """Frames of image and label files; ``read_labels`` turns a label file into class ids."""

    def __init__(
        self, classes: ClassTable, pairs: Sequence[Pair], read_labels: Callable[[Path], np.ndarray]
    ) -> None:
        self.classes, self.names = classes, [pair.name for pair in pairs]
        self._pairs, self._read_labels = pairs, read_labels

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Sample:
        pair = self._pairs[index]
        rgb = decode_rgb(read_file(pair.image), f'image {pair.image}')
        labels = self._read_labels(pair.label)
        check_sizes(rgb, labels, f'label {pair.label}')
        return Sample(pair.name, rgb, labels)

    def labels(self, index: int) -> np.ndarray:
        return self._read_labels(self._pairs[index].label)

    def encoded(self, index: int) -> tuple[str, bytes]:
        """Suffix and content of the image file."""
        path = self._pairs[index].image
        return path.suffix, read_file(path)

    def damage(self, index: int) -> str:
        """Damage found in the content of the files, without decoding them; empty when none."""
        pair = self._pairs[index]
        for path in dict.fromkeys((pair.image, pair.label)):
            if found := damage(read_file(path)):
                return f'{path}: {found}'
        return ''


def find_folder(root: Path, inside: str, layout: str) -> Path:
    """
    The folder ``inside`` a data set.

    :raises DatasetError: when it is not there; the message names the first part that is missing,
        and what lies next to it.
    """
    if not root.is_dir():
        fix = 'Set root to where it was unpacked; docs/data.md says where it comes from.'
        raise DatasetError(f'data set {root}', 'no folder', layout, fix)
    folder = root
    for part in Path(inside).parts:
        if not (folder / part).is_dir():
            beside = sorted(path.name for path in folder.iterdir() if path.is_dir())
            seen = f'{some(beside)} next to it' if beside else 'nothing next to it'
            raise DatasetError(f'folder {folder / part}', f'no such folder, {seen}', layout)
        folder /= part
    return folder


def list_files(folder: Path, *suffixes: str, nested: bool = False) -> dict[str, Path]:
    """
    Files by their name without the suffix, in order of name.

    :param nested: they lie in the folders of the folder.
    :raises DatasetError: when two have the same name.
    """
    folders = sorted(path for path in folder.iterdir() if path.is_dir()) if nested else [folder]
    found: dict[str, Path] = {}
    for place in folders:
        for path in place.iterdir():
            suffix = next((ending for ending in suffixes if path.name.endswith(ending)), '')
            if not suffix or path.name.startswith('.'):  # macOS leaves ._ files
                continue
            name = path.name.removesuffix(suffix)
            if name in found:
                seen = f'{found[name].name} and {path.name}'
                raise DatasetError(f'files {name!r} in {folder}', seen, 'one file a name')
            found[name] = path
    return dict(sorted(found.items()))


def pair_files(
    thing: str, images: Mapping[str, Path], labels: Mapping[str, Path], layout: str
) -> list[Pair]:
    """
    Images and labels of the same names.

    :raises DatasetError: when there are none, or one of the two is missing for a name.
    """
    if not images and not labels:
        raise DatasetError(thing, 'no frames', layout)
    if bare := [name for name in images if name not in labels]:
        seen = f'{len(bare):,} of {len(images):,}: {some(bare)}'
        raise DatasetError(f'{thing}: images without labels', seen, layout, COMPLETE)
    if alone := [name for name in labels if name not in images]:
        seen = f'{len(alone):,} of {len(labels):,}: {some(alone)}'
        raise DatasetError(f'{thing}: labels without images', seen, layout, COMPLETE)
    return [Pair(name, image, labels[name]) for name, image in images.items()]


def some(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    rest = iter(names)
    first = ', '.join(islice(rest, NAMED))
    more = sum(1 for _ in rest)
    return f'{first} and {more:,} more' if more else first
