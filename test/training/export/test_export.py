# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""From a checkpoint to files that the package runs, or to one message and no file."""

import re
from pathlib import Path

import onnx
import pytest

from seg_perception.core.classes import CAMVID_11, CITYSCAPES_19
from seg_perception.core.errors import ClassTableError
from seg_perception.inference.open_engine import open_engine
from small_net import SmallNet
from training.checkpoint import KEYS, save_checkpoint
from training.cli import main
from training.errors import ExportError
from training.export import export as export_module
from training.export.candidate import unlike
from training.export.export import ExportOptions, export


@pytest.fixture
def checkpoint(trained, config, tmp_path, monkeypatch):
    """Of the small network, which is no network of the zoo."""
    monkeypatch.setattr('training.evaluate.predictors.build_model', lambda *_: SmallNet())
    return save(tmp_path / 'best.pt', trained, config)


def save(path: Path, net, config, classes=CAMVID_11) -> Path:
    data = config.to_dict() | {'deploy': {'input_size': [64, 96]}}
    state = dict.fromkeys(KEYS, 0)
    state |= {'config': data, 'classes': classes.to_dict(), 'epoch': 3, 'step': 12}
    save_checkpoint(path, state | {'average': net.state_dict()})
    return path


def test_three_files_and_their_cards(checkpoint, tmp_path, capsys):
    out = tmp_path / 'models/tiny.onnx'
    words = ['--int8', '--pt2', '--calibration=3', '--max-drop=5', 'name=mine']
    assert main(['export', '--checkpoint', str(checkpoint), '--out', str(out), *words]) == 0
    names = ['tiny.int8.md', 'tiny.int8.onnx', 'tiny.md', 'tiny.onnx', 'tiny.pt2']
    assert sorted(path.name for path in out.parent.iterdir()) == names

    printed = capsys.readouterr().out
    assert re.search(r'onnxruntime equal to torch on 3 frames: \d+ of 17,216 labels', printed)
    assert 'torch engine equal to torch on 3 frames' in printed
    assert re.search(r'float16, .* on a GPU, keeps \d+\.\d\d% of the labels', printed)
    assert re.search(
        r'eight bits: mean IoU 0\.\d+, in float32 0\.\d+; lost -?\d\.\d\d points \(min-max\), '
        r'at most 5 allowed; ranges from 3 training frames',
        printed,
    )
    assert all(f'wrote {out.parent / name}' in printed for name in names)

    engines = {name: open_engine(out.parent / name, 'cpu') for name in (names[1], *names[3:])}
    assert engines['tiny.pt2'].card == engines['tiny.onnx'].card
    assert [engine.card.name for engine in engines.values()] == ['mine int8', 'mine', 'mine']
    # Of two frames the middle is between both, and the other is at the threshold.
    scales = [engine.card.ood_calibration for engine in engines.values()]
    assert all(scale.score == 'energy' and scale.median < scale.threshold for scale in scales)
    assert scales[0] != scales[1]  # eight bits have a scale of their own
    assert '`tiny.pt2`' in (out.parent / 'tiny.md').read_text()
    assert 'eight bits: mean IoU' in (out.parent / 'tiny.int8.md').read_text()


def kernels_of(path: Path) -> list[bytes]:
    return [one.raw_data for one in onnx.load(path).graph.initializer if len(one.dims) == 4]


@pytest.mark.slow
def test_scores_and_temperature_of_a_held_out_run(trained, config, checkpoint, tmp_path, capsys):
    """The exported run is worse, and its own scores would say so."""
    other = SmallNet()
    other.load_state_dict({key: 0.5 * value for key, value in trained.state_dict().items()})
    worse = save(tmp_path / 'final.pt', other, config)
    names = {'alone': checkpoint, 'worse': worse, 'final': worse}
    for name, path in names.items():
        out = tmp_path / f'{name}.onnx'
        words = ['--held-out', str(checkpoint), '--int8', '--max-drop=90', '--calibration=2']
        more = words if name == 'final' else []
        assert main(['export', '--checkpoint', str(path), '--out', str(out), *more]) == 0
    cards = {name: open_engine(tmp_path / f'{name}.onnx', 'cpu').card for name in names}
    assert cards['worse'].scores != cards['alone'].scores
    assert cards['final'].scores == cards['alone'].scores
    assert cards['final'].temperature == cards['alone'].temperature != cards['worse'].temperature
    assert cards['final'].ood_calibration == cards['alone'].ood_calibration
    assert 'of the held-out run, eight bits: mean IoU' in capsys.readouterr().out
    text = (tmp_path / 'final.md').read_text()
    assert 'those of a parallel run that was not trained on these frames' in text
    weights = [kernels_of(tmp_path / f'{name}.onnx') for name in ('worse', 'final')]
    assert weights[0] == weights[1] != kernels_of(tmp_path / 'alone.onnx')


@pytest.fixture
def exported_before(exported, monkeypatch):
    """The graph of the same network, which others made, to save the time of exporting again."""
    monkeypatch.setattr(export_module, 'to_onnx', lambda program: exported)
    monkeypatch.setattr('training.export.candidate.to_program', lambda *_: None)


def test_file_that_is_not_the_network_is_not_written(checkpoint, exported_before, tmp_path):
    """It has another temperature than the one that is fitted."""
    out = tmp_path / 'out/tiny.onnx'
    message = r'file .*tiny\.onnx: got a confidence \d+ of 255 off, expected at most 1 from torch'
    with pytest.raises(ExportError, match=message):
        export(ExportOptions(checkpoint, out))
    assert not out.parent.exists()


def test_eight_bits_that_cost_too_much_are_not_written(
    checkpoint, exported_before, tmp_path, monkeypatch
):
    monkeypatch.setattr('training.export.candidate.holdout_temperature', lambda *_: 0.7)
    out = tmp_path / 'out/tiny.onnx'
    message = (
        r'mean IoU lost to eight bits: got -?\d+\.\d\d points \(min-max\), -?\d+\.\d\d points '
        r'\(percentile\), -?\d+\.\d\d points \(entropy\), expected at most -90 points\. Allow more'
    )
    with pytest.raises(ExportError, match=message):
        export(ExportOptions(checkpoint, out, int8=True, calibration=2, max_drop=-90.0))
    assert not out.parent.exists()


def test_wrong_ending(checkpoint, tmp_path, capsys):
    words = ['--checkpoint', str(checkpoint), '--out', str(tmp_path / 'model.pt')]
    assert main(['export', *words]) == 2
    assert re.search(
        r'error: --out: got .*model\.pt, expected a name that ends in \.onnx\.',
        capsys.readouterr().err,
    )


@pytest.mark.parametrize(
    ('calibration', 'words', 'seen'),
    [(64, ('data.train=[]',), '64 frames of 0 sets'), (0, (), '0 frames of 1 sets')],
)
def test_int8_needs_frames_to_calibrate_on(checkpoint, tmp_path, calibration, words, seen):
    options = ExportOptions(
        checkpoint, tmp_path / 'x.onnx', int8=True, calibration=calibration, overrides=words
    )
    with pytest.raises(ExportError, match=rf'--int8: got {seen} in data\.train, expected frames'):
        export(options)


def test_checkpoint_of_other_classes(config, tmp_path):
    path = save(tmp_path / 'best.pt', SmallNet(19), config, CITYSCAPES_19)
    with pytest.raises(ClassTableError, match='class table of the checkpoint: got cityscapes_19'):
        export(ExportOptions(path, tmp_path / 'x.onnx'))


@pytest.mark.parametrize(
    ('size', 'other'), [((384, 640), (376, 632)), ((360, 640), (344, 632)), ((32, 48), (40, 40))]
)
def test_second_size_to_check(size, other):
    assert unlike(size) == other
    assert all(side % 16 == 8 for side in other)


def test_frames_of_domains_are_scored_by_domain(trained, config, checkpoint, tmp_path, capsys):
    source = config.data.val[0]
    keys = {'kind': source.kind, 'root': source.root, 'only': list(source.only)}
    val = [keys | {'domain': name} for name in ('day', 'dusk')]
    data = config.to_dict() | {'deploy': {'input_size': [64, 96]}}
    data['data'] = data['data'] | {'val': val}
    state = dict.fromkeys(KEYS, 0) | {'config': data, 'classes': CAMVID_11.to_dict()}
    save_checkpoint(checkpoint, state | {'average': trained.state_dict()})
    out = tmp_path / 'models/tiny.onnx'
    assert main(['export', '--checkpoint', str(checkpoint), '--out', str(out)]) == 0
    scores = open_engine(out, 'cpu').card.scores
    assert scores['mean_iou day'] == scores['mean_iou dusk'] == scores['mean_iou mean of domains']
    assert 'dusk' in capsys.readouterr().out and '| dusk |' in out.with_suffix('.md').read_text()
