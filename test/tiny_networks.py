# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Options that make each network of the zoo small enough for quick tests."""

from __future__ import annotations

from typing import Any

_STDC = {'backbone': 'stdc1', 'base': 8, 'channels': 16, 'head': 16}
_PP_LITESEG = {'backbone': 'stdc1', 'base': 8, 'decoder': (8, 8, 16)}
_DDRNET = {'planes': 8, 'head': 16, 'branch': 16}

TINY: dict[str, dict[str, Any]] = {
    'fast_scnn': {'width': 0.25},
    'bisenet_r18': {'channels': 16, 'depths': (1, 1, 1, 1)},
    'pp_liteseg_t': _PP_LITESEG,
    'pp_liteseg_b': _PP_LITESEG,
    'stdc1': _STDC,
    'stdc2': _STDC,
    'ddrnet23_slim': _DDRNET,
    'ddrnet23': _DDRNET,
    'fpn_lite0': {'width': 0.25, 'decoder': (8, 8, 8, 16)},
    'pidnet_s': {'planes': 8, 'branch': 8, 'head': 16},
    'linknet18': {'encoder': 'resnet18'},
    'linknet34': {'encoder': 'resnet18'},
    'segformer_b0': {'channels': 32},
    'deeplabv3_r50': {'depths': (1, 1, 1, 1), 'channels': 16},
    'dsnet': {'size': 0.5},
    'enet': {'repeats': 1, 'dropout': 0.0, 'early_dropout': 0.0},
    'erfnet': {'width': 8, 'units': (1, 2), 'dropout': 0.0, 'early_dropout': 0.0},
    'espnet': {'width': 8, 'depths': (1, 2)},
    'unet': {'width': 8},
    'modern_unet': {'width': 8, 'groups': 4, 'blocks': 1},
}
