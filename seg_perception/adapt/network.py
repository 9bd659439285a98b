# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a network from elsewhere takes and gives, read from its file and by running it once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

from seg_perception.adapt.graph import FLOATS, opset_of, real_inputs, shape_of
from seg_perception.core.errors import ModelFileError

OLDEST_OPSET = 13


@dataclass(frozen=True)
class Network:
    """
    A loaded network of one image input.

    :param size: (height, width) of a network of fixed size; None where both are free.
    :param is_nchw: the order of the input's axes; else it is (N, H, W, 3).
    """

    path: Path
    model: onnx.ModelProto
    input_name: str
    input_type: int
    is_nchw: bool
    size: tuple[int, int] | None
    is_one_by_one: bool

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """
        Outputs by name for normalised images in the network's own layout and type, on the CPU.

        :raises ModelFileError: when the model does not load.
        """
        options = ort.SessionOptions()
        options.log_severity_level = 3
        with refused_as(f'model {self.path}', 'a graph that onnxruntime runs'):
            session = ort.InferenceSession(
                self.model.SerializeToString(), options, providers=['CPUExecutionProvider']
            )
        names = [value.name for value in session.get_outputs()]
        return dict(zip(names, session.run(names, {self.input_name: images}), strict=True))


def load_network(path: Path) -> Network:
    """
    Read an ONNX file.

    :raises ModelFileError: when it is missing, damaged or takes anything but one image.
    """
    model = _load(path)
    inputs = real_inputs(model)
    if len(inputs) != 1:
        names = [value.name for value in inputs]
        raise ModelFileError(f'inputs of {path}', names, 'one image', 'Export it with one input.')
    value = inputs[0]
    shape, kind = shape_of(value), value.type.tensor_type.elem_type
    if kind not in (*FLOATS, onnx.TensorProto.UINT8):
        seen = onnx.TensorProto.DataType.Name(kind)
        raise ModelFileError(f'type of input {value.name!r}', seen, 'FLOAT, FLOAT16 or UINT8')
    is_nchw, sides = _layout(value.name, shape)
    fixed = [side for side in sides if isinstance(side, int)]
    if len(fixed) == 1:
        fix = 'Export it with both free or both fixed.'
        raise ModelFileError(f'size of input {value.name!r}', sides, 'two numbers or none', fix)
    if isinstance(shape[0], int) and shape[0] != 1:
        fix = 'Export it with a free batch, or with 1.'
        raise ModelFileError(f'batch of input {value.name!r}', shape[0], '1 or free', fix)
    size = (int(sides[0]), int(sides[1])) if fixed else None
    return Network(path, model, value.name, kind, is_nchw, size, isinstance(shape[0], int))


@contextmanager
def refused_as(thing: str, expected: str, fix: str = '') -> Iterator[None]:
    """
    Name the file in an error of onnx, protobuf or onnxruntime, which share no base of their own.

    :raises ModelFileError: in place of any other error.
    """
    try:
        yield
    except ModelFileError:
        raise
    except Exception as error:
        seen = f'{type(error).__name__}: {str(error).strip()}'.splitlines()[0]
        raise ModelFileError(thing, seen, expected, fix) from error


def _load(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise ModelFileError(f'model {path}', 'no file', 'an ONNX file')
    with refused_as(f'model {path}', 'a whole ONNX file'):
        model = onnx.load(str(path))  # including external weight files
    if not model.graph.node:
        raise ModelFileError(f'model {path}', 'an empty graph', 'a whole ONNX file')
    opset = opset_of(model)
    if opset >= OLDEST_OPSET:
        return model
    fix = f'Export it again with opset_version={OLDEST_OPSET} or above.'
    with refused_as(f'opset {opset} of {path}', f'{OLDEST_OPSET} or above', fix):
        return onnx.version_converter.convert_version(model, OLDEST_OPSET)


def _layout(name: str, shape: list[Any]) -> tuple[bool, list[Any]]:
    """Whether the axes are (N, 3, H, W), and the (H, W) among them."""
    if len(shape) == 4 and shape[1] == 3:
        return True, shape[2:]
    if len(shape) == 4 and shape[3] == 3:
        return False, shape[1:3]
    fix = 'Export it with three fixed channels.'
    raise ModelFileError(f'shape of input {name!r}', shape, '(N, 3, H, W) or (N, H, W, 3)', fix)
