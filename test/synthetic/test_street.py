# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from functools import lru_cache

import numpy as np
import pytest

from seg_perception.core.classes import CAMVID_11, CITYSCAPES_19, Role
from seg_perception.core.errors import ImageError, ParameterError
from seg_perception.synthetic.meshes import VEHICLES
from seg_perception.synthetic.street import Street, StreetFrame
from seg_perception.synthetic.surfaces import Surface
from seg_perception.synthetic.weather import WEATHERS

SIZE = (240, 320)


@lru_cache(maxsize=16)
def street(seed: int = 0, weather: str = 'clear') -> Street:
    return Street(seed, SIZE, weather=weather)


@lru_cache(maxsize=16)
def frame(seed: int = 0, index: int = 0, weather: str = 'clear') -> StreetFrame:
    return street(seed, weather).frame(index)


def rays(seen: StreetFrame) -> np.ndarray:
    """World directions (H, W, 3) of the pixels, one metre deep."""
    height, width = seen.camera.size
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    pixels = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    inverse = np.linalg.inv(seen.camera.K).T
    return pixels @ inverse @ seen.camera.T_world_camera[:3, :3].T


def test_shapes_and_types() -> None:
    seen = frame()
    assert seen.rgb.shape == (*SIZE, 3) and seen.rgb.dtype == np.uint8
    assert seen.labels.shape == SIZE and seen.labels.dtype == np.uint8
    assert seen.depth_m.shape == SIZE and seen.depth_m.dtype == np.float32
    assert seen.camera.size == SIZE and seen.camera.K.shape == (3, 3)
    assert street().frame(30).stamp_s == 1.5


def test_same_seed_same_frames_in_any_order() -> None:
    first, second = Street(5, SIZE, weather='rain'), Street(5, SIZE, weather='rain')
    forwards = [first.frame(index) for index in (0, 7, 40)]
    backwards = [second.frame(index) for index in (40, 7, 0)][::-1]
    for one, other in zip(forwards, backwards, strict=True):
        np.testing.assert_array_equal(one.rgb, other.rgb)
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.depth_m, other.depth_m)
        assert one.objects == other.objects


def test_other_seed_other_street() -> None:
    assert (frame(0).labels != frame(1).labels).mean() > 0.05


def test_every_class_appears_and_no_other_value() -> None:
    labels = np.concatenate([frame(seed, 20).labels.ravel() for seed in range(8)])
    assert set(np.unique(labels)) == set(range(len(CAMVID_11)))


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_flat_ground_has_the_depth_of_the_plane(seed: int) -> None:
    seen = frame(seed)
    road = seen.labels == CAMVID_11.names.index('road')
    assert road.mean() > 0.1
    with np.errstate(divide='ignore'):
        plane = -seen.camera.T_world_camera[2, 3] / rays(seen)[..., 2]
    np.testing.assert_allclose(seen.depth_m[road], plane[road], rtol=1e-5)


def test_everything_drawn_stands_on_or_above_the_ground() -> None:
    seen = frame(1)
    solid = np.isfinite(seen.depth_m)
    height = seen.camera.T_world_camera[2, 3] + rays(seen)[..., 2] * np.where(
        solid, seen.depth_m, 0
    )
    # A pixel that a polygon only touches may lie a pixel's footprint outside it.
    footprint = 1.5 * np.where(solid, seen.depth_m, 0) / seen.camera.focal_px
    assert (height[solid] > -footprint[solid] - 0.02).mean() > 0.999


def test_depth_is_infinite_exactly_in_the_sky() -> None:
    seen = frame(1)
    np.testing.assert_array_equal(np.isinf(seen.depth_m), seen.labels == 0)
    assert (seen.labels == 0).any() and seen.depth_m.min() > 0.3


# Height in metres above the foot where the thing is solid (people: their chest), and how far away
# it is wider than a pixel.
SOLID_AT = {'person': (1.0, 35), 'tree': (0.1, 12), 'lamp': (0.3, 12), 'bollard': (0.3, 12)}


def test_objects_are_where_they_say() -> None:
    """What is not hidden shows its own class above its foot, at its own depth."""
    found = 0
    for seen in (frame(seed, index) for seed in range(6) for index in (0, 10)):
        for thing in seen.objects:
            above_m, reach_m = SOLID_AT.get(thing.kind, (0, 0))
            if not 4 < thing.x_forward_m < reach_m:
                continue
            if thing.kind == 'person':
                above_m = 0.7 * thing.height_m
            point = np.array([[thing.x_forward_m, thing.y_left_m, above_m]])
            column, row = np.rint(seen.camera.vehicle_to_pixel(point)[0]).astype(int)
            depth_m = seen.camera.vehicle_to_camera(point)[0, 2]
            inside = 0 <= column < SIZE[1] and 0 <= row < SIZE[0]
            if not inside or seen.depth_m[row, column] < depth_m - 0.3:
                continue  # outside the image, or something stands before it
            assert seen.labels[row, column] == seen.class_ids[thing.surface], thing
            assert seen.depth_m[row, column] == pytest.approx(depth_m, abs=0.15), thing
            found += 1
    assert found >= 20


def test_vehicles_cover_the_middle_of_their_body() -> None:
    hits = misses = 0
    for seed in range(4):
        seen = frame(seed, 10)
        for thing in seen.objects:
            if thing.kind not in VEHICLES or not 7 < thing.x_forward_m < 40:
                continue
            point = np.array([[thing.x_forward_m, thing.y_left_m, 0.4 * thing.height_m]])
            column, row = np.rint(seen.camera.vehicle_to_pixel(point)[0]).astype(int)
            if not (0 <= column < SIZE[1] and 0 <= row < SIZE[0]):
                continue
            if seen.depth_m[row, column] < thing.x_forward_m - thing.length_m / 2 - 1.5:
                continue  # hidden
            hit = seen.labels[row, column] == CAMVID_11.names.index('car')
            hits, misses = hits + int(hit), misses + int(not hit)
    assert hits >= 5 and misses == 0


def test_standing_things_keep_their_place_in_the_world() -> None:
    before, after = frame(2, 10), street(2).frame(11)
    places = [
        {thing.track: _world(seen, thing.x_forward_m, thing.y_left_m) for thing in seen.objects
         if thing.kind in ('lamp', 'tree', 'building', 'sign')}
        for seen in (before, after)
    ]  # fmt: skip
    common = places[0].keys() & places[1].keys()
    assert len(common) > 10
    for track in common:
        np.testing.assert_allclose(places[0][track], places[1][track], atol=1e-6)


def _world(seen: StreetFrame, x: float, y: float) -> np.ndarray:
    point = seen.camera.vehicle_to_camera(np.array([[x, y, 0.0]]))[0]
    pose = seen.camera.T_world_camera
    return pose[:3, :3] @ point + pose[:3, 3]


def test_ego_drives_at_town_speed_and_things_come_nearer() -> None:
    before, after = frame(2, 10), street(2).frame(11)
    way = after.camera.T_world_camera[:3, 3] - before.camera.T_world_camera[:3, 3]
    speed_mps = np.linalg.norm(way) * 20.0
    assert 3 < speed_mps < 14
    ahead = {thing.track: thing.x_forward_m for thing in before.objects if thing.kind == 'lamp'}
    steps = [
        ahead[thing.track] - thing.x_forward_m
        for thing in after.objects
        if thing.kind == 'lamp' and thing.track in ahead
    ]
    # Yaw adds or takes a little sideways distance.
    np.testing.assert_allclose(steps, speed_mps / 20.0, atol=0.06)


def test_people_and_cars_move() -> None:
    before, after = frame(1, 0), street(1).frame(20)
    old = {thing.track: thing for thing in before.objects}
    walked = [
        np.linalg.norm(
            _world(after, thing.x_forward_m, thing.y_left_m)
            - _world(before, old[thing.track].x_forward_m, old[thing.track].y_left_m)
        )
        for thing in after.objects
        if thing.kind == 'person' and thing.track in old
    ]
    # 0.8 to 1.8 m/s for a second; who comes round again jumps.
    assert len(walked) >= 3
    assert all(0.7 < way < 1.9 or way > 80 for way in walked)


def test_weather_changes_the_picture_and_not_the_truth() -> None:
    clear = frame(3, 4)
    for weather in WEATHERS[1:]:
        other = frame(3, 4, weather)
        np.testing.assert_array_equal(other.labels, clear.labels)
        np.testing.assert_array_equal(other.depth_m, clear.depth_m)
        assert np.abs(other.rgb.astype(int) - clear.rgb).mean() > 8, weather


def test_night_is_dark_and_fog_hides_what_is_far() -> None:
    clear, night, fog = (frame(3, 4, weather).rgb for weather in ('clear', 'night', 'fog'))
    assert night.mean() < 0.6 * clear.mean()
    far = (frame(3, 4).depth_m > 50) & np.isfinite(frame(3, 4).depth_m)
    assert fog[far].std() < 0.75 * clear[far].std()


def test_random_weather_is_chosen_by_the_seed() -> None:
    chosen = {Street(seed, (64, 64), weather='random').weather for seed in range(8)}
    assert chosen <= set(WEATHERS) and len(chosen) >= 3


def test_both_tables_agree_by_role() -> None:
    camvid = frame(0, 3)
    cityscapes = Street(0, SIZE, CITYSCAPES_19).frame(3)
    np.testing.assert_array_equal(camvid.rgb, cityscapes.rgb)
    assert cityscapes.labels.max() < len(CITYSCAPES_19)
    for role in Role:
        np.testing.assert_array_equal(
            CAMVID_11.role_mask(role)[camvid.labels],
            CITYSCAPES_19.role_mask(role)[cityscapes.labels],
        )


def test_kerbs_are_where_the_layout_put_them() -> None:
    """From pixels through the ground plane to offsets from the street's centre line."""
    offsets: list[list[np.ndarray]] = [[], []]
    for seed in (3, 5, 6):
        seen, profile = frame(seed, 10), street(seed).profile
        paved = seen.plane_surfaces[seen.planes] == Surface.PAVEMENT
        rows, columns = np.nonzero(paved & (seen.depth_m < 25))
        places = seen.camera.pixel_to_ground(np.column_stack([columns, rows]))
        world = np.array([_world(seen, x, y) for x, y in places])
        left = world[:, 1] - street(seed).scene.centre_m(world[:, 0])
        for side, sign in enumerate((1, -1)):
            own = sign * left[sign * left > 0]
            assert (own > profile.kerb_m(side) - 0.02).all()
            assert (own < profile.front_m(side) + 0.02).all()
            offsets[side].append(own)
    assert all(sum(len(part) for part in side) > 300 for side in offsets)


def test_fronts_of_buildings_are_seen_on_both_sides() -> None:
    found = {'left': 0, 'right': 0}
    for seen in (frame(seed, index) for seed in range(8) for index in (0, 10, 20)):
        for thing in seen.objects:
            middle_m = (
                0.5 * thing.length_m * np.array([np.cos(thing.yaw_rad), np.sin(thing.yaw_rad)])
            )
            x, y = middle_m + (thing.x_forward_m, thing.y_left_m)
            if thing.kind != 'building' or not 5 < x < 30:
                continue
            point = np.array([[x, y, 0.8 * thing.height_m]])
            column, row = np.rint(seen.camera.vehicle_to_pixel(point)[0]).astype(int)
            depth_m = seen.camera.vehicle_to_camera(point)[0, 2]
            inside = 0 <= column < SIZE[1] and 0 <= row < SIZE[0]
            if not inside or seen.depth_m[row, column] < depth_m - 0.5:
                continue  # outside the image, or something stands before it
            assert seen.labels[row, column] == CAMVID_11.names.index('building'), thing
            assert seen.depth_m[row, column] == pytest.approx(depth_m, abs=0.5), thing
            found['left' if y > 0 else 'right'] += 1
    assert min(found.values()) >= 4


def test_far_along_the_street_it_still_works() -> None:
    late = street(0).frame(100_000)  # an hour and a half at 20 Hz
    assert (late.labels == CAMVID_11.names.index('road')).mean() > 0.1


@pytest.mark.parametrize('size', [(32, 320), (240, 9000), (240,)])
def test_size_that_cannot_be(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=r'size of the synthetic street.*each 64 to 8192'):
        Street(0, size)


def test_weather_that_does_not_exist() -> None:
    with pytest.raises(
        ParameterError, match="got 'hail', expected clear, fog, rain, night, dusk, random"
    ):
        Street(0, SIZE, weather='hail')


def test_rate_that_cannot_be() -> None:
    with pytest.raises(ParameterError, match='rate of the synthetic street: got 0'):
        Street(0, SIZE, fps=0)
