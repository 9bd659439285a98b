# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Bag time against steady time, with literal times in nanoseconds."""

from seg_perception.replay.timeline import Timeline


def test_rate_stretches_what_is_due() -> None:
    timeline = Timeline(rate=0.5)
    timeline.set(bag_ns=1000, steady_ns=70)
    assert timeline.due_ns(1000) == 70
    assert timeline.due_ns(1300) == 670
    assert timeline.bag_ns(670) == 1300


def test_a_pause_moves_what_is_due() -> None:
    timeline = Timeline(rate=2.0)
    timeline.set(bag_ns=0, steady_ns=0)
    timeline.pause(steady_ns=100)
    assert timeline.is_paused
    assert timeline.bag_ns(100) == timeline.bag_ns(999) == 200
    timeline.resume(steady_ns=1000)
    assert not timeline.is_paused
    assert timeline.due_ns(200) == 1000
    assert timeline.due_ns(400) == 1100
    assert timeline.bag_ns(1100) == 400


def test_a_step_moves_where_a_pause_stands() -> None:
    timeline = Timeline(rate=1.0)
    timeline.set(bag_ns=0, steady_ns=0)
    timeline.pause(steady_ns=50)
    timeline.set(bag_ns=80, steady_ns=60)
    assert timeline.is_paused
    assert timeline.bag_ns(500) == 80


def test_no_rounding_adds_up_over_a_day() -> None:
    timeline = Timeline(rate=3.0)
    start_ns = 1_700_000_000_000_000_000
    timeline.set(start_ns, 5)
    assert timeline.due_ns(start_ns + 86_400_000_000_000) == 5 + 28_800_000_000_000
