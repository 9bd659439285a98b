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
from typing import Any, Protocol

import cv2
import numpy as np
import torch
import yaml
from tqdm import tqdm

from seg_perception.core.classes import UNLABELED, ClassTable, Role
from seg_perception.core.masks import overlay, resize_nearest
from seg_perception.inference.class_file import load_table
from seg_perception.io.atomic import write_image, write_text
from seg_perception.io.job_folder import JobFolder
from seg_perception.io.yaml_file import read_mapping
from training.checkpoint import load_checkpoint
from training.config import parse_config
from training.data.decode import decode_ids, read_file
from training.data.tables import open_table
from training.distributed import pick_device
from training.errors import ConfigError, DatasetError
from training.evaluate.ood_samples import OodSample, image_samples
from training.evaluate.predictors import checkpoint_network, image_of
from training.evaluate.views import Mode, mean_softmax
from training.options import PseudoLabelOptions
from training.teachers import SetTable, bits_of, read_teachers

VIEWS = Mode(scales=(1.0, 1.25), flip=True)
SHOWN = 6  # frames on the image
EGO_EDGE_PX = 5  # around an outline that was drawn by hand


def pseudo_label(options: PseudoLabelOptions) -> str:
    """
    Label all frames, those already written left as they are; what came out, in words.

    Writes ``images``, ``masks``, ``made_of.json`` and ``overlays.jpg``.

    :raises SegPerceptionError: when options, files and what is already there do not fit.
    """
    _check(options)
    samples = image_samples(options.frames, options.every)
    names = [sample.name for sample in samples]
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise DatasetError('frames', f'{count} of the name {name}', 'one of each', 'Rename them.')
    labeller: Labeller = PanelLabeller(options) if options.teachers else NetLabeller(options)
    wanted = {**labeller.made_of, 'height': options.height, 'every': options.every}
    JobFolder(options.out, wanted, 'made_of.json').claim()
    for sample in tqdm(samples, 'label', unit='frame', leave=False):
        if not _mask(options.out, sample.name).is_file():
            _label(sample, labeller, options)
    _draw(options.out, names, labeller.classes)
    return _text(options, names, labeller)


class Labeller(Protocol):
    """
    Labels frames.

    :param classes: of the labels so far.
    :param made_of: what the labels depend on; a folder holds those of one.
    :param source_keys: of a source of this data set in a configuration.
    """

    @property
    def classes(self) -> ClassTable: ...
    @property
    def made_of(self) -> dict[str, Any]: ...
    @property
    def source_keys(self) -> str: ...
    def labels(self, name: str, rgb: np.ndarray) -> np.ndarray: ...


class NetLabeller:
    """One network: the mean of four views, where it is sure."""

    def __init__(self, options: PseudoLabelOptions) -> None:
        state = load_checkpoint(options.checkpoint)
        config = parse_config(state['config'], options.overrides)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.classes = ClassTable.from_dict(state['classes'])
        network = {'run': config.name, 'step': state['step'], 'classes': self.classes.name}
        self.made_of = {**network, 'sure': options.sure}
        self.source_keys = f'classes: {self.classes.name}'
        self._net, self._sure = checkpoint_network(state, pick_device(config.device)), options.sure

    def labels(self, name: str, rgb: np.ndarray) -> np.ndarray:
        """Labels (H, W) uint8 of a frame (H, W, 3)."""
        share, labels = mean_softmax(self._net, image_of(self._net, rgb), VIEWS)[0].max(0)
        sure: np.ndarray = torch.where(share < self._sure, UNLABELED, labels).byte().cpu().numpy()
        return sure


class PanelLabeller:
    """Several teachers, labels that people made, and outlines of the own vehicle."""

    def __init__(self, options: PseudoLabelOptions) -> None:
        self._options, path = options, options.out / 'classes.yaml'
        self._teachers = read_teachers(options.teachers)
        target = self._teachers.target
        known = load_table(str(path)).names if path.is_file() else ()
        self._sets = SetTable(target, f'{target.name}_sets', known)
        self._given = None
        if options.labels:
            self._given = bits_of(open_table(options.label_classes, '--label-classes '), target)
        self._ego = read_mapping(options.ego, 'outlines', ConfigError) if options.ego else {}
        self._ego_id = _ego_id(target) if self._ego else UNLABELED
        files = {key: str(getattr(options, key)) for key in ('teachers', 'labels', 'ego')}
        self.made_of = {**files, 'text': options.teachers.read_text()}
        self.source_keys = f'classes: {path}'

    @property
    def classes(self) -> ClassTable:
        return self._sets.table

    def labels(self, name: str, rgb: np.ndarray) -> np.ndarray:
        """Labels (H, W) uint8 of a frame (H, W, 3); classes.yaml names those that turn up."""
        before = len(self.classes)
        bits = self._teachers.sets(name, rgb, self._true_bits(name, rgb))
        labels = self._sets.labels(bits)
        for start, outline in self._ego.items():
            if name.startswith(start):
                _outline(labels, outline, self._ego_id)
        path = self._options.out / 'classes.yaml'
        if len(self.classes) > before or not path.is_file():
            write_text(path, yaml.safe_dump(self.classes.to_dict(), sort_keys=False))
        return labels

    def _true_bits(self, name: str, rgb: np.ndarray) -> np.ndarray | None:
        if self._given is None or self._options.labels is None:
            return None
        path = self._options.labels / f'{name}.png'
        size = rgb.shape[0], rgb.shape[1]
        labels = resize_nearest(decode_ids(read_file(path), f'mask {path}'), size)
        return self._given[labels]


def _ego_id(target: ClassTable) -> int:
    ids = [row.id for row in target.classes if row.role is Role.EGO]
    if not ids:
        raise ConfigError('--ego', f'no class of role ego in {target.name}', 'a table with one')
    return ids[0]


def _outline(labels: np.ndarray, points: Sequence[Sequence[float]], label: int) -> None:
    """Fill an outline; pixels next to it are ignored, for it is drawn by hand."""
    size = np.array([labels.shape[1], labels.shape[0]])
    polygon = [(np.array(points) * size).round().astype(np.int32)]
    cv2.polylines(labels, polygon, True, (UNLABELED,), EGO_EDGE_PX)
    cv2.fillPoly(labels, polygon, (label,))


def _check(options: PseudoLabelOptions) -> None:
    if bool(options.checkpoint) == bool(options.teachers):
        raise ConfigError('what labels', 'both or neither', '--checkpoint or --teachers')
    panel = {'--labels': options.labels, '--ego': options.ego}
    for name in (name for name, value in panel.items() if value and not options.teachers):
        raise ConfigError(name, 'one network', 'several', 'Give --teachers.')
    if bool(options.labels) != bool(options.label_classes):
        raise ConfigError('--labels and --label-classes', 'one of them', 'both or neither')


def _label(sample: OodSample, labeller: Labeller, options: PseudoLabelOptions) -> None:
    rgb, _ = sample.read()
    size = round(options.height * rgb.shape[1] / rgb.shape[0]), options.height
    if size != rgb.shape[1::-1]:
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    labels = labeller.labels(sample.name, rgb)
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


def _text(options: PseudoLabelOptions, names: Sequence[str], labeller: Labeller) -> str:
    classes = labeller.classes
    counts = np.zeros(256, np.int64)
    for name in names:
        mask = cv2.imread(str(_mask(options.out, name)), cv2.IMREAD_UNCHANGED)
        counts += np.bincount(mask.ravel(), minlength=256)
    shares = counts / counts.sum()
    found = ', '.join(f'{row.name} {shares[row.id]:.1%}' for row in classes.classes)
    return (
        f'{len(names)} frames in {options.out}: {found}, unsure {shares[UNLABELED]:.1%}\n'
        f'Look at {options.out}/overlays.jpg. In a configuration:\n'
        f'  {{kind: folder, root: {options.out}, {labeller.source_keys}, share: 0.1}}'
    )
