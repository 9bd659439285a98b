# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
import yaml

from seg_perception.core.classes import STREET, ClassTable, Role, SegClass
from seg_perception.core.errors import ClassTableError
from seg_perception.io.atomic import write_image
from tiny_model import write_tiny_model
from training.cli import main
from training.config import SourceConfig
from training.data import open_source
from training.errors import ConfigError
from training.teachers import Opinion, SetTable, agreed, bits_of, read_teachers

ALL = (1 << len(STREET)) - 1
CONFIGS = Path(__file__).parents[2] / 'config/training/teachers'


def bits(*names: str) -> int:
    return sum(1 << STREET.names.index(name) for name in names)


def opinion(allowed: int, votes: bool = True, decides: bool = False) -> Opinion:
    """Of one pixel."""
    return Opinion(np.array([[allowed]], np.uint32), np.array([[votes]]), np.array([[decides]]))


CAR, TREE = bits('car', 'large vehicle'), bits('vegetation', 'terrain')
NO_ROAD = ALL - bits('road', 'lane marking', 'road hazard')


@pytest.mark.parametrize(
    ('opinions', 'expected'),
    [
        ([opinion(CAR), opinion(bits('car'))], bits('car')),
        ([opinion(TREE), opinion(CAR)], 0),  # a contradiction
        ([opinion(CAR), opinion(ALL, False)], 0),  # one vote of two
        ([opinion(CAR, decides=True), opinion(ALL, False)], CAR),
        ([opinion(CAR), opinion(NO_ROAD, False)], 0),  # a veto is no vote
        ([opinion(bits('road')), opinion(bits('road')), opinion(NO_ROAD, False)], 0),
        ([opinion(CAR, decides=True), opinion(NO_ROAD, False)], CAR),
    ],
)
def test_what_is_agreed_on(opinions, expected):
    assert agreed(opinions, 2, len(STREET))[0, 0] == expected


@pytest.mark.parametrize(
    ('truth', 'said', 'expected'),
    [
        (CAR, bits('car'), bits('car')),
        (CAR, TREE, CAR),  # people are right
        (CAR, ALL, CAR),
        (0, CAR, 0),  # nothing was labelled, and one vote is too little
    ],
)
def test_teachers_make_the_labels_of_people_finer(truth, said, expected):
    labels = np.array([[truth]], np.uint32)
    assert agreed([opinion(said, said != ALL)], 2, len(STREET), labels)[0, 0] == expected


def test_sets_get_labels_and_names_as_they_turn_up():
    sets = SetTable(STREET, 'x', [*STREET.names, 'car+sky'])
    labels = sets.labels(np.array([[0, bits('road'), CAR, TREE]], np.uint32))
    assert labels.tolist() == [[255, 0, 18, 17]]
    assert sets.table.names[16:] == ['car+sky', 'terrain+vegetation', 'car+large vehicle']
    assert bits_of(sets.table, STREET)[18] == CAR


def test_a_mask_holds_no_more_than_254_sets():
    sets = SetTable(STREET, 'x')
    values = np.arange(3, 2003, dtype=np.uint32)[None]
    labels = sets.labels(values)
    assert len(sets.table) == 255 and (labels == 255).sum() > 1000


OF_A_TEACHER = 'means', 'sure', 'alone', 'model', 'masks'


def teachers_file(folder: Path, **keys) -> Path:
    row = {'masks': str(folder / 'answers'), 'classes': 'camvid_11'}
    data = {'classes': 'street', 'votes': 1, 'teachers': [row]}
    for key, value in keys.items():
        (row if key in OF_A_TEACHER else data)[key] = value
    path = folder / 'teachers.yaml'
    path.write_text(yaml.safe_dump(data))
    return path


def answers(folder: Path, labels: np.ndarray) -> None:
    write_image(folder / 'answers' / 'a.png', labels)


def test_masks_of_another_network_are_a_teacher(tmp_path):
    answers(tmp_path, np.array([[3, 8], [5, 0]], np.uint8))
    path = teachers_file(tmp_path, means={'tree': 'not sky', 'sky': 'sky+building'})
    found = read_teachers(path).sets('a', np.zeros((2, 2, 3), np.uint8))
    road = bits('road', 'lane marking', 'road hazard')
    assert found.tolist() == [[road, CAR], [0, bits('sky', 'building')]]


def test_the_mirrored_frame_must_agree(tmp_path):
    model = write_tiny_model(tmp_path / 'tiny.onnx')
    path = teachers_file(tmp_path, model=str(model), masks='', sure={}, votes=1)
    rgb = np.zeros((64, 96, 3), np.uint8)
    rgb[:, :48] = 255
    symmetric = np.maximum(rgb, rgb[:, ::-1])
    teacher = read_teachers(path)._teachers[0]
    _, confidence = teacher._answer('a', symmetric)
    assert confidence.max() > 0
    labels, _ = teacher._predict(rgb)
    other = teacher._predict(np.ascontiguousarray(rgb[:, ::-1]))[0][:, ::-1]
    assert (teacher._answer('a', rgb)[1][labels != other] == 0).all()


def test_gates_by_class(tmp_path):
    answers(tmp_path, np.array([[3, 8]], np.uint8))
    path = teachers_file(tmp_path, sure={'car': 1.5})
    found = read_teachers(path).sets('a', np.zeros((1, 2, 3), np.uint8))
    assert found[0, 0] and not found[0, 1]


@pytest.mark.parametrize(
    ('keys', 'error', 'message'),
    [
        ({'means': {'lava': 'road'}}, ConfigError, 'lava'),
        ({'means': {'road': 'rode'}}, ConfigError, r'means of teacher .*rode.*road'),
        ({'sure': {'lava': 1.0}}, ConfigError, 'gates of teacher .*lava'),
        ({'masks': ''}, ConfigError, 'expected either model or masks'),
        ({'classes': 'vistas_124'}, ConfigError, 'got 124, expected up to 32'),
        ({'extra': 1}, ConfigError, 'extra'),
    ],
)
def test_what_cannot_be_is_named(tmp_path, keys, error, message):
    path = teachers_file(tmp_path, **keys)
    with pytest.raises(error, match=message):
        read_teachers(path)


def test_a_teacher_whose_classes_do_not_map(tmp_path):
    own = ClassTable('own', (SegClass(0, 'lava', (0, 0, 0), Role.OTHER),))
    (tmp_path / 'own.yaml').write_text(yaml.safe_dump(own.to_dict()))
    data = {
        'classes': 'street',
        'teachers': [{'masks': 'x', 'classes': str(tmp_path / 'own.yaml')}],
    }
    (tmp_path / 'teachers.yaml').write_text(yaml.safe_dump(data))
    with pytest.raises(ClassTableError, match=r'classes of own: lava.*a map from own to street'):
        read_teachers(tmp_path / 'teachers.yaml')


@pytest.fixture
def command(tmp_path):
    """The command on a grey frame of 64x96 whose left half is a car, by one teacher."""
    mask = np.full((64, 96), 3, np.uint8)
    mask[:, :48] = 8
    answers(tmp_path, mask)
    write_image(tmp_path / 'a.png', np.full((64, 96, 3), 90, np.uint8))
    path = teachers_file(tmp_path)

    def run(*words):
        fixed = [tmp_path / 'a.png', '--teachers', path, '--out', tmp_path / 'out', '--height', 64]
        return main(['pseudo-label', *map(str, [*fixed, *words])])

    return run


def labelled(tmp_path):
    table = str(tmp_path / 'out/classes.yaml')
    frames = open_source(SourceConfig('folder', str(tmp_path / 'out'), classes=table))
    names = np.array([*frames.classes.names, *['?'] * (255 - len(frames.classes)), 'none'])
    return names[frames.labels(0)]


def test_command_writes_sets_that_training_reads(command, tmp_path, capsys):
    assert command() == 0
    names = labelled(tmp_path)
    assert names[10, 10] == 'car+large vehicle'
    assert names[10, 80] == 'road+lane marking+road hazard'
    assert f'classes: {tmp_path}/out/classes.yaml' in capsys.readouterr().out


def test_truth_holds_and_the_own_vehicle_is_drawn(command, tmp_path):
    truth = np.full((64, 96), 255, np.uint8)
    truth[:, :48] = 3  # what people say is comma10k's movable
    write_image(tmp_path / 'truth' / 'a.png', truth)
    outline = {'a': [[0, 1], [0, 0.75], [1, 0.75], [1, 1]]}
    (tmp_path / 'ego.yaml').write_text(yaml.safe_dump(outline))
    words = '--labels', tmp_path / 'truth', '--label-classes', 'comma10k_6'
    assert command(*words, '--ego', tmp_path / 'ego.yaml') == 0
    names = labelled(tmp_path)
    assert names[10, 10] == 'car+large vehicle' and names[60, 50] == 'ego vehicle'
    assert names[46, 50] == 'none'  # next to the outline


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (('--checkpoint', 'a.pt'), '--checkpoint or --teachers'),
        (('--labels', 'masks'), 'one of them'),
    ],
)
def test_options_that_do_not_go_together(command, words, message, capsys):
    assert command(*words) == 2
    assert message in capsys.readouterr().err


def test_shipped_files_name_classes_and_drives():
    for path in CONFIGS.glob('street*.yaml'):
        data = yaml.safe_load(path.read_text())
        assert data['classes'] == 'street' and data['teachers']
    outlines = yaml.safe_load((CONFIGS / 'us_cities_ego.yaml').read_text())
    points = np.concatenate([np.array(rows) for rows in outlines.values()])
    assert points.shape[1] == 2 and points.min() >= 0 and points.max() <= 1
