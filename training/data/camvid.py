# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
CamVid: lists of ``image label`` pairs, and two protocols of eleven classes.

Labels are ids as SegNet ships them (0..10, 11 is Void), or the original images of 32 colours
(``*_L.png``). The grouped protocol is SegNet's: all but Void belong to a class. The exact one is
that of PIDNet and PaddleSeg: eleven colours count, the others are ignored. A score means nothing
without the name of its protocol.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seg_perception.core.classes import CAMVID_11, CAMVID_EXACT_11, UNLABELED
from training.config import SourceConfig
from training.data.decode import ColourLabels, IdLabels
from training.data.files import LabelledFiles, Pair, some
from training.errors import DatasetError

LAYOUT = 'SPLIT.txt or SPLIT.lst with one image and one label path per line, and their folders'
COLOURED = '_L.png'  # end of the names of the original labels
SEGNET_IDS = {row.id: row.id for row in CAMVID_11.classes} | {len(CAMVID_11): UNLABELED}

# Colours of CamVid's label_colors.txt by SegNet's group; the first of each is the exact class.
GROUPS = {
    'sky': [(128, 128, 128)],
    # Building, Archway, Bridge, Tunnel, Wall
    'building': [(128, 0, 0), (192, 0, 128), (0, 128, 64), (64, 0, 64), (64, 192, 0)],
    'pole': [(192, 192, 128), (0, 0, 64)],  # Column_Pole, TrafficCone
    'road': [(128, 64, 128), (128, 0, 192), (192, 0, 64)],  # Road, LaneMkgsDriv, LaneMkgsNonDriv
    # Sidewalk, ParkingBlock, RoadShoulder
    'pavement': [(0, 0, 192), (64, 192, 128), (128, 128, 192)],
    'tree': [(128, 128, 0), (192, 192, 0)],  # Tree, VegetationMisc
    # SignSymbol, Misc_Text, TrafficLight
    'sign_symbol': [(192, 128, 128), (128, 128, 64), (0, 64, 64)],
    'fence': [(64, 64, 128)],
    # Car, SUVPickupTruck, Truck_Bus, Train, OtherMoving
    'car': [(64, 0, 128), (64, 128, 192), (192, 128, 192), (192, 64, 128), (128, 64, 64)],
    # Pedestrian, Child, CartLuggagePram, Animal
    'pedestrian': [(64, 64, 0), (192, 128, 64), (64, 0, 192), (64, 128, 64)],
    'bicyclist': [(0, 128, 192), (192, 0, 192)],  # Bicyclist, MotorcycleScooter
}
VOID = (0, 0, 0)
GROUPED_COLOURS = {VOID: UNLABELED} | {
    colour: CAMVID_11.names.index(name) for name, colours in GROUPS.items() for colour in colours
}
EXACT_COLOURS = dict.fromkeys(GROUPED_COLOURS, UNLABELED) | {
    colours[0]: CAMVID_EXACT_11.names.index(name) for name, colours in GROUPS.items()
}


READ_IDS, READ_COLOURS = IdLabels(SEGNET_IDS), ColourLabels(GROUPED_COLOURS)


def read_grouped(path: Path) -> np.ndarray:
    """Labels of SegNet's ids or of the original colours, told apart by the file name."""
    return (READ_COLOURS if path.name.endswith(COLOURED) else READ_IDS)(path)


def open_grouped(source: SourceConfig) -> LabelledFiles:
    """SegNet's protocol: a split for each list."""
    return LabelledFiles(CAMVID_11, _list_pairs(source), read_grouped)


def open_exact(source: SourceConfig) -> LabelledFiles:
    """
    The protocol of exact colours: a split for each list.

    :raises DatasetError: also when the labels are SegNet's, whose groups cannot be undone.
    """
    pairs = _list_pairs(source)
    if grouped := [pair.label.name for pair in pairs if not pair.label.name.endswith(COLOURED)]:
        thing = f'CamVid {source.root}, {source.split}: labels of the exact protocol'
        raise DatasetError(thing, some(grouped), f'the original labels, *{COLOURED}')
    return LabelledFiles(CAMVID_EXACT_11, pairs, ColourLabels(EXACT_COLOURS))


def _list_pairs(source: SourceConfig) -> list[Pair]:
    """Files of a split, in the order of its list."""
    listing = _find_list(Path(source.root), source.split)
    rows = [row for row in enumerate(listing.read_text().splitlines(), start=1) if row[1].strip()]
    pairs = [_parse(line, f'{listing}:{number}', listing.parent) for number, line in rows]
    if not pairs:
        raise DatasetError(f'CamVid list {listing}', 'no frames', 'a line for each')
    paths = [path for pair in pairs for path in (pair.image, pair.label)]
    if missing := [path for path in paths if not path.is_file()]:
        names = some(path.relative_to(listing.parent).as_posix() for path in missing)
        seen = f'no file for {len(missing):,} of {len(paths):,}: {names}'
        raise DatasetError(f'CamVid list {listing}', seen, LAYOUT)
    return pairs


def _find_list(root: Path, split: str) -> Path:
    for suffix in ('.txt', '.lst'):  # SegNet's and PIDNet's
        if (root / f'{split}{suffix}').is_file():
            return root / f'{split}{suffix}'
    found = sorted(path.name for suffix in ('txt', 'lst') for path in root.glob(f'*.{suffix}'))
    beside = f'no file, {some(found)} next to it' if found else 'no file'
    seen = beside if root.is_dir() else 'no such folder'
    raise DatasetError(f'CamVid list {root / split}.txt', seen, LAYOUT, 'Set root and split.')


def _parse(line: str, place: str, root: Path) -> Pair:
    words = line.split()
    if len(words) != 2:
        raise DatasetError(place, repr(line), 'an image and a label path')
    # SegNet's own lists start with /SegNet/CamVid/: the last two parts are what counts.
    image, label = (root.joinpath(*Path(word).parts[-2:]) for word in words)
    return Pair(image.stem, image, label)
