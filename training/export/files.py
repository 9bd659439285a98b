# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Programs of ``torch.export``, and the model files made of them: ONNX and ``.pt2``."""

from __future__ import annotations

import ast
import io

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.export import ExportedProgram

from seg_perception.inference.model_file import (
    CONTRACT_VERSION,
    INPUT_NAME,
    METADATA_KEY,
    OOD_NAMES,
    OUTPUT_NAMES,
    ModelCard,
)
from training.export.deploy import Deployed

OPSET = 18
SMALL = 256  # values; smaller weights stay float32
SCOPES_KEY = 'pkg.torch.onnx.name_scopes'  # the exporter's note on the modules around a node
# The exporter's notes on where a step came from: they hold paths of the machine that exported.
ORIGINS = ('stack_trace', 'nn_module_stack', 'source_fn_stack', 'torch_fn', 'from_node', 'custom')


def to_program(
    deployed: Deployed, input_size: tuple[int, int], dynamic: bool = True
) -> ExportedProgram:
    """
    The network as one graph with a free batch.

    :param dynamic: take frames of any (height, width), not of ``input_size`` alone.
    """
    example = torch.zeros((2, *input_size, 3), dtype=torch.uint8)
    free = range(3) if dynamic else range(1)
    shapes = dict.fromkeys(free, torch.export.Dim.DYNAMIC)
    return torch.export.export(deployed.eval(), (example,), dynamic_shapes=(shapes,))


def program_bytes(program: ExportedProgram, card: ModelCard) -> bytes:
    """The content of a ``.pt2`` file; the program loses its example and notes on its origin."""
    program.example_inputs = None
    for node in program.graph.nodes:
        for key in ORIGINS:
            node.meta.pop(key, None)
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={METADATA_KEY: card.to_json()})
    return file.getvalue()


def to_onnx(program: ExportedProgram) -> onnx.ModelProto:
    """The program as a graph with float32 weights; its nodes still tell their origin."""
    exported = torch.onnx.export(
        program,
        input_names=[INPUT_NAME],
        output_names=[*OUTPUT_NAMES, OOD_NAMES[CONTRACT_VERSION]],
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    model: onnx.ModelProto = exported.model_proto
    for value in (*model.graph.input, *model.graph.output):
        for dim, name in zip(value.type.tensor_type.shape.dim, ('N', 'H', 'W'), strict=False):
            if not dim.HasField('dim_value'):
                dim.dim_param = name
    return model


def network_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes of the network, without those before and after it."""
    names = []
    for node in model.graph.node:
        notes = {note.key: note.value for note in node.metadata_props}
        if ast.literal_eval(notes.get(SCOPES_KEY, '[]'))[1:2] == ['net']:
            names.append(node.name)
    return names


def finish(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that is small and tells nothing of the machine that exported it."""
    finished = onnx.ModelProto()
    finished.CopyFrom(model)
    graph = finished.graph
    values = (*graph.input, *graph.output, *graph.value_info)
    for part in (graph, *graph.node, *graph.initializer, *values):
        part.ClearField('metadata_props')
        part.ClearField('doc_string')
    _halve_weights(graph)
    onnx.checker.check_model(finished)
    return finished


def with_card(model: onnx.ModelProto, card: ModelCard) -> bytes:
    """The content of the model file."""
    helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    data: bytes = model.SerializeToString()
    return data


def _halve_weights(graph: onnx.GraphProto) -> None:
    """
    Store large float32 weights as float16 behind a Cast, which onnxruntime undoes as it loads.

    Only those that lose nothing by it, which those of a lightened network are.
    """
    for weight in list(graph.initializer):
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size < SMALL:
            continue
        half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            continue
        name = weight.name
        stored = numpy_helper.from_array(half, f'{name}.half')
        graph.initializer.remove(weight)
        graph.initializer.append(stored)
        graph.node.insert(0, helper.make_node('Cast', [stored.name], [name], to=TensorProto.FLOAT))
