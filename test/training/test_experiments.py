# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every experiment of the seed documents, on tiny data in the layouts of the real sets."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from data_trees import cityscapes, write_ids, write_palette, write_rgb
from tiny_networks import TINY
from training.config import load_config
from training.data import open_frames
from training.distributed import Process
from training.fit import Trainer, open_training_data
from training.losses import Supervised, build_loss
from training.models import build_model
from training.stats import ClassStatistics

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'config/training'
NO_EXPERIMENTS = ('bases', 'data', 'studies', 'teachers')
EXPERIMENTS = sorted(
    path.relative_to(ROOT)
    for path in FOLDER.glob('*/*.yaml')
    if path.parent.name not in NO_EXPERIMENTS
)
every_experiment = pytest.mark.parametrize(
    'path', EXPERIMENTS, ids=lambda path: f'{path.parent.name}/{path.stem}'
)


@pytest.fixture(scope='module')
def checkout(tmp_path_factory, camvid):
    """A working directory with the configurations, and some frames where they look for data."""
    root = tmp_path_factory.mktemp('experiments') / 'checkout'
    (root.parent / 'shared/data').mkdir(parents=True)
    (root.parent / 'shared/data/camvid').symlink_to(camvid)
    (root / 'data').mkdir(parents=True)
    (root / 'config').symlink_to(ROOT / 'config')
    names = {f'bonn_{number:06}_000019': 26 for number in range(5)}
    for truth, split in (('gtFine', 'train'), ('gtFine', 'val'), ('gtCoarse', 'train_extra')):
        cityscapes(root / 'data/cityscapes', names, truth, split)
    for split in ('train', 'val'):
        for name in names:
            write_rgb(root / f'data/bdd100k/images/10k/{split}/{split}_{name}.jpg')
            masks = root / f'data/bdd100k/labels/sem_seg/masks/{split}'
            write_ids(masks / f'{split}_{name}.png', 13)
    for part in ('training', 'validation'):
        write_rgb(root / f'data/mapillary_vistas/{part}/images/a.jpg')
        write_palette(root / f'data/mapillary_vistas/{part}/v1.2/labels/a.png', 55)
    write_boxes(root / 'data/object-detection-crowdai')
    return root


def write_boxes(root):
    rows = ['xmin,xmax,ymin,ymax,Frame,Label,Preview URL']
    for number in range(10):
        write_rgb(root / f'{number}.jpg', size=(60, 80))
        labels = ('Car', 'Truck', 'Pedestrian')
        rows += [f'{20 * k},0,{20 * k + 20},60,{number}.jpg,{labels[k]},x' for k in range(3)]
    (root / 'labels.csv').write_text('\n'.join(rows) + '\n')


@pytest.fixture
def _in_checkout(checkout, monkeypatch):
    monkeypatch.chdir(checkout)


in_checkout = pytest.mark.usefixtures('_in_checkout')


def counted(classes):
    """Statistics of frames with a hundred pixels of each class."""
    pixels = np.full(len(classes), 100)
    return ClassStatistics(classes, pixels, pixels // 100, pixels * len(classes), 1, 0.0)


@every_experiment
@in_checkout
def test_file_says_what_it_is(path):
    stem = f'{path.parent.name}_{path.stem}'
    config = load_config(path)
    assert (config.name, config.out) == (stem, f'runs/{path.parent.name}/{path.stem}')
    on_camvid = load_config(path, ['data=camvid'])
    assert on_camvid.name == f'{stem}_camvid' and on_camvid.out == f'{config.out}_camvid'
    head = [line for line in path.read_text().splitlines() if line.startswith('#')][2:]
    text = '\n'.join(head)
    assert re.match(r'# Seed 00[0-4]', head[0])
    assert head[1] == f'#   python -m training fit --config {path}'
    for word in ('# Data', '# Hardware:', ' Time: ', '# Expected: ', '# Differs: '):
        assert word in text, word


@every_experiment
@pytest.mark.parametrize('words', [(), ('data=camvid',)], ids=('own data', 'camvid'))
@in_checkout
def test_data_network_and_loss_fit_each_other(path, words):
    config = load_config(path, [*words, 'data.workers=0', 'data.cache=false'])
    opened = open_frames(config.data)
    frames, count = opened.train[0][0], len(opened.classes)
    sample = frames[0]
    assert sample.rgb.shape[:2] == sample.labels.shape and (opened.val.labels(0) != 255).any()
    if any(config.data.size):
        assert sample.labels.shape == config.data.size
    with torch.device('meta'):  # no time for the numbers of fresh weights
        net = build_model(config.model.name, count, config.model.options)
    Supervised(net.to_empty(device='cpu'), config.loss, count)
    build_loss(config.loss, counted(opened.classes))


def tiny(path):
    """``data=camvid`` alone changes what is trained; the other words make it small."""
    model = load_config(path, ['data=camvid']).model
    options = json.dumps(model.options | TINY[model.name])
    size = ['data.size=[64, 96]', 'transform.crop=[64, 96]', 'optim.batch=2', 'optim.accumulate=1']
    words = ['data=camvid', "model.weights=''", f'model.options={options}', *size]
    return load_config(path, words)


@pytest.mark.parametrize(
    'row',
    [
        'street_view/v2_balanced',
        'street_view/boundary_aware',
        'vistas/fast_scnn_poly',
        'vistas/bisenet_focal',
        'vistas/stdc1',
        'vistas/linknet34',
        'unet/baseline',
        'unet/modern',
        'dsnet/dsnet',
        'dsnet/psp',
        'dsnet/fine_tune',
        'crowdai/control',
        'crowdai/model_2',
    ],
)
@in_checkout
def test_one_step_on_camvid(row):
    config = tiny(Path(f'config/training/{row}.yaml'))
    process = Process(torch.device('cpu'))
    training_data = open_training_data(config, process)
    trainer = Trainer(config, training_data, process)
    before = {name: value.clone() for name, value in trainer.net.state_dict().items()}
    trainer.set_train_mode()
    losses = trainer.train_step(*next(trainer.epoch_batches()))
    training_data.loader.close()
    assert all(value.isfinite() for value in losses.values())
    after = trainer.net.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def ids_of(path, *words):
    """Names of the classes, and the ids in the first frame to train on."""
    opened = open_frames(load_config(Path(path), [*words, 'data.workers=0']).data)
    return opened.classes.names, np.unique(opened.train[0][0].labels(0)).tolist()


@in_checkout
def test_cars_and_trucks_of_crowdai_are_one_class():
    path = 'config/training/crowdai/control.yaml'
    assert ids_of(path) == (['background', 'car'], [0, 1])
    assert ids_of(path, 'data=camvid') == (['background', 'car'], [0, 1, 255])
    labels = open_frames(load_config(Path(path), ['data.workers=0']).data).train[0][0].labels(0)
    assert [int(labels[200, column]) for column in (80, 240, 400, 600)] == [1, 1, 0, 0]


@in_checkout
def test_split_of_the_baseline_u_net_is_80_to_20():
    opened = open_frames(load_config(Path('config/training/unet/baseline.yaml')).data)
    assert [len(opened.train[0][0]), len(opened.val)] == [4, 1]
    # torch.randperm(5) after that seed is 1, 3, 0, 2, 4.
    assert opened.val.names == ['bonn_000004_000019']


@in_checkout
def test_street_view_trains_on_6400_frames_and_scores_1600():
    data = load_config(Path('config/training/street_view/v1_baseline.yaml')).data
    whole = {'train': 7000, 'val': 1000}  # frames of BDD100K 10k with labels
    frames = [
        sum(round(whole[row.split] * (row.part[1] - row.part[0])) for row in rows)
        for rows in (data.train, data.val)
    ]
    assert frames == [6400, 1600]


def listed():
    """Row and file of every table row of the page."""
    page = (ROOT / 'docs/experiments.md').read_text()
    return re.findall(r'^\| ([^|]+) \| `([^`|]+\.yaml)` \|', page, re.MULTILINE)


def test_page_and_files_name_the_same_experiments():
    files = {str(path.relative_to('config/training')) for path in EXPERIMENTS}
    assert {file for _, file in listed()} == files
    rows = [(file.split('/')[0], row) for row, file in listed()]
    assert len(set(rows)) == len(rows)


def test_figures_of_the_page_are_those_of_the_files():
    page = (ROOT / 'docs/experiments.md').read_text()
    for file, figure in re.findall(r'\| `([^`|]+\.yaml)` \| (?:about )?(0\.\d+)', page):
        assert figure in (FOLDER / file).read_text(), file


def test_bases_are_used():
    used = set()
    for path in FOLDER.rglob('*.yaml'):
        if base := yaml.safe_load(path.read_text()).get('base'):
            used |= {(path.parent / base).resolve(), ROOT / base}  # a study's is of the project
    for path in (FOLDER / 'bases').glob('*.yaml'):
        assert path.resolve() in used
