# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The command on a network that knows three colours, and on pictures of other colours."""

import json
import re

import cv2
import numpy as np
import pytest
import torch

from nearest_colour import NearestColour, write_checkpoint
from seg_perception.core.classes import CAMVID_11
from training.cli import main

MARKS = ('<!-- begin of what python -m training ood writes -->', '<!-- end of it -->')


@pytest.fixture
def checkpoint(config, tmp_path, monkeypatch):
    """Makes one of a network that was taught some of the classes."""

    def make(keep=()):
        path = tmp_path / 'best.pt'
        write_checkpoint(path, config, monkeypatch, keep)
        return ['ood', '--checkpoint', str(path), '--temperature', '1.2']

    return make


@pytest.fixture
def noise(tmp_path):
    """A folder of three pictures of noise."""
    folder = tmp_path / 'noise'
    folder.mkdir()
    for seed in range(3):
        # Blocks as large as a cell: finer noise is grey to the network, which is road.
        rgb = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), np.uint8)
        cv2.imwrite(str(folder / f'{seed}.png'), np.kron(rgb, np.ones((8, 8, 1), np.uint8)))
    return folder


@pytest.fixture
def film(tmp_path):
    """A video of 24 grey frames."""
    path = tmp_path / 'film.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10, (96, 64))
    for level in range(24):
        writer.write(np.full((64, 96, 3), 80 + level, np.uint8))
    writer.release()
    return path


def test_noise_is_told_from_streets(checkpoint, noise, film, tmp_path, capsys):
    out, page = tmp_path / 'out', tmp_path / 'docs/ood.md'
    page.parent.mkdir()
    page.write_text(f'# Title\n\n{MARKS[0]}\nold\n{MARKS[1]}\n\nVerdict.\n')
    words = ['--known', f'film={film}', '--unknown', f'noise={noise}', '--every', '12']
    files = ['--out', str(out), '--docs', str(page), '--show', 'noise']
    assert main([*checkpoint(), *words, *files]) == 0
    text = capsys.readouterr().out
    # Against the two held-out frames and against these and two of the film: all found.
    row = r'\| noise \| {} \| 3 / {} \|( [\d.]+ / [\d.]+ / \d+% \|){{2}} 1\.000 / 1\.00 / 0% \|'
    assert re.search(row.format('held-out frames', 2), text)
    assert re.search(row.format('all known', 4), text)
    assert re.search(r'\| film \| held-out frames \| 2 / 2 \|', text)
    assert re.search(r'\| noise \| labelled pixels \| 288 / \d+ \|', text)
    assert re.search(r'\| noise \| 3 \| 1\.00 \| 1\.00 to 1\.00 \| 100% \| 100% \|', text)
    assert {path.name for path in out.iterdir()} == {
        'ood.json',
        'ood.md',
        'ood_frames.jpg',
        'ood_scores.png',
    }
    record = json.loads((out / 'ood.json').read_text())
    assert record['temperature'] == 1.2
    assert record['images'][0]['energy mean']['auroc'] == 1.0
    assert list(record['pictures']['film']) == ['film_000000', 'film_000012']
    assert page.read_text().startswith(f'# Title\n\n{MARKS[0]}\n\nNetwork of `tiny`')
    assert page.read_text().endswith(f'{MARKS[1]}\n\nVerdict.\n')
    assert 'old' not in page.read_text()
    assert {path.name for path in page.parent.iterdir()} == {
        'ood.md',
        'ood_frames.jpg',
        'ood_scores.png',
    }


def test_pixels_of_a_held_out_class(checkpoint, capsys):
    keep = tuple(name for name in CAMVID_11.names if name != 'car')
    assert main(checkpoint(keep)) == 0
    text = capsys.readouterr().out
    row = re.search(r'\| held-out class \| labelled pixels \| (\d+) / (\d+) \|(.*)\|', text)
    # The car is red, which is far from sky and road, and never void to the command.
    energy = row[3].split('|')[2].strip()
    assert float(energy.split(' / ')[0]) > 0.95
    assert 0 < int(row[1]) < int(row[2])


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ([], '--unknown: got nothing, expected NAME=PATH: images that it should not know'),
        (['--unknown', 'x=nowhere'], "input 'nowhere': got nothing there"),
        (['--unknown', 'x={empty}'], "empty': got no image or video in it"),
        (['--unknown', 'x={broken}'], 'error: image '),
        (['--unknown', 'x={film}'], "film.avi': got 0 frames"),
        (
            ['--unknown', 'x={noise}', '--known', 'x={noise}'],
            "--known: got 'x', expected a name that no other set has",
        ),
        (['--unknown', 'x={noise}', '--show', 'y'], "--show: got 'y', expected held-out frames,"),
        (['--unknown', 'x={noise}', '--every', '0'], '--every: got 0, expected 1 or more'),
        (
            ['--unknown', 'x={noise}', '--docs', '{broken}'],
            'broken.png: got no place for the figures, expected <!-- begin of what',
        ),
    ],
)
def test_what_cannot_be_measured(checkpoint, noise, tmp_path, capsys, words, message):
    (tmp_path / 'empty').mkdir()
    for name in ('broken.png', 'film.avi'):
        (tmp_path / name).write_text('no picture')
    places = {
        'empty': tmp_path / 'empty',
        'broken': tmp_path / 'broken.png',
        'film': tmp_path / 'film.avi',
        'noise': noise,
    }
    assert main([*checkpoint(), *(word.format(**places) for word in words)]) == 2
    assert message in capsys.readouterr().err


def test_one_frame_makes_no_scale(checkpoint, camvid, noise, capsys):
    one = f'data.val=[{{kind: camvid, root: {camvid}, only: [0001TP_1]}}]'
    assert main([*checkpoint(), one, '--unknown', f'noise={noise}']) == 2
    message = 'scores of the held-out frames: got one value, expected frames that differ'
    assert message in capsys.readouterr().err


def test_network_that_answers_with_no_number(checkpoint, noise, capsys, monkeypatch):
    words = checkpoint()
    monkeypatch.setattr(
        NearestColour, 'forward', lambda self, image: torch.full((1, 11, 8, 12), float('nan'))
    )
    assert main([*words, '--unknown', f'noise={noise}']) == 2
    assert 'scores of the known: got 2 that are not finite, expected' in capsys.readouterr().err


def test_set_without_a_name(capsys):
    assert main(['ood', '--checkpoint', 'x.pt', '--unknown', 'folder']) == 2
    assert "got 'folder', expected NAME=PATH or NAME=PATH,PATH" in capsys.readouterr().err
