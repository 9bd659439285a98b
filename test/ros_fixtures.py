# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A real graph for the tests: the node in a process of its own, publishers and readers here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ros_graph import Graph
from seg_perception.node.processes import RosProcess
from tiny_model import write_tiny_model


@pytest.fixture(scope='module')
def graph() -> Iterator[Graph]:
    graph = Graph()
    yield graph
    graph.close()


@pytest.fixture(scope='module')
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose labels are those of the nearest palette colour."""
    return write_tiny_model(tmp_path_factory.mktemp('model') / 'tiny.onnx')


@pytest.fixture(scope='module')
def start_node(
    graph: Graph, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., RosProcess]]:
    """Start the node with parameters; at the end it is stopped and its log printed."""
    started: list[RosProcess] = []

    def start(**parameters: object) -> RosProcess:
        log = tmp_path_factory.mktemp('node') / 'node.log'
        dotted = {name.replace('__', '.'): value for name, value in parameters.items()}
        process = RosProcess('node', 'seg_perception.node.node', dotted, log=log)
        graph.process = process
        started.append(process)
        return process

    yield start
    graph.process = None
    for process in started:
        process.stop()
        print(f'--- {process.log}\n{process.log.read_text()}')
