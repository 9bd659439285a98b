# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Programs of ``torch.export``: what ONNX files are made of, and files of the torch engine."""

from __future__ import annotations

import io

import torch
from torch.export import ExportedProgram

from seg_perception.inference.model_file import METADATA_KEY, ModelCard
from training.export.deploy import Deployed

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
