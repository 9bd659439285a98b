# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""YAML files and ``name=value`` words as plain types, which ``core.settings.load`` checks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from seg_perception.core.errors import ParameterError, SegPerceptionError, SourceError


def read_mapping(
    path: Path, what: str, error: type[SegPerceptionError] = SourceError
) -> dict[str, Any]:
    """
    The keys and values of a YAML file; an empty file has none.

    :param what: the kind of file, for error texts.
    :raises error: when the file cannot be read or holds something else.
    """
    thing = f'{what} {str(path)!r}'
    try:
        data = yaml.safe_load(path.expanduser().read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError) as fault:
        seen = 'no file' if isinstance(fault, FileNotFoundError) else fault
        raise error(thing, seen, 'a readable YAML file', 'Check the path.') from fault
    except yaml.YAMLError as fault:
        raise error(thing, ' '.join(str(fault).split()), 'YAML') from fault
    if data is not None and not isinstance(data, dict):
        raise error(thing, f'a {type(data).__name__}', 'a group of keys')
    return data or {}


def read_words(
    words: Iterable[str], example: str, error: type[SegPerceptionError] = ParameterError
) -> dict[str, Any]:
    """
    Words such as ``optim.batch=4`` as names and values; the last word of a name wins.

    :param example: a word to show in the error text.
    :raises error: when a word has no name, no sign or a value that is not YAML.
    """
    values = {}
    for word in words:
        name, sign, text = word.partition('=')
        try:
            if not (name and sign):
                raise yaml.YAMLError
            values[name] = yaml.safe_load(text)
        except yaml.YAMLError as fault:
            raise error('argument', repr(word), 'name=value', f'Example: {example}') from fault
    return values
