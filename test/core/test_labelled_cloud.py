# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Labelled clouds against exact truth, and Autoware's class ids."""

import cv2
import numpy as np
import pytest

from benchmarks.range_truth import ROAD, SKY, WALK, Box, World, beams, camera_geometry
from seg_perception.core.autoware_classes import AUTOWARE_NAMES, autoware_ids
from seg_perception.core.camera import Camera
from seg_perception.core.classes import CAMVID_11, CITYSCAPES_19, UNLABELED, Role
from seg_perception.core.labelled_cloud import (
    LabelledView,
    ground_points,
    label_points,
    labelled_image,
)
from seg_perception.core.range_image import DepthImage, points_in_image, range_of_depth
from seg_perception.core.terrain import surface_of
from seg_perception.core.turning import turn_cloud

GEOMETRY = camera_geometry()
CAR = Box('car', (15, 19), (-1, 1), (0, 1.5))
PERSON = Box('pedestrian', (8, 8.4), (2, 2.5), (0, 1.7))
GROUND = (Role.DRIVABLE, Role.MARKING, Role.WALKABLE)


def ids(*names: str) -> list[int]:
    return [CAMVID_11.names.index(name) for name in names]


@pytest.fixture(scope='module')
def seen():
    world = World.slope(3.0, boxes=(CAR, PERSON))
    depth_m, labels = world.seen_by(GEOMETRY)
    ranges = range_of_depth(DepthImage(depth_m, 1.0), GEOMETRY)
    return world, labels, surface_of(ranges, labels, CAMVID_11)


@pytest.mark.parametrize('has_depth', [False, True])
def test_places_lie_on_the_rays_of_their_pixels(seen, has_depth):
    _, labels, surface = seen
    cloud = labelled_image(labels, labels, CAMVID_11, GEOMETRY, surface if has_depth else None)
    assert cloud.labels.shape == cloud.xyz_m.shape[1:] == cloud.lens.size == (180, 320)
    camera = Camera(cloud.lens, GEOMETRY.camera.extrinsics)
    contacts = np.isin(cloud.labels, ids('car', 'pedestrian')).ravel()
    points = points_in_image(cloud.xyz_m.reshape(3, -1).T, camera)
    placed = np.flatnonzero(np.isfinite(cloud.xyz_m[2].ravel()) & ~contacts)
    own = ~contacts[points.numbers]
    assert len(placed) > 20000
    np.testing.assert_array_equal(points.numbers[own], placed)
    np.testing.assert_array_equal(points.pixels[own], placed)
    assert np.isnan(cloud.xyz_m[:, cloud.labels == SKY]).all()


def test_depth_places_things_and_ground_exactly(seen):
    world, labels, surface = seen
    cloud = labelled_image(labels, labels, CAMVID_11, GEOMETRY, surface)
    x, _, z = cloud.xyz_m[:, cloud.labels == ids('car')[0]]
    assert np.abs(x[z < 2.0] - 15).max() < 0.01
    x, _, z = cloud.xyz_m[:, cloud.labels == ROAD]
    assert np.abs(z - world.ground_z(x)).max() < 0.01


def test_flat_ground_smears_nothing():
    world = World(boxes=(CAR, PERSON))
    _, labels = world.seen_by(GEOMETRY)
    cloud = labelled_image(labels, labels, CAMVID_11, GEOMETRY)
    for name, box in (('car', CAR), ('pedestrian', PERSON)):
        own = cloud.labels == ids(name)[0]
        x, y, z = cloud.xyz_m[:, own]
        placed = np.isfinite(z)
        columns = own.any(axis=0).sum()
        assert 0.8 * columns <= placed.sum() <= columns + 2  # one contact a column
        assert np.median(np.abs(x[placed] - box.x_m[0])) < 0.4 and (z[placed] == 0).all()
    shown = (cloud.labels == ROAD) & np.isfinite(cloud.xyz_m[2])
    x, y, _ = cloud.xyz_m[:, shown]
    assert (np.abs(y) <= 4.1).all() and x.max() < 60


def test_own_vehicle_has_no_place():
    _, labels = World().seen_by(GEOMETRY)
    hood = np.zeros((360, 640), np.uint8)
    hood[300:] = 255
    pose = GEOMETRY.camera.extrinsics
    geometry = type(GEOMETRY)(GEOMETRY.camera.calibration, pose, ego_mask=hood)
    cloud = labelled_image(labels, labels, CAMVID_11, geometry)
    assert np.isnan(cloud.xyz_m[:, 150:]).all() and np.isfinite(cloud.xyz_m[2, 140]).any()


def test_a_turned_cloud_turns_with_its_lens(seen):
    _, labels, surface = seen
    cloud = labelled_image(labels, labels, CAMVID_11, GEOMETRY, surface)
    turned = turn_cloud(cloud, 1)
    back = turn_cloud(turned, 3)
    np.testing.assert_array_equal(back.xyz_m, cloud.xyz_m)
    np.testing.assert_allclose(back.lens.k, cloud.lens.k, atol=1e-9)
    assert turned.labels.shape == (320, 180) == turned.lens.size


@pytest.mark.parametrize('origin', [(0, 0, 1.5), (0, 0, 2.0), (-1, 0.4, 2.2)])
def test_labels_of_points_away_from_edges_are_right(seen, origin):
    world, labels, _ = seen
    points, truth = world.cloud(np.array(origin, float), beams())
    sure = np.full(labels.shape, 204, np.uint8)
    found, probability = label_points(
        points, [LabelledView(labels, sure, GEOMETRY.camera)], CAMVID_11
    )
    edges = cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, np.ones((9, 9), np.uint8)) > 0
    in_view = points_in_image(points, GEOMETRY.camera)
    away = np.zeros(len(points), bool)
    away[in_view.numbers] = ~edges.ravel()[in_view.pixels]
    told = found != UNLABELED
    assert (away & told).sum() > 2000
    assert (found[away & told] == truth[away & told]).mean() >= 0.99
    assert (away & ~told).sum() < 0.2 * away.sum()  # hidden from the camera
    assert np.unique(probability).tolist() == pytest.approx([0.0, 0.8])
    assert not probability[~told].any()


def test_the_surest_camera_counts():
    points = np.array([[10, 0, 0], [10, 0, 0.5], [-5, 0, 0]], np.float32)
    views = [
        LabelledView(*(np.full((360, 640), value, np.uint8) for value in pair), GEOMETRY.camera)
        for pair in ((1, 100), (2, 200), (3, 50))
    ]
    found, probability = label_points(points, views, CAMVID_11)
    assert found.tolist() == [2, 2, 255] and probability[2] == 0


def test_ground_is_what_is_labelled_so_and_lies_there(seen):
    world, *_ = seen
    points, truth = world.cloud(np.array([0, 0, 1.9]), beams())
    flat = np.isin(truth, [ROAD, WALK])
    chosen = ground_points(points, truth, CAMVID_11, GROUND)
    near = np.hypot(*points[:, :2].T) < 20
    assert chosen[flat & near].mean() > 0.97 and not chosen[~flat].any()
    wrong = np.where(truth == ids('car')[0], np.uint8(ROAD), truth)
    still = ground_points(points, wrong, CAMVID_11, GROUND)
    high = (truth == ids('car')[0]) & (points[:, 2] > world.ground_z(points[:, 0]) + 0.3)
    assert high.any() and not still[high].any()
    roads = ground_points(points, truth, CAMVID_11, (Role.DRIVABLE,))
    assert not roads[truth == WALK].any() and roads.any()


def test_no_points_no_views():
    points = np.zeros((0, 3), np.float32)
    view = LabelledView(
        np.zeros((360, 640), np.uint8), np.zeros((360, 640), np.uint8), GEOMETRY.camera
    )
    assert label_points(points, [view], CAMVID_11)[0].shape == (0,)
    found, _ = label_points(np.ones((2, 3), np.float32), [], CAMVID_11)
    assert (
        found.tolist() == [255, 255]
        and not ground_points(np.ones((2, 3)), found, CAMVID_11, GROUND).any()
    )


def test_class_ids_of_autoware():
    lookup = autoware_ids(CITYSCAPES_19)
    names = {row.name: AUTOWARE_NAMES[lookup[row.id]] for row in CITYSCAPES_19.classes}
    assert names['road'] == 'ROAD' and names['traffic light'] == 'TRAFFIC_LIGHT'
    assert names['bicycle'] == names['rider'] == names['motorcycle'] == 'BIKE'
    assert names['terrain'] == 'VEGETATION' and names['fence'] == 'OBSTACLE'
    assert lookup[UNLABELED] == 0 and AUTOWARE_NAMES[0] == 'UNKNOWN' and len(AUTOWARE_NAMES) == 16
    assert AUTOWARE_NAMES.index('SKY') == 15 and AUTOWARE_NAMES.index('ROAD') == 9
