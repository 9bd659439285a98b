# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One model file from a checkpoint: written only when onnxruntime gives what torch gives."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper

from seg_perception.core.classes import CAMVID_11
from seg_perception.inference.model_file import (
    INPUT_NAME,
    METADATA_KEY,
    OUTPUT_NAMES,
    ModelCard,
)
from training.card import card_text
from training.checkpoint import load_checkpoint
from training.config import SIZE_MULTIPLE, TrainConfig, parse_config
from training.data.camvid import holdout_samples
from training.deploy import Deployed, averaged_network, full_size
from training.errors import ExportError
from training.evaluate import Scores, holdout_temperature, score_file
from training.transforms import normalise

OPSET = 18
MARGIN = 1e-3  # logits closer than this may swap places between two libraries
SMALL = 256  # values; smaller weights stay float32


def export(checkpoint: Path, out: Path, overrides: Sequence[str] = ()) -> Scores:
    """
    Write ``out`` and the model card beside it (``.md``); the file's scores on the hold-out.

    :param overrides: words such as ``deploy.upscale=1.25`` over the configuration of the run.
    :raises ExportError: when onnxruntime and torch differ on held-out frames.
    """
    state = load_checkpoint(checkpoint)
    config = parse_config(state['config'], overrides)
    samples = holdout_samples(config.data.camvid, config.data.holdout)
    net = averaged_network(config, state)
    deployed = Deployed(net, holdout_temperature(net, samples, config)).eval()
    model = to_onnx(deployed, config.deploy.input_size)
    check_equal(model, deployed, [sample.rgb for sample in samples[::12]])
    card = _card(config, deployed.temperature)
    with tempfile.TemporaryDirectory() as folder:
        unscored = Path(folder) / out.name
        unscored.write_bytes(_with_card(model, card))
        scores = score_file(unscored, samples)
    card = replace(card, scores=_score_table(config, scores))
    data = _with_card(model, card)
    _write(out, data)
    _write(out.with_suffix('.md'), card_text(card, config, state, scores, len(data)).encode())
    return scores


def to_onnx(deployed: Deployed, input_size: tuple[int, int]) -> onnx.ModelProto:
    """The graph with free N, H and W and float16 weights."""
    example = torch.zeros((2, *input_size, 3), dtype=torch.uint8)
    free = dict.fromkeys(range(3), torch.export.Dim.DYNAMIC)
    program = torch.onnx.export(
        deployed,
        (example,),
        input_names=[INPUT_NAME],
        output_names=list(OUTPUT_NAMES),
        opset_version=OPSET,
        dynamic_shapes=(free,),
        dynamo=True,
        verbose=False,
    )
    model: onnx.ModelProto = program.model_proto
    _name_sizes(model)
    _forget_origin(model)
    return halve_weights(model)


def halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """
    Store large float32 weights as float16 behind a Cast; onnxruntime undoes it when it loads.

    :raises ExportError: when a weight does not survive it: round the network first.
    """
    graph = model.graph
    for weight in list(graph.initializer):
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size < SMALL:
            continue
        if not np.array_equal(values.astype(np.float16).astype(np.float32), values):
            raise ExportError(f'weight {weight.name}', 'float32 values', 'float16 values')
        name = weight.name
        half = numpy_helper.from_array(values.astype(np.float16), f'{name}.half')
        graph.initializer.remove(weight)
        graph.initializer.append(half)
        graph.node.insert(0, helper.make_node('Cast', [half.name], [name], to=TensorProto.FLOAT))
    onnx.checker.check_model(model)
    return model


def check_equal(
    model: onnx.ModelProto, deployed: Deployed, frames: Sequence[np.ndarray]
) -> tuple[int, int]:
    """
    Compare onnxruntime with torch; counts of pixels that differ, and of pixels.

    :raises ExportError: when labels differ where the logits do not nearly tie, or a confidence by
        more than one step.
    """
    session = ort.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider'])
    differing = pixels = 0
    for rgb in frames:
        labels, confidence = session.run(list(OUTPUT_NAMES), {INPUT_NAME: rgb[None]})
        with torch.no_grad():
            image = torch.from_numpy(rgb)[None]
            expected, expected_confidence = (part.numpy() for part in deployed(image))
            logits = full_size(deployed.net(normalise(image)), rgb.shape[:2])
            top = logits.topk(2, dim=1).values
        wrong = labels != expected
        clear = (top[:, 0] - top[:, 1]).numpy() > MARGIN
        if (wrong & clear).any():
            seen = f'{int((wrong & clear).sum())} other labels in onnxruntime'
            raise ExportError('exported file', seen, f'none where logits are {MARGIN} apart')
        step = np.abs(confidence.astype(int) - expected_confidence).max()
        if step > 1:
            raise ExportError('exported file', f'confidence {step} steps off', 'at most 1')
        differing, pixels = differing + int(wrong.sum()), pixels + labels.size
    return differing, pixels


def _name_sizes(model: onnx.ModelProto) -> None:
    """Name the free dimensions in inputs and outputs."""
    for value in (*model.graph.input, *model.graph.output):
        for dim, name in zip(value.type.tensor_type.shape.dim, ('N', 'H', 'W'), strict=False):
            dim.dim_param = name


def _forget_origin(model: onnx.ModelProto) -> None:
    """Drop the exporter's stack traces: they hold paths of the machine that exported."""
    graph = model.graph
    values = (*graph.input, *graph.output, *graph.value_info)
    for part in (graph, *graph.node, *graph.initializer, *values):
        part.ClearField('metadata_props')
        part.ClearField('doc_string')


def _with_card(model: onnx.ModelProto, card: ModelCard) -> bytes:
    helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    data: bytes = model.SerializeToString()
    return data


def _card(config: TrainConfig, temperature: float) -> ModelCard:
    sequence = config.data.holdout
    return ModelCard(
        name=config.name,
        classes=CAMVID_11,
        input_size=config.deploy.input_size,
        size_multiple=SIZE_MULTIPLE,
        dynamic=True,
        temperature=temperature,
        data=(
            f'CamVid train (SegNet grouping, 360x480) without sequence {sequence}, and '
            f'{config.data.synthetic_frames} rendered streets; chosen and calibrated on {sequence}'
        ),
        scores={},
        licence='CC BY-NC: trained on CamVid, for research and other non-commercial use',
        commit=_commit(),
        upscale=config.deploy.upscale,
    )


def _score_table(config: TrainConfig, scores: Scores) -> dict[str, float]:
    sequence = config.data.holdout
    per_class = {
        f'iou {row.name} {sequence}': round(float(iou), 4)
        for row, iou in zip(CAMVID_11.classes, scores.matrix.iou(), strict=True)
        if not np.isnan(iou)
    }
    return {
        f'mean_iou {sequence}': round(scores.matrix.mean_iou(), 4),
        f'pixel_accuracy {sequence}': round(scores.matrix.pixel_accuracy(), 4),
        f'calibration_error {sequence}': round(scores.calibration.value(), 4),
        **per_class,
    }


def _commit() -> str:
    """Commit of the training code; empty outside of a repository."""
    done = subprocess.run(
        ['git', 'rev-parse', 'HEAD'], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ''


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.partial')
    with partial.open('wb') as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
