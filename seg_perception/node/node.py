# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The node: camera images in, masks and road scenes out.

    on_image -> FairLatest (newest wins) -> worker: decode -> FrameAnswerer.answer -> publish

    ros2 run seg_perception node --ros-args --params-file params.yaml
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from functools import partial, wraps
from threading import Event, Thread
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.logging import LoggingSeverity
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Float32

from seg_perception.core.errors import ImageError, ParameterError, SegPerceptionError
from seg_perception.core.latest import FairLatest
from seg_perception.inference.answer import FrameAnswerer
from seg_perception.inference.engine import Engine
from seg_perception.inference.environment import has_gpu
from seg_perception.inference.open_engine import open_engine
from seg_perception.models import model_path
from seg_perception.node.calibration import TF_MESSAGE, links_of
from seg_perception.node.callbacks import guarded
from seg_perception.node.camera import CameraInterface, Frame
from seg_perception.node.camera_outputs import Answered
from seg_perception.node.decoding import Decoded, decode_aside
from seg_perception.node.diagnostics import Limits, ModelReport, to_array
from seg_perception.node.driving_outputs import DrivingOutputs
from seg_perception.node.ego_motion import Steering
from seg_perception.node.extrinsics import FrameTree
from seg_perception.node.fused_outputs import FusionPublisher
from seg_perception.node.labelled_points import LabelledPoints
from seg_perception.node.parameters import CameraParams, Parameters
from seg_perception.node.processes import interruptible
from seg_perception.node.qos import EveryDurability
from seg_perception.node.transport import ensure_transport
from seg_perception.node.watchdog import Watchdog

NODE_NAME = 'seg_perception'
EXIT_FAILED = 2

SPIN_TIMEOUT_S = 0.2  # largest delay of a signal
WATCH_PERIOD_S = 0.1  # largest delay until a publisher of another durability is noticed
_GRAPH_LOG_S = 5.0
_TF = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
_DECODE_PATIENCE_S = 0.02  # the other cameras' frames wait no longer for one that is decoded
_JOIN_TIMEOUT_S = 10.0  # the longest that one frame should ever take

Transition = Callable[[Any, LifecycleState], TransitionCallbackReturn]
Inbox = FairLatest[str, tuple[CameraInterface, Frame, Future[Decoded] | None]]


def _logged(transition: Transition) -> Transition:
    """Log what a transition raises: rclpy swallows it."""

    @wraps(transition)
    def run(node: Any, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except SegPerceptionError as error:
            node.get_logger().fatal(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception:
            if node.context.ok():  # not interrupted on the way
                node.get_logger().fatal(traceback.format_exc())
            return TransitionCallbackReturn.ERROR

    return run


class SegPerceptionNode(LifecycleNode):
    """
    Segments the images of one or several cameras.

    configure loads the model and makes the topics, activate subscribes and starts the worker.

    :raises ParameterError: when a parameter is unknown, of the wrong type or out of its range.
    """

    def __init__(self, **node_options: Any) -> None:
        super().__init__(NODE_NAME, **node_options)
        self.settings = Parameters(self)
        self.has_failed = False
        self._answerer: FrameAnswerer | None = None
        self._model = ModelReport('', '', '')
        self._cameras: list[CameraInterface] = []
        self._fused: FusionPublisher | None = None
        self._points: LabelledPoints | None = None
        self._driving: DrivingOutputs | None = None
        self._frames, self._steering = FrameTree(), Steering()
        self._shared_subscriptions: list[Any] = []
        self._transforms: list[EveryDurability] = []
        self._inbox: Inbox = FairLatest()
        self._worker: Thread | None = None
        self._diagnostics: Any = None
        # Simulated time stops with its source; these timers have to notice that.
        self._steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._watch_timer: Any = None
        self._watchdog: Watchdog | None = None
        self._diagnostics_timer: Any = None
        if self.settings.now.autostart:
            self._autostart = self._every(0.0, self._start)

    def _start(self) -> None:
        """Bring the node up by itself, or say that the process should end."""
        self._autostart.cancel()
        for trigger in (self.trigger_configure, self.trigger_activate):
            result = trigger()
            if not self.context.ok():  # interrupted on the way
                return
            if result != TransitionCallbackReturn.SUCCESS:
                self.has_failed = True
                return

    @_logged
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model, warm it up and create the publishers."""
        params = self.settings.now
        path = str(model_path(params.model))
        engine = open_engine(path, params.provider, params.threads)
        engine.warm_up()
        self._answerer = answerer = FrameAnswerer(engine)
        self._model = ModelReport(
            engine.card.name, path, engine.provider, engine.fallback or '', has_gpu()
        )
        self._driving = DrivingOutputs(self, self.settings, self._publish_diagnostics)
        self._fused = FusionPublisher(self, self.settings, self._driving)
        self._points = LabelledPoints(self, answerer.table, self._frames)
        self._cameras = [
            CameraInterface(
                self,
                camera,
                answerer,
                settings=self.settings,
                frames=self._frames,
                fused=self._fused,
                points=self._points,
            )
            for camera in params.cameras
        ]
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._diagnostics_timer = self._every(
            params.diagnostics_period_s, self._on_diagnostics_timer
        )
        self._log_start(engine)
        return super().on_configure(state)

    @_logged
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start the worker."""
        result = super().on_activate(state)
        self._inbox = FairLatest()
        self._watchdog = Watchdog(self._watch_cameras)
        args = self._inbox, self._watchdog
        self._worker = Thread(target=self._work, args=args, name='worker', daemon=True)
        self._worker.start()
        self._subscribe_shared()
        if self._fused is not None:
            self._fused.reset()
        if self._points is not None:
            self._points.reset()
        for camera in self._cameras:
            camera.open(self.on_image)
        self._watch_timer = self._every(WATCH_PERIOD_S, self._watch_topics)
        self._watchdog.start()
        return result

    @_logged
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and stop the worker."""
        self._stop()
        return super().on_deactivate(state)

    @_logged
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of model and topics."""
        self._release()
        return super().on_cleanup(state)

    @_logged
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and let go, from any state."""
        self._stop()
        self._release()
        return super().on_shutdown(state)

    @_logged
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and let go, so that configure can be tried again."""
        self._stop()
        self._release()
        return super().on_error(state)

    def close(self) -> None:
        """Stop the worker and destroy the node, also where ROS has been shut down already."""
        self._stop()
        self.destroy_node()

    def on_image(self, camera: CameraInterface, frame: Frame) -> None:
        """Leave a frame for the worker; an older one of the camera still unread is dropped."""
        if self._inbox.put(camera.name, (camera, frame, None)):
            camera.health.dropped()

    def _work(self, inbox: Inbox, watchdog: Watchdog) -> None:
        """Process frames, camera by camera, until the inbox is closed."""
        slow = set[str]()  # cameras whose frame is still being decoded
        while not inbox.closed:
            if (taken := inbox.take()) is None:
                continue
            camera, frame, decoding = taken[1]
            if decoding is not None:
                slow.discard(camera.name)
            elif camera.name in slow:
                camera.health.dropped()
                continue
            else:
                decoding = decode_aside(frame.msg, self.settings.now.max_image_megapixels)
                if not wait([decoding], _DECODE_PATIENCE_S).done:
                    slow.add(camera.name)
                    decoding.add_done_callback(partial(_put_decoded, inbox, camera, frame))
                    continue
            with watchdog.at_work(camera.name):
                self._process_safely(camera, frame, decoding)

    def _process_safely(
        self, camera: CameraInterface, frame: Frame, decoding: Future[Decoded]
    ) -> None:
        """A frame that fails is counted; the next one may be fine."""
        try:
            try:
                self._process(camera, frame, decoding.result())
            except ImageError as error:
                camera.reject(frame, error)
            except Exception as error:
                if self.context.ok():  # else it is the end of the process, no failure
                    camera.fail(frame, error)
        except Exception:
            # Nothing can be published; at the end of the process nothing can be logged either.
            if self.context.ok():
                self.get_logger().error(traceback.format_exc(), throttle_duration_sec=5.0)

    def _process(self, camera: CameraInterface, frame: Frame, decoded: Decoded) -> None:
        params, pixels = self.settings.now, decoded.pixels
        assert self._answerer is not None  # the worker runs between activate and deactivate only
        motion = self._steering.at(time.monotonic(), params)
        size = pixels.array.shape[0], pixels.array.shape[1]
        context = camera.context(frame, size, params, motion)
        record = self._answerer.answer(pixels.array, pixels.order, context)
        camera.publish(frame, Answered(params, context, pixels, record, decoded.convert_ms))

    def _subscribe_shared(self) -> None:
        """Subscribe to transforms and curvature, which all cameras share."""
        self._frames.clear()
        self._steering = Steering()
        if TF_MESSAGE is not None and self.settings.now.use_tf:
            for topic, is_static in (('/tf', False), ('/tf_static', True)):
                callback = partial(self._on_transforms, is_static)
                subscribe = partial(self._subscribe, TF_MESSAGE, topic, callback)
                self._transforms.append(EveryDurability(self, topic, subscribe, _TF, is_static))
        if topic := self.settings.now.curvature_topic:
            qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            self._subscribe(Float32, topic, self._on_curvature, qos)

    def _subscribe(self, kind: Any, topic: str, callback: Callable[[Any], None], qos: Any) -> None:
        def failed(error: Exception) -> None:
            trace = ''.join(traceback.format_exception(error))
            self.get_logger().error(
                f'message on {topic} dropped: {trace}', throttle_duration_sec=5.0
            )

        subscription = self.create_subscription(kind, topic, guarded(callback, failed), qos)
        self._shared_subscriptions.append(subscription)

    def _on_transforms(self, is_static: bool, message: Any) -> None:
        for link in links_of(message, is_static):
            self._frames.add(link)
        for camera in self._cameras:
            camera.prepare()

    def _on_curvature(self, message: Float32) -> None:
        self._steering.heard(message.data, time.monotonic())

    def _stop(self) -> None:
        """Undo activation; harmless where there was none."""
        if self._watchdog is not None:
            self._watchdog.stop()
        for camera in self._cameras:
            camera.close()
        for subscription in self._shared_subscriptions:
            self.destroy_subscription(subscription)
        self._shared_subscriptions.clear()
        self._transforms.clear()
        self._inbox.close()
        if self._worker is None:
            return
        self.destroy_timer(self._watch_timer)
        self._worker.join(_JOIN_TIMEOUT_S)
        if self._worker.is_alive():
            self.get_logger().error(f'the worker did not stop within {_JOIN_TIMEOUT_S:g} s')
        self._worker = None

    def _release(self) -> None:
        """Undo configuration; harmless where there was none."""
        for camera in self._cameras:
            camera.destroy()
        if self._fused is not None:
            self._fused.destroy()
        if self._points is not None:
            self._points.destroy()
        if self._diagnostics is not None:
            self.destroy_timer(self._diagnostics_timer)
            self.destroy_publisher(self._diagnostics)
        self._cameras, self._fused, self._diagnostics, self._answerer = [], None, None, None
        self._points = None

    def _watch_topics(self) -> None:
        for transforms in self._transforms:
            transforms.watch()
        for camera in self._cameras:
            camera.watch_topics()

    def _watch_cameras(self, busy_s: float, busy: str) -> None:
        """On the thread of the watchdog: callbacks that block do not keep it from speaking."""
        now_s, stale_after_s = time.monotonic(), self.settings.now.stale_after_s
        try:
            for camera in self._cameras:
                camera.watch(now_s, stale_after_s, busy if busy_s > stale_after_s else '')
        except Exception:
            if self.context.ok():  # else it is the end of the process
                self.get_logger().error(traceback.format_exc(), throttle_duration_sec=5.0)

    def _on_diagnostics_timer(self) -> None:
        self._watch_graph()
        self._publish_diagnostics()

    def _publish_diagnostics(self) -> None:
        params = self.settings.now
        is_active = self._worker is not None
        reports = [camera.report(params.stale_after_s, is_active) for camera in self._cameras]
        limits = Limits(params.stale_after_s, params.warn_latency_ms, params.warn_pitch_rad)
        stamp, name = self.get_clock().now().to_msg(), self.get_fully_qualified_name()
        array = to_array(name, reports, self._model, limits, stamp)
        if self._driving is not None:
            array.status += self._driving.statuses(name, is_active)
        self._diagnostics.publish(array)

    def _watch_graph(self) -> None:
        """Say what is wrong around the node, now and then, for as long as it is."""
        name, warn = self.get_fully_qualified_name(), self.get_logger().warning
        names = [
            f'{space.rstrip("/")}/{own}' for own, space in self.get_node_names_and_namespaces()
        ]
        if names.count(name) > 1:
            warn(
                f'{names.count(name)} nodes are called {name} and each answers every image: stop '
                'one, or start it with --ros-args -r __node:=another_name',
                throttle_duration_sec=_GRAPH_LOG_S,
            )
        uses_sim_time = self.get_parameter('use_sim_time').value
        if uses_sim_time and not self.count_publishers('/clock'):
            warn(
                'use_sim_time is set and nobody publishes /clock: play the bag with --clock, or '
                'set use_sim_time to false',
                throttle_duration_sec=_GRAPH_LOG_S,
            )

    def _every(self, period_s: float, callback: Callable[[], None]) -> Any:
        return self.create_timer(period_s, callback, clock=self._steady_clock)

    def _log_start(self, engine: Engine) -> None:
        cameras = ', '.join(_describe(camera) for camera in self.settings.now.cameras)
        self.get_logger().info(
            f'model {engine.card.name} ({len(engine.card.classes)} classes of '
            f'{engine.card.classes.name}) on {engine.provider}; {cameras}'
        )
        if engine.fallback:
            level = LoggingSeverity.WARN if has_gpu() else LoggingSeverity.INFO
            self.get_logger().log(engine.fallback, level)


def _put_decoded(
    inbox: Inbox, camera: CameraInterface, frame: Frame, decoding: Future[Decoded]
) -> None:
    """Into a slot of its own: newer frames do not drop what has been decoded at last."""
    inbox.put(f'{camera.name}, decoded', (camera, frame, decoding))


def _describe(camera: CameraParams) -> str:
    reliability = 'reliable' if camera.reliable else 'best effort'
    return f'camera {camera.name} on {camera.topic} ({camera.transport}, {reliability})'


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is interrupted; 2 when it cannot start."""
    if args is None:
        ensure_transport()
    is_asked = Event()
    with interruptible(is_asked.set):
        try:
            _init(args)
            return _run(is_asked)
        except SegPerceptionError as error:
            rclpy.logging.get_logger(NODE_NAME).fatal(str(error))
            return EXIT_FAILED
        finally:
            rclpy.try_shutdown()


def _init(args: Sequence[str] | None) -> None:
    try:
        # rclpy's handlers would end ROS under the worker, and under the clean-up after it.
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # what all errors of rclpy about arguments have in common
        expected = 'ROS arguments, such as --ros-args -p name:=value --params-file FILE'
        fix = 'Correct the command line or the file.'
        raise ParameterError('arguments', error, expected, fix) from error


def _run(is_asked: Event) -> int:
    """Spin until the end is asked for."""
    node = SegPerceptionNode()
    try:
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while not (is_asked.is_set() or node.has_failed):
            executor.spin_once(timeout_sec=SPIN_TIMEOUT_S)
        return EXIT_FAILED if node.has_failed else 0
    finally:
        node.close()


if __name__ == '__main__':
    sys.exit(main())
