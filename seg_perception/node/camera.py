# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One camera of the node: its topics, its health, and what is said when it is silent."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import inf, isfinite, nan
from threading import Lock
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from seg_perception.core.camera import Extrinsics
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.ego_motion import EgoMotion
from seg_perception.core.errors import ImageError
from seg_perception.core.frame_clock import FrameClock
from seg_perception.core.results import (
    CalibrationState,
    OnlineCalibration,
    SceneRecord,
    SceneStatus,
)
from seg_perception.inference.answer import (
    AnswerSettings,
    CameraMemory,
    Extras,
    FrameAnswerer,
    FrameContext,
    late,
)
from seg_perception.inference.camera_calibrator import disagreement
from seg_perception.inference.orientation import OrientationProbe
from seg_perception.io.scene_fields import Origin, scene_fields, unknown_scene_fields
from seg_perception.node.calibration import GeometryTracker
from seg_perception.node.callbacks import guarded, stamp_ns
from seg_perception.node.camera_outputs import Answered, CameraOutputs
from seg_perception.node.diagnostics import CameraHealth, CameraReport, State
from seg_perception.node.extrinsics import FrameTree
from seg_perception.node.fused_outputs import FusionPublisher
from seg_perception.node.labelled_points import LabelledPoints
from seg_perception.node.parameters import CameraParams, NodeParams, Parameters
from seg_perception.node.qos import EveryDurability, matched_publishers
from seg_perception.node.range_inputs import CameraRange
from seg_perception.node.scene_msgs import to_msg
from seg_perception.node.self_calibration import SelfCalibration
from seg_perception.node.transport import loss_hint
from seg_perception_msgs.msg import RoadScene

STALE_REPEAT_S = 1.0  # so that who comes late hears of it too
LOG_PERIOD_S = 5.0
PITCH_PERIOD_S = 0.5
MAX_AGE_MS = 10e3  # an older stamp is of a bag or another clock


@dataclass(frozen=True)
class Frame:
    """An image message and when it came, on the steady clock."""

    msg: Image | CompressedImage
    arrived_s: float
    time_ns: int  # when it was taken; by arrival where its stamps stand still

    @property
    def header(self) -> Header:
        """The header of the image, with the time at which it was taken."""
        sec, nanosec = divmod(self.time_ns, 10**9)
        return Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=self.msg.header.frame_id)


class CameraInterface:
    """
    The topics of one camera, from configure to cleanup.

    ``open`` and ``close`` follow activation; ``publish``, ``reject`` and ``fail`` are for the
    worker, ``watch`` and ``report`` for the timers.

    :param node: the lifecycle node that owns the topics.
    :param settings: its parameters.
    :param frames: what TF says.
    :param fused: hears of every answer, and of none.
    :param points: labels the clouds of all cameras.
    """

    def __init__(
        self,
        node: LifecycleNode,
        params: CameraParams,
        answerer: FrameAnswerer,
        *,
        settings: Parameters,
        frames: FrameTree,
        fused: FusionPublisher,
        points: LabelledPoints,
    ) -> None:
        self.name = params.name
        self.health = CameraHealth(params.name, time.monotonic())
        self._node, self._params, self._fused = node, params, fused
        self._settings, self._answerer = settings, answerer
        self._points = points
        self._range: CameraRange | None = None
        self._origin = Origin(params.name, answerer.engine.card.name)
        self._geometry = GeometryTracker(frames, answerer.labels_size)
        self._info_header = Header()  # of the last camera_info
        self._is_prepared = False
        self._memory = CameraMemory(answerer.table)
        self._orientation = OrientationProbe(answerer)
        self._clock = FrameClock()
        self._subscriptions: list[Any] = []
        self._infos: EveryDurability | None = None
        self._lock = Lock()  # what is said of a frame, and that there is none, in one order
        self._last_header = Header()  # of what was said last
        self._spoke_s = self._stale_said_s = self._arrived_s = 0.0
        self._is_stale, self._hung = False, ''
        self._pitch_asked_s = -inf
        self._outputs = CameraOutputs(node, params.name, answerer.table, settings.now.deadline_s)
        self._self_calibration = SelfCalibration(
            node, params, answerer.table, self._outputs, settings.now.calibration.path
        )
        if self._self_calibration.given is not None:
            self._geometry.lens_of_file = self._self_calibration.given.lens

    def open(self, on_frame: Callable[[CameraInterface, Frame], None]) -> None:
        """Subscribe; publishers have to be active."""
        self.health = CameraHealth(self.name, time.monotonic())
        self._geometry.reset()
        self._memory.reset()
        self._orientation = OrientationProbe(self._answerer)
        self._clock = FrameClock()
        self._self_calibration.reset()
        self._is_prepared = False
        self._spoke_s, self._is_stale, self._last_header = time.monotonic(), False, Header()
        self._arrived_s = self._spoke_s
        self._outputs.announce(self._settings.now)
        params = self._params
        reliable, best_effort = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
        qos = QoSProfile(depth=1, reliability=reliable if params.reliable else best_effort)
        kind = CompressedImage if params.compressed else Image
        self._subscribe(kind, params.topic, partial(self._on_image, on_frame), qos)
        if params.camera_info_topic:
            topic = params.camera_info_topic
            subscribe = partial(self._subscribe, CameraInfo, topic, self._on_camera_info)
            self._infos = EveryDurability(self._node, topic, subscribe)
        self._range = CameraRange(
            params, self._answerer.table, self._points.inputs, self._subscribe
        )

    def _subscribe(
        self, kind: Any, topic: str, callback: Callable[[Any], None], qos: QoSProfile
    ) -> None:
        callback = guarded(callback, self._message_failed)
        self._subscriptions.append(self._node.create_subscription(kind, topic, callback, qos))

    def _message_failed(self, error: Exception) -> None:
        """Count and log a message that could not even be taken in."""
        self.health.failed(f'{type(error).__name__}: {error}')
        self._log(error, 'message dropped')

    def _log(self, error: Exception, what: str) -> None:
        trace = ''.join(traceback.format_exception(error))
        self._node.get_logger().error(
            f'camera {self.name}: {what}: {trace}', throttle_duration_sec=LOG_PERIOD_S
        )

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions, self._infos = [], None
        self._self_calibration.keep(time.monotonic(), is_last=True)

    def destroy(self) -> None:
        """Take the topics away."""
        self.close()
        self._outputs.destroy()
        self._self_calibration.destroy()

    def _on_image(
        self, on_frame: Callable[[CameraInterface, Frame], None], msg: Image | CompressedImage
    ) -> None:
        given_ns = stamp_ns(msg.header.stamp)
        frame = Frame(msg, time.monotonic(), self._clock.time_ns(given_ns, time.time_ns()))
        self._arrived_s = frame.arrived_s
        self.health.arrived(frame.arrived_s, given_ns, self._clock.stands)
        on_frame(self, frame)

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self.health.calibrated((msg.height, msg.width))
        if self._geometry.on_camera_info(msg):
            self._is_prepared = False
        self._info_header = msg.header
        self.prepare()

    def prepare(self) -> None:
        """
        Prepare the first metric answer as soon as calibration and extrinsics are known.

        Frames that come meanwhile wait; those that came before are answered without metres.
        """
        size, params = self._geometry.image_size, self._settings.now
        if self._is_prepared or size is None:
            return
        learned = self._learned(params)
        view = self._geometry.view(self._info_header, size, params, self.name, learned)
        if isinstance(view.geometry, CameraGeometry):
            self._is_prepared = True
            extras = Extras(params.rules.grid, params.rules.scan, params.rules.horizon)
            context = FrameContext(_answer_settings(params), view, extras=extras)
            self._answerer.prepare(size, context)

    def context(
        self, frame: Frame, size: tuple[int, int], params: NodeParams, motion: EgoMotion
    ) -> FrameContext:
        """What a frame of a size (H, W) is to be answered with."""
        header = frame.header
        learned = self._learned(params)
        return FrameContext(
            settings=_answer_settings(params),
            view=self._geometry.view(header, size, params, self.name, learned),
            motion=motion,
            extras=self._extras(params),
            stamp_s=frame.time_ns / 1e9,
            frame_id=header.frame_id,
            online=learned,
            measure=partial(self._range.measure, header, params) if self._range else None,
        )

    def _learned(self, params: NodeParams) -> OnlineCalibration | None:
        """What the camera has learned of itself, where the answers may follow it."""
        return self._self_calibration.online if params.calibration.mode == 'apply' else None

    def _extras(self, params: NodeParams) -> Extras:
        """What is wanted of the next frame: what someone listens to, now and then the pitch."""
        extras = self._outputs.extras(params, self._fused.wants_grid)
        now_s = time.monotonic()
        if not params.warn_pitch_rad or now_s - self._pitch_asked_s < PITCH_PERIOD_S:
            return extras
        self._pitch_asked_s = now_s
        return replace(extras, pitch=params.rules.horizon)

    def publish(self, frame: Frame, answered: Answered) -> None:
        """Publish everything that is said about one frame."""
        header, params, context = frame.msg.header, answered.params, answered.context
        self._outputs.publish_masks(header, answered.record, params)
        record = self._memory.recall(answered.record, context)
        latency_ms = (time.monotonic() - frame.arrived_s) * 1e3
        record = late(record, latency_ms, params.warn_latency_ms)
        origin = replace(self._origin, ground_frame=params.base_frame)
        before_ms = {'convert': answered.convert_ms}
        fields = scene_fields(record, origin, latency_ms, before_ms)
        self._say(to_msg(RoadScene, fields, header))
        self._note(frame, record, answered)
        self._outputs.publish_rest(header, replace(answered, record=record))
        self._fused.answered(self.name, frame.header, record, context.view)
        self._points.answered(self.name, frame.header, answered)
        self._learn(header, answered)
        self._look(frame, answered)

    def _learn(self, header: Header, answered: Answered) -> None:
        """Let the camera learn of itself; last, so that no answer waits for it."""
        geometry, params, view = self._geometry, answered.params, answered.context.view
        uses_given = geometry.given is not None and view is not None and view.camera is not None
        applied = params.calibration.mode == 'apply' and not uses_given
        lens = geometry.lens(params.camera(self.name))
        try:
            online = self._self_calibration.learn(
                header, answered, lens, applied, geometry.given_height
            )
            self.health.learned(online, _calibration_warning(online, geometry.given))
        except Exception as error:  # the frame was answered: it is no failure of that
            self._log(error, 'self-calibration failed')
            self.health.learned(OnlineCalibration(), f'self-calibration failed: {error!r}')

    def _look(self, frame: Frame, answered: Answered) -> None:
        """Find out whether the images are turned."""
        probe, before = self._orientation, self._orientation.warning
        try:
            probe.look(answered.pixels, answered.record, answered.context, frame.arrived_s)
        except Exception as error:  # as above
            self._log(error, 'the look at turned images failed')
        self.health.turned(probe.warning)
        if probe.warning and not before:
            self._node.get_logger().warning(f'camera {self.name}: {probe.warning}')

    def _note(self, frame: Frame, record: SceneRecord, answered: Answered) -> None:
        """Keep what the diagnostics tell of an answer."""
        now_s = time.monotonic()
        self.health.answered(
            now_s,
            (now_s - frame.arrived_s) * 1e3,
            self._age_ms(frame.msg.header),
            size=(record.labels.shape[0], record.labels.shape[1]),
            degraded=record.status_text,
            no_metres=record.uncalibrated_reason,
            ood_score=record.ood_score,
        )
        view = answered.context.view
        camera = view.camera if view else None
        if camera is not None and record.pitch is not None and isfinite(record.pitch.std_rad):
            self.health.pitch_seen(record.pitch.pitch_rad - camera.extrinsics.pitch_rad)
        if self._range and isfinite(off_rad := self._range.pitch_off_rad):
            self.health.pitch_seen(off_rad)

    def reject(self, frame: Frame, error: ImageError) -> None:
        """Say and count that a frame cannot be used."""
        self.health.rejected(error.thing, str(error))
        self._node.get_logger().warning(
            f'camera {self.name}: frame dropped: {error}', throttle_duration_sec=LOG_PERIOD_S
        )
        self._say_invalid(frame, str(error))

    def fail(self, frame: Frame, error: Exception) -> None:
        """Say and count that processing a frame failed."""
        reason = f'{type(error).__name__}: {error}'
        self.health.failed(reason)
        self._log(error, 'processing failed')
        self._say_invalid(frame, reason)

    def watch_topics(self) -> None:
        """Subscribe as publishers turn out to need it, and keep what is learned; now and then."""
        if self._infos is not None:
            self._infos.watch()
        self._self_calibration.keep(time.monotonic())

    def watch(self, now_s: float, stale_after_s: float, hung: str = '') -> None:
        """
        Say STALE, now and then, for as long as nothing can be said about frames.

        :param hung: what the worker has been at for too long; empty: it is not.
        """
        with self._lock:
            self._hung = hung if now_s - self._arrived_s <= stale_after_s else ''
            silent_s = now_s - self._spoke_s
            if silent_s <= stale_after_s:
                return
            if self._is_stale and now_s - self._stale_said_s < STALE_REPEAT_S:
                return
            begins, self._is_stale, self._stale_said_s = not self._is_stale, True, now_s
            reason = f'no answer for {silent_s:.1f} s: {self._hung or self._connection()}'
            fields = unknown_scene_fields(self._origin, SceneStatus.STALE, reason)
            self._outputs.scene.publish(to_msg(RoadScene, fields, self._last_header))
            self._outputs.forget_ground(self._last_header, self._settings.now)
            self._fused.silent(self.name, reason)
        if begins:
            self._node.get_logger().warning(f'camera {self.name}: stale: {reason}')

    def report(self, stale_after_s: float, is_active: bool) -> tuple[CameraReport, str]:
        """Health, and the state of the connection in words."""
        report = self.health.report(time.monotonic(), stale_after_s)
        report = replace(report, ranges=self._range.values() if self._range else {})
        if not is_active:
            return replace(report, state=State.INACTIVE), 'not subscribed'
        return report, self._hung or self._connection()

    def _connection(self) -> str:
        if not (subscriptions := self._subscriptions):
            return 'not subscribed'
        subscription = subscriptions[0]
        topic = subscription.topic_name
        matched = matched_publishers(self._node, subscription)
        if matched:
            told = f'{matched} publishing on {topic}'
            silent_s = time.monotonic() - self._arrived_s
            is_lost = silent_s > self._settings.now.stale_after_s and not self._params.compressed
            return f'{told}; {loss_hint()}' if is_lost else told
        if self._node.count_publishers(topic):
            return f'a publisher on {topic} does not match: check `transport` and `reliable`'
        return f'nobody publishes on {topic}{self._other_transport(topic)}'

    def _other_transport(self, topic: str) -> str:
        """The remedy where the images come in the other transport; empty where they do not."""
        is_compressed = self._params.compressed
        other = topic.removesuffix('/compressed') if is_compressed else f'{topic}/compressed'
        if not self._node.count_publishers(other):
            return ''
        transport = 'raw' if is_compressed else 'compressed'
        return f', but on {other}: set {self.name}.transport to {transport}'

    def _say(self, scene: RoadScene) -> None:
        with self._lock:
            self._outputs.scene.publish(scene)
            self._spoke_s, self._last_header = time.monotonic(), scene.header
            was_stale, self._is_stale = self._is_stale, False
        if was_stale:
            self._node.get_logger().info(f'camera {self.name}: frames again')

    def _say_invalid(self, frame: Frame, reason: str) -> None:
        fields = unknown_scene_fields(self._origin, SceneStatus.INVALID, reason)
        self._say(to_msg(RoadScene, fields, frame.msg.header))
        self._outputs.forget_ground(frame.msg.header, self._settings.now)
        self._fused.invalid(self.name, frame.header, reason)

    def _age_ms(self, header: Header) -> float:
        """From stamp to now by the node's clock; NaN where the stamp is of another clock."""
        now_ns = self._node.get_clock().now().nanoseconds
        age_ms = (now_ns - stamp_ns(header.stamp)) / 1e6
        return age_ms if 0.0 <= age_ms <= MAX_AGE_MS else nan


def _calibration_warning(online: OnlineCalibration, given: Extrinsics | None) -> str:
    if given is not None:
        found = disagreement(online, given)
        return f'{found}: check the extrinsics and TF' if found else ''
    if online.state in (CalibrationState.INVALID, CalibrationState.RECALIBRATING):
        return f'self-calibration {online.state.name.lower()}: {online.reason}'
    return ''


def _answer_settings(params: NodeParams) -> AnswerSettings:
    return AnswerSettings(params.rules.drivable, params.rules.risk, params.warn_confidence)
