# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Widths of the synthetic street: lanes, parking, kerbs, verges and pavements."""

from __future__ import annotations

from dataclasses import dataclass

from seg_perception.synthetic.textures import Rng

BLOCK_M = 64.0  # the street repeats its ground after this length
HALF_WIDTH_M = 16.0  # of the painted ground; its edge goes on outwards
TEXEL_M = 0.04  # every width is a multiple of it, so the ground's labels are exact


@dataclass(frozen=True)
class Profile:
    """Widths across the road in metres; multiples of ``TEXEL_M``."""

    lane_m: float
    lanes: int  # in each direction
    parking_m: tuple[float, float]  # left, right
    pavement_m: tuple[float, float]
    verge_m: tuple[float, float]  # grass between kerb and pavement
    drives_left: bool
    junction_m: tuple[float, float] | None  # along the block, where a side road crosses
    crossing_m: tuple[float, float] | None  # where people cross

    def kerb_m(self, side: int) -> float:
        """Distance of the kerb from the road's centre line, side 0 left or 1 right."""
        return self.lane_m * self.lanes + self.parking_m[side]

    def front_m(self, side: int) -> float:
        """Distance of the back of the pavement from the road's centre line."""
        return self.kerb_m(side) + self.verge_m[side] + self.pavement_m[side]

    def lane_centre_m(self, lane: int, forward: bool = True) -> float:
        """Offset to the left of the centre line; lane 0 is the one next to the centre line."""
        offset = self.lane_m * (lane + 0.5)
        return offset if forward == self.drives_left else -offset


def snap(value_m: float) -> float:
    """The nearest multiple of two texels."""
    return round(value_m / (2 * TEXEL_M)) * 2 * TEXEL_M


def random_profile(rng: Rng) -> Profile:
    """A typical town road."""
    lane = snap(rng.uniform(2.9, 3.7))
    lanes = 2 if rng.random() < 0.25 else 1
    parking = [snap(2.16) if rng.random() < 0.55 else snap(rng.uniform(0.1, 0.6)) for _ in '12']
    pavement = [snap(rng.uniform(1.6, 4.2)) for _ in '12']
    verge = [snap(rng.uniform(0.8, 2.6)) if rng.random() < 0.3 else 0.0 for _ in '12']
    start = snap(rng.uniform(34, 46))
    junction = (start, start + snap(rng.uniform(6, 9))) if rng.random() < 0.6 else None
    crossing = (start - snap(5.0), start - snap(1.8)) if rng.random() < 0.6 else None
    return Profile(
        lane, lanes, (parking[0], parking[1]), (pavement[0], pavement[1]), (verge[0], verge[1]),
        bool(rng.random() < 0.5), junction, crossing,
    )  # fmt: skip
