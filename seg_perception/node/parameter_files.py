# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Parameter files whose values are for another node: rcl passes over them without a word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from seg_perception.core.errors import SourceError
from seg_perception.io.yaml_file import read_mapping

_VALUES = 'ros__parameters'


def unmatched_files(arguments: Sequence[str], node: str) -> list[str]:
    """
    A sentence for each parameter file among the arguments in which nothing is for a node.

    :param node: its name with its namespace, such as ``/seg_perception``.
    """
    files = [Path(word) for flag, word in pairwise(arguments) if flag == '--params-file']
    return [problem for file in files if (problem := _problem(file, node))]


def _problem(file: Path, node: str) -> str:
    try:
        names = [name for name in _names(read_mapping(file, 'parameter file')) if name]
    except SourceError:  # rcl has read it
        return ''
    if not names or any(_matches(name, node) for name in names):
        return ''
    there = ', '.join(names)
    return f'nothing in {file} is for this node: it is {node}, the file has values for {there}'


def _names(group: Mapping[str, Any], above: str = '') -> Iterator[str]:
    """Nodes that a group has values for, by their names from the root."""
    if _VALUES in group:
        yield above
    for key, below in group.items():
        if key != _VALUES and isinstance(below, Mapping):
            yield from _names(below, f'{above}/{str(key).strip("/")}')


def _matches(pattern: str, node: str) -> bool:
    """By the rules of rcl: ``*`` is one part of a name, ``**`` any number of parts."""
    parts = {'/**': '(?:/[^/]+)*', '/*': '/[^/]+'}
    text = re.sub(r'/\*\*?|[^/]+|/', lambda m: parts.get(m[0], re.escape(m[0])), pattern)
    return re.fullmatch(text, node) is not None
