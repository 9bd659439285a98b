# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the doctor finds, and what it advises."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from seg_perception.node.transport import profile_path
from seg_perception.tools import doctor
from seg_perception.tools.doctor import Finding, Level


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*doctor.PROFILE_VARIABLES, *doctor.MALLOC_SETTINGS):
        monkeypatch.delenv(name, raising=False)


def test_a_finding_reads_as_a_line_and_its_fix() -> None:
    assert str(Finding(Level.OK, 'gpu', 'none')) == 'OK    gpu              none'
    assert str(Finding(Level.FAIL, 'ros', 'not there', 'Source it.')) == (
        'FAIL  ros              not there\n                       -> Source it.'
    )


@pytest.mark.parametrize(
    ('levels', 'code', 'last'),
    [
        ([Level.OK, Level.WARN], 0, '2 checks: 1 warnings, 0 failures'),
        ([Level.FAIL, Level.OK, Level.FAIL], 1, '3 checks: 0 warnings, 2 failures'),
    ],
)
def test_exit_code_is_1_on_a_failure(levels: list[Level], code: int, last: str) -> None:
    lines: list[str] = []
    findings = (Finding(level, 'name', 'seen') for level in levels)
    assert doctor.report(findings, lines.append) == code
    assert lines[-1] == last


def test_this_machine_has_ros_and_our_messages() -> None:
    findings = {finding.name: finding for finding in doctor.check_ros()}
    assert {name: finding.level for name, finding in findings.items()} == {
        'ros': Level.OK,
        'middleware': Level.OK,
        'messages': Level.OK,
    }
    assert findings['middleware'].seen == 'rmw_fastrtps_cpp'


def test_opencv_5_is_warned_of() -> None:
    assert doctor.check_opencv('4.14.0').level is Level.OK
    finding = doctor.check_opencv('5.0.0')
    assert (finding.level, 'opencv-python-headless<5' in finding.fix) == (Level.WARN, True)


def test_profile_in_force(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    finding = doctor.check_profile()
    assert finding.level is Level.WARN
    assert f'FASTDDS_DEFAULT_PROFILES_FILE={profile_path()}' in finding.fix
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', str(profile_path()))
    assert doctor.check_profile().level is Level.OK
    assert 'segment 32.0 MB' in doctor.check_profile().seen
    small = tmp_path / 'small.xml'
    small.write_text('<dds><segment_size>524288</segment_size></dds>')
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', str(small))
    assert doctor.check_profile().level is Level.WARN
    assert '0.5 MB: too small' in doctor.check_profile().seen
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', str(tmp_path / 'none.xml'))
    assert doctor.check_profile().level is Level.FAIL


def test_malloc(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = doctor.check_malloc()
    assert finding.level is Level.WARN
    assert 'export MALLOC_MMAP_THRESHOLD_=268435456 MALLOC_TRIM_THRESHOLD_' in finding.fix
    for name, value in doctor.MALLOC_SETTINGS.items():
        monkeypatch.setenv(name, value)
    finding = doctor.check_malloc()
    assert finding.level is Level.OK


@pytest.mark.parametrize(
    ('domain', 'reach', 'levels'),
    [
        ('7', 'LOCALHOST', [Level.OK, Level.OK]),
        ('150', 'SUBNET', [Level.WARN, Level.OK]),
        ('300', 'OFF', [Level.FAIL, Level.WARN]),
        ('home', 'NEAR', [Level.FAIL, Level.FAIL]),
    ],
)
def test_discovery(
    monkeypatch: pytest.MonkeyPatch, domain: str, reach: str, levels: list[Level]
) -> None:
    monkeypatch.setenv('ROS_DOMAIN_ID', domain)
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', reach)
    assert [finding.level for finding in doctor.check_discovery()] == levels


def test_stale_segments_are_those_without_a_lock(tmp_path: Path) -> None:
    (tmp_path / 'fastrtps_dead_el').touch()
    (tmp_path / 'fastdds_dead_el').touch()
    alive = tmp_path / 'fastdds_alive_el'
    with alive.open('w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        stale = [item for item in doctor.check_shared_memory(tmp_path) if 'stale' in item.name]
    assert [item.seen for item in stale] == ['2 of ended processes']
    assert stale[0].fix.startswith('fastdds shm clean')


def test_no_shared_memory_is_a_failure(tmp_path: Path) -> None:
    (finding,) = doctor.check_shared_memory(tmp_path / 'none')
    assert (finding.level, '--ipc=host' in finding.fix) == (Level.FAIL, True)


@pytest.mark.parametrize(('size', 'level'), [('212992\n', Level.WARN), ('4194304\n', Level.OK)])
def test_socket_buffers(tmp_path: Path, size: str, level: Level) -> None:
    path = tmp_path / 'rmem_max'
    path.write_text(size)
    assert doctor.check_rmem(path).level is level


def test_model(tiny_path: Path, tmp_path: Path) -> None:
    finding = doctor.check_model(tiny_path)
    assert finding.level is Level.OK
    assert finding.seen.startswith('tiny, 11 classes, ')
    finding = doctor.check_model(tmp_path / 'none.onnx')
    assert (finding.level, 'none.onnx' in finding.seen) == (Level.FAIL, True)


def test_examine_looks_at_everything(tiny_path: Path) -> None:
    names = [finding.name for finding in doctor.examine(tiny_path, quick=True)]
    assert {'ros', 'messages', 'dds profile', 'malloc', 'shared memory', 'socket buffers'} <= {
        *names
    }
    assert {'opencv', 'vision_msgs', 'tf2_msgs', 'onnxruntime', 'gpu', 'model'} <= {*names}
    assert 'test stream' not in names
