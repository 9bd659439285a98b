# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from seg_perception.core.classes import CAMVID_11, Role
from seg_perception.core.errors import ClassTableError
from seg_perception.inference.class_file import load_table

GOOD = """
name: mine
classes:
- {name: road, rgb: [128, 64, 128], role: drivable}
- {name: person, rgb: [220, 20, 60], role: vulnerable}
"""


def test_a_shipped_name():
    assert load_table('camvid_11') is CAMVID_11


def test_a_file(tmp_path):
    path = tmp_path / 'classes.yaml'
    path.write_text(GOOD)
    table = load_table(str(path))
    assert (table.name, table.names) == ('mine', ['road', 'person'])
    assert table.classes[1].role is Role.VULNERABLE and table.classes[1].rgb == (220, 20, 60)


def test_a_file_without_a_name_is_called_as_the_file(tmp_path):
    path = tmp_path / 'town.yaml'
    path.write_text(GOOD.replace('name: mine', ''))
    assert load_table(str(path)).name == 'town'


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('classes: [', 'expected YAML'),
        ('- road', 'got a list, expected a group of keys'),
        ('classes: [road]', 'class table'),
        (GOOD.replace('drivable', 'drivable_'), "role of 'road': got 'drivable_'"),
        (GOOD.replace('[220, 20, 60]', '[220, 20]'), "rgb of 'person'"),
        (GOOD.replace('person', 'road'), r"names: got \['road'\], expected each name once"),
    ],
)
def test_files_that_cannot_be(tmp_path, text, words):
    path = tmp_path / 'classes.yaml'
    path.write_text(text)
    with pytest.raises(ClassTableError, match=words):
        load_table(str(path))


def test_no_such_table_or_file(tmp_path):
    with pytest.raises(ClassTableError, match=r"'camvid_12'.*Did you mean camvid_11"):
        load_table('camvid_12')
    with pytest.raises(ClassTableError, match=r'none.yaml.*got no file'):
        load_table(str(tmp_path / 'none.yaml'))
