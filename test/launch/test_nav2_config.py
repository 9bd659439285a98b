# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
``config/nav2`` against Nav2's own parameter names, and what its collision monitor makes of scans.

The names are those that Nav2 1.5.1 (August 2026, commit a3a97043e) and semantic_segmentation_layer
(April 2026, commit a70cf6ec8) declare in their sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.camera_geometry import CameraGeometry
from seg_perception.core.classes import CAMVID_11, CITYSCAPES_19, STREET, ClassTable, Role
from seg_perception.core.drivable import find_drivable
from seg_perception.core.grid import GridParams, drivable_grid
from seg_perception.core.results import Scan
from seg_perception.core.scan import ScanParams, free_space_scan
from seg_perception.synthetic.street import Street

NAV2 = Path(__file__).parents[2] / 'config' / 'nav2'
FILES = sorted(NAV2.glob('*.yaml'))

MONITOR = set(
    'enabled base_frame_id odom_frame_id cmd_vel_in_topic cmd_vel_out_topic state_topic '
    'transform_tolerance source_timeout base_shift_correction stop_pub_timeout polygons '
    'observation_sources collision_points_marker_3d use_realtime_priority'.split()
)
POLYGON = set(
    'type points action_type min_points trigger_consecutive_points release_consecutive_points '
    'slowdown_ratio linear_limit angular_limit time_before_collision simulation_time_step '
    'visualize polygon_pub_topic polygon_sub_topic polygon_subscribe_transient_local '
    'footprint_topic sources_names enabled'.split()
)
SOURCE = {'type', 'topic', 'enabled', 'source_timeout', 'exclusion_zones'}
COSTMAP = set(
    'always_send_full_costmap map_vis_z footprint_padding footprint global_frame height width '
    'origin_x origin_y plugins filters publish_frequency resolution robot_base_frame robot_radius '
    'rolling_window track_unknown_space transform_tolerance initial_transform_timeout '
    'update_frequency subscribe_to_stamped_footprint lethal_cost_threshold trinary_costmap '
    'unknown_cost_value inscribed_obstacle_cost_value use_maximum'.split()
)
LAYERS = {
    'nav2_costmap_2d::StaticLayer': set(
        'enabled subscribe_to_updates footprint_clearing_enabled restore_cleared_footprint '
        'map_topic map_subscribe_transient_local'.split()
    ),
    'nav2_costmap_2d::ObstacleLayer': set(
        'enabled footprint_clearing_enabled min_obstacle_height max_obstacle_height '
        'combination_method observation_sources tf_filter_tolerance'.split()
    ),
    'nav2_costmap_2d::InflationLayer': set(
        'enabled inflation_radius cost_scaling_factor inflate_unknown '
        'inflate_around_unknown'.split()
    ),
    'semantic_segmentation_layer::SemanticSegmentationLayer': set(
        'enabled combination_method observation_sources publish_debug_topics '
        'use_approximate_time_sync'.split()
    ),
}
OBSERVATION = set(
    'topic sensor_frame observation_persistence expected_update_rate data_type '
    'min_obstacle_height max_obstacle_height inf_is_valid marking clearing transport_type '
    'obstacle_max_range obstacle_min_range raytrace_max_range raytrace_min_range'.split()
)
SEGMENTATION = set(
    'segmentation_topic confidence_topic labels_topic pointcloud_topic observation_persistence '
    'expected_update_rate class_types max_obstacle_distance min_obstacle_distance '
    'tile_map_decay_time visualize_tile_map use_cost_selection'.split()
)
CLASS_TYPE = set(
    'classes base_cost max_cost mark_confidence samples_to_max_cost dominant_priority'.split()
)
CONTROLLER = {'speed_limit_topic', 'costmap_update_timeout'}  # of those that we set
NO_INFORMATION, LETHAL = 255, 254


@lru_cache
def config(name: str) -> dict[str, Any]:
    return yaml.safe_load((NAV2 / f'{name}.yaml').read_text())


def monitor() -> dict[str, Any]:
    return config('collision_monitor')['collision_monitor']['ros__parameters']


def costmap(name: str) -> dict[str, Any]:
    return config(name)['local_costmap']['local_costmap']['ros__parameters']


def strays(given: dict[str, Any], known: set[str], named: list[str]) -> set[str]:
    """Names that Nav2 would ignore, or names it is told of that are not given."""
    return (set(given) - known - set(named)) | (set(named) - set(given))


def test_every_name_of_the_collision_monitor_is_one_of_nav2() -> None:
    given = monitor()
    named = given['polygons'] + given['observation_sources']
    assert strays(given, MONITOR, named) == set()
    for name in given['polygons']:
        assert set(given[name]) <= POLYGON
        assert given[name]['type'] == 'polygon' and given[name]['action_type'] in (
            'stop',
            'slowdown',
        )
        assert len(corners(name)) >= 3
    for name in given['observation_sources']:
        assert set(given[name]) <= SOURCE and given[name]['type'] == 'scan'
        assert 0.0 < given[name]['source_timeout'] <= 0.5
    assert 0.0 < given['source_timeout'] <= 0.5


def layers() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in ('local_costmap', 'semantic_layer'):
        for layer, given in costmap(name).items():
            if isinstance(given, dict):
                yield layer, given


def test_the_monitor_is_brought_up_by_its_manager() -> None:
    (name,) = set(config('collision_monitor')) - {'collision_monitor'}
    manager = config('collision_monitor')[name]['ros__parameters']
    assert manager == {'autostart': True, 'node_names': ['collision_monitor']}
    launching = Path(__file__).parents[2] / 'seg_perception' / 'node' / 'launching.py'
    assert f"name='{name}'" in launching.read_text()


def test_every_name_of_the_costmap_is_one_of_nav2() -> None:
    given = costmap('local_costmap')
    assert strays(given, COSTMAP, given['plugins']) == set()
    assert given['track_unknown_space'] is True  # else unknown cells of the grid become free
    for _, layer in layers():
        sources = layer.get('observation_sources', '').split()
        assert strays(layer, LAYERS[layer['plugin']] | {'plugin'}, sources) == set()
    scan = given['free_space']['scan']
    assert set(scan) <= OBSERVATION
    assert scan['inf_is_valid'] and scan['clearing'] and scan['marking']
    assert 0.0 < scan['expected_update_rate'] <= 0.5
    controller = config('local_costmap')['controller_server']['ros__parameters']
    assert set(controller) == CONTROLLER


@pytest.mark.parametrize('table', [CAMVID_11, STREET, CITYSCAPES_19], ids=lambda table: table.name)
def test_the_semantic_layer_knows_every_class_once_and_by_its_role(table: ClassTable) -> None:
    given = costmap('semantic_layer')['semantic_layer']['front']
    types = given['class_types']
    assert strays(given, SEGMENTATION, types) == set()
    costs: dict[str, int] = {}
    for name in types:
        kind = given[name]
        assert set(kind) == CLASS_TYPE and kind['base_cost'] == kind['max_cost']
        assert not set(kind['classes']) & set(costs)
        costs |= dict.fromkeys(kind['classes'], kind['base_cost'])
    for row in table.classes:
        cost = costs[row.name]
        if row.role in (Role.DRIVABLE, Role.MARKING):
            assert cost == 0
        elif row.role is Role.WALKABLE:
            assert 0 < cost < LETHAL
        else:
            says_nothing = row.role in (Role.SKY, Role.EGO)
            assert cost == (NO_INFORMATION if says_nothing else LETHAL), row.name


def topics(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from topics(item)
    elif isinstance(value, str) and value.startswith('/seg_perception/'):
        yield value.removeprefix('/seg_perception/').removeprefix('front/')


@pytest.mark.parametrize('file', FILES, ids=lambda file: file.name)
def test_topics_are_those_of_the_node(file: Path) -> None:
    node = Path(__file__).parents[2] / 'seg_perception' / 'node'
    published = ' '.join(path.read_text() for path in node.glob('*.py'))
    found = set(topics(yaml.safe_load(file.read_text())))
    assert found
    assert [topic for topic in found if f"{topic}'" not in published] == []


def corners(zone: str) -> np.ndarray:
    """The corners of a zone of the shipped collision monitor, (N, 2) float32."""
    return np.array(yaml.safe_load(monitor()[zone]['points']), np.float32)


def triggers(scan: Scan, zone: str) -> bool:
    """As nav2_collision_monitor does: beams within the range become points, which are counted."""
    angles = scan.angle_min_rad + scan.angle_increment_rad * np.arange(len(scan.ranges_m))
    kept = (scan.ranges_m >= scan.range_min_m) & (scan.ranges_m <= scan.range_max_m)
    places = scan.ranges_m[kept, None] * np.stack([np.cos(angles), np.sin(angles)], 1)[kept]
    outline = corners(zone)
    inside = [cv2.pointPolygonTest(outline, place.tolist(), False) > 0 for place in places]
    return sum(inside) >= monitor()[zone]['min_points']


SIZE = (240, 320)
ROAD, WALL, PERSON = (CAMVID_11.names.index(name) for name in ('road', 'building', 'pedestrian'))


def robot() -> CameraGeometry:
    """A camera 0.8 m up that looks 0.45 rad down: it sees the ground from 0.7 m on."""
    K = np.array([[250.0, 0, 159.5], [0, 250.0, 119.5], [0, 0, 1]])
    return CameraGeometry(Calibration.pinhole(K, SIZE), Extrinsics(0.8, pitch_rad=0.45))


def robot_scan(unseen_from_m: float, label: int, unknown: str = 'blocked') -> Scan:
    """Road up to a distance, and a label from there on, a metre wide."""
    geometry = robot()
    ground = geometry.ground
    there = (ground.x_m >= unseen_from_m) & (np.abs(ground.y_m) < 0.5)
    labels = np.where(there | ~np.isfinite(ground.x_m), label, ROAD).astype(np.uint8)
    sure = np.full(SIZE, 255, np.uint8)
    area = find_drivable(labels, sure, CAMVID_11, geometry=geometry)
    return free_space_scan(area.mask, labels, CAMVID_11, geometry, ScanParams(unknown=unknown))


@pytest.mark.parametrize('label', [WALL, PERSON, 255])
def test_the_monitor_stops_for_obstacles_and_for_what_is_not_known(label: int) -> None:
    near, far, away = (robot_scan(distance_m, label) for distance_m in (1.1, 2.0, 4.0))
    assert near.range_min_m < corners('stop_zone')[:, 0].max() - 0.4, 'the zone is in view'
    assert triggers(near, 'stop_zone') and triggers(near, 'slow_zone')
    assert not triggers(far, 'stop_zone') and triggers(far, 'slow_zone')
    assert not triggers(away, 'slow_zone')


def test_nan_would_read_as_free() -> None:
    """Why `scan.unknown: blocked` is the default."""
    assert not triggers(robot_scan(1.1, 255, unknown='nan'), 'slow_zone')


@pytest.mark.parametrize(('seed', 'index'), [(1, 0), (4, 10)])
def test_unknown_never_reads_free_on_the_street(seed: int, index: int) -> None:
    """Parts of the labels are taken away: no beam goes beyond them, no cell of them is free."""
    frame = Street(seed, (360, 640)).frame(index)
    seen = frame.camera
    geometry = CameraGeometry(
        Calibration.pinhole(seen.K, seen.size), Extrinsics(seen.height_m, seen.pitch_rad)
    )
    rng = np.random.default_rng([seed, index])
    blots = cv2.resize(rng.random((18, 32)), (640, 360), interpolation=cv2.INTER_CUBIC) > 0.75
    spoiled = np.where(blots, 255, frame.labels).astype(np.uint8)
    scan, grid = ground(spoiled, geometry)
    assert not np.isnan(scan.ranges_m).any()
    # Gaps of a few pixels are closed; what is wider ends the beams that meet it.
    unseen = cv2.erode(spoiled, np.ones((9, 9))) == 255
    x, y = geometry.ground.x_m[unseen], geometry.ground.y_m[unseen]
    away_m, angles = np.hypot(x, y), np.arctan2(y, x)
    beams = np.rint((angles - scan.angle_min_rad) / scan.angle_increment_rad)
    met = (away_m < scan.range_max_m) & (beams >= 0) & (beams < len(scan.ranges_m))
    assert met.sum() > 500
    assert (scan.ranges_m[beams[met].astype(int)] <= away_m[met]).all()
    rows, columns = np.floor((y + 12.0) / 0.2), np.floor(x / 0.2)
    fine = met & (away_m < 12.0) & (rows >= 0) & (rows < 120)  # where a pixel is a cell at most
    cells = grid[rows[fine].astype(int), columns[fine].astype(int)]
    assert fine.sum() > 500 and (cells != 0).mean() > 0.9 and (grid == 0).sum() > 500
    nothing, blank = ground(np.full_like(spoiled, 255), geometry)
    assert (nothing.ranges_m < 1.3 * nothing.range_min_m).all() and (blank == -1).all()


def ground(labels: np.ndarray, geometry: CameraGeometry) -> tuple[Scan, np.ndarray]:
    sure = np.where(labels == 255, 0, 255).astype(np.uint8)
    mask = find_drivable(labels, sure, CAMVID_11, geometry=geometry).mask
    grid = drivable_grid(mask, labels, sure, CAMVID_11, geometry, GridParams())
    return free_space_scan(mask, labels, CAMVID_11, geometry), grid.cells
