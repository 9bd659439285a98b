# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers and tables as text: for a page and for Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

import numpy as np

CONFUSION_AXES = ('predicted', 'true')  # x, y
RELIABILITY_AXES = ('stated confidence, %', 'correct pixels, %')
NONE = '\N{EN DASH}'  # stands for a number that is not known
_LISTED = 6  # values of a list that are named
_TYPESET = str.maketrans({',': '\N{NARROW NO-BREAK SPACE}', '-': '\N{MINUS SIGN}'})


def number(value: Any, digits: int = 1, unit: str = '', sign: str = '') -> str:
    """A number for people; a dash for None and NaN. ``sign`` '+' shows the sign always."""
    if value is None or not isfinite(value):
        return NONE
    shown = round(float(value), digits) + 0.0  # no minus before zero
    return f'{shown:{sign},.{digits}f}{unit}'.translate(_TYPESET)


def percent(share: Any, digits: int = 1) -> str:
    return number(None if share is None else 100 * share, digits, ' %')


def counted(count: int, noun: str) -> str:
    """A count and its noun, ``1 frame`` or ``12 frames``."""
    return f'{number(count, 0)} {noun}{"" if count == 1 else "s"}'


def spaced(name: str) -> str:
    """An identifier as words."""
    return name.replace('_', ' ')


def worded(value: Any) -> str:
    """A value of any JSON type in a few words."""
    if value is None or value == {}:
        return NONE
    if isinstance(value, float):
        return f'{value:.6g}'
    if isinstance(value, list):
        if any(isinstance(one, (list, dict)) for one in value):
            return f'list of {len(value)}'
        more = f' and {len(value) - _LISTED} more' if len(value) > _LISTED else ''
        return ', '.join(map(worded, value[:_LISTED])) + more or NONE
    return value if isinstance(value, str) else json.dumps(value)


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]], align: str = '') -> str:
    """
    A table in Markdown.

    :param align: a letter per column, ``r`` for numbers at the right; empty: all at the left.
    """
    rule = ['---:' if side == 'r' else '---' for side in align or 'l' * len(heads)]
    return '\n'.join(f'| {" | ".join(line)} |' for line in (heads, rule, *rows))


def confusion_columns(names: Sequence[str], shares: np.ndarray) -> list[str]:
    """Heads of a confusion matrix (C, C), or (C, C + 1) with the unlabeled last."""
    return [*names, 'unlabeled'][: shares.shape[1]]
