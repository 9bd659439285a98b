# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped transport settings: what they set, and that big images arrive with them."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace

import pytest

from seg_perception.node import transport
from seg_perception.node.transport import PROFILE_VARIABLES, loss_hint, profile_path, transport_env
from seg_perception.tools.dds_check import Stream, measure_arrival, shipped_environ

MALLOC = {'MALLOC_MMAP_THRESHOLD_': '268435456', 'MALLOC_TRIM_THRESHOLD_': '1073741824'}


def test_sets_profile_and_malloc() -> None:
    env = transport_env({})
    assert env == MALLOC | {'FASTDDS_DEFAULT_PROFILES_FILE': str(profile_path())}
    assert profile_path().is_file()


def test_humble_knows_the_old_name_alone() -> None:
    env = transport_env({'ROS_DISTRO': 'humble'})
    assert env == MALLOC | {'FASTRTPS_DEFAULT_PROFILES_FILE': str(profile_path())}


def test_what_the_user_has_set_stays() -> None:
    assert transport_env({'FASTDDS_DEFAULT_PROFILES_FILE': 'mine.xml'}) == MALLOC
    assert transport_env({'FASTRTPS_DEFAULT_PROFILES_FILE': 'mine.xml'}) == MALLOC
    assert transport_env({'FASTDDS_BUILTIN_TRANSPORTS': 'LARGE_DATA'}) == MALLOC
    env = transport_env({'MALLOC_TRIM_THRESHOLD_': '1'})
    assert set(env) == {'MALLOC_MMAP_THRESHOLD_', 'FASTDDS_DEFAULT_PROFILES_FILE'}


def test_nothing_is_left_to_set_in_its_own_environment() -> None:
    assert transport_env(transport_env({})) == {}


def test_small_shared_memory_gets_small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {'/docker': (64, 30), '/desktop': (16_000, 12_000), '/full': (16_000, 10)}
    usage = lambda path: SimpleNamespace(  # noqa: E731
        total=sizes[str(path)][0] * 2**20, free=sizes[str(path)][1] * 2**20
    )
    monkeypatch.setattr(transport.shutil, 'disk_usage', usage)
    docker, desktop, full = map(Path, sizes)
    assert profile_path(docker).name == 'fastdds_small.xml'
    assert profile_path(desktop).name == profile_path(full).name == 'fastdds.xml'
    assert transport.shm_problem(desktop) == ''
    assert '/docker has 30 MB free of 64: enlarge it' in transport.shm_problem(docker)
    assert '--shm-size=512m' in transport.shm_problem(full)
    assert profile_path(Path('/docker')).is_file()


@pytest.mark.parametrize('name', ['fastdds.xml', 'fastdds_small.xml'])
def test_profiles_hold_several_images_and_keep_udp(name: str) -> None:
    root = ElementTree.parse(profile_path().with_name(name)).getroot()
    values = {element.tag.rpartition('}')[2]: element.text for element in root.iter()}
    types = [element.text for element in root.iter() if element.tag.endswith('}type')]
    assert types == ['SHM', 'UDPv4']
    assert int(values['segment_size']) >= 16 * 2**20
    assert values['useBuiltinTransports'] == 'false'


def test_720p_images_arrive_best_effort() -> None:
    # Stock Fast DDS loses most of them; a loaded machine may cost one or two here.
    arrival = measure_arrival(Stream(frames=40, rate_hz=20.0), shipped_environ())
    assert arrival.sent == 40
    assert arrival.arrived >= 38


PRINTS = """
import os, sys
from seg_perception.node.transport import ensure_transport
ensure_transport()
print(sys.argv[1], *(os.environ[name] for name in sys.argv[2:]))
"""


def test_a_process_sets_them_for_itself_and_keeps_its_arguments() -> None:
    """Without those of the user; started anew once, as glibc asks for."""
    names = ['FASTDDS_DEFAULT_PROFILES_FILE', *MALLOC]
    bare = {name: value for name, value in os.environ.items() if name not in names}
    command = [sys.executable, '-c', PRINTS, 'an argument', *names]
    said = subprocess.check_output(command, env=bare, text=True)
    assert said.split() == ['an', 'argument', str(profile_path()), *MALLOC.values()]
    mine = {'FASTDDS_DEFAULT_PROFILES_FILE': 'mine.xml', 'MALLOC_TRIM_THRESHOLD_': '7'}
    said = subprocess.check_output(command, env=bare | mine, text=True)
    assert said.split() == ['an', 'argument', 'mine.xml', MALLOC['MALLOC_MMAP_THRESHOLD_'], '7']


def test_the_hint_for_lost_images_names_who_has_to_set_what(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    setting = f'FASTDDS_DEFAULT_PROFILES_FILE={profile_path()}'
    assert f'start its driver with {setting}' in loss_hint()
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', str(profile_path()))
    assert f'start its driver with {setting}' in loss_hint()
    monkeypatch.setenv('FASTDDS_BUILTIN_TRANSPORTS', 'UDPv4')
    monkeypatch.delenv('FASTDDS_DEFAULT_PROFILES_FILE')
    hint = loss_hint()
    assert 'in place of FASTDDS_BUILTIN_TRANSPORTS, this node' in hint and setting in hint
