# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Studies: from a YAML file to runs, results and a page."""

from __future__ import annotations

import re
import shutil

import cv2
import pytest
import yaml

from seg_perception.inference.open_engine import open_engine
from small_net import SmallNet
from training.cli import main
from training.config import load_config
from training.errors import CheckpointError, ConfigError
from training.fit import fit
from training.study import plan
from training.study import study as study_module
from training.study.plan import Study, Verdict, load_study, plan_runs
from training.study.run import Result, is_done, read_result
from training.study.verdict import figure, judge, pareto_front


@pytest.fixture
def studies(config, tmp_path, monkeypatch):
    """A folder of studies whose variants are small and trained in this process: quick."""
    folder = tmp_path / 'studies'
    folder.mkdir()
    base = tmp_path / 'base.yaml'
    base.write_text(yaml.safe_dump(config.to_dict()))
    monkeypatch.setattr(plan, 'STUDIES', folder)
    monkeypatch.setattr(study_module, 'train', train_here)
    for module in ('training.fit', 'training.evaluate.predictors'):
        monkeypatch.setattr(f'{module}.build_model', lambda *_: TrainedSmallNet())
    monkeypatch.setattr('training.fit.write_run_report', lambda *_: 'nowhere')
    write_study(folder / 'rates.yaml', base)
    return folder


class TrainedSmallNet(SmallNet):
    backbone_names = ()

    def forward(self, image):
        logits = super().forward(image)
        return (logits,) if self.training else logits


def train_here(run):
    run.out.mkdir(parents=True)
    (run.out / 'config.yaml').write_text(yaml.safe_dump(run.config.to_dict()))
    fit(run.config)


def write_study(path, base, **keys):
    study = {
        'title': 'Rates',
        'claim': 'A higher rate learns more in two epochs.',
        'base': str(base),
        'changes': {'optim.epochs': 2},
        'groups': {'flat': ['road']},
        'variants': {
            'high': {'optim.learning_rate': 0.003},
            'none': {'optim.learning_rate': 1e-7},
        },
        'verdicts': [{'say': 'More', 'metric': 'flat', 'of': 'high', 'over': 'none'}],
    }
    path.write_text(yaml.safe_dump(study | keys))


def run_study(tmp_path, *words):
    folders = ['--out', str(tmp_path / 'runs'), '--docs', str(tmp_path / 'docs')]
    return main(['study', 'rates', *folders, *words])


def test_from_yaml_to_page(studies, tmp_path, capsys, monkeypatch):
    assert run_study(tmp_path) == 0
    page = (tmp_path / 'docs/rates.md').read_text()
    assert 'A higher rate learns more in two epochs.' in page
    assert re.search(
        r'- More: \*\*(holds|does not hold)\*\*. flat of high over none: [+-]\d+\.\d points \(1 s',
        page,
    )
    assert re.search(r'\| high \| 0\.\d{3} \| 0\.\d{3} \| 0\.\d{3} \| \d+ \| 0\.\d\d \|', page)
    assert 'Budget of every run: 4 steps of 2 crops of 64x64' in page
    for name in ('rates_plot.png', 'rates_frames.jpg'):
        assert cv2.imread(str(tmp_path / 'docs' / name)).std() > 10
    engine = open_engine(tmp_path / 'runs/rates/high_0/model.onnx', 'cpu')
    assert engine.card.name == 'rates_high'

    def forbidden(run):
        raise AssertionError(f'{run.out} is done')

    monkeypatch.setattr(study_module, 'train', forbidden)
    assert run_study(tmp_path) == 0
    with monkeypatch.context() as patch:
        patch.setattr(study_module, 'train', train_here)
        assert run_study(tmp_path, '--variants', 'high', '--set', 'optim.batch=1') == 2
    assert 'optim.batch=2, expected optim.batch=1' in capsys.readouterr().err


def test_arm_that_fails_is_told_and_the_others_are_kept(studies, tmp_path, capsys, monkeypatch):
    """Its training runs in a process, as outside of these tests."""
    from training.study.run import train

    variants = {'good': {}, 'bad': {'optim.learning_rate': 1e30}}
    write_study(studies / 'rates.yaml', tmp_path / 'base.yaml', variants=variants, verdicts=[])
    monkeypatch.setattr(
        study_module, 'train', lambda run: train(run) if run.variant == 'bad' else train_here(run)
    )
    assert run_study(tmp_path) == 1
    told = capsys.readouterr().err
    assert re.search(r'study rates: got .*bad_0: training ended with 2, expected', told)
    page = (tmp_path / 'docs/rates.md').read_text()
    assert 'Without a result: bad_0.' in page
    assert '| good | 0.' in page


def test_time_that_is_too_short_is_told_before_anything_starts(studies, tmp_path, capsys):
    assert run_study(tmp_path, '--minutes', '0.0001') == 2
    told = capsys.readouterr()
    assert re.search(r'2 runs: got --minutes 0.0001, expected \d+, as estim', told.err)
    assert re.search(r'high_0 +\d+\.\d min\nnone_0 +\d+\.\d min', told.err)
    assert not list((tmp_path / 'runs').rglob('*.pt'))


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        ({'variants': None}, 'variants of .*: got none, expected one or more'),
        ({'plott': 'bars'}, "key of .*'plott'.* Did you mean plot"),
        ({'plot': 'pie'}, "'plot': got 'pie', expected one of bars, pareto"),
        ({'verdicts': [{'say': '', 'metric': 'miou', 'of': 'high', 'over': 'none'}]}, "'miou'"),
        ({'verdicts': [{'say': '', 'metric': 'flat', 'of': 'low', 'over': 'none'}]}, "'low'"),
    ],
)
def test_what_cannot_be_is_told(studies, tmp_path, keys, message):
    write_study(studies / 'rates.yaml', tmp_path / 'base.yaml', **keys)
    with pytest.raises(ConfigError, match=message):
        load_study('rates')


def test_misspelt_class_is_told_before_training(studies, tmp_path, capsys):
    write_study(studies / 'rates.yaml', tmp_path / 'base.yaml', groups={'flat': ['rode']})
    assert run_study(tmp_path) == 2
    assert re.search(r"group flat .*got 'rode', .*Did you mean road", capsys.readouterr().err)


def test_unknown_study_names_near_ones(studies):
    with pytest.raises(
        ConfigError, match=r"study: got 'rate', expected rates\. Did you mean rates"
    ):
        load_study('rate')


@pytest.mark.parametrize('path', sorted(plan.STUDIES.glob('*.yaml')), ids=lambda path: path.stem)
def test_every_shipped_study_plans_its_runs(path, tmp_path):
    study = load_study(path.stem)
    runs = plan_runs(study, tmp_path)
    assert len(runs) == len(study.variants) * len(study.seeds)
    assert len({run.config.out for run in runs}) == len(runs)


def test_run_of_another_configuration_is_refused(studies, tmp_path):
    run = plan_runs(load_study('rates'), tmp_path / 'runs')[0]
    run.out.mkdir(parents=True)
    shutil.copy(tmp_path / 'base.yaml', run.out / 'config.yaml')
    assert load_config(run.out / 'config.yaml').optim.epochs != 2
    from training.study.run import check_same

    with pytest.raises(CheckpointError, match=r'optim.epochs=\d+.* expected .*optim.epochs=2'):
        check_same(run)
    assert not is_done(run)


def result(variant, seed, iou):
    scores = {'mean_iou': iou}
    return Result(variant, seed, 10, 1.0, 1000, 1e6, scores, {'Pole': iou / 2, 'Road': iou})


STUDY = Study(
    name='s',
    title='',
    claim='',
    base=None,
    changes={},
    seeds=(0, 1),
    variants={'a': {}, 'b': {}},
    groups={'both': ('Pole', 'Road')},
    plot='bars',
    verdicts=(),
)


def test_figures_over_seeds():
    rows = [result('a', 1, 0.5), result('a', 0, 0.4), result('b', 0, 0.9)]
    assert figure(STUDY, rows, 'a', 'mean_iou').values == (0.4, 0.5)
    assert figure(STUDY, rows, 'a', 'mean_iou').text() == '0.450 ± 0.050'
    assert figure(STUDY, rows, 'b', 'both').text() == '0.675'


@pytest.mark.parametrize(
    ('second', 'word', 'points'),
    [(0.5, 'holds', '+10.0, +10.0'), (0.3, 'undecided', '+10.0, -10.0')],
)
def test_verdict_needs_every_seed(second, word, points):
    rows = [result('a', 0, 0.4), result('b', 0, 0.3), result('a', 1, second), result('b', 1, 0.4)]
    told = judge(STUDY, rows, Verdict('A is better', 'mean_iou', 'a', 'b', 0.02))
    assert told.startswith(f'A is better: **{word}**.')
    assert f' {points} points' in told and '2 seeds' in told


def test_pareto_front_keeps_what_nothing_beats():
    assert pareto_front([3, 1, 2, 2, 5], [0.5, 0.2, 0.1, 0.4, 0.5]) == [1, 3, 0]


def test_result_survives_a_file(studies, tmp_path):
    from training.study.run import RESULT

    run = plan_runs(load_study('rates'), tmp_path / 'runs')[0]
    run.out.mkdir(parents=True)
    text = (
        '{"variant": "high", "seed": 0, "steps": 4, "minutes": 0.1, "parameters": 5, "macs": 1.0,'
        ' "scores": {"mean_iou": 0.5}, "class_iou": {"Road": 0.5, "Pole": null}}'
    )
    (run.out / RESULT).write_text(text)
    assert read_result(run).class_iou['Pole'] != read_result(run).class_iou['Pole']  # NaN
