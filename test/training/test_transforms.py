# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
import torch

from training.config import TransformConfig
from training.data.sample import Sample
from training.transforms import augment, normalise
from training.weather import add_glare, add_night, add_rain, blur_along, compress

STILL = TransformConfig(
    crop=(32, 48), scale=(1.0, 1.0), flip=0.0, rotate_deg=0.0, light=0.0, dark=0.0, colour=0.0,
    saturation=0.0, blur=0.0, noise=0.0,
)  # fmt: skip


def still(**changes):
    return dataclasses.replace(STILL, **changes)


def view(sample, config, seed=0, rare=()):
    return augment(sample, config, np.random.default_rng(seed), rare)


@pytest.fixture
def sample():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 11, (32, 48), np.uint8)
    return Sample('a', rng.integers(0, 256, (32, 48, 3), np.uint8), labels)


@pytest.fixture
def plan():
    """Pixels that say where they are: (row, column, noise that would show a resampling)."""
    rows, columns = np.mgrid[:200, :240].astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, rows.shape, np.uint8)
    return Sample('plan', np.stack([rows, columns, noise], axis=2), rows // 100)


def of_labels(labels):
    """White where the label is 1, black elsewhere."""
    return Sample('mask', np.repeat((labels == 1)[..., None] * np.uint8(255), 3, axis=2), labels)


def test_without_changes_a_view_is_the_frame(sample):
    for seed in range(5):
        rgb, labels = view(sample, STILL, seed)
        assert np.array_equal(rgb, sample.rgb) and np.array_equal(labels, sample.labels)


def test_flip_is_the_mirror(sample):
    rgb, labels = view(sample, still(flip=1.0))
    assert np.array_equal(rgb, sample.rgb[:, ::-1])
    assert np.array_equal(labels, sample.labels[:, ::-1])


def test_flips_their_share(sample):
    mirrored = [
        not np.array_equal(view(sample, still(flip=0.3), seed)[1], sample.labels)
        for seed in range(100)
    ]
    assert 18 <= sum(mirrored) <= 42


@pytest.mark.parametrize('flip', [0.0, 1.0])
def test_unscaled_crop_is_cut_out_pixel_by_pixel(plan, flip):
    tops, lefts = set(), set()
    for seed in range(40):
        rgb, labels = view(plan, still(crop=(50, 61), flip=flip), seed)
        rgb, labels = (rgb[:, ::-1], labels[:, ::-1]) if flip else (rgb, labels)
        top, left = rgb[0, 0, :2]
        assert np.array_equal(rgb, plan.rgb[top : top + 50, left : left + 61])
        assert np.array_equal(labels, plan.labels[top : top + 50, left : left + 61])
        tops.add(int(top))
        lefts.add(int(left))
    assert min(tops) < 25 and max(tops) > 125 and min(lefts) < 30 and max(lefts) > 150


def test_outside_of_the_frame_is_unlabeled(sample):
    rgb, labels = view(sample, still(crop=(64, 48)))
    assert (labels[:16] == 255).all() and (labels[-16:] == 255).all()
    assert np.array_equal(labels[16:48], sample.labels)
    assert (rgb[:16] == (124, 116, 104)).all()


def test_scale_enlarges(sample):
    labels = np.zeros((32, 48), np.uint8)
    labels[12:20, 20:28] = 5
    square = Sample('a', sample.rgb, labels)
    _, seen = view(square, still(crop=(64, 96), scale=(2.0, 2.0)))
    assert (seen[24:40, 40:56] == 5).all() and (seen == 5).sum() == 4 * 64


@pytest.mark.parametrize('changes', [
    {'scale': (2.3, 2.3)}, {'scale': (0.7, 0.7)}, {'rotate_deg': 20.0},
    {'scale': (1.4, 1.4), 'flip': 1.0}, {'scale': (0.3, 0.3)},
    {'scale': (0.21, 0.21), 'rotate_deg': 5.0},
])  # fmt: skip
def test_labels_lie_on_their_pixels(changes):
    # Checks of 16 pixels: half a pixel of shift would put a tenth of the labels on wrong ones.
    rows, columns = np.mgrid[:400, :500] // 16
    mask = of_labels(((rows + columns) % 2).astype(np.uint8))
    for seed in range(4):
        rgb, labels = view(mask, still(crop=(90, 100), **changes), seed)
        sure = (labels < 255) & (np.abs(rgb[..., 0].astype(int) - 127) > 100)
        assert sure.sum() > 3000
        assert np.array_equal(rgb[sure][:, 0] > 127, labels[sure] == 1)
        near = (labels < 255) & ~sure
        assert ((rgb[near][:, 0] > 127) == (labels[near] == 1)).mean() > 0.75


def test_strong_shrinking_averages_all_pixels():
    # Stripes of one pixel: samples without averaging are black or white.
    rgb = np.zeros((128, 160, 3), np.uint8)
    rgb[:, ::2] = 255
    for scale in (0.25, 0.3, 0.45):
        seen, _ = view(Sample('a', rgb, rgb[..., 0]), still(crop=(32, 40), scale=(scale, scale)))
        assert np.abs(seen[4:-4, 4:-4].astype(int) - 127).max() <= 2


def test_halving_is_the_mean_of_four(sample):
    seen, _ = view(sample, still(crop=(16, 24), scale=(0.5, 0.5)))
    fours = sample.rgb.reshape(16, 2, 24, 2, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(seen - fours).max() <= 0.5


def test_rare_crop_keeps_a_small_object_in_view():
    labels = np.zeros((200, 240), np.uint8)
    labels[60:62, 150:152] = 7
    frame = of_labels(labels)
    config = still(crop=(40, 50), scale=(0.8, 2.0), rotate_deg=5.0, flip=0.5, translate=0.2)
    centred = dataclasses.replace(config, rare_crop=1.0)
    found = [(view(frame, centred, seed, rare=(9, 7))[1] == 7) for seed in range(30)]
    for seen in found:
        rows, columns = np.nonzero(seen)
        assert np.abs(rows - 19.5).max() <= 3 and np.abs(columns - 24.5).max() <= 3
    by_chance = [(view(frame, config, seed, rare=(9, 7))[1] == 7).any() for seed in range(30)]
    assert sum(by_chance) <= 10


def test_rare_crop_at_the_border_stays_inside_of_the_frame():
    labels = np.zeros((200, 240), np.uint8)
    labels[:2, -2:] = 7
    _, seen = view(of_labels(labels), still(crop=(40, 50), rare_crop=1.0), rare=(7,))
    assert (seen[:2, -2:] == 7).all() and not (seen == 255).any()


def test_rare_crop_draws_the_classes_evenly_however_large_they_are():
    labels = np.full((200, 240), 4, np.uint8)
    labels[:, :200] = 3
    labels[100, 220] = 5
    config = still(crop=(3, 3), rare_crop=1.0)
    middles = [view(of_labels(labels), config, seed, (3, 5))[1][1, 1] for seed in range(60)]
    assert 18 <= middles.count(5) <= 42 and middles.count(3) == 60 - middles.count(5)


def test_rare_crop_without_a_rare_pixel_is_any_crop(plan):
    tops = {view(plan, still(crop=(50, 60), rare_crop=1.0), s, (8,))[0][0, 0, 0] for s in range(9)}
    assert len(tops) > 5


def test_translation_brings_in_padding_up_to_its_share(plan):
    config = still(crop=(200, 240), translate=0.25)
    above, left = [], []
    for seed in range(60):
        _, labels = view(plan, config, seed)
        above.append(int((labels[:, 120] == 255).sum()))
        left.append(int((labels[100] == 255).sum()))
    assert 40 <= max(above) <= 50 and 48 <= max(left) <= 60
    assert min(above) < 8 and min(left) < 10


def test_rotation_turns_about_the_centre(plan):
    # A line through the middle leaves it at the angle's tangent: tan 10 deg is 0.176.
    labels = np.zeros((201, 201), np.uint8)
    labels[100] = 1
    steepest = 0.0
    for seed in range(30):
        _, seen = view(of_labels(labels), still(crop=(201, 201), rotate_deg=10.0), seed)
        rows = np.flatnonzero(seen[:, 180] == 1)
        assert seen[100, 100] == 1
        steepest = max(steepest, abs(rows.mean() - 100) / 80)
    assert 0.13 < steepest < 0.19


def test_same_generator_same_view_and_the_sample_is_untouched(sample):
    before = sample.rgb.copy(), sample.labels.copy()
    config = TransformConfig(
        crop=(32, 48), blur=1.0, noise=1.0, erase=1.0, bonnet=1.0, rare_crop=0.5
    )
    first, second, other = (view(sample, config, seed, (3,)) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert np.array_equal(sample.rgb, before[0]) and np.array_equal(sample.labels, before[1])


def test_frames_that_must_not_be_written_can_be_read(sample):
    sample.rgb.setflags(write=False)
    sample.labels.setflags(write=False)
    rgb, labels = view(sample, still(erase=1.0, noise=1.0, bonnet=1.0, uneven=1.0))
    assert rgb.flags.writeable and labels.flags.writeable


def test_dark_frames_are_darker(sample):
    rgb, _ = view(sample, still(dark=1.0))
    assert rgb.mean() < 0.8 * sample.rgb.mean()


def test_light_moves_both_ways_within_its_range():
    grey = Sample('a', np.full((32, 48, 3), 100, np.uint8), np.zeros((32, 48), np.uint8))
    levels = [view(grey, still(light=0.3), seed)[0].mean() for seed in range(60)]
    # Gain alone: 100 * exp(+-0.3) is 74 to 135; gamma and contrast add to it.
    assert 40 < min(levels) < 80 and 125 < max(levels) < 200


def test_colour_and_saturation_leave_and_take_grey():
    grey = Sample('a', np.full((32, 48, 3), 100, np.uint8), np.zeros((32, 48), np.uint8))
    tinted = [np.ptp(view(grey, still(colour=0.2), seed)[0][0, 0]) for seed in range(20)]
    assert 10 < max(tinted) <= 41  # 100 * (exp 0.2 - exp -0.2) is 40.3
    assert max(np.ptp(view(grey, still(saturation=0.9), s)[0][0, 0]) for s in range(20)) == 0
    red = Sample('a', np.full((32, 48, 3), (200, 80, 80), np.uint8), grey.labels)
    chroma = [np.ptp(view(red, still(saturation=0.5), s)[0][0, 0].astype(int)) for s in range(40)]
    assert 55 <= min(chroma) < 75 and 140 < max(chroma) <= 157  # 120 times 0.5 to 1.3


def test_noise_is_normal_and_without_bias():
    grey = Sample('a', np.full((64, 64, 3), 128, np.uint8), np.zeros((64, 64), np.uint8))
    config = still(crop=(64, 64), noise=1.0)
    deviations = []
    for seed in range(20):
        noise = view(grey, config, seed)[0].astype(int) - 128
        deviations.append(noise.std())
        assert abs(noise.mean()) < 0.5
        # Of normal noise 68 % is within one deviation, a uniform one has 58 %.
        assert 0.61 < (np.abs(noise) <= noise.std()).mean() < 0.78
    assert 1.9 < min(deviations) < 4 and 10 < max(deviations) < 12.1


def test_blur_smooths_its_share(sample):
    rough = [np.std(view(sample, still(blur=0.5), seed)[0]) for seed in range(40)]
    smoothed = sum(value < 0.97 * np.std(sample.rgb) for value in rough)
    assert 11 <= smoothed <= 29


def test_erased_hole_is_padding_without_labels():
    frame = Sample('a', np.full((100, 200, 3), 9, np.uint8), np.ones((100, 200), np.uint8))
    shares = []
    for seed in range(40):
        rgb, labels = view(frame, still(crop=(100, 200), erase=1.0), seed)
        hole = labels == 255
        rows, columns = np.nonzero(hole)
        assert hole.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        assert (rgb[hole] == (124, 116, 104)).all() and (rgb[~hole] == 9).all()
        shares.append(hole.mean())
    assert 0.019 < min(shares) < 0.04 and 0.08 < max(shares) < 0.105
    erased = [(view(frame, still(erase=0.3), seed)[1] == 255).any() for seed in range(100)]
    assert 18 <= sum(erased) <= 42


def test_bonnet_hides_the_lower_end():
    ramp = np.repeat(np.arange(100, dtype=np.uint8)[:, None, None], 200, 1) + np.uint8(
        [0, 60, 120]
    )
    frame = Sample('a', ramp, np.ones((100, 200), np.uint8))
    heights = []
    for seed in range(60):
        rgb, labels = view(frame, still(crop=(100, 200), bonnet=1.0), seed)
        hidden = labels == 255
        tall = hidden.sum(axis=0)  # in each column, and all of it at the lower end
        assert all(hidden[100 - count :, x].all() for x, count in enumerate(tall))
        clear = ~hidden
        clear[:-1] &= ~hidden[1:]  # the edge takes a share of the pixel above
        clear[-1] = False
        assert np.array_equal(rgb[clear], ramp[clear])
        heights.append(tall.max())
    assert 1 <= min(heights) <= 6 and 40 <= max(heights) <= 60  # of 100: up to the middle
    painted = [(view(frame, still(bonnet=0.3), s)[1] == 255).any() for s in range(100)]
    assert 18 <= sum(painted) <= 42


def test_uneven_light_is_smooth_and_moves_no_label():
    rgb = np.full((96, 128, 3), (40, 60, 80), np.uint8)
    frame = Sample('a', rgb, np.ones((96, 128), np.uint8))
    spans = []
    for seed in range(40):
        shaded, labels = view(frame, still(crop=(96, 128), uneven=1.0), seed)
        assert (labels == 1).all()
        inside = shaded.max(axis=2) < 255
        gains = shaded / rgb
        assert (
            np.ptp(gains[inside], axis=1).max() < 0.03
        )  # grey light: one factor for all channels
        steps = [np.abs(np.diff(gains[..., 1], axis=axis)).max() for axis in (0, 1)]
        assert max(steps) < 0.6
        spans.append(np.ptp(gains[..., 1]))
    assert min(spans) < 0.9 and max(spans) > 1.6
    shaded = [
        np.ptp(view(frame, still(crop=(96, 128), uneven=0.3), s)[0][..., 1]) for s in range(100)
    ]
    assert 18 <= np.count_nonzero(shaded) <= 42


def test_normalise_is_imagenets():
    rgb = torch.tensor([[[[124, 116, 104], [255, 0, 0]]]], dtype=torch.uint8)
    image = normalise(rgb)
    assert image.shape == (1, 3, 1, 2)
    expected = [[0.00557, 2.24891], [-0.00490, -2.03571], [0.00819, -1.80444]]
    assert image[0, :, 0].tolist() == [pytest.approx(row, abs=1e-4) for row in expected]


def test_normalise_stays_on_the_device_of_the_image():
    rgb = torch.empty(2, 4, 6, 3, dtype=torch.uint8, device='meta')
    image = normalise(rgb)
    assert (image.device.type, tuple(image.shape)) == ('meta', (2, 3, 4, 6))


def test_a_hood_has_the_label_of_the_own_vehicle():
    frame = Sample('a', np.full((100, 200, 3), 90, np.uint8), np.zeros((100, 200), np.uint8))
    config = still(crop=(100, 200), bonnet=1.0)
    _, labels = augment(frame, config, np.random.default_rng(0), (), 14)
    assert set(np.unique(labels)) == {0, 14} and (labels[-1] == 14).any()


@pytest.mark.parametrize('change', [add_night, add_glare, add_rain, blur_along, compress])
def test_weather_changes_the_image_alone_and_the_same_way_again(change, sample):
    before = sample.rgb.copy()
    first, again = (change(sample.rgb, np.random.default_rng(3)) for _ in range(2))
    assert first.shape == before.shape and first.dtype == np.uint8
    assert (first == again).all() and (first != before).any() and (sample.rgb == before).all()


def test_glare_brightens_and_motion_keeps_the_mean():
    grey = np.full((80, 120, 3), 100, np.uint8)
    grey[40:] = 60
    assert (add_glare(grey, np.random.default_rng(0)) >= grey).all()
    moved = blur_along(grey, np.random.default_rng(0))
    assert abs(float(moved.mean()) - grey.mean()) < 2


@pytest.mark.parametrize('name', ['night', 'glare', 'rain', 'motion', 'jpeg'])
def test_weather_leaves_labels(name, sample):
    rgb, labels = view(sample, still(**{name: 1.0}), seed=5)
    assert (labels == sample.labels).all() and (rgb != sample.rgb).any()


def test_a_border_is_dark_and_ignored():
    frame = Sample('a', np.full((100, 200, 3), 200, np.uint8), np.zeros((100, 200), np.uint8))
    views = [view(frame, still(crop=(100, 200), border=1.0), seed) for seed in range(8)]
    assert any((labels == 255).any() for _, labels in views)
    for rgb, labels in views:
        assert (rgb[labels == 255] < 12).all() and (rgb[labels == 0] == 200).all()
