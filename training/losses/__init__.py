# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The training loss: terms on the logits, and auxiliary heads that are removed at export.

``Supervised(net, ...)`` gives ``Outputs``, ``build_loss(...)`` scores them against labels. A term
is one module in one file, by name in ``TERMS``; docs/losses.md has formulas and sources.
"""

from training.losses.supervised import Outputs, Supervised
from training.losses.total import TERMS, build_loss, needs_counts

__all__ = ['TERMS', 'Outputs', 'Supervised', 'build_loss', 'needs_counts']
