# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The model file contract: one ONNX file that explains itself.

Input ``image`` uint8 (N, H, W, 3) RGB, outputs ``labels`` and ``confidence`` uint8 (N, H, W). A
third output ``ood_score`` float32 (N) may say how unlike the training data each image looks; the
card then has an ``OodCalibration``. Files of contract 1, which call that output ``strangeness``,
still load.

The metadata key ``seg_perception`` holds a ``ModelCard`` as JSON; a writer sets it with
``onnx.helper.set_model_props(model, {METADATA_KEY: card.to_json()})``.

The torch engine takes the same module as a ``.pt2`` file of ``torch.export``, with the card in
``torch.export.save(program, file, extra_files={METADATA_KEY: card.to_json()})``.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import isfinite, isnan, nan
from pathlib import Path
from typing import Annotated, Any

import onnxruntime as ort

from seg_perception.core.classes import TABLES, ClassTable
from seg_perception.core.errors import ClassTableError, ModelFileError
from seg_perception.core.settings import Setting, hints, load, read_value
from seg_perception.inference.load_errors import damaged, load_error

CONTRACT_VERSION = 2
METADATA_KEY = 'seg_perception'
TORCH_ENDING = '.pt2'
INPUT_NAME = 'image'
OUTPUT_NAMES = ('labels', 'confidence')
OOD_NAMES = {1: 'strangeness', 2: 'ood_score'}
"""The out-of-distribution output, and the card's key for its calibration, by contract."""
_OOD_KEYS = {1: 'strange', 2: 'ood_calibration'}
AT_THRESHOLD = 0.25  # out-of-distribution score of a frame at the threshold, 0..1
MAX_CARD_BYTES = 1 << 20  # of the card's text; the default model's has 5 KB
MAX_SIDE = 8192  # of the images that a model takes
ADAPT_FIX = (
    'Wrap a model from elsewhere once with `seg-perception adapt`, '
    'or export your own with `python -m training export`.'
)
UINT8, FLOAT = 'tensor(uint8)', 'tensor(float)'


@dataclass(frozen=True)
class OodCalibration:
    """
    The range of the output ``ood_score`` on frames like those of the training.

    :param score: what it is the mean of over an image, such as ``energy``.
    :param median: of the known frames; it is 0 on the scale from 0 to 1.
    :param threshold: below which 95 % of the known frames lie; it is ``AT_THRESHOLD``.
    :raises ModelFileError: when a value cannot be.
    """

    score: str
    median: float
    threshold: float

    def __post_init__(self) -> None:
        ends = self.median, self.threshold
        if not (all(map(isfinite, ends)) and self.median < self.threshold):
            expected = 'numbers, median below threshold'
            raise ModelFileError('model card: ood_calibration', ends, expected)

    def calibrated(self, output: float) -> float:
        """
        The out-of-distribution score 0..1: linear through the median and the threshold.

        NaN counts as fully out of distribution.
        """
        if isnan(output):
            return 1.0
        units = (output - self.median) / (self.threshold - self.median)
        return min(1.0, max(0.0, AT_THRESHOLD * units))


@dataclass(frozen=True)
class ModelCard:
    """
    What a model file says about itself.

    :param input_size: (height, width); the only size of a fixed model; frames are brought within
        it for a dynamic model, upright ones within it turned.
    :param size_multiple: height and width must be multiples of it; 1 for a fixed model.
    :param dynamic: any number of rows and columns is taken, within ``size_multiple``.
    :param upscale: frames smaller than ``input_size`` are enlarged by this factor at most, from
        which thin things gain. 1 leaves them as they are.
    :param temperature: divides the logits before the softmax that gives the confidence.
    :param data: what it was trained and selected on, with terms.
    :param scores: measured scores by name, such as ``{'mean_iou 0001TP': 0.58}``.
    :param ood_calibration: scale of the output ``ood_score``; None: the model has no such output.
    :raises ModelFileError: when a value cannot be.
    """

    name: str
    classes: ClassTable
    input_size: Annotated[tuple[int, int], Setting('height and width')]
    size_multiple: int
    dynamic: bool
    temperature: float
    data: str
    scores: dict[str, float]
    licence: str
    commit: str
    contract: int = CONTRACT_VERSION
    upscale: float = 1.0
    ood_calibration: OodCalibration | None = None

    def __post_init__(self) -> None:
        _check_contract(self.contract)
        if not self.name:
            raise ModelFileError('model card: name', repr(self.name), 'a name')
        multiple, size = self.size_multiple, self.input_size
        if multiple < 1 or (not self.dynamic and multiple != 1):
            expected = '1 or more, and 1 for a model of fixed size'
            raise ModelFileError('model card: size_multiple', multiple, expected)
        if min(size) < 1 or any(side % multiple for side in size):
            expected = f'(height, width), positive multiples of {multiple}'
            raise ModelFileError('model card: input_size', size, expected)
        if max(size) > MAX_SIDE:
            raise ModelFileError('model card: input_size', size, f'sides of at most {MAX_SIDE}')
        if not (isfinite(self.temperature) and self.temperature > 0):
            raise ModelFileError('model card: temperature', self.temperature, 'above 0')
        if not 1 <= self.upscale <= 4:
            raise ModelFileError('model card: upscale', self.upscale, '1 to 4')
        _check_table(self.classes)

    @property
    def ood_name(self) -> str:
        """Name of the out-of-distribution output in files of the card's contract."""
        return OOD_NAMES[self.contract]

    def ood_score(self, output: float) -> float:
        """The out-of-distribution score 0..1 of an image; NaN when the model has none."""
        return nan if self.ood_calibration is None else self.ood_calibration.calibrated(output)

    def to_json(self) -> str:
        """The card as JSON text; ``from_json`` reads it back."""
        ood, plain = self.ood_calibration, vars(self)
        values = {
            'contract': self.contract,
            'name': self.name,
            'class_table': self.classes.to_dict(),
            **{key: plain[key] for key in ('input_size', 'size_multiple', 'dynamic', 'upscale')},
            'temperature': self.temperature,
            _OOD_KEYS[self.contract]: None if ood is None else asdict(ood),
            **{key: plain[key] for key in ('data', 'scores', 'licence', 'commit')},
        }
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """
        Read a card from JSON text; keys that this version does not know are ignored.

        :raises ModelFileError: when the text is no JSON, a key is missing or a value cannot be.
        """
        data = _json_object(text)
        contract = read_value(int, data.get('contract'), 'model card: contract', ModelFileError)
        _check_contract(contract)
        table = data.pop('class_table', None)
        table = read_value(dict, table, 'model card: class_table', ModelFileError)
        data['classes'] = _table(table)
        ood = data.pop(_OOD_KEYS[contract], None)
        data['ood_calibration'] = (
            _known_keys(OodCalibration, ood) if isinstance(ood, dict) else ood
        )
        return load(cls, _known_keys(cls, data), 'model card:', error=ModelFileError)


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a model, as onnxruntime words it; a free dimension is no integer."""

    name: str
    type: str
    shape: Sequence[Any]


def read_card(path: str | Path) -> ModelCard:
    """
    The card of a model file; inputs and outputs of an ONNX file are checked too.

    :raises ModelFileError: when the file is missing, damaged or not in the contract.
    """
    if Path(path).suffix == TORCH_ENDING:
        return torch_card(path)
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
    _check_is_file(path, 'an ONNX file')
    try:
        return ort.InferenceSession(str(path), options, providers)
    except Exception as error:  # onnxruntime's errors share no base of their own
        raise load_error(Path(path), error) from error


def torch_card(path: str | Path) -> ModelCard:
    """
    The card of a ``.pt2`` file, read without torch.

    :raises ModelFileError: when the file is missing, damaged or has no card.
    """
    _check_is_file(path, 'a file of torch.export')
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition('/')[2]: name for name in archive.namelist()}
            # Cut off, such a file may still pass for one of the archives that are inside it.
            if 'archive_format' not in names:
                raise zipfile.BadZipFile('no archive_format in it')
            name = names.get(f'extra/{METADATA_KEY}')
            text = None if name is None else _read_text(archive, name)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise damaged(path, error, 'a whole file of torch.export') from error
    return _parse_card(text, path, 'a file of torch.export')


def _read_text(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(name) as packed:  # which may unpack to anything
        return packed.read(MAX_CARD_BYTES + 1).decode(errors='replace')


def card_of(session: ort.InferenceSession, path: str | Path) -> ModelCard:
    """
    The card of a loaded model file, checked against the graph's inputs and outputs.

    :raises ModelFileError: when there is no card, or card or graph are not in the contract.
    """
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    card = _parse_card(text, path, 'an ONNX model')
    with naming(path):
        check_tensors(_specs(session.get_inputs()), _specs(session.get_outputs()), card)
    return card


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Errors raised inside name the model file."""
    try:
        yield
    except ModelFileError as error:
        thing, *rest = error.args
        raise ModelFileError(f'model file {str(path)!r}: {thing}', *rest) from error


def _check_is_file(path: str | Path, expected: str) -> None:
    if not Path(path).is_file():
        seen = 'a folder' if Path(path).is_dir() else 'nothing there'
        fix = 'Check the path (parameter `model`).'
        raise ModelFileError(f'model file {str(path)!r}', seen, expected, fix)


def _parse_card(text: str | None, path: str | Path, kind: str) -> ModelCard:
    if text is None:
        seen = f'{kind} without `{METADATA_KEY}` metadata'
        expected = f'a model file of contract version {CONTRACT_VERSION}'
        raise ModelFileError(f'model file {str(path)!r}', seen, expected, ADAPT_FIX)
    with naming(path):
        return ModelCard.from_json(text)


def _json_object(text: str) -> dict[str, Any]:
    if len(text) > MAX_CARD_BYTES:
        seen, expected = f'more than {MAX_CARD_BYTES} characters', 'a card of a few kilobytes'
        raise ModelFileError('model card', seen, expected, ADAPT_FIX)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        seen = f'text that is no JSON ({error})'
        raise ModelFileError('model card', seen, 'a JSON object', ADAPT_FIX) from error
    if not isinstance(data, dict):
        raise ModelFileError('model card', f'a JSON {type(data).__name__}', 'a JSON object')
    return data


def _known_keys(kind: type, data: dict[str, Any]) -> dict[str, Any]:
    """What this version knows of a group; a newer one of the same contract may say more."""
    return {key: value for key, value in data.items() if key in hints(kind)}


def _table(value: dict[str, Any]) -> ClassTable:
    try:
        return ClassTable.from_dict(value)
    except (ClassTableError, ValueError) as error:
        fix = 'Write it with ClassTable.to_dict().'
        raise ModelFileError('model card: class_table', error, 'a class table', fix) from error


def _check_contract(contract: int) -> None:
    if contract in OOD_NAMES:
        return
    fix = 'Update seg_perception.' if contract > CONTRACT_VERSION else 'Export the model again.'
    known = ' or '.join(map(str, OOD_NAMES))
    raise ModelFileError('model card: contract version', contract, known, fix)


def _check_table(table: ClassTable) -> None:
    """A table that bears the name of a shipped one must have its classes in its order."""
    shipped = TABLES.get(table.name)
    if shipped is None or shipped.names == table.names:
        return
    thing = f'model card: classes of table {table.name!r}'
    fix = 'Give a table of your own a name of its own.'
    raise ModelFileError(thing, ', '.join(table.names), ', '.join(shipped.names), fix)


def check_tensors(
    inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], card: ModelCard
) -> None:
    """
    Compare what goes in and out of a model with the contract and its card.

    :raises ModelFileError: when a name, type or shape is another.
    """
    specs = {spec.name: spec for spec in (*inputs, *outputs)}
    names = [spec.name for spec in inputs]
    if names != [INPUT_NAME]:
        raise ModelFileError('inputs', names, [INPUT_NAME], ADAPT_FIX)
    names = [spec.name for spec in outputs]
    if missing := [name for name in OUTPUT_NAMES if name not in names]:
        raise ModelFileError('outputs', names, f'{missing} among them', ADAPT_FIX)
    _check_spec(specs[INPUT_NAME], 'input', '(N, H, W, 3)')
    for name in OUTPUT_NAMES:
        _check_spec(specs[name], 'output', '(N, H, W)')
    if card.ood_name in names:
        _check_spec(specs[card.ood_name], 'output', '(N,)', FLOAT)
    elif card.ood_calibration is not None:
        expected = f'{card.ood_name!r} among them, as the card says'
        raise ModelFileError('outputs', names, expected, ADAPT_FIX)
    _check_shape(specs[INPUT_NAME].shape, card)


def _specs(nodes: Sequence[ort.NodeArg]) -> list[TensorSpec]:
    return [TensorSpec(node.name, node.type, node.shape) for node in nodes]


def _check_spec(spec: TensorSpec, kind: str, layout: str, wanted: str = UINT8) -> None:
    if spec.type != wanted:
        raise ModelFileError(f'type of {kind} `{spec.name}`', spec.type, wanted, ADAPT_FIX)
    if len(spec.shape) != layout.count(',') + (not layout.endswith(',)')):
        thing, shape = f'shape of {kind} `{spec.name}`', tuple(spec.shape)
        raise ModelFileError(thing, shape, layout, ADAPT_FIX)


def _check_shape(shape: Sequence[Any], card: ModelCard) -> None:
    """A model's own (N, H, W, 3) against the card."""
    if shape[3] != 3:
        raise ModelFileError(f'channels of input `{INPUT_NAME}`', shape[3], 3, ADAPT_FIX)
    if isinstance(shape[0], int) and shape[0] != 1:
        raise ModelFileError(f'batch of input `{INPUT_NAME}`', shape[0], 'any or 1', ADAPT_FIX)
    size, thing = tuple(shape[1:3]), f'size of input `{INPUT_NAME}`'
    fixed = any(isinstance(side, int) for side in size)
    if card.dynamic and fixed:
        raise ModelFileError(thing, size, 'free, as the card says dynamic')
    if fixed and size != card.input_size:
        raise ModelFileError(thing, size, f'{card.input_size}, as the card says')
