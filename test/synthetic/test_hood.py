# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from seg_perception.core.classes import UNLABELED
from seg_perception.synthetic.hood import Hood, random_hood
from seg_perception.synthetic.street import Street

SIZE = (240, 320)
HOOD = Hood(0.2, centre=0.5, reach=0.5, paint=(200, 20, 20), mirror=0.0)


def test_the_edge_is_an_arc_in_shares_of_the_image() -> None:
    edge = HOOD.edge(SIZE)
    assert edge.shape == (320,)
    assert edge.min() == pytest.approx(0.8 * 240, abs=0.1)
    assert edge[[0, -1]] == pytest.approx(240, abs=1)
    assert np.allclose(edge, edge[::-1])


def test_a_hood_covers_its_mask_and_nothing_else() -> None:
    plain, seen = Street(3, SIZE).frame(5), Street(3, SIZE, hood=HOOD).frame(5)
    ego = np.arange(240)[:, None] + 0.5 > HOOD.edge(SIZE)
    assert np.array_equal(seen.ego_mask, ego * np.uint8(255))
    assert not plain.ego_mask.any()
    assert (seen.labels[ego] == UNLABELED).all()
    assert np.array_equal(seen.labels[~ego], plain.labels[~ego])
    assert (np.abs(seen.depth_m[ego] - 1.5) < 1e-3).all()
    red, _, blue = seen.rgb[236, 160].astype(int)
    assert red > 3 * blue
    assert np.array_equal(seen.rgb[:180], plain.rgb[:180])


def test_a_mirror_shows_the_scene_above_it_upside_down() -> None:
    mirror = Hood(0.4, reach=2.0, power=8.0, paint=(0, 0, 0), mirror=1.0, zoom=1.0)
    rgb = cv2.blur(Street(4, SIZE, hood=mirror).frame(5).rgb, (5, 5)).astype(float)
    edge = round(float(mirror.edge(SIZE)[160]))
    above, below = rgb[edge - 60 : edge - 5, 80:240], rgb[edge + 5 : edge + 60, 80:240]
    upside_down, upright = (
        np.corrcoef(part.ravel(), below.ravel())[0, 1] for part in (above[::-1], above)
    )
    assert upside_down > 0.6 and upright < 0.2


@pytest.mark.parametrize('seed', range(8))
def test_random_hoods_repeat_and_stay_in_the_lower_part(seed: int) -> None:
    hood = random_hood(np.random.default_rng(seed))
    assert hood == random_hood(np.random.default_rng(seed))
    assert hood.edge(SIZE).min() > 0.55 * 240
    assert (hood.edge(SIZE) < 236).any()
