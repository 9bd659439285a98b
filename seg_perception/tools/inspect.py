# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Say what is in a model file."""

from __future__ import annotations

from pathlib import Path

from seg_perception.inference.model_file import AT_THRESHOLD, ModelCard, read_card


def describe_model(path: str | Path) -> str:
    """
    The model file's story in lines of text.

    :raises ModelFileError: when the file is missing, damaged or not in the contract.
    """
    card = read_card(path)
    size_mb = Path(path).stat().st_size / 1e6
    facts = {
        'file': f'{path} ({size_mb:.2f} MB)',
        'name': card.name,
        'contract': f'version {card.contract}',
        'input': _input(card),
        'temperature': f'{card.temperature:g}',
        'ood score': _ood_score(card),
        'data': card.data,
        'licence': card.licence,
        'commit': card.commit,
    }
    lines = [f'{key:<12} {value}' for key, value in facts.items()]
    return '\n'.join([*lines, *_scores(card), *_classes(card)])


def _input(card: ModelCard) -> str:
    height, width = card.input_size
    size = f'image uint8 (N, H, W, 3) RGB, {height} x {width} (height x width)'
    if not card.dynamic:
        return f'{size} only'
    return f'{size} preferred, any multiple of {card.size_multiple}'


def _ood_score(card: ModelCard) -> str:
    scale = card.ood_calibration
    if scale is None:
        return 'not told'
    ends = f'0 at {scale.median:g}, {AT_THRESHOLD:g} at {scale.threshold:g}'
    return f'{scale.score}: {ends}, where 95 % of the known frames lie below'


def _scores(card: ModelCard) -> list[str]:
    return ['scores', *(f'  {value:.4f}  {name}' for name, value in card.scores.items())]


def _classes(card: ModelCard) -> list[str]:
    table = card.classes
    rows = [
        f'  {row.id:>3}  {row.name:<26} {row.role.value:<11} rgb {row.rgb}'
        for row in table.classes
    ]
    return [f'classes      {table.name}, {len(table)}', *rows]
