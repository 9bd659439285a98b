# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The health of each camera, and what /diagnostics says about it.

Times are seconds of a steady clock, handed in: stamps of a bag or a jumping clock trip nothing.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from enum import Enum
from math import nan
from threading import Lock
from typing import NamedTuple

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from seg_perception.core.horizon import pitch_difference
from seg_perception.core.results import OnlineCalibration

WINDOW_S = 10.0
"""Length of the window over which rates and latencies are taken."""

_MAX_SAMPLES = 1000  # of a window, at 100 Hz
_PITCHES, _LEAST_PITCHES = 60, 10  # of the median; the road tells it in a part of the frames


class State(str, Enum):
    """How a camera is doing."""

    INACTIVE = 'inactive'  # the node is not active
    WAITING = 'waiting'  # no frame has come yet
    ACTIVE = 'active'
    STALE = 'stale'  # frames or answers have stopped
    REJECTED = 'rejected'  # frames come but the last one could not be used


class Quantiles(NamedTuple):
    """Of latencies in milliseconds; NaN without any."""

    p50: float = nan
    p95: float = nan
    p99: float = nan


_UNKNOWN = Quantiles()


@dataclass
class CameraReport:
    """What is known of one camera at one moment. Counters run since the node was activated."""

    camera: str
    state: State = State.WAITING
    silent_s: float = 0.0  # since the last answer, or since activation
    received: int = 0
    segmented: int = 0
    dropped: int = 0
    rejected: Counter[str] = field(default_factory=Counter)  # by kind of fault
    last_rejection: str = ''
    failures: int = 0
    last_failure: str = ''
    fault: str = ''  # of the last frame; empty if it was good
    degraded: str = ''  # why the last answer was not to be trusted fully; empty if it was
    stamps_back: int = 0
    stamps_stand: bool = False  # the last frame's time is that of its arrival
    input_rate_hz: float = 0.0
    output_rate_hz: float = 0.0
    latency: Quantiles = _UNKNOWN  # from the arrival of the image to its answer published
    age: Quantiles = _UNKNOWN  # from its stamp to its answer published, where it makes sense
    image_size: tuple[int, int] | None = None
    calibration_size: tuple[int, int] | None = None
    no_metres: str | None = None  # why the last answer had none; empty: it had; None: no answer
    pitch_off_rad: float = nan  # estimated less configured pitch; NaN: cannot be told
    ood_score: float = nan  # 0..1, the median of the last answers; NaN: the model does not say
    online: OnlineCalibration = field(default_factory=OnlineCalibration)  # learned by the camera
    ranges: dict[str, str] = field(default_factory=dict)  # how its depth and clouds come in
    calibration_warning: str = ''  # what is wrong with that, or with the extrinsics
    turn_warning: str = ''  # that the images look turned, and by how much


class CameraHealth:
    """
    Counts what happens to the frames of one camera; its methods may be called from any thread.

    :param now_s: the moment of activation.
    """

    def __init__(self, camera: str, now_s: float) -> None:
        self._lock = Lock()
        self._known = CameraReport(camera)
        self._start_s = now_s
        self._arrived_s: float | None = None
        self._answered_s: float | None = None
        self._last_stamp_ns: int | None = None
        self._arrivals_s: deque[float] = deque(maxlen=_MAX_SAMPLES)
        self._answers: deque[tuple[float, float, float, float]] = deque(maxlen=_MAX_SAMPLES)
        self._pitches_off_rad: deque[float] = deque(maxlen=_PITCHES)

    def arrived(self, now_s: float, stamp_ns: int, stamps_stand: bool = False) -> None:
        """A frame has come from the camera, whose stamps move or stand still."""
        with self._lock:
            self._known.received += 1
            self._arrived_s = now_s
            self._arrivals_s.append(now_s)
            if self._last_stamp_ns is not None and stamp_ns < self._last_stamp_ns:
                self._known.stamps_back += 1
            self._last_stamp_ns = stamp_ns
            self._known.stamps_stand = stamps_stand

    def dropped(self) -> None:
        """A frame was overtaken by a newer one before anyone looked at it."""
        with self._lock:
            self._known.dropped += 1

    def rejected(self, fault: str, message: str) -> None:
        """A frame could not be used."""
        with self._lock:
            self._known.rejected[fault] += 1
            self._known.last_rejection = self._known.fault = message

    def failed(self, message: str) -> None:
        """Processing a frame failed."""
        with self._lock:
            self._known.failures += 1
            self._known.last_failure = self._known.fault = message

    def answered(
        self,
        now_s: float,
        latency_ms: float,
        age_ms: float = nan,
        size: tuple[int, int] | None = None,
        degraded: str = '',
        no_metres: str = '',
        ood_score: float = nan,
    ) -> None:
        """
        The answer for a frame was published.

        :param age_ms: from the stamp of the frame; NaN where the stamp is of another clock.
        :param size: (height, width) of the frame.
        :param degraded: why the answer is not to be trusted fully.
        :param no_metres: why nothing metric is in it.
        :param ood_score: 0..1, how unlike what the model has learned the frame is; NaN: not known.
        """
        with self._lock:
            self._answered_s = now_s
            self._answers.append((now_s, latency_ms, age_ms, ood_score))
            known = self._known
            known.segmented, known.fault = known.segmented + 1, ''
            known.image_size, known.degraded, known.no_metres = size, degraded, no_metres

    def calibrated(self, size: tuple[int, int]) -> None:
        """A CameraInfo for images of (height, width) has come."""
        with self._lock:
            self._known.calibration_size = size

    def pitch_seen(self, off_rad: float) -> None:
        """The road gives a pitch that differs by ``off_rad`` from that of the extrinsics."""
        with self._lock:
            self._pitches_off_rad.append(off_rad)

    def learned(self, online: OnlineCalibration, warning: str) -> None:
        """The camera has learned of itself; ``warning`` says what is wrong, if anything."""
        with self._lock:
            self._known.online, self._known.calibration_warning = online, warning

    def turned(self, warning: str) -> None:
        """The images look turned; an empty warning: they do not."""
        with self._lock:
            self._known.turn_warning = warning

    def silent_s(self, now_s: float) -> float:
        """Seconds since the last answer, or since activation."""
        with self._lock:
            return self._silent_s(now_s)

    def report(self, now_s: float, stale_after_s: float) -> CameraReport:
        """Everything known now."""
        with self._lock:
            answers = [answer for answer in self._answers if now_s - answer[0] <= WINDOW_S]
            arrivals_s = [time_s for time_s in self._arrivals_s if now_s - time_s <= WINDOW_S]
            return replace(
                self._known,
                state=self._state(now_s, stale_after_s),
                silent_s=self._silent_s(now_s),
                rejected=self._known.rejected.copy(),
                input_rate_hz=rate_hz(arrivals_s, now_s),
                output_rate_hz=rate_hz([answer[0] for answer in answers], now_s),
                latency=_quantiles([answer[1] for answer in answers]),
                age=_quantiles([answer[2] for answer in answers]),
                pitch_off_rad=self._pitch_off_rad(),
                ood_score=_median([answer[3] for answer in answers]),
            )

    def _silent_s(self, now_s: float) -> float:
        since_s = self._start_s if self._answered_s is None else self._answered_s
        return now_s - since_s

    def _pitch_off_rad(self) -> float:
        """The median, so that a hill or a few odd frames do not count."""
        seen = self._pitches_off_rad
        return float(np.median(seen)) if len(seen) >= _LEAST_PITCHES else nan

    def _state(self, now_s: float, stale_after_s: float) -> State:
        if self._arrived_s is None:
            return State.WAITING
        if now_s - self._arrived_s > stale_after_s:
            return State.STALE
        if self._known.fault:
            return State.REJECTED
        return State.STALE if self._silent_s(now_s) > stale_after_s else State.ACTIVE


@dataclass(frozen=True)
class ModelReport:
    """What runs; ``fallback`` is empty or says why the CPU runs it."""

    name: str
    path: str
    provider: str
    fallback: str = ''
    has_gpu: bool = True  # without one, the CPU is no fault


@dataclass(frozen=True)
class Limits:
    """From when on a report warns."""

    stale_after_s: float
    warn_latency_ms: float
    warn_pitch_rad: float = 0.0  # 0: never


def to_array(
    node: str,
    reports: list[tuple[CameraReport, str]],
    model: ModelReport,
    limits: Limits,
    stamp: Time,
) -> DiagnosticArray:
    """The message of all cameras, given their reports and connections in words."""
    array = DiagnosticArray()
    array.header.stamp = stamp
    for report, hint in reports:
        level, message = judge(report, hint, model, limits)
        values = _values(report, model) | {'connection': hint}
        status = DiagnosticStatus(
            level=level,
            name=f'{node}: camera {report.camera}',
            hardware_id=report.camera,
            message=message,
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
        array.status.append(status)
    return array


def judge(
    report: CameraReport, hint: str, model: ModelReport, limits: Limits
) -> tuple[bytes, str]:
    """Level and message: the state, and all that is worth a warning."""
    level, message = _judge_state(report, hint, limits)
    warnings = _warnings(report, limits) if report.state is State.ACTIVE else []
    if model.fallback and model.has_gpu:
        warnings.append(model.fallback)
    if warnings and level == DiagnosticStatus.OK:
        level = DiagnosticStatus.WARN
    return level, '; '.join([message, *warnings])


def _judge_state(report: CameraReport, hint: str, limits: Limits) -> tuple[bytes, str]:
    late = report.silent_s > limits.stale_after_s
    match report.state:
        case State.INACTIVE:
            return DiagnosticStatus.OK, 'inactive'
        case State.WAITING:
            level = DiagnosticStatus.ERROR if late else DiagnosticStatus.WARN
            return level, f'waiting: no frame for {report.silent_s:.1f} s, {hint}'
        case State.STALE:
            message = f'stale: no answer for {report.silent_s:.1f} s, {hint}'
            return DiagnosticStatus.ERROR, message
        case State.REJECTED:
            return DiagnosticStatus.ERROR, f'rejected: {report.fault}'
        case State.ACTIVE:
            rate, latency = report.output_rate_hz, report.latency.p95
            return DiagnosticStatus.OK, f'active: {rate:.1f} Hz, {latency:.0f} ms p95'


def _warnings(report: CameraReport, limits: Limits) -> list[str]:
    warnings = []
    if report.latency.p95 > limits.warn_latency_ms:
        warnings.append(f'latency above {limits.warn_latency_ms:g} ms')
    if 0.0 < limits.warn_pitch_rad < abs(report.pitch_off_rad):
        warnings.append(
            f'estimated pitch is {pitch_difference(report.pitch_off_rad)} the configured pitch: '
            'check the extrinsics and TF'
        )
    if report.stamps_stand:
        warnings.append(
            'the stamps of the images stand still: times of arrival are used; '
            'let the driver set header.stamp'
        )
    warnings += [told for told in (report.calibration_warning, report.turn_warning) if told]
    if report.degraded:
        warnings.append(f'degraded: {report.degraded}')
    return warnings


def _values(report: CameraReport, model: ModelReport) -> dict[str, str]:
    rejected = sorted(report.rejected.items())
    values: dict[str, object] = {
        'state': report.state.value,
        'frames_received': report.received,
        'frames_segmented': report.segmented,
        'frames_dropped': report.dropped,
        'frames_rejected': report.rejected.total(),
        **{f'rejected: {fault}': count for fault, count in rejected},
        'processing_failures': report.failures,
        'stamps_back': report.stamps_back,
        'stamps_stand_still': report.stamps_stand,
        'input_rate_hz': f'{report.input_rate_hz:.1f}',
        'output_rate_hz': f'{report.output_rate_hz:.1f}',
        **_quantile_values('latency_ms', report.latency),
        **_quantile_values('stamp_age_ms', report.age),
        'last_rejection': report.last_rejection,
        'last_failure': report.last_failure,
        'image_size': _size(report.image_size),
        'camera_info': _size(report.calibration_size),
        'metric': _metric(report.no_metres),
        **report.ranges,
        'mount_pitch_off_rad': f'{report.pitch_off_rad:.4f}',
        **_calibration_values(report.online),
        'ood_score': f'{report.ood_score:.2f}',
        'provider': model.provider,
        'provider_fallback': model.fallback,
        'model': model.name,
        'model_path': model.path,
    }
    return {name: str(value) for name, value in values.items()}


def _calibration_values(online: OnlineCalibration) -> dict[str, str]:
    angles = ('pitch', 'yaw', 'roll')
    names = [f'{angle}{part}_rad' for angle in angles for part in ('', '_std')]
    return {
        'calibration': f'{online.state.name.lower()} {online.percent} %',
        'calibration_reason': online.reason,
        **{f'calibration_{name}': f'{getattr(online, name):.4f}' for name in names},
        'calibration_height_m': f'{online.height_m:.2f} +- {online.height_std_m:.2f}',
    }


def _quantile_values(name: str, quantiles: Quantiles) -> dict[str, str]:
    return {f'{name}_{key}': f'{value:.1f}' for key, value in quantiles._asdict().items()}


def _metric(no_metres: str | None) -> str:
    if no_metres is None:
        return 'no answer yet'
    return f'off: {no_metres}' if no_metres else 'on'


def _size(size: tuple[int, int] | None) -> str:
    """In words, width first as people say it."""
    return f'{size[1]}x{size[0]}' if size else 'none'


def rate_hz(times_s: list[float], now_s: float) -> float:
    """Events a second; it sinks while nothing comes."""
    if len(times_s) < 2:
        return 0.0
    mean_gap_s = (times_s[-1] - times_s[0]) / (len(times_s) - 1)
    span_s = max(times_s[-1] - times_s[0], now_s - times_s[0] - mean_gap_s)
    return (len(times_s) - 1) / max(span_s, 1e-9)


def _median(values: list[float]) -> float:
    return float(np.median(values)) if values else nan


def _quantiles(values_ms: list[float]) -> Quantiles:
    known = [value for value in values_ms if value == value]  # without NaN
    return Quantiles(*map(float, np.percentile(known, [50, 95, 99]))) if known else _UNKNOWN
