# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from math import isnan

import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus

from seg_perception.node.diagnostics import (
    CameraHealth,
    Limits,
    ModelReport,
    State,
    judge,
    to_array,
)

MODEL = ModelReport('tiny', '/models/tiny.onnx', 'cpu')
LIMITS = Limits(stale_after_s=1.0, warn_latency_ms=100.0)
SECOND_NS = 10**9


@pytest.fixture
def health() -> CameraHealth:
    return CameraHealth('front', now_s=100.0)


def run(health: CameraHealth, frames: int, start_s: float, latency_ms: float = 20.0) -> None:
    """Frames at 10 Hz, all answered."""
    for index in range(frames):
        now_s = start_s + 0.1 * index
        health.arrived(now_s, int(now_s * SECOND_NS))
        health.answered(now_s + latency_ms / 1e3, latency_ms, size=(4, 6))


def test_waiting_until_the_first_frame(health):
    report = health.report(100.5, 1.0)
    assert report.state is State.WAITING
    assert judge(report, 'nobody publishes on /a', MODEL, LIMITS) == (
        DiagnosticStatus.WARN,
        'waiting: no frame for 0.5 s, nobody publishes on /a',
    )
    late = health.report(103.0, 1.0)
    assert late.state is State.WAITING
    assert judge(late, '', MODEL, LIMITS)[0] == DiagnosticStatus.ERROR


def test_active_with_rate_and_latency(health):
    run(health, 21, 101.0)
    report = health.report(103.03, 1.0)
    assert report.state is State.ACTIVE
    assert report.input_rate_hz == pytest.approx(10.0, rel=0.01)
    assert report.output_rate_hz == pytest.approx(10.0, rel=0.01)
    assert (report.received, report.segmented, report.dropped) == (21, 21, 0)
    assert judge(report, '', MODEL, LIMITS) == (DiagnosticStatus.OK, 'active: 10.0 Hz, 20 ms p95')


def test_quantiles_of_the_window():
    health = CameraHealth('front', 0.0)
    health.answered(1.0, 5000.0)  # long ago
    for value in range(1, 101):
        health.answered(50.0, float(value))
    latency = health.report(51.0, 1.0).latency
    assert latency.p50 == pytest.approx(50.5)
    assert latency.p95 == pytest.approx(95.05)
    assert latency.p99 == pytest.approx(99.01)


def test_stale_when_frames_stop(health):
    run(health, 3, 101.0)
    report = health.report(102.5, 1.0)
    assert report.state is State.STALE
    level, message = judge(report, '1 publishing on /a', MODEL, LIMITS)
    assert level == DiagnosticStatus.ERROR
    assert message == 'stale: no answer for 1.3 s, 1 publishing on /a'


def test_stale_when_answers_stop(health):
    """Frames alone prove nothing: the worker may hang."""
    run(health, 3, 101.0)
    health.arrived(103.0, 103 * SECOND_NS)
    assert health.report(103.1, 1.0).state is State.STALE


def test_rate_sinks_in_silence(health):
    run(health, 11, 101.0)
    assert health.report(106.0, 60.0).output_rate_hz < 2.1


def test_rejected_until_the_next_good_frame(health):
    run(health, 3, 101.0)
    health.arrived(101.3, 0)
    health.rejected('image step', 'image step: got 5, expected 6.')
    health.rejected('image step', 'image step: got 5, expected 6.')
    health.rejected('image size', 'image size: got 0 x 0, expected at least 1 x 1.')
    report = health.report(101.4, 1.0)
    assert report.state is State.REJECTED
    assert report.rejected == {'image step': 2, 'image size': 1}
    assert judge(report, '', MODEL, LIMITS) == (
        DiagnosticStatus.ERROR,
        'rejected: image size: got 0 x 0, expected at least 1 x 1.',
    )
    run(health, 1, 101.5)
    assert health.report(101.6, 1.0).state is State.ACTIVE


def test_a_failure_is_told(health):
    health.arrived(101.0, 0)
    health.failed('RuntimeError: boom')
    report = health.report(101.1, 1.0)
    assert report.failures == 1
    assert judge(report, '', MODEL, LIMITS) == (
        DiagnosticStatus.ERROR,
        'rejected: RuntimeError: boom',
    )


def test_the_last_fault_is_the_one_told(health):
    health.arrived(101.0, 0)
    health.rejected('image size', 'image size: wrong')
    health.failed('RuntimeError: boom')
    report = health.report(101.1, 1.0)
    assert judge(report, '', MODEL, LIMITS)[1] == 'rejected: RuntimeError: boom'


def test_stamps_that_jump_back_trip_nothing(health):
    for stamp_s in (5, 6, 2, 3, 3):
        health.arrived(101.0, stamp_s * SECOND_NS)
        health.answered(101.02, 20.0)
    report = health.report(101.1, 1.0)
    assert report.stamps_back == 1
    assert report.state is State.ACTIVE


@pytest.mark.parametrize(
    ('change', 'text'), [({'degraded': 'mean confidence 0.20'}, 'degraded: mean confidence 0.20')]
)
def test_what_is_worth_a_warning(health, change, text):
    run(health, 3, 101.0)
    report = replace(health.report(101.3, 1.0), **change)
    level, message = judge(report, '', MODEL, LIMITS)
    assert level == DiagnosticStatus.WARN
    assert text in message


def test_slow_answers_are_worth_a_warning(health):
    run(health, 3, 101.0, latency_ms=150.0)
    level, message = judge(health.report(101.4, 1.0), '', MODEL, LIMITS)
    assert level == DiagnosticStatus.WARN
    assert 'latency above 100 ms' in message


def test_whether_answers_are_metric_is_a_value_and_no_warning(health):
    def metric() -> str:
        array = to_array('/node', [(health.report(101.3, 1.0), '')], MODEL, LIMITS, Time())
        return {item.key: item.value for item in array.status[0].values}['metric']

    assert metric() == 'no answer yet'
    health.arrived(101.0, 1)
    health.answered(101.0, 20.0, no_metres='not calibrated: no camera_info on /a')
    assert metric() == 'off: not calibrated: no camera_info on /a'
    health.answered(101.1, 20.0)
    assert metric() == 'on'
    assert judge(health.report(101.3, 1.0), '', MODEL, LIMITS)[0] == DiagnosticStatus.OK


def test_ood_score_is_the_median_of_the_last_answers(health):
    def ood_score() -> str:
        array = to_array('/node', [(health.report(101.3, 1.0), '')], MODEL, LIMITS, Time())
        return {item.key: item.value for item in array.status[0].values}['ood_score']

    assert ood_score() == 'nan'
    health.arrived(101.0, 1)
    for value in (0.1, 0.9, 0.3):
        health.answered(101.0, 20.0, ood_score=value)
    assert ood_score() == '0.30'


def test_a_mount_that_the_road_contradicts(health):
    limits = replace(LIMITS, warn_pitch_rad=0.02)
    run(health, 3, 101.0)
    for _ in range(9):
        health.pitch_seen(0.03)
    assert isnan(health.report(101.3, 1.0).pitch_off_rad)  # too few to tell
    for off_rad in (0.03, 0.5, -0.5):  # and odd frames do not count
        health.pitch_seen(off_rad)
    level, message = judge(health.report(101.3, 1.0), '', MODEL, limits)
    assert level == DiagnosticStatus.WARN
    assert '0.030 rad below the configured pitch' in message
    assert judge(health.report(101.3, 1.0), '', MODEL, LIMITS)[0] == DiagnosticStatus.OK
    for _ in range(40):
        health.pitch_seen(-0.01)
    assert judge(health.report(101.3, 1.0), '', MODEL, limits)[0] == DiagnosticStatus.OK


def test_fallback_is_in_every_message(health):
    model = replace(MODEL, fallback='CPU instead of CUDA: no driver')
    run(health, 3, 101.0)
    for now_s, level in ((101.3, DiagnosticStatus.WARN), (110.0, DiagnosticStatus.ERROR)):
        told = judge(health.report(now_s, 1.0), '', model, LIMITS)
        assert told[0] == level
        assert told[1].endswith('CPU instead of CUDA: no driver')


def test_message(health):
    run(health, 5, 101.0)
    health.dropped()
    health.rejected('image size', 'wrong')
    report = health.report(101.5, 1.0)
    stamp = Time(sec=7)
    array = to_array('/seg', [(report, '1 publishing on /a')], MODEL, LIMITS, stamp)
    (status,) = array.status
    assert array.header.stamp == stamp
    assert (status.name, status.hardware_id) == ('/seg: camera front', 'front')
    values = {item.key: item.value for item in status.values}
    expected = {
        'state': 'rejected',
        'frames_received': '5',
        'frames_segmented': '5',
        'frames_dropped': '1',
        'frames_rejected': '1',
        'rejected: image size': '1',
        'latency_ms_p50': '20.0',
        'latency_ms_p95': '20.0',
        'stamp_age_ms_p50': 'nan',
        'image_size': '6x4',
        'camera_info': 'none',
        'provider': 'cpu',
        'provider_fallback': '',
        'model': 'tiny',
        'connection': '1 publishing on /a',
    }
    assert {key: values.get(key) for key in expected} == expected


def test_nothing_known_is_nan(health):
    report = health.report(100.1, 1.0)
    assert isnan(report.latency.p50)
    assert report.input_rate_hz == 0.0


def test_stamps_that_stand_still_are_told(health):
    run(health, 3, 101.0)
    health.arrived(101.3, 0, stamps_stand=True)
    level, message = judge(health.report(101.3, 1.0), '', MODEL, LIMITS)
    assert level == DiagnosticStatus.WARN
    assert 'stamps of the images stand still' in message and 'header.stamp' in message
    run(health, 1, 101.4)
    assert judge(health.report(101.4, 1.0), '', MODEL, LIMITS)[0] == DiagnosticStatus.OK
