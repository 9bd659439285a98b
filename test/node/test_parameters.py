# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from seg_perception.core.camera import Extrinsics
from seg_perception.core.errors import ParameterError
from seg_perception.node.parameter_names import deprecated, foreign
from seg_perception.node.parameters import (
    build,
    complete,
    descriptor,
    extrinsics_parameters,
    table,
)

PARAMS_YAML = Path(__file__).parents[2] / 'config' / 'params.yaml'


def params(**given):
    return build(complete({name.replace('__', '.'): value for name, value in given.items()}))


def test_defaults():
    now = params()
    (camera,) = now.cameras
    assert (camera.name, camera.topic) == ('front', '/camera/front/image_raw')
    assert camera.camera_info_topic == '/camera/front/camera_info'
    assert (camera.transport, camera.reliable) == ('raw', False)
    assert (now.model, now.provider, now.threads, now.autostart) == ('', 'auto', 0, True)
    assert (now.stale_after_s, now.diagnostics_period_s) == (1.0, 1.0)


def test_each_camera_has_its_own():
    now = params(
        cameras=['front', 'rear_2'],
        rear_2__image_topic='/back/image',
        rear_2__transport='compressed',
        rear_2__reliable=True,
    )
    front, rear = now.cameras
    assert front.topic == '/camera/front/image_raw'
    assert rear.topic == '/back/image/compressed'
    assert rear.reliable and not front.reliable


def test_compressed_is_not_added_twice():
    now = params(front__image_topic='/a/compressed', front__transport='compressed')
    assert now.cameras[0].topic == '/a/compressed'


def test_a_camera_may_be_called_like_a_group():
    now = params(cameras=['grid'], grid__resolution_m=0.25)
    assert now.cameras[0].image_topic == '/camera/grid/image_raw'
    assert now.rules.grid.resolution_m == 0.25


def test_parameters_of_one_camera_are_few():
    assert len(table(['front'])) <= 58  # rclpy adds two of its own
    assert len(table(['front', 'rear'])) == len(table(['front'])) + 17


def test_one_quantity_is_one_parameter():
    now = params(clearance_m=0.1, min_confidence=0.5, corridor__ego_mask_share=0.2)
    assert (
        now.rules.drivable.clearance_m
        == now.rules.grid.clearance_m
        == now.rules.scan.clearance_m
        == 0.1
    )
    assert now.rules.drivable.min_confidence == now.rules.grid.min_confidence == 0.5
    assert (
        now.rules.drivable.corridor.ego_mask_share == now.rules.risk.corridor.ego_mask_share == 0.2
    )


def test_mount_is_none_without_a_height():
    assert params(front__extrinsics__pitch_rad=0.1).cameras[0].extrinsics is None
    camera = params(
        cameras=['rear'],
        rear__extrinsics__height_m=1.5,
        rear__extrinsics__yaw_rad=3,
        rear__rectified=True,
    ).camera('rear')
    assert (
        camera.extrinsics.height_m,
        camera.extrinsics.yaw_rad,
        camera.extrinsics.forward_m,
    ) == (1.5, 3.0, 0.0)
    assert camera.rectified
    assert camera.pitch_std_rad == camera.extrinsics.pitch_std_rad == 0.009


def test_mount_parameters_give_that_mount():
    extrinsics = Extrinsics(1.4, 0.05, forward_m=1.7, pitch_std_rad=0.02)
    given = extrinsics_parameters('front', extrinsics)
    assert given['front.extrinsics.forward_m'] == 1.7
    assert build(complete(given)).cameras[0].extrinsics == extrinsics


def test_risk_profile_decides_the_rules(tmp_path):
    assert params(risk_profile='slow_robot').rules.risk.near_m == 2.0
    own = tmp_path / 'own.yaml'
    own.write_text('risk: {time: {hold_s: 1.5}}\nfusion: {skew_s: 0.1}\n')
    now = params(risk_profile=str(own), grid__resolution_m=0.5, corridor__vehicle_width_m=2.5)
    assert (now.rules.risk.time.hold_s, now.rules.risk.near_m, now.rules.fusion.skew_s) == (
        1.5,
        4.5,
        0.1,
    )
    assert now.rules.risk.corridor.vehicle_width_m == 2.5 and now.rules.grid.resolution_m == 0.5


def test_old_names_take_effect():
    now = params(
        front__mount__height_m=1.5, scan__clearance_m=0.1, grid__min_confidence=0.5,
        risk__time__hold_s=1, horizon__least_rows=30, corridor__top_share=0.6,  # the last: none
    )  # fmt: skip
    assert now.cameras[0].extrinsics.height_m == 1.5
    assert now.rules.drivable.clearance_m == now.rules.scan.clearance_m == 0.1
    assert now.rules.drivable.min_confidence == now.rules.grid.min_confidence == 0.5
    assert (now.rules.risk.time.hold_s, now.rules.horizon.least_rows) == (1.0, 30)


def test_old_rules_win_over_the_profile():
    assert params(risk__near_m=3.0, risk_profile='slow_robot').rules.risk.near_m == 3.0


def test_old_names_are_told_where_they_went():
    given = {'front.mount.roll_rad': 0, 'grid.clearance_m': 0, 'risk.near_m': 4, 'model': ''}
    assert deprecated(given) == {
        'front.mount.roll_rad': 'front.extrinsics.roll_rad',
        'grid.clearance_m': 'clearance_m',
        'risk.near_m': 'risk.near_m of a risk_profile file',
    }


@pytest.mark.parametrize(
    'given',
    [
        {'grid.clearance_m': 0.1, 'scan.clearance_m': 0.2},
        {'clearance_m': 0.2, 'scan.clearance_m': 0.1},
        {'front.extrinsics.yaw_rad': 0.1, 'front.mount.yaw_rad': 0.2},
    ],
)
def test_old_names_that_disagree_are_refused(given):
    with pytest.raises(ParameterError, match=r'got 0\.[12] and 0\.[12], expected one value'):
        complete(given)


def test_whole_numbers_are_numbers():
    assert params(stale_after_s=2).stale_after_s == 2.0


@pytest.mark.parametrize(
    ('name', 'value', 'text'),
    [
        ('modle', 'x', r"'modle': got an unknown name.*Did you mean model\?"),
        ('stale_after', 1.0, r'Did you mean stale_after_s\?'),
        ('front.image_topik', '/a', r'Did you mean front\.image_topic'),
        ('rear.image_topic', '/a', r"got camera 'rear', expected a camera .*: front\."),
        ('stale_after_s', 0.0, r"'stale_after_s': got 0\.0, expected a number from 0\.1 to 3600"),
        ('stale_after_s', float('nan'), r'got nan, expected a number from 0\.1'),
        ('stale_after_s', 'soon', r"got 'soon', expected a number from 0\.1"),
        ('threads', 1.5, r'got 1\.5, expected a whole number from 0 to 256'),
        ('threads', True, r'got true, expected a whole number'),
        ('autostart', 1, r'got 1, expected true or false'),
        ('provider', 'gpu', r"got 'gpu', expected one of auto, cpu, cuda, tensorrt"),
        ('cameras', [], r'got none, expected at least one name'),
        ('cameras', 'front', r"got 'front', expected a list of strings"),
        ('cameras', ['a', 'b', 'a'], r"got \['a'\], expected at least one name, each once"),
        ('cameras', ['left cam'], r"got \['left cam'\], expected .*letters"),
        ('cameras', ['a__b'], r"got \['a__b'\]"),
        ('front.image_topic', 'my topic', r"got 'my topic', expected the name of a topic"),
        ('front.image_topic', '', r"got '', expected the name of a topic"),
        ('front.image_topic', '/a/compressed', r"Set front\.transport to 'compressed'"),
        (
            'front.extrinsics.height_m',
            0.01,
            r"'front.extrinsics.height_m': got 0\.01, expected .*0\.05 to 30",
        ),
        ('rear.extrinsics.height_m', 1.0, r"got camera 'rear', expected a camera"),
        ('front.mount.heigth_m', 1.0, r'Did you mean front\.extrinsics\.height_m'),
        ('front.extrinsics.heigth_m', 1.0, r'Did you mean front\.extrinsics\.height_m'),
        ('base_frame', '', r"'base_frame': got '', expected the name of a TF frame"),
        ('base_frame', '/base_link', r'without a slash'),
        ('curvature_topic', 'a b', r"'curvature_topic': got 'a b', expected the name of a topic"),
        ('curvature_per_m', 0.6, r'expected a number from -0\.5 to 0\.5'),
        ('grid.resolution_m', 0.0, r'expected a number from 0\.02 to 5'),
        ('drivable.columns', 1.5, r'got 1\.5, expected a whole number from 1 to 4096'),
        ('risk_profile', 'slow_robbot', r"got 'slow_robbot'.*Did you mean slow_robot\?"),
        ('risk.high_from', 0.9, r'moderate_from < high_from < critical_from'),
    ],
)
def test_wrong_values_are_refused(name, value, text):
    with pytest.raises(ParameterError, match=text):
        build(complete({name: value}))


@pytest.mark.parametrize('name', ['use_sim_time', 'qos_overrides./tf.publisher.depth'])
def test_names_of_ros_itself_are_fine(name):
    assert name not in complete({name: True})


def test_every_parameter_says_what_it_is():
    for name, row in table().items():
        assert len(row.setting.description) > 10, name
        assert row.kind is not float or row.setting.bounded, f'{name} has no range'
        assert type(row.default) is row.kind or name in ('cameras', 'filter_roles')


def test_ranges_are_of_the_type_that_goes_over_the_wire():
    for row in table().values():
        made = descriptor(row)
        for limits in made.floating_point_range:
            assert type(limits.from_value) is type(limits.to_value) is float, row.path


def test_params_yaml_changes_nothing():
    """Read by another library, it is the defaults."""
    (node,) = yaml.safe_load(PARAMS_YAML.read_text(encoding='utf-8')).values()
    given = node['ros__parameters']
    assert build(complete(given)) == build(complete({}))
    assert len(given) == len(table()) - 1  # rectified follows from the topic


# Vehicle info, navigation and the like, as launch files set them for every node.
FOREIGN = [
    'xyzzy', 'robot_name',
    'wheel_radius', 'wheel_base', 'wheel_tread', 'front_overhang', 'vehicle_height',
    'max_steer_angle', 'odom_frame', 'map', 'frame_id', 'publish_rate', 'max_speed_mps',
    'controller.gain', 'lidar.height_m', 'use_sim_time', 'qos_overrides./tf.subscription.depth',
]  # fmt: skip


@pytest.mark.parametrize('name', FOREIGN)
def test_parameters_of_other_nodes_change_nothing(name):
    assert build(complete({name: 'x'})) == build(complete({}))


def test_parameters_of_other_nodes_are_named():
    given = dict.fromkeys([*FOREIGN, 'base_frame', 'front.mount.height_m'], 1)
    assert foreign(given, complete({})) == sorted(FOREIGN[:-2])


@pytest.mark.parametrize('name', [
    'modle', 'stale_after', 'base_fram', 'camera', 'overlay_opasity', 'front.image_topc',
    'front.anything', 'fusion.something', 'rear.image_topic', 'thread', 'provdier',
])  # fmt: skip
def test_slips_stop_the_start(name):
    with pytest.raises(ParameterError, match=re.escape(repr(name))):
        complete({name: 1})
