# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What docs/losses.md shows can be trained with."""

from pathlib import Path

import pytest
import torch
import yaml

from seg_perception.core.classes import TABLES, ClassTable
from training.config import parse_config
from training.losses import TERMS, Outputs, build_loss

PAGE = (Path(__file__).parents[3] / 'docs/losses.md').read_text()
RECIPES = [text.partition('```')[0] for text in PAGE.split('```yaml\n')[1:]]


def table_with(names: set[str]) -> ClassTable:
    return next(table for table in TABLES.values() if names <= set(table.names))


@pytest.mark.parametrize('text', RECIPES)
def test_recipe(text, counted):
    config = parse_config({'name': 'x', 'out': 'x', **yaml.safe_load(text)}).loss
    named = {name for term in config.terms for name in term.options.get('foreground', [])}
    classes = table_with(named | set(config.boost))
    loss = build_loss(config, counted(classes, range(1, len(classes) + 1)))
    logits = torch.randn(1, len(classes), 2, 2, requires_grad=True)
    labels = torch.tensor([[[0, 1], [255, 1]]], dtype=torch.uint8)
    loss(Outputs(logits, (logits,)), labels).backward()
    assert logits.grad.isfinite().all() and logits.grad.any()


def test_every_term_is_on_the_page():
    assert len(RECIPES) == 6
    assert [name for name in TERMS if f'| `{name}` |' not in PAGE] == []
