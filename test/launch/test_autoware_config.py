# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
``config/autoware`` against the formats of Autoware and the names that the node gives.

Keys and types of units: autoware_diagnostic_graph_aggregator (doc/format/unit.md, loader.cpp);
parameters: segmentation_pointcloud_fusion/node.cpp, both of autoware_universe in 2026.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from builtin_interfaces.msg import Time

from seg_perception.core.autoware_classes import AUTOWARE_NAMES
from seg_perception.node import driving_outputs
from seg_perception.node.diagnostics import CameraReport, Limits, ModelReport, to_array
from seg_perception.node.node import NODE_NAME

AUTOWARE = Path(__file__).parents[2] / 'config' / 'autoware'
NEEDED = {  # by type of unit; a path is optional, and for these files wanted
    'and': {'list'},
    'or': {'list'},
    'warn-to-ok': {'item'},
    'warn-to-error': {'item'},
    'diag': {'node', 'name', 'timeout'},
    'link': {'link'},
}
LISTED = '/autoware/perception'  # what Autoware's own graph links to


def units(given: Any) -> Iterator[dict[str, Any]]:
    if isinstance(given, dict) and 'type' in given:
        yield given
    for value in given.values() if isinstance(given, dict) else given:
        if isinstance(value, (dict, list)):
            yield from units(value)


def test_the_graph_has_the_form_of_autoware_and_no_loose_link() -> None:
    given = yaml.safe_load((AUTOWARE / 'perception.yaml').read_text())
    assert set(given) == {'units'}
    found = list(units(given))
    for unit in found:
        assert set(unit) - {'path', 'type'} == NEEDED[unit['type']], unit
    paths = [unit['path'] for unit in found if 'path' in unit]
    links = [unit['link'] for unit in found if unit['type'] == 'link']
    assert len(set(paths)) == len(paths) and LISTED in paths
    assert set(links) <= set(paths)
    assert set(paths) == {LISTED, *links}, 'what nothing links to has no effect'


def published() -> set[str]:
    """The names of the diagnostics of a node with one camera, front."""
    model = ModelReport('tiny', 'tiny.onnx', 'cpu')
    reports = [(CameraReport('front'), '')]
    cameras = to_array(f'/{NODE_NAME}', reports, model, Limits(1.0, 1.0), Time())
    driving = (driving_outputs.EMERGENCY, driving_outputs.VELOCITY_LIMIT)
    return {f'/{NODE_NAME}: {name}' for name in driving} | {each.name for each in cameras.status}


def test_its_diagnostics_are_those_of_the_node() -> None:
    given = yaml.safe_load((AUTOWARE / 'perception.yaml').read_text())
    diags = [unit for unit in units(given) if unit['type'] == 'diag']
    assert {f'{unit["node"]}: {unit["name"]}' for unit in diags} == published()
    assert all(unit['timeout'] <= 0.5 for unit in diags)


def test_the_aggregator_groups_every_diagnostic_once() -> None:
    """Parameters of GenericAnalyzer: ros/diagnostics, generic_analyzer.cpp at 431926f."""
    file = AUTOWARE.parent / 'diagnostics_aggregator.yaml'
    given = yaml.safe_load(file.read_text())['analyzers']['ros__parameters']
    (group,) = (value for value in given.values() if isinstance(value, dict))
    known = set(
        'type path find_and_remove_prefix remove_prefix startswith contains expected regex '
        'name timeout num_items discard_stale'.split()
    )
    taken: list[str] = []
    for analyzer in group['analyzers'].values():
        assert set(analyzer) <= known and isinstance(analyzer['timeout'], float)
        parts = analyzer.get('contains', [])
        taken += analyzer.get('expected', [])
        taken += [name for name in published() if any(part in name for part in parts)]
    assert sorted(taken) == sorted(published())


def test_every_class_of_the_fusion_is_decided() -> None:
    file = AUTOWARE / 'segmentation_pointcloud_fusion.param.yaml'
    given = yaml.safe_load(file.read_text())['/**']['ros__parameters']
    assert set(given) == {
        'filter_distance_threshold', 'is_publish_debug_mask', 'filter_semantic_label_target',
    }  # fmt: skip
    assert list(given['filter_semantic_label_target']) == list(AUTOWARE_NAMES)
    kept = [name for name, drops in given['filter_semantic_label_target'].items() if not drops]
    assert {'UNKNOWN', 'OBSTACLE', 'PERSON', 'VEHICLE', 'BIKE'} <= set(kept)


@pytest.mark.parametrize('file', sorted(AUTOWARE.glob('*.yaml')), ids=lambda file: file.name)
def test_topics_that_are_named_exist(file: Path) -> None:
    outputs = Path(driving_outputs.__file__).with_name('camera_outputs.py').read_text()
    words = [word for word in file.read_text().split() if word.startswith('/seg_perception/')]
    assert all(f"'{word.rpartition('/')[2]}'" in outputs for word in words)
