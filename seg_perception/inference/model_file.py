# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The model file contract: one ONNX file that explains itself.

Input ``image`` uint8 (N, H, W, 3) RGB, outputs ``labels`` and ``confidence`` uint8 (N, H, W).
The metadata key ``seg_perception`` holds a ``ModelCard`` as JSON; a writer sets it with
``onnx.helper.set_model_props(model, {METADATA_KEY: card.to_json()})``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import onnxruntime as ort

from seg_perception.core.classes import TABLES, ClassTable
from seg_perception.core.errors import ClassTableError, ModelFileError

CONTRACT_VERSION = 1
METADATA_KEY = 'seg_perception'
INPUT_NAME = 'image'
OUTPUT_NAMES = ('labels', 'confidence')
ADAPT_FIX = (
    'Wrap a model from elsewhere once with `seg-perception adapt`, '
    'or export your own with `python -m training export`.'
)
_UINT8 = 'tensor(uint8)'


@dataclass(frozen=True)
class ModelCard:
    """
    What a model file says about itself.

    :param input_size: (height, width); the only size of a fixed model, the preferred one of a
        dynamic model, whose area bounds the work of a frame.
    :param size_multiple: height and width must be multiples of it; 1 for a fixed model.
    :param dynamic: any number of rows and columns is taken, within ``size_multiple``.
    :param upscale: frames smaller than ``input_size``'s area are enlarged by so much at most; thin
        things gain from it. 1 leaves them as they are.
    :param temperature: divides the logits before the softmax that gives the confidence.
    :param data: what it was trained and selected on, with terms.
    :param scores: measured scores by name, such as ``{'mean_iou 0001TP': 0.58}``.
    :raises ModelFileError: when a value cannot be.
    """

    name: str
    classes: ClassTable
    input_size: tuple[int, int]
    size_multiple: int
    dynamic: bool
    temperature: float
    data: str
    scores: dict[str, float]
    licence: str
    commit: str
    contract: int = CONTRACT_VERSION
    upscale: float = 1.0

    def __post_init__(self) -> None:
        _check_contract(self.contract, 'model card')
        if not self.name:
            raise ModelFileError('model card: name', repr(self.name), 'a name')
        if self.size_multiple < 1 or (not self.dynamic and self.size_multiple != 1):
            raise ModelFileError(
                'model card: size_multiple',
                self.size_multiple,
                '1 or more, and 1 for a model of fixed size',
            )
        if min(self.input_size) < 1 or any(side % self.size_multiple for side in self.input_size):
            raise ModelFileError(
                'model card: input_size',
                self.input_size,
                f'(height, width), positive multiples of {self.size_multiple}',
            )
        if not (isfinite(self.temperature) and self.temperature > 0):
            raise ModelFileError('model card: temperature', self.temperature, 'above 0')
        if not 1 <= self.upscale <= 4:
            raise ModelFileError('model card: upscale', self.upscale, '1 to 4')
        _check_table(self.classes)

    def to_json(self) -> str:
        """The card as JSON text; ``from_json`` reads it back."""
        return json.dumps(
            {
                'contract': self.contract,
                'name': self.name,
                'class_table': self.classes.to_dict(),
                'input_size': list(self.input_size),
                'size_multiple': self.size_multiple,
                'dynamic': self.dynamic,
                'upscale': self.upscale,
                'temperature': self.temperature,
                'data': self.data,
                'scores': self.scores,
                'licence': self.licence,
                'commit': self.commit,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """
        Read a card from JSON text; keys that this version does not know are ignored.

        :raises ModelFileError: when the text is no JSON, a key is missing or a value cannot be.
        """
        data = _json_object(text)
        _check_contract(_field(data, 'contract', int), 'model card')
        return cls(
            name=_field(data, 'name', str),
            classes=_table(_field(data, 'class_table', dict)),
            input_size=_size(_field(data, 'input_size', list)),
            size_multiple=_field(data, 'size_multiple', int),
            dynamic=_field(data, 'dynamic', bool),
            temperature=_field(data, 'temperature', float),
            data=_field(data, 'data', str),
            scores=_scores(_field(data, 'scores', dict)),
            licence=_field(data, 'licence', str),
            commit=_field(data, 'commit', str),
            upscale=_field({'upscale': 1.0} | data, 'upscale', float),
        )


def read_card(path: str | Path) -> ModelCard:
    """
    The card of a model file, whose inputs and outputs are checked too.

    :raises ModelFileError: when the file is missing, damaged or not in the contract.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    return card_of(open_session(path, options, ['CPUExecutionProvider']), path)


def open_session(
    path: str | Path, options: ort.SessionOptions, providers: list[Any]
) -> ort.InferenceSession:
    """
    Load an ONNX file into onnxruntime.

    :raises ModelFileError: when the file is missing, damaged or no ONNX.
    """
    path = Path(path)
    if not path.is_file():
        seen = 'a folder' if path.is_dir() else 'nothing there'
        raise ModelFileError(
            f'model file {str(path)!r}',
            seen,
            'an ONNX file',
            'Check the path (parameter `model`).',
        )
    try:
        return ort.InferenceSession(str(path), options, providers)
    except Exception as error:  # onnxruntime's errors share no base of their own
        raise ModelFileError(
            f'model file {str(path)!r}',
            f'{path.stat().st_size} bytes that do not load ({_first_line(error)})',
            'a whole ONNX model',
            'It is truncated, damaged or no ONNX: copy or download it again.',
        ) from error


def card_of(session: ort.InferenceSession, path: str | Path) -> ModelCard:
    """
    The card of a loaded model file, checked against the graph's inputs and outputs.

    :raises ModelFileError: when there is no card, or card or graph are not in the contract.
    """
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise ModelFileError(
            f'model file {str(path)!r}',
            f'an ONNX model without `{METADATA_KEY}` metadata',
            f'a model file of contract version {CONTRACT_VERSION}',
            ADAPT_FIX,
        )
    try:
        card = ModelCard.from_json(text)
        _check_graph(session, card)
    except ModelFileError as error:
        thing = f'model file {str(path)!r}: {error.thing}'
        raise ModelFileError(thing, error.seen, error.expected, error.fix) from error
    return card


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _json_object(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ModelFileError(
            'model card', f'text that is no JSON ({error})', 'a JSON object', ADAPT_FIX
        ) from error
    if not isinstance(data, dict):
        raise ModelFileError('model card', f'a JSON {type(data).__name__}', 'a JSON object')
    return data


def _field(data: dict[str, Any], key: str, kind: type) -> Any:
    """The value under a key; an int passes where a float is expected, a bool never as a number."""
    if key not in data:
        raise ModelFileError('model card', f'no key {key!r}', f'{key!r} of type {kind.__name__}')
    value = data[key]
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ModelFileError(f'model card: {key}', repr(value), f'a value of type {kind.__name__}')
    return value


def _size(value: list[Any]) -> tuple[int, int]:
    if len(value) != 2 or any(type(side) is not int for side in value):
        raise ModelFileError('model card: input_size', value, '[height, width], two integers')
    return value[0], value[1]


def _scores(value: dict[str, Any]) -> dict[str, float]:
    return {name: _field(value, name, float) for name in value}


def _table(value: dict[str, Any]) -> ClassTable:
    try:
        return ClassTable.from_dict(value)
    except (ClassTableError, ValueError) as error:
        raise ModelFileError(
            'model card: class_table',
            error,
            'a class table',
            'Write it with ClassTable.to_dict().',
        ) from error


def _check_contract(contract: int, thing: str) -> None:
    if contract == CONTRACT_VERSION:
        return
    fix = 'Update seg_perception.' if contract > CONTRACT_VERSION else 'Export the model again.'
    raise ModelFileError(f'{thing}: contract version', contract, CONTRACT_VERSION, fix)


def _check_table(table: ClassTable) -> None:
    """A table that bears the name of a shipped one must have its classes in its order."""
    shipped = TABLES.get(table.name)
    if shipped is None or shipped.names == table.names:
        return
    raise ModelFileError(
        f'model card: classes of table {table.name!r}',
        ', '.join(table.names),
        ', '.join(shipped.names),
        'Give a table of your own a name of its own.',
    )


def _check_graph(session: ort.InferenceSession, card: ModelCard) -> None:
    inputs = {node.name: node for node in session.get_inputs()}
    outputs = {node.name: node for node in session.get_outputs()}
    if list(inputs) != [INPUT_NAME]:
        raise ModelFileError('inputs', list(inputs), [INPUT_NAME], ADAPT_FIX)
    if missing := [name for name in OUTPUT_NAMES if name not in outputs]:
        raise ModelFileError('outputs', list(outputs), f'{missing} among them', ADAPT_FIX)
    _check_tensor(inputs[INPUT_NAME], 'input', '(N, H, W, 3)')
    for name in OUTPUT_NAMES:
        _check_tensor(outputs[name], 'output', '(N, H, W)')
    _check_shape(inputs[INPUT_NAME].shape, card)


def _check_tensor(node: ort.NodeArg, kind: str, layout: str) -> None:
    if node.type != _UINT8:
        raise ModelFileError(f'type of {kind} `{node.name}`', node.type, _UINT8, ADAPT_FIX)
    if len(node.shape) != len(layout.split(',')):
        raise ModelFileError(
            f'shape of {kind} `{node.name}`', tuple(node.shape), layout, ADAPT_FIX
        )


def _check_shape(shape: list[Any], card: ModelCard) -> None:
    """The graph's own (N, H, W, 3), where a free dimension is no integer, against the card."""
    if shape[3] != 3:
        raise ModelFileError(f'channels of input `{INPUT_NAME}`', shape[3], 3, ADAPT_FIX)
    if isinstance(shape[0], int) and shape[0] != 1:
        raise ModelFileError(f'batch of input `{INPUT_NAME}`', shape[0], 'any or 1', ADAPT_FIX)
    fixed = [side for side in shape[1:3] if isinstance(side, int)]
    if card.dynamic and fixed:
        raise ModelFileError(
            f'size of input `{INPUT_NAME}`', tuple(shape[1:3]), 'free, as the card says dynamic'
        )
    if fixed and tuple(shape[1:3]) != card.input_size:
        raise ModelFileError(
            f'size of input `{INPUT_NAME}`',
            tuple(shape[1:3]),
            f'{card.input_size}, as the card says',
        )
