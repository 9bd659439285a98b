# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import yaml

from data_trees import folder
from training.cli import main
from training.config import DataConfig, parse_config
from training.data import open_frames
from training.data.convert import convert


def group(root, **options):
    folder(root, {'a': 3, 'b': 8})
    folder(root, {'c': 0}, 'val')
    source = {'kind': 'folder', 'root': str(root), 'classes': 'camvid_11'}
    return {'train': [source], 'val': [{**source, 'split': 'val'}], **options}


def data_of(group) -> DataConfig:
    return parse_config({'name': 'x', 'out': 'x', 'data': group}).data


def test_shards_hold_the_frames_as_the_configuration_makes_them(tmp_path):
    data = data_of(group(tmp_path / 'plain', classes='cityscapes_19', size=[2, 3], cache=True))
    path = convert(data, tmp_path / 'shards', 256, progress=False)
    before, after = open_frames(data), open_frames(data_of(yaml.safe_load(path.read_text())))
    assert after.classes == before.classes
    for old, new in ((before.train[0][0], after.train[0][0]), (before.val, after.val)):
        assert old.names == new.names
        for one, other in zip(old, new, strict=True):
            assert np.array_equal(one.rgb, other.rgb)
            assert np.array_equal(one.labels, other.labels)
    assert after.train[0][0][0].labels.tolist() == [[0, 0, 0]] * 2


def test_each_set_to_train_on_keeps_its_share(tmp_path):
    settings = group(tmp_path / 'plain', sampling='class_uniform', workers=4)
    settings['train'] = [
        {**settings['train'][0], 'only': ['a']},
        {**settings['train'][0], 'only': ['b'], 'share': 0.3},
    ]
    path = convert(data_of(settings), tmp_path / 'shards', 256, progress=False)
    data = data_of(yaml.safe_load(path.read_text()))
    assert (data.sampling, data.workers) == ('class_uniform', 4)
    assert [(frames.names, share) for frames, share in open_frames(data).train] == [
        (['a'], 0.0),
        (['b'], 0.3),
    ]


def test_command(tmp_path, capsys):
    config = {'name': 'x', 'out': 'x', 'data': group(tmp_path / 'plain')}
    (tmp_path / 'run.yaml').write_text(yaml.safe_dump(config))
    out = tmp_path / 'shards'
    words = ['shard', '--config', str(tmp_path / 'run.yaml'), '--out', str(out)]
    assert main([*words, 'data.size=[2, 3]']) == 0
    assert capsys.readouterr().out == f'wrote {out}/data.yaml\n'
    assert (out / 'train/000000.tar').is_file() and (out / 'val/index.json').is_file()
    assert main(words) == 2
    assert 'train: got shards of other frames' in capsys.readouterr().err
