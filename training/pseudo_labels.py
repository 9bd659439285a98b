# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
``python -m training pseudo-label``: a network labels frames that nobody labelled.

Self-training (Lee 2013; noisy student, Xie et al., CVPR 2020, arXiv 1911.04252): a network's own
answer, the mean of four views and only where it is sure, is taught to the next one, which sees the
frame under harder views. What it writes is a data set of kind ``folder``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from seg_perception.core.classes import UNLABELED, ClassTable
from seg_perception.core.masks import overlay
from seg_perception.io.atomic import write_image
from seg_perception.io.job_folder import JobFolder
from training.checkpoint import load_checkpoint
from training.config import parse_config
from training.distributed import pick_device
from training.errors import DatasetError
from training.evaluate.ood_samples import OodSample, image_samples
from training.evaluate.predictors import checkpoint_network, image_of
from training.evaluate.views import Mode, mean_softmax
from training.options import PseudoLabelOptions

VIEWS = Mode(scales=(1.0, 1.25), flip=True)
SHOWN = 6  # frames on the image


def pseudo_label(options: PseudoLabelOptions) -> str:
    """
    Label all frames, those already written left as they are; what came out, in words.

    Writes ``images``, ``masks``, ``made_of.json`` and ``overlays.jpg``.

    :raises SegPerceptionError: when options, files and what is already there do not fit.
    """
    state = load_checkpoint(options.checkpoint)
    config = parse_config(state['config'], options.overrides)
    if config.threads:
        torch.set_num_threads(config.threads)
    classes = ClassTable.from_dict(state['classes'])
    samples = image_samples(options.frames, options.every)
    names = [sample.name for sample in samples]
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise DatasetError('frames', f'{count} of the name {name}', 'one of each', 'Rename them.')
    network = {'run': config.name, 'step': state['step'], 'classes': classes.name}
    wanted = {**network, 'height': options.height, 'every': options.every, 'sure': options.sure}
    JobFolder(options.out, wanted, 'made_of.json').claim()
    net = checkpoint_network(state, pick_device(config.device))
    for sample in tqdm(samples, 'label', unit='frame', leave=False):
        if not _mask(options.out, sample.name).is_file():
            _label(sample, net, options)
    _draw(options.out, names, classes)
    return _text(options, names, classes)


def _label(sample: OodSample, net: nn.Module, options: PseudoLabelOptions) -> None:
    rgb, _ = sample.read()
    size = round(options.height * rgb.shape[1] / rgb.shape[0]), options.height
    rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    share, labels = mean_softmax(net, image_of(net, rgb), VIEWS)[0].max(0)
    labels = torch.where(share < options.sure, UNLABELED, labels).byte().cpu().numpy()
    # The mask last: a frame that has one is done.
    write_image(_image(options.out, sample.name), rgb[..., ::-1])
    write_image(_mask(options.out, sample.name), labels, sync=True)


def _image(out: Path, name: str) -> Path:
    return out / 'images' / f'{name}.png'


def _mask(out: Path, name: str) -> Path:
    return out / 'masks' / f'{name}.png'


def _draw(out: Path, names: Sequence[str], classes: ClassTable) -> None:
    """Some of the frames under their labels, to be looked at before they are learned."""
    rows = []
    for index in np.unique(np.linspace(0, len(names) - 1, SHOWN).round().astype(int)):
        rgb = cv2.imread(str(_image(out, names[index])))[..., ::-1]
        labels = cv2.imread(str(_mask(out, names[index])), cv2.IMREAD_UNCHANGED)
        pair = np.hstack([rgb, overlay(rgb, labels, classes, 0.6)])
        rows.append(cv2.resize(pair, (960, round(960 * pair.shape[0] / pair.shape[1]))))
    write_image(out / 'overlays.jpg', np.vstack(rows)[..., ::-1], quality=85)


def _text(options: PseudoLabelOptions, names: Sequence[str], classes: ClassTable) -> str:
    counts = np.zeros(256, np.int64)
    for name in names:
        mask = cv2.imread(str(_mask(options.out, name)), cv2.IMREAD_UNCHANGED)
        counts += np.bincount(mask.ravel(), minlength=256)
    shares = counts / counts.sum()
    found = ', '.join(f'{row.name} {shares[row.id]:.1%}' for row in classes.classes)
    return (
        f'{len(names)} frames in {options.out}: {found}, unsure {shares[UNLABELED]:.1%}\n'
        f'Look at {options.out}/overlays.jpg. In a configuration:\n'
        f'  {{kind: folder, root: {options.out}, classes: {classes.name}, share: 0.1}}'
    )
