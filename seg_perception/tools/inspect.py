# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Say what is in a model file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import onnxruntime as ort

from seg_perception.core.errors import ModelFileError, printable
from seg_perception.inference.model_file import (
    AT_THRESHOLD,
    TORCH_ENDING,
    ModelCard,
    open_session,
    read_card,
)


def describe_model(path: str | Path) -> str:
    """
    The model file's story in lines of text.

    :raises ModelFileError: when the file is missing, damaged or not in the contract; what can be
        read of it is printed before.
    """
    try:
        card = read_card(path)
    except ModelFileError:
        print(printable('\n'.join(_remains(Path(path)))))
        raise
    facts = {
        'file': _file(Path(path)),
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
    return printable('\n'.join([*lines, *_scores(card), *_classes(card)]))


def _file(path: Path) -> str:
    return f'{path} ({path.stat().st_size / 1e6:.2f} MB)' if path.is_file() else str(path)


def _remains(path: Path) -> Iterator[str]:
    """What is known of a file that cannot be used."""
    yield f'file         {_file(path)}'
    if path.suffix == TORCH_ENDING:
        return
    with suppress(ModelFileError):
        session = open_session(path, ort.SessionOptions(), ['CPUExecutionProvider'])
        for kind, nodes in (('input', session.get_inputs()), ('output', session.get_outputs())):
            for node in nodes:
                yield f'{kind:<12} {node.name} {node.type} {tuple(node.shape)}'[:200]
        for name, text in session.get_modelmeta().custom_metadata_map.items():
            yield f'metadata     {name}: {len(text)} characters, {text[:60]}'[:200]


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
