# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from training.cli import main
from training.errors import ConfigError
from training.models import build_model
from training.summary import Row, count_macs, count_parameters, markdown, summarise


class Small(nn.Module):
    """3x3 from 3 to 4 channels at half size; an auxiliary layer that evaluation never runs."""

    def __init__(self):
        super().__init__()
        self.conv, self.aux = nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.Conv2d(4, 9, 1)

    def forward(self, image):
        return self.conv(image)


def test_counts_by_hand():
    assert count_parameters(Small()) == 3 * 4 * 9  # without the 45 of the auxiliary layer
    assert count_macs(Small(), (16, 32)) == 3 * 4 * 9 * (8 * 16)


@pytest.mark.parametrize(
    ('name', 'gmacs'),
    [
        ('ddrnet23_slim', 36.3),  # arXiv 2101.06085, table 5
        ('ddrnet23', 143.1),
        ('pidnet_s', 47.6),  # arXiv 2206.02066, table 6
    ],
)
def test_counts_the_papers_multiply_adds(name, gmacs):
    assert count_macs(build_model(name, 19), (1024, 2048)) == pytest.approx(1e9 * gmacs, rel=0.01)


def test_table():
    rows = [
        Row('one', 5_690_000, 5.7e6, 36.28e9, 12.34, 'arXiv 1'),
        Row('two', 17_950_000, 0.0, 1e9, 2.0, 'arXiv 2'),
    ]
    first, *_, head, rule, one, two = markdown(rows, (384, 640), 11).splitlines()
    assert first.startswith('At 384x640, 11 classes') and 'onnxruntime' in first
    assert head == ('| network | parameters [M] | published [M] | GMACs | CPU [ms] | paper |')
    assert rule == '| --- | ---: | ---: | ---: | ---: | --- |'
    assert one == '| one | 5.69 | 5.70 | 36.3 | 12.3 | arXiv 1 |'
    assert two == '| two | 17.95 |  | 1.0 | 2.0 | arXiv 2 |'


def test_command_without_and_with_times(capsys):
    assert main(['summary', 'enet', 'fast_scnn', '--size', '64x96', '--classes', '5']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(' | ')[0] for line in lines[2:]] == [
        '| network',
        '| ---',
        '| enet',
        '| fast_scnn',
    ]
    assert 'CPU' not in lines[2]


@pytest.mark.slow
def test_times_the_exported_file():
    torch.set_num_threads(1)
    (row,) = summarise(['fast_scnn'], (64, 96), 5, timed=True)
    assert row.cpu_ms > 0


def test_says_what_is_wrong():
    with pytest.raises(ConfigError, match=r"network: got 'enett', .*Did you mean enet"):
        summarise(['enett'], (64, 64), 5)
    with pytest.raises(ConfigError, match='size: got 31x64, expected 32 or more on each side'):
        summarise([], (31, 64), 5)
