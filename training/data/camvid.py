# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""CamVid in the SegNet layout: lists of ``image label`` pairs, ids 0..10, 11 is void."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from seg_perception.core.classes import CAMVID_11, UNLABELED
from seg_perception.core.masks import resize_nearest
from training.errors import DatasetError

LAYOUT = 'train.txt and val.txt beside train/, trainannot/, val/, valannot/'


@dataclass(frozen=True)
class Sample:
    """One labelled frame: rgb (H, W, 3) uint8, labels (H, W) uint8 with 255 for void."""

    name: str
    rgb: np.ndarray
    labels: np.ndarray


def resized(sample: Sample, size: tuple[int, int]) -> Sample:
    """The sample at another size (H, W): the image smoothly, the labels by the nearest pixel."""
    rgb = cv2.resize(sample.rgb, size[::-1], interpolation=cv2.INTER_LINEAR)
    return Sample(sample.name, rgb, resize_nearest(sample.labels, size))


def list_pairs(root: Path, split: str) -> list[tuple[Path, Path]]:
    """
    Image and label files of a split, in the order of its list.

    :raises DatasetError: when the list is missing, or names a file that is.
    """
    listing = root / f'{split}.txt'
    if not listing.is_file():
        raise DatasetError(f'CamVid list {listing}', 'no file', LAYOUT, 'Set data.camvid.')
    pairs = []
    for number, line in enumerate(listing.read_text().splitlines(), start=1):
        words = line.split()
        if len(words) != 2:
            raise DatasetError(f'{listing}:{number}', repr(line), 'image and label path')
        # SegNet's own lists start with /SegNet/CamVid/: the last two parts are what counts.
        image, label = (root.joinpath(*Path(word).parts[-2:]) for word in words)
        for path in (image, label):
            if not path.is_file():
                raise DatasetError(f'{listing}:{number}', f'no file {path}', LAYOUT)
        pairs.append((image, label))
    return pairs


def split_holdout(
    pairs: Sequence[tuple[Path, Path]], sequence: str
) -> tuple[list[tuple[Path, Path]], list[tuple[Path, Path]]]:
    """
    Pairs outside and inside of a sequence, which is the start of the file names.

    :raises DatasetError: when one of the two is empty.
    """
    held = [pair for pair in pairs if pair[0].name.startswith(sequence)]
    kept = [pair for pair in pairs if not pair[0].name.startswith(sequence)]
    if not held or not kept:
        names = sorted({pair[0].name.split('_')[0] for pair in pairs})
        raise DatasetError('data.holdout', repr(sequence), f'one of several of {names}')
    return kept, held


def read_sample(image: Path, label: Path) -> Sample:
    """
    Read a pair; label values without a class become 255.

    :raises DatasetError: when a file is no image or the sizes differ.
    """
    bgr = cv2.imread(str(image), cv2.IMREAD_COLOR)
    ids = cv2.imread(str(label), cv2.IMREAD_GRAYSCALE)
    for path, pixels in ((image, bgr), (label, ids)):
        if pixels is None:
            raise DatasetError(f'file {path}', 'unreadable data', 'a PNG image')
    if bgr.shape[:2] != ids.shape:
        raise DatasetError(f'label {label}', f'size {ids.shape}', f'{bgr.shape[:2]} of its image')
    if ids.min() >= len(CAMVID_11):
        fix = 'Every pixel is void: is this a colour mask?'
        raise DatasetError(f'label {label}', f'ids from {ids.min()}', 'ids 0..11', fix)
    labels = np.where(ids < len(CAMVID_11), ids, UNLABELED).astype(np.uint8)
    return Sample(image.stem, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), labels)


def holdout_samples(camvid: str, sequence: str) -> list[Sample]:
    """The frames of the held-out sequence of the training list."""
    _, held = split_holdout(list_pairs(Path(camvid), 'train'), sequence)
    return [read_sample(*pair) for pair in held]
