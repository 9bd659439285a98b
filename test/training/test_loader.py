# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tiny_frames import TinyFrames, UnportableError, flat, noisy
from training.config import parse_config
from training.errors import ConfigError, DatasetError
from training.loader import Loader
from training.transforms import augment

SEED = 5


def setup(tmp_path='', **changes):
    """A configuration, changed by words such as optim__batch=2."""
    words = [f'{key.replace("__", ".")}={value}' for key, value in changes.items()]
    data = {'name': 'tiny', 'out': str(tmp_path), 'seed': SEED, 'device': 'cpu'}
    view = {'crop': [32, 40], 'blur': 0.5, 'noise': 0.5, 'erase': 0.3, 'translate': 0.1}
    return parse_config({**data, 'transform': view, 'optim': {'batch': 4}}, words)


CONFIG = setup()
FRAMES = [(TinyFrames([noisy(seed) for seed in range(11)]), 0.0)]


def seen(batches):
    return [(rgb.numpy().copy(), labels.numpy().copy()) for rgb, labels in batches]


def equal(first, second):
    assert len(first) == len(second)
    return all(
        np.array_equal(a, b)
        for pair in zip(first, second, strict=True)
        for a, b in zip(*pair, strict=True)
    )


@pytest.fixture(scope='module')
def by_thread():
    with Loader(FRAMES, CONFIG) as loader:
        yield loader


@pytest.fixture(scope='module')
def by_workers():
    with Loader(FRAMES, setup(data__workers=2)) as loader:
        yield loader


def test_batches_are_uint8_of_the_size_of_the_view(by_thread):
    batches = list(by_thread.epoch(0, CONFIG.transform))
    assert by_thread.steps_per_epoch == len(batches) == 2  # three of eleven frames are left out
    rgb, labels = batches[0]
    assert (tuple(rgb.shape), rgb.dtype) == ((4, 32, 40, 3), torch.uint8)
    assert (tuple(labels.shape), labels.dtype) == ((4, 32, 40), torch.uint8)
    small = dataclasses.replace(CONFIG.transform, crop=(32, 32))
    assert next(by_thread.epoch(0, small))[1].shape == (4, 32, 32)


def test_epochs_repeat_and_differ(by_thread):
    first = seen(by_thread.epoch(0, CONFIG.transform))
    assert equal(first, seen(by_thread.epoch(0, CONFIG.transform)))
    assert not equal(first, seen(by_thread.epoch(1, CONFIG.transform)))
    with Loader(FRAMES, setup(seed=6)) as other:
        assert not equal(first, seen(other.epoch(0, CONFIG.transform)))


def test_views_are_drawn_by_position(by_thread):
    views = torch.cat([rgb for rgb, _ in by_thread.epoch(3, CONFIG.transform)]).numpy()
    for position, view in enumerate(views):
        might_be = [
            augment(noisy(frame), CONFIG.transform, np.random.default_rng([SEED, 3, position]))[0]
            for frame in range(11)
        ]
        assert sum(np.array_equal(view, other) for other in might_be) == 1


def test_workers_make_the_same_batches_as_the_thread(by_thread, by_workers):
    for epoch in (0, 1):
        expected = seen(by_thread.epoch(epoch, CONFIG.transform))
        assert equal(expected, seen(by_workers.epoch(epoch, CONFIG.transform)))
    assert len(multiprocessing.active_children()) == 2


def test_workers_leave_the_random_numbers_of_dropout_alone(by_workers):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    list(by_workers.epoch(0, CONFIG.transform))
    assert torch.equal(torch.rand(3), expected)


def test_first_step_skips_what_was_taken(by_thread, by_workers):
    whole = seen(by_thread.epoch(2, CONFIG.transform))
    assert equal(whole[1:], seen(by_thread.epoch(2, CONFIG.transform, first_step=1)))
    assert equal(whole[1:], seen(by_workers.epoch(2, CONFIG.transform, first_step=1)))
    assert seen(by_thread.epoch(2, CONFIG.transform, first_step=2)) == []


@pytest.mark.parametrize('sampling', ['shuffle', 'class_uniform'])
def test_processes_share_out_each_batch(tmp_path, sampling):
    config = setup(tmp_path, data__sampling=sampling)
    with Loader(FRAMES, config) as whole:
        expected = seen(whole.epoch(1, config.transform))
    ranks = []
    for rank in range(2):
        with Loader(FRAMES, config, rank, world=2) as part:
            assert part.steps_per_epoch == 2
            ranks.append(seen(part.epoch(1, config.transform)))
    assert ranks[0][0][0].shape == (2, 32, 40, 3)
    joined = [
        tuple(np.concatenate(pair) for pair in zip(first, second, strict=True))
        for first, second in zip(*ranks, strict=True)
    ]
    assert equal(expected, joined)


def test_an_epoch_that_is_broken_off_leaves_nothing_in_the_next(by_thread, by_workers):
    expected = seen(by_thread.epoch(4, CONFIG.transform))
    for loader in (by_thread, by_workers):
        next(loader.epoch(3, CONFIG.transform))
        assert equal(expected, seen(loader.epoch(4, CONFIG.transform)))


def test_sets_come_with_their_shares():
    sets = [(TinyFrames([flat(1), flat(2), flat(3)]), 0.0), (TinyFrames([flat(9)]), 0.25)]
    config = setup(optim__batch=2, transform__translate=0, transform__erase=0)
    with Loader(sets, config) as loader:
        batches = list(loader.epoch(0, config.transform))
    drawn = torch.cat([labels for _, labels in batches]).flatten(1)
    # 255 beside the class: views of 40 columns of frames of 32.
    assert sorted(row[row != 255].unique().tolist() for row in drawn) == [[1], [2], [3], [9]]


def test_class_uniform_views_show_the_class_that_was_drawn(tmp_path):
    frames = []
    for number in range(20):
        sample = flat(3, (96, 128), f'frame{number}')
        if number == 7:
            sample.labels[70:72, 100:102] = 9
        frames.append(sample)
    config = setup(
        tmp_path, data__sampling='class_uniform', transform__erase=0, transform__rotate_deg=0
    )
    with Loader([(TinyFrames(frames), 0.0)], config) as loader:
        labels = torch.cat([labels for _, labels in loader.epoch(0, config.transform)])
    # Half of 20 views are centred on class 9; that frame may also be drawn for its class 3.
    assert int((labels == 9).flatten(1).any(1).sum()) in (10, 11)


def test_rare_crop_finds_the_rarest_classes_by_itself(tmp_path):
    frames = []
    for number in range(8):
        sample = flat(3, (96, 128), f'frame{number}')
        sample.labels[:30] = 4
        sample.labels[10:12, 20 : 22 + 8 * number] = 9
        frames.append(sample)
    found = {}
    for name, words in {
        'never': {},
        'rarest': {'transform__rare_crop': 1},
        'named': {'transform__rare_crop': 1, 'transform__rare': '[sky]'},
    }.items():
        config = setup(tmp_path, **words, transform__scale='[1, 1]', transform__erase=0)
        with Loader([(TinyFrames(frames), 0.0)], config) as loader:
            labels = torch.cat([labels for _, labels in loader.epoch(0, config.transform)])
        found[name] = int((labels == 9).flatten(1).any(1).sum())
    assert found['rarest'] == 8 and found['never'] < 5 and found['named'] < 5
    assert (tmp_path / 'label_counts.npz').is_file()


@pytest.mark.parametrize(
    ('words', 'world', 'message'),
    [
        ({'optim__batch': 12}, 1, r'optim.batch: got 12, expected at most the 11 of an epoch'),
        ({'optim__batch': 3}, 2, r'optim.batch: got 3, expected a multiple of the 2 processes'),
        ({'transform__rare': '[bicyclst]'}, 1, r"transform.rare: got 'bicyclst'.*mean bicyclist"),
    ],
)
def test_what_cannot_be_is_refused(words, world, message):
    with pytest.raises(ConfigError, match=message):
        Loader(FRAMES, setup(**words), world=world)


def test_nothing_to_train_on_is_refused():
    with pytest.raises(ConfigError, match=r'config key data.train: got nothing'):
        Loader([], CONFIG)


BAD = [(TinyFrames([flat(1, name='broken'), flat(2, name='odd')]), 0.0)]


def failures(loader):
    """What each of the two frames raises, in the order of the epoch."""
    for first_step in range(2):
        with pytest.raises(Exception, match=r'') as caught:
            next(loader.epoch(0, CONFIG.transform, first_step))
        yield caught.value


def test_errors_reach_the_caller_as_they_are():
    with Loader(BAD, setup(optim__batch=1)) as loader:
        broken, odd = sorted(failures(loader), key=lambda error: type(error).__name__)
    assert isinstance(broken, DatasetError) and isinstance(odd, UnportableError)


def test_errors_of_workers_reach_the_caller_and_close_ends_the_workers():
    before = set(multiprocessing.active_children())
    loader = Loader(BAD, setup(data__workers=1, optim__batch=1))
    broken, odd = sorted(failures(loader), key=lambda error: type(error).__name__)
    assert isinstance(broken, DatasetError)
    assert str(broken) == 'file broken.png: got unreadable data, expected a PNG image.'
    # Pickle cannot bring this one over: a plain error with its text comes instead.
    assert isinstance(odd, RuntimeError) and 'UnportableError: no two arguments' in str(odd)
    assert len(multiprocessing.active_children()) == len(before) + 1
    loader.close()
    assert set(multiprocessing.active_children()) == before


SCRIPT = """
import sys
from tiny_frames import TinyFrames, noisy
from training.config import parse_config
from training.loader import Loader

if __name__ == '__main__':
    config = parse_config({'name': 'tiny', 'out': '', 'device': 'cpu'}, sys.argv[1:])
    with Loader([(TinyFrames([noisy(0), noisy(1)]), 0.0)], config) as loader:
        for epoch in range(10**9):
            for batch in loader.epoch(epoch, config.transform):
                print('batch', flush=True)
"""


@pytest.fixture
def run(tmp_path):
    """An endless run with a worker, in a process group of its own, as Ctrl-C reaches it."""
    script = tmp_path / 'endless.py'
    script.write_text(SCRIPT)
    words = ['data.workers=1', 'optim.batch=1', 'transform.crop=[32, 32]']
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, str(script), *words],
        env={**os.environ, 'PYTHONPATH': f'{root}:{root / "test"}'},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    yield process
    process.stdout.close()
    for left in members(process.pid):
        os.kill(left, signal.SIGKILL)
    process.wait()


def test_no_process_outlives_an_interrupted_run(run):
    assert run.stdout.readline() == 'batch\n'
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait(timeout=60) != 0
    assert settles(lambda: not members(run.pid))


def test_no_process_outlives_a_run_that_is_killed_while_its_worker_starts(run):
    assert settles(lambda: any('spawn_main' in line for line in members(run.pid).values()))
    run.kill()
    run.wait()
    assert settles(lambda: not members(run.pid))


def settles(condition):
    """Whether it comes true within a minute."""
    until = time.monotonic() + 60
    while not (true := condition()) and time.monotonic() < until:
        time.sleep(0.05)
    return true


def members(group):
    """Command lines of the living processes of a group, by number."""
    found = {}
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            fields = (folder / 'stat').read_text().rpartition(')')[2].split()
            if int(fields[2]) == group and fields[0] != 'Z':
                found[int(folder.name)] = (folder / 'cmdline').read_text()
        except OSError:
            continue  # it ended meanwhile
    return found
