# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The watch over what a test run leaves behind sees it."""

import fcntl
import subprocess
from collections.abc import Callable
from pathlib import Path

from left_behind import clean_shared_memory, living
from seg_perception.node.processes import end


def test_a_process_without_its_parent_is_seen_until_it_ends(
    spawn: Callable[..., subprocess.Popen],
) -> None:
    shell = spawn(['sh', '-c', 'sleep 100 & echo $!'], stdout=subprocess.PIPE, text=True)
    orphan = int(shell.stdout.readline())
    shell.wait()
    assert 'sleep 100' in living()[orphan]
    subprocess.run(['kill', str(orphan)], check=True)
    while orphan in living():
        pass


def test_a_process_that_ignores_interrupts_is_ended(
    spawn: Callable[..., subprocess.Popen],
) -> None:
    deaf = spawn(
        ['sh', '-c', 'trap "" INT; echo on; exec sleep 100'], stdout=subprocess.PIPE, text=True
    )
    assert deaf.stdout.readline() == 'on\n'
    end(deaf, grace_s=0.2)
    assert deaf.returncode == -15


def test_segments_of_the_living_stay(tmp_path: Path) -> None:
    for name in ('fastdds_dead', 'fastdds_dead_el', 'fastdds_used', 'fastdds_used_el', 'other'):
        (tmp_path / name).touch()
    with (tmp_path / 'fastdds_used_el').open('w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        clean_shared_memory(0.0, 1, tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {'fastdds_used', 'fastdds_used_el', 'other'}


def test_ports_of_the_domain_go_unless_somebody_listens(tmp_path: Path) -> None:
    for name in ('fastdds_port7661', 'sem.fastdds_port7661_mutex', 'fastdds_port7911'):
        (tmp_path / name).touch()
    with (tmp_path / 'fastdds_port7663_el').open('w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        clean_shared_memory(0.0, 1, tmp_path)
        assert (tmp_path / 'fastdds_port7661').exists()
    clean_shared_memory(0.0, 1, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['fastdds_port7911']  # of domain 2
