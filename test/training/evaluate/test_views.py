# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from torch import nn

from seg_perception.core.errors import ParameterError
from training.evaluate.views import Mode, mean_softmax


class Watched(nn.Module):
    """Two classes by the sign of the first channel, pixel by pixel; keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = []

    def forward(self, image):
        self.seen.append(image)
        return torch.cat([image[:, :1], -image[:, :1]], dim=1)


class LeftHalf(nn.Module):
    """Whatever it sees: class 0 in the left half of it, class 1 in the right, both for sure."""

    def forward(self, image):
        n, _, height, width = image.shape
        logits = torch.zeros(n, 2, height, width)
        logits[:, 0, :, : width // 2] = logits[:, 1, :, width // 2 :] = 100.0
        return logits


def image_of(values):
    """(1, 3, H, W) of one row of values, 32 times."""
    row = torch.tensor(values, dtype=torch.float32)
    return row.expand(1, 3, 32, len(values)).clone()


def test_one_view_is_the_softmax():
    shares = mean_softmax(nn.Identity(), image_of([0.0] * 32), Mode())
    assert torch.allclose(shares, torch.tensor(1 / 3))
    shares = mean_softmax(Watched(), image_of([0.5] * 32), Mode(), temperature=2.0)
    # Two classes, logits of 1 apart, divided by 2: sigmoid(0.5).
    assert shares[0, 0, 0, 0].item() == pytest.approx(0.6224593312)


def test_mirrored_view_is_mirrored_back_and_averaged():
    net = Watched()
    image = image_of(range(32))
    plain, both = mean_softmax(net, image, Mode()), mean_softmax(net, image, Mode(flip=True))
    assert torch.equal(net.seen[2][0, 0, 0], torch.arange(31.0, -1, -1))
    assert torch.allclose(plain, both)  # a network that looks at pixels alone sees no difference
    # One that looks at sides answers the one and then the other: half each.
    halves = mean_softmax(LeftHalf(), image, Mode(flip=True))
    assert torch.allclose(halves, torch.tensor(0.5))


def test_scales_are_multiples_of_the_stride():
    net = Watched()
    shares = mean_softmax(net, torch.zeros(1, 3, 64, 96), Mode(scales=(0.25, 0.8, 1.0, 1.5)))
    assert [tuple(view.shape[2:]) for view in net.seen] == [
        (32, 32),
        (48, 80),
        (64, 96),
        (96, 144),
    ]
    assert shares.shape == (1, 2, 64, 96)


def test_shares_of_the_scales_are_averaged():
    class BySize(nn.Module):
        """Class 0 for sure in what is 64 wide, class 1 else."""

        def forward(self, image):
            logits = torch.zeros(1, 2, *image.shape[2:])
            logits[:, 0 if image.shape[3] == 64 else 1] = 100.0
            return logits

    shares = mean_softmax(BySize(), torch.zeros(1, 3, 64, 64), Mode(scales=(0.5, 1.0, 1.25, 2.0)))
    assert torch.allclose(shares[0, :, 0, 0], torch.tensor([0.25, 0.75]))


def test_windows_cover_the_image_and_end_at_its_border():
    net = Watched()
    columns = torch.arange(80.0).expand(1, 3, 48, 80)
    mean_softmax(net, columns, Mode(window=(32, 32), overlap=0.25))
    starts = [int(part[0, 0, 0, 0]) for part in net.seen]
    assert starts == [0, 24, 48] * 2
    assert {tuple(part.shape[2:]) for part in net.seen} == {(32, 32)}
    rows = torch.arange(48.0)[:, None].expand(1, 3, 48, 80)
    net.seen.clear()
    mean_softmax(net, rows, Mode(window=(32, 32), overlap=0.25))
    assert [int(part[0, 0, 0, 0]) for part in net.seen] == [0, 0, 0, 16, 16, 16]


def test_pixel_is_the_mean_of_its_windows():
    # Windows at 0 and 16: left of 16 only the first, from 32 on only the second. Between them the
    # first says right half, class 1, and the second left half, class 0.
    shares = mean_softmax(
        LeftHalf(), torch.zeros(1, 3, 32, 48), Mode(window=(32, 32), overlap=0.5)
    )
    expected = np.repeat([1.0, 0.5, 0.0], 16)
    np.testing.assert_allclose(shares[0, 0, 5].numpy(), expected, atol=1e-6)


def test_windows_change_nothing_for_a_network_that_looks_at_pixels_alone():
    image = torch.randn(1, 3, 40, 72, generator=torch.Generator().manual_seed(0))
    whole = mean_softmax(Watched(), image, Mode())
    parts = mean_softmax(Watched(), image, Mode(window=(32, 40), overlap=0.4))
    assert torch.allclose(whole, parts, atol=1e-6)


def test_window_larger_than_the_view_sees_it_once():
    net = Watched()
    mean_softmax(net, torch.zeros(1, 3, 32, 64), Mode(window=(512, 512)))
    assert [tuple(part.shape[2:]) for part in net.seen] == [(32, 64)]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'scales': ()}, r'scales: got \(\), expected factors'),
        ({'scales': (0.0, 1.0)}, r'scales: got \(0.0, 1.0\)'),
        ({'window': (16, 64)}, r'window: got \(16, 64\), expected 32 or more'),
        ({'overlap': 1.0}, 'overlap: got 1.0, expected 0 to 0.9'),
    ],
)
def test_modes_that_cannot_be(options, message):
    with pytest.raises(ParameterError, match=message):
        Mode(**options)
