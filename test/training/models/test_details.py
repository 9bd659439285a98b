# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What single networks do beyond the interface of all."""

import pytest
import torch
from torch import nn

from tiny_networks import TINY
from training.models import build_model
from training.models.ddrnet import DDRNet
from training.models.external import LinkNet
from training.models.pidnet import BoundaryFusion, GuidedFusion, PIDNet
from training.models.pp_liteseg import AttentionFusion
from training.models.stdc import Stdc


class Constant(nn.Module):
    """A map of one value, whatever it sees."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, features):
        return torch.full_like(features, self.value)


@pytest.mark.parametrize(('rectify', 'expected'), [(False, (0.0, 1.0)), (True, (2.0, 3.0))])
def test_ddrnet_adds_before_the_relu(rectify, expected):
    net = DDRNet(3, planes=8, head=8, branch=8, rectify=rectify)
    low, high = torch.full((1, 1, 2, 2), -4.0), torch.full((1, 1, 2, 2), -2.0)
    # of the paper: relu(-4 + 2) and relu(-2 + 3); rectified first: relu(0 + 2) and relu(0 + 3)
    low, high = net.fuse(low, high, Constant(2.0), Constant(3.0))
    assert (low[0, 0, 0, 0].item(), high[0, 0, 0, 0].item()) == expected


def test_ddrnet_slim_keeps_its_names():
    shapes = {k: tuple(v.shape) for k, v in build_model('ddrnet23_slim', 11).state_dict().items()}
    assert len(shapes) == 334
    assert shapes['stem.0.0.weight'] == (32, 3, 3, 3)
    assert shapes['stem.2.2.body.1.0.weight'] == (32, 32, 3, 3)
    assert shapes['to_low4.1.0.weight'] == (256, 128, 3, 3)
    assert shapes['context.scales.4.0.weight'] == (128, 512, 1, 1)
    assert shapes['context.compress.0.weight'] == (128, 640, 1, 1)
    assert shapes['head.1.weight'] == (11, 64, 1, 1)
    assert shapes['aux.0.0.weight'] == (64, 64, 3, 3)


def test_pidnet_gives_boundary_logits_beside_its_outputs():
    net = build_model('pidnet_s', 5, TINY['pidnet_s']).train()
    seen = []
    net.get_submodule(net.boundary_feature).register_forward_hook(
        lambda _, __, output: seen.append(output)
    )
    logits, aux = net(torch.randn(2, 3, 64, 96))
    assert [x.shape for x in (logits, aux, *seen)] == [(2, 5, 8, 12), (2, 5, 8, 12), (2, 1, 8, 12)]
    aux.sum().backward()  # no boundary loss: the head has a gradient of zero, as DDP asks for
    assert all(value.grad.eq(0).all() for value in net.boundary.parameters())
    net.eval()(torch.randn(1, 3, 64, 96))
    assert len(seen) == 1  # not in evaluation


def test_pidnet_trusts_detail_at_boundaries_and_context_elsewhere():
    fusion = BoundaryFusion(1)
    fusion.detail, fusion.context = nn.Identity(), nn.Identity()
    detail, context = torch.full((1, 1, 1, 1), 3.0), torch.full((1, 1, 1, 1), 5.0)
    # sure of a boundary: 3 + (5 + 3); sure of none: (3 + 5) + 5
    assert fusion(detail, context, torch.tensor(99.0)).item() == 11
    assert fusion(detail, context, torch.tensor(-99.0)).item() == 13


@pytest.mark.parametrize(('agreement', 'expected'), [(9.0, 5.0), (-9.0, 3.0)])
def test_pidnet_takes_context_where_both_agree(agreement, expected):
    fusion = GuidedFusion(1, 1)
    fusion.key, fusion.query = Constant(9.0), Constant(agreement)
    detail, context = torch.full((1, 1, 2, 2), 3.0), torch.full((1, 1, 1, 1), 5.0)
    torch.testing.assert_close(fusion(detail, context), torch.full((1, 1, 2, 2), expected))


def test_pidnet_reads_boundaries_from_its_d_branch_alone():
    net = PIDNet(5, planes=8, branch=8, head=8).train()
    (edge,) = torch.autograd.grad(net(torch.randn(2, 3, 64, 64))[0].sum(), [net.d5.skip[0].weight])
    assert edge.abs().sum() > 0


@pytest.mark.parametrize(('share', 'expected'), [(99.0, 2.0), (-99.0, 7.0)])
def test_pp_liteseg_mixes_detail_and_context_by_pixel(share, expected):
    fusion = AttentionFusion(1, 1, 1, 1)
    fusion.project, fusion.join = nn.Identity(), nn.Identity()
    fusion.attention = nn.Sequential(Constant(share), nn.Sigmoid())
    detail, context = torch.full((1, 1, 2, 2), 2.0), torch.full((1, 1, 1, 1), 7.0)
    assert fusion(detail, context).eq(expected).all()


def test_pp_liteseg_has_paddles_size_with_paddles_projection():
    net = build_model('pp_liteseg_t', 19, {'projection': 3}).eval()
    heads = ('aux16', 'aux32')
    used = [v for k, v in net.named_parameters() if not k.startswith(heads)]
    assert sum(value.numel() for value in used) == pytest.approx(8.03e6, rel=0.01)


@pytest.mark.parametrize(('name', 'parameters'), [('stdc1', 5.32e6), ('stdc2', 9.35e6)])
def test_stdc_backbone(name, parameters):
    backbone = Stdc(name)
    # Of the paper's 8.44 M and 12.47 M, the classifier has 1.05 + 1.05 + 1.02 M.
    assert sum(v.numel() for v in backbone.parameters()) == pytest.approx(parameters, rel=0.002)
    shapes = [tuple(features.shape) for features in backbone(torch.zeros(2, 3, 64, 96))]
    assert shapes == [(2, 256, 8, 12), (2, 512, 4, 6), (2, 1024, 2, 3)]


def test_linknet_pads_and_crops():
    net = LinkNet(3).eval()
    image = torch.randn(1, 3, 40, 50)
    padded = torch.zeros(1, 3, 64, 64)
    padded[:, :, :40, :50] = image
    with torch.no_grad():
        assert torch.equal(net(image), net(padded)[:, :, :40, :50])
