# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Why an ONNX file does not load: too new for the library, without its weights, or damaged."""

from __future__ import annotations

import re
from pathlib import Path

import onnxruntime as ort

from seg_perception.core.errors import ModelFileError, first_line

_IR = re.compile(r'Unsupported model IR version: (\d+), max supported IR version: (\d+)')
_OPSET = re.compile(r'[Oo]pset (\d+) is under development.*?till opset (\d+)', re.DOTALL)
_OPERATOR = re.compile(
    r'No Op registered for (\w+)|(?:Op|node) \(?(\w+)\)? is not a registered|'
    r'Could not find an implementation for (\w+)'
)
# StringStringEntryProto of onnx.proto: field 1 is the key, field 2 the value with its length.
_EXTERNAL = re.compile(rb'\x0a\x08location\x12([\x80-\xff]{0,4}[\x00-\x7f])')


def load_error(path: Path, error: Exception) -> ModelFileError:
    """What is the matter with an ONNX file that onnxruntime refuses, and what to do."""
    said = str(error)
    return (
        _too_new(path, said)
        or _without_data(path)
        or _of_another_kind(path, said)
        or damaged(path, error, 'a whole ONNX model')
    )


def damaged(path: str | Path, error: Exception, expected: str) -> ModelFileError:
    """What to tell of a file that is there but does not load."""
    seen = f'{Path(path).stat().st_size} bytes that do not load ({first_line(error)})'
    fix = 'It is truncated, damaged or of another kind: copy or download it again.'
    return ModelFileError(f'model file {str(path)!r}', seen, expected, fix)


def external_files(data: bytes) -> set[str]:
    """The files with weights that an ONNX file names, relative to its folder."""
    found = [(match.end(), _varint(match[1])) for match in _EXTERNAL.finditer(data)]
    return {data[at : at + length].decode('utf-8', 'replace') for at, length in found}


def _varint(data: bytes) -> int:
    return sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(data))


def _too_new(path: Path, said: str) -> ModelFileError | None:
    for name, pattern in (('ONNX IR version', _IR), ('ONNX opset', _OPSET)):
        if found := pattern.search(said):
            return ModelFileError(
                f'model file {str(path)!r}',
                f'{name} {found[1]}, which is too new for onnxruntime {ort.__version__}',
                f'at most {found[2]}',
                'Update onnxruntime, or export the model for an older version.',
            )
    return None


def _without_data(path: Path) -> ModelFileError | None:
    names = external_files(path.read_bytes())
    missing = sorted(name for name in names if not (path.parent / name).is_file())
    if not missing:
        return None
    return ModelFileError(
        f'model file {str(path)!r}',
        f'weights in another file, and no {", ".join(missing)}',
        f'it in {str(path.parent)!r}',
        'Copy it there too, or export the model as one file (external_data=False).',
    )


def _of_another_kind(path: Path, said: str) -> ModelFileError | None:
    if found := _OPERATOR.search(said):
        return ModelFileError(
            f'model file {str(path)!r}',
            f'the operator {next(filter(None, found.groups()))}',
            f'operators that onnxruntime {ort.__version__} has',
            'Update onnxruntime, or export the model for an older opset.',
        )
    return None
