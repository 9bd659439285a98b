# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Files whose values are for another node are named; those for this one or for all are not."""

from pathlib import Path

import pytest
import yaml

from seg_perception.node.parameter_files import unmatched_files

VALUES = {'ros__parameters': {'stale_after_s': 7.5}}


def problems(tmp_path: Path, content: object, node: str = '/seg_perception') -> list[str]:
    path = tmp_path / 'params.yaml'
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return unmatched_files(['node', '--ros-args', '--params-file', str(path)], node)


@pytest.mark.parametrize(
    'content',
    [
        {'seg_perception': VALUES},
        {'/seg_perception': VALUES},
        {'/**': VALUES},
        {'/*': VALUES},
        {'/**/seg_perception': VALUES},
        {'other': VALUES, 'seg_perception': VALUES},
        {},
        'a: [',
    ],
)
def test_files_for_this_node_or_all(tmp_path: Path, content: object) -> None:
    assert problems(tmp_path, content) == []


@pytest.mark.parametrize(
    ('content', 'named'),
    [
        ({'front_segmentation': VALUES}, '/front_segmentation'),
        ({'/ns/seg_perception': VALUES}, '/ns/seg_perception'),
        ({'ns': {'seg_perception': VALUES}}, '/ns/seg_perception'),
        ({'/ns/**': VALUES, 'a': VALUES}, '/ns/**, /a'),
        ({'seg_perception2': VALUES}, '/seg_perception2'),
    ],
)
def test_files_for_others_are_named(tmp_path: Path, content: object, named: str) -> None:
    (problem,) = problems(tmp_path, content)
    assert str(tmp_path / 'params.yaml') in problem
    assert f'it is /seg_perception, the file has values for {named}' in problem


def test_namespaces(tmp_path: Path) -> None:
    for content in (
        {'ns': {'seg_perception': VALUES}}, {'/ns/seg_perception': VALUES}, {'/ns/**': VALUES},
        {'/**/seg_perception': VALUES}, {'/*/seg_perception': VALUES},
    ):  # fmt: skip
        assert problems(tmp_path, content, '/ns/seg_perception') == []
    assert problems(tmp_path, {'seg_perception': VALUES}, '/ns/seg_perception')
