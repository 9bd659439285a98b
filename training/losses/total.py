# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The loss of an experiment: the weighted sum of its terms and side heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from training.config import LossConfig, TermConfig, as_arguments
from training.data.label_sets import NO_SETS, LabelSets
from training.errors import ConfigError, check_known
from training.losses.boundary import boundary_loss
from training.losses.class_weights import ClassWeights
from training.losses.cross_entropy import CrossEntropy, EdgeCrossEntropy, Ohem
from training.losses.encoding import encoding_loss
from training.losses.focal import Focal, ObjectWeightedFocal
from training.losses.inputs import Sampling, Target, loss_inputs
from training.losses.overlap import Dice, ForegroundIou, Jaccard
from training.losses.supervised import Outputs
from training.stats import ClassStatistics

TERMS: dict[str, type[nn.Module]] = {
    'cross_entropy': CrossEntropy,
    'edge': EdgeCrossEntropy,
    'focal': Focal,
    'owfl': ObjectWeightedFocal,
    'ohem': Ohem,
    'dice': Dice,
    'jaccard': Jaccard,
    'iou': ForegroundIou,
}
"""Each takes the class weights and its options, and turns ``LossInputs`` into a scalar."""
WHOLE_LABELS = {'iou', 'owfl'}
"""Terms that want one class a label."""


def build_term(config: TermConfig, class_weights: ClassWeights) -> nn.Module:
    """
    The term of that name with its options.

    :raises ConfigError: when there is no such term or option, or a value cannot be.
    """
    check_known('loss term', config.name, TERMS)
    if not 0 < config.weight < float('inf'):
        raise ConfigError(f'weight of loss term {config.name}', config.weight, 'more than 0')
    options = as_arguments(TERMS[config.name], config.options, f'loss.terms, {config.name}')
    return TERMS[config.name](class_weights, **options)


class TermSum(nn.Module):
    """Terms times their weights, of one tensor of logits."""

    def __init__(self, configs: Sequence[TermConfig], class_weights: ClassWeights) -> None:
        super().__init__()
        self.terms = nn.ModuleList(build_term(config, class_weights) for config in configs)
        self.weights = [config.weight for config in configs]
        self.names = _distinct([config.name for config in configs])
        self.reads_predicted = any(hasattr(term, 'reads_predicted') for term in self.terms)

    def forward(self, logits: Tensor, target: Target) -> dict[str, Tensor]:
        inputs = loss_inputs(logits, target, self.reads_predicted)
        rows = zip(self.names, self.weights, self.terms, strict=True)
        return {name: weight * term(inputs) for name, weight, term in rows}


class SegmentationLoss(nn.Module):
    """
    Loss of ``Outputs`` against labels (N, H, W) uint8 with 255 ignored, a float32 scalar.

    With ``loss.stride`` s, every s-th row and column is scored. The offset cycles with the step,
    and the logits are read where the labels lie, so every pixel counts in its own place.
    """

    def __init__(self, config: LossConfig, class_weights: ClassWeights) -> None:
        super().__init__()
        self.config = config
        sets, num_classes = class_weights.sets, len(class_weights.weights)
        _check_sets(config, sets)
        allowed = torch.from_numpy(sets.allowed(num_classes)) if sets else None
        self.register_buffer('allowed', allowed, persistent=False)
        self.main = TermSum(config.terms, class_weights)
        self.aux = TermSum(config.aux_terms or config.terms[:1], class_weights)
        self.parts: dict[str, Tensor] = {}
        """Each part of the last call, weighted: they sum up to the loss. No wait for a GPU."""

    def forward(self, outputs: Outputs, labels: Tensor, step: int = 0) -> Tensor:
        with torch.autocast(labels.device.type, enabled=False):
            parts = dict(self._parts(outputs, labels, step))
        self.parts = {name: value.detach() for name, value in parts.items()}
        return torch.stack(list(parts.values())).sum()

    def _parts(self, outputs: Outputs, labels: Tensor, step: int) -> Iterator[tuple[str, Tensor]]:
        config, stride = self.config, self.config.stride
        row, column = step // stride % stride, step % stride
        sampling = Sampling(labels.shape[1:], stride, row, column)
        target = Target(sampling.of_labels(labels), sampling, self.allowed)
        yield from self.main(outputs.logits, target).items()
        if outputs.aux:
            sums = [sum(self.aux(logits, target).values()) for logits in outputs.aux]
            yield 'aux', config.aux_weight * torch.stack(sums).sum()
        if 'boundary' in outputs.side:
            loss = boundary_loss(outputs.side['boundary'], labels, stride)
            yield 'boundary', config.boundary_weight * loss
        if 'encoding' in outputs.side:
            loss = encoding_loss(outputs.side['encoding'], labels)
            yield 'encoding', config.encoding_weight * loss
        if 'l1' in outputs.side:
            yield 'l1', config.l1 * outputs.side['l1']


def build_loss(
    config: LossConfig, statistics: ClassStatistics, sets: LabelSets = NO_SETS
) -> SegmentationLoss:
    """
    The loss of an experiment; ``to(device)`` takes its weights along.

    :param statistics: of the labels to train on; unknown ones will do unless ``needs_counts``.
    :param sets: what labels above the classes stand for.
    :raises ConfigError: when a term, an option or a class to boost is not there.
    """
    if not config.terms:
        raise ConfigError('config key loss.terms', 'an empty list', 'one term or more')
    return SegmentationLoss(config, ClassWeights.of(config, statistics, sets))


def needs_counts(config: LossConfig) -> bool:
    """Whether the loss depends on how many pixels of each class there are to train on."""
    names = [term.name for term in (*config.terms, *config.aux_terms)]
    return config.class_weights != 'none' or 'owfl' in names


def _check_sets(config: LossConfig, sets: LabelSets) -> None:
    """Refuse what would teach that a class is absent where no label says so."""
    names = {term.name for term in (*config.terms, *config.aux_terms)} & WHOLE_LABELS
    if config.encoding_weight:
        names.add('encoding_weight')
    if sets and names:
        fix = 'Set data.partial_labels=false, or train with cross_entropy, focal, ohem or dice.'
        raise ConfigError(
            f'loss with {", ".join(sorted(names))}',
            'labels that may be several classes',
            'one class a label',
            fix,
        )


def _distinct(names: Sequence[str]) -> list[str]:
    """Names of the parts in the log: a second focal is focal_2."""
    numbers = [names[: index + 1].count(name) for index, name in enumerate(names)]
    return [
        name if number == 1 else f'{name}_{number}'
        for name, number in zip(names, numbers, strict=True)
    ]
