# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from data_trees import folder, write_ids, write_palette, write_rgb
from seg_perception.core.classes import CITYSCAPES_19, Role
from training.config import SourceConfig
from training.data import open_source
from training.errors import DatasetError

TABLE = """
name: yard
classes:
- {name: lawn, rgb: [0, 255, 0], role: drivable}
- {name: hedge, rgb: [0, 99, 0], role: nature}
"""


def source(root, **options):
    return SourceConfig('folder', str(root), **{'classes': 'cityscapes_19', **options})


def test_folders_of_splits(tmp_path):
    folder(tmp_path, {'b': 18, 'a': 2})
    folder(tmp_path, {'c': 1}, 'val')
    frames = open_source(source(tmp_path))
    assert frames.names == ['a', 'b'] and frames.classes == CITYSCAPES_19
    assert (frames[1].labels == 18).all()
    assert open_source(source(tmp_path, split='val')).names == ['c']


@pytest.mark.parametrize('split', ['train', 'all'])
def test_one_folder(tmp_path, split):
    write_rgb(tmp_path / 'images/a.JPG')
    write_palette(tmp_path / 'masks/a.png', 7)
    (tmp_path / 'images/.ipynb_checkpoints').mkdir()
    assert (open_source(source(tmp_path, split=split)).labels(0) == 7).all()


def test_one_folder_has_no_other_split(tmp_path):
    folder(tmp_path, {'a': 0}, '')
    with pytest.raises(
        DatasetError, match=r"split of folder .*: got 'val', expected images/val and masks"
    ):
        open_source(source(tmp_path, split='val'))


def test_a_table_of_ones_own(tmp_path):
    folder(tmp_path, {'a': 1})
    (tmp_path / 'yard.yaml').write_text(TABLE)
    frames = open_source(source(tmp_path, classes=str(tmp_path / 'yard.yaml')))
    assert frames.classes.name == 'yard' and frames.classes.names == ['lawn', 'hedge']
    assert frames.classes.classes[0].role == Role.DRIVABLE
    assert (frames.labels(0) == 1).all()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('classes: [', r"yard.yaml': class table '.*': got while parsing .*, expected YAML"),
        ('name: x', r"yard.yaml': class table '.*': got no list of classes, expected classes: "),
        ('classes: [lawn]', r"yard.yaml': class table: got TypeError"),
        (TABLE.replace('drivable', 'green'), r"role of 'lawn': got 'green', expected drivable"),
        (TABLE.replace('[0, 99, 0]', '[0, no, 0, 0]'), r"rgb of 'hedge': got "),
        (TABLE.replace('[0, 99, 0]', '[0, x, 0]'), r'class table: got ValueError'),
        (TABLE.replace('hedge', 'lawn'), r"table 'yard': names: got \['lawn'\], expected each"),
    ],
)
def test_malformed_tables(tmp_path, text, message):
    folder(tmp_path, {'a': 1})
    (tmp_path / 'yard.yaml').write_text(text)
    with pytest.raises(DatasetError, match=f"classes '.*{message}"):
        open_source(source(tmp_path, classes=str(tmp_path / 'yard.yaml')))


def test_tables_that_are_not_there(tmp_path):
    folder(tmp_path, {'a': 1})
    with pytest.raises(
        DatasetError, match=r"classes 'nope.yaml': .*got no file, expected a readable YAML file"
    ):
        open_source(source(tmp_path, classes='nope.yaml'))
    with pytest.raises(DatasetError, match=r"'citiscapes_19', expected one of"):
        open_source(source(tmp_path, classes='citiscapes_19'))
    with pytest.raises(DatasetError, match=r'classes of folder .*: got nothing'):
        open_source(source(tmp_path, classes=''))


def test_missing_and_extra_masks(tmp_path):
    folder(tmp_path, {'a': 0, 'b': 0})
    (tmp_path / 'masks/train/a.png').unlink()
    with pytest.raises(DatasetError, match=r'train: images without labels: got 1 of 2: a'):
        open_source(source(tmp_path))
    write_ids(tmp_path / 'masks/train/a.png')
    write_ids(tmp_path / 'masks/train/c.png')
    with pytest.raises(DatasetError, match=r'train: labels without images: got 1 of 3: c'):
        open_source(source(tmp_path))


def test_no_masks_at_all(tmp_path):
    write_rgb(tmp_path / 'images/a.jpg')
    with pytest.raises(DatasetError, match=r'/masks: got no such folder, images next to'):
        open_source(source(tmp_path))


def test_an_empty_split(tmp_path):
    for part in ('images', 'masks'):
        (tmp_path / part / 'train').mkdir(parents=True)
    with pytest.raises(DatasetError, match=r'folder .*, train: got no frames'):
        open_source(source(tmp_path))


def test_a_value_outside_the_table(tmp_path):
    folder(tmp_path, {'a': 19})
    with pytest.raises(DatasetError, match=r'train/a.png: got value 19 .* expected 0\.\.18, 255'):
        open_source(source(tmp_path))[0]
