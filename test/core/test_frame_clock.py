# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Times of frames from stamps that move, stand still, or do both."""

from collections.abc import Sequence

import pytest

from seg_perception.core.frame_clock import FrameClock

MS, S = 1_000_000, 1_000_000_000
EPOCH = 1_700_000_000 * S
ARRIVALS = [EPOCH + i * 250 * MS for i in range(13)]  # four a second for three seconds


def times(stamps: Sequence[int], clock: FrameClock | None = None) -> list[int]:
    clock = clock or FrameClock()
    return [clock.time_ns(*row) for row in zip(stamps, ARRIVALS, strict=True)]


def test_stamps_that_move_are_the_times() -> None:
    for offset in (-EPOCH + S, -40 * MS, 3600 * S):  # simulated, late, of another clock
        clock, stamps = FrameClock(), [at + offset for at in ARRIVALS]
        assert times(stamps, clock) == stamps
        assert not clock.stands


def test_stamps_of_a_slow_replay_move() -> None:
    stamps = [S + i * 10 * MS for i in range(13)]  # a recording at a twenty-fifth of its pace
    assert times(stamps) == stamps


def test_zero_is_no_stamp() -> None:
    clock = FrameClock()
    assert times([0] * 13, clock) == ARRIVALS
    assert clock.stands


@pytest.mark.parametrize('step', [0, 1, MS])
def test_stamps_that_never_move_give_way_to_arrivals(step: int) -> None:
    clock = FrameClock()
    found = times([1000 * S + i * step for i in range(13)], clock)
    assert found[2:] == ARRIVALS[2:]
    assert clock.stands


def test_stamps_that_stop_go_on_with_the_arrivals() -> None:
    stamps = [at - 40 * MS for at in ARRIVALS[:5]]
    stamps += [stamps[-1]] * 8
    found = times(stamps)
    assert found[:6] == stamps[:6]
    assert found[6:] == [at - 40 * MS for at in ARRIVALS[6:]]


def test_stamps_that_move_again_are_the_times_again() -> None:
    stamps = [0, *[S] * 6, *(at - 40 * MS for at in ARRIVALS[7:])]
    clock = FrameClock()
    assert times(stamps, clock)[7:] == stamps[7:]
    assert not clock.stands


def test_coarse_and_repeated_stamps_never_run_back() -> None:
    for grain in (S, 500 * MS):
        stamps = [at // grain * grain for at in ARRIVALS]
        found = times(stamps)
        assert found == sorted(found)
        assert all(0 <= at - time <= S for at, time in zip(ARRIVALS, found, strict=True))


def test_one_stamp_among_frames_without_is_no_jump_of_the_others() -> None:
    stamps = [*ARRIVALS[:4], 0, 0, *ARRIVALS[6:]]
    assert times(stamps) == ARRIVALS


def test_stamps_that_run_back_are_told() -> None:
    stamps = [at - (10 * S if i >= 5 else 0) for i, at in enumerate(ARRIVALS)]
    assert times(stamps) == stamps
