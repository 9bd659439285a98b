# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest

pytest.importorskip('rclpy')

from seg_perception.node.parameters import table
from seg_perception.risk_profiles import profile_items
from seg_perception.tools.settings_files import parameters_markdown, stale_files


def test_the_files_follow_from_the_settings():
    fix = 'run `python -m seg_perception.tools.settings_files`'
    assert list(stale_files()) == [], fix


def test_a_stale_file_is_found(tmp_path):
    for name in ('config', 'docs', 'seg_perception/risk_profiles'):
        (tmp_path / name).mkdir(parents=True)
    for name in ('config/params.yaml', 'docs/parameters.md'):
        (tmp_path / name).write_text('old')
    (tmp_path / 'seg_perception/risk_profiles/default.yaml').write_text('old')
    assert len(list(stale_files(tmp_path))) == 3


def test_markdown_has_a_line_for_each_setting():
    lines = parameters_markdown().splitlines()
    for row in (*table().values(), *profile_items()):
        (line,) = [line for line in lines if line.startswith(f'| `{row.path}` |')]
        assert row.setting.description in line
    widths = {line.count('|') for line in lines if line.startswith('| `')}
    assert widths == {6, 5, 3}
