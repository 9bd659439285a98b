# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from itertools import pairwise
from math import isfinite, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_perception.core.errors import ParameterError
from seg_perception.core.hazards import words
from seg_perception.core.results import UNKNOWN_RISK, Hazard, RiskFactor, RiskLevel, SafetyRisk
from seg_perception.core.risk import combine
from seg_perception.core.risk_filter import RiskFilter
from seg_perception.core.risk_params import RiskParams, TimeParams

PARAMS = RiskParams()
WEIGHTS = {
    'road_visibility': 0.85,
    'vulnerable_road_users': 1.0,
    'vehicles': 0.85,
    'obstacles': 0.9,
    'clear_path': 0.85,
    'lane_clarity': 0.4,
    'perception_trust': 0.7,
}
DT = 0.05
LEVELS = RiskLevel


def person(risk, zone=0, distance_m=nan):
    return Hazard('vulnerable_road_users', zone, risk, 0.9, distance_m, 'pedestrian')


def car(distance_m, width_px=None):
    proximity, width_px = min(1.0, 4.5 / distance_m), width_px or 900 / distance_m
    return Hazard('vehicles', 0, proximity, proximity, distance_m, 'car', width_px, 1.0)


def frame(*hazards, speed_mps=nan, **others):
    """A raw risk with these hazards, and other factors by name."""
    factors = []
    for name, weight in WEIGHTS.items():
        mine = [hazard for hazard in hazards if hazard.factor == name]
        worst = max(mine, key=lambda hazard: hazard.risk, default=None)
        risk = worst.risk if worst else others.get(name, 0.0)
        factors.append(RiskFactor(name, risk, weight, words(worst) if worst else 'fine'))
    return combine(tuple(factors), PARAMS, hazards=hazards, suggested_speed_mps=speed_mps)


def run(frames, memory=None, dt=DT, start=10.0):
    memory = memory or RiskFilter(PARAMS)
    return [memory.update(raw, start + i * dt) for i, raw in enumerate(frames)]


def factor(risk, name):
    return next(each for each in risk.factors if each.name == name)


CALM, DANGER = frame(), frame(person(1.0))


def test_rises_in_the_very_frame():
    levels = [risk.level for risk in run([CALM, CALM, DANGER])]
    assert levels == [LEVELS.LOW, LEVELS.LOW, LEVELS.CRITICAL]


def test_the_first_frame_is_taken_as_it_is():
    risk = run([DANGER])[0]
    assert (risk.score, risk.level, risk.factors) == (0.0, LEVELS.CRITICAL, DANGER.factors)


def test_falls_slowly_and_is_low_within_three_seconds():
    risks = run([DANGER] * 40 + [CALM] * 60)
    after = risks[40:]
    assert after[9].level is LEVELS.CRITICAL  # held for half a second
    scores = [risk.score for risk in after]
    assert scores == sorted(scores)
    assert max(b - a for a, b in pairwise(scores)) < 4.0
    # 0.5 s held, then 0.5 a second down from 1 to 0.2: 2.1 s, a little less for the spread.
    low = next(i for i, risk in enumerate(after) if risk.level is LEVELS.LOW)
    assert 1.9 <= low * DT <= 2.15
    assert after[-1].score == 100.0


def test_what_is_no_longer_seen_says_so():
    risks = run([DANGER] * 20 + [CALM] * 8)
    said = [factor(risk, 'vulnerable_road_users').reason for risk in risks]
    assert said[19] == 'pedestrian near in the ego corridor'
    assert said[25] == 'pedestrian near in the ego corridor, 0.3 s ago'


def test_levels_end_below_where_they_begin():
    """MODERATE begins at 0.25 and ends below 0.2."""
    params = replace(PARAMS, spread=0.0, time=TimeParams(hold_s=0.0))
    memory = RiskFilter(params)
    risks = [0.26, 0.24, 0.21, 0.19, 0.24, 0.26]
    raws = [combine(frame(person(risk)).factors, params) for risk in risks]
    levels = [memory.update(raw, 0.5 * i).level.name for i, raw in enumerate(raws)]
    assert levels == ['MODERATE', 'MODERATE', 'MODERATE', 'LOW', 'LOW', 'MODERATE']


def test_a_blip_is_forgotten_at_once():
    levels = [risk.level.name for risk in run([CALM] * 5 + [DANGER] + [CALM] * 6)]
    assert levels[5:8] == ['CRITICAL', 'CRITICAL', 'CRITICAL']
    assert levels[10:] == ['LOW', 'LOW']


def test_a_place_that_flickered_has_to_show_its_hazard_twice():
    again = [CALM] * 9 + [DANGER]
    risks = run([CALM] * 5 + [DANGER] + again * 3)
    critical = [i for i, risk in enumerate(risks) if risk.level is LEVELS.CRITICAL]
    assert critical == [5, 6, 7]
    assert factor(risks[15], 'vulnerable_road_users').reason.endswith(', unconfirmed')


def test_a_flickering_place_says_what_it_remembers():
    risks = run([frame(person(1.0)), CALM, frame(person(1.0)), CALM])
    assert factor(risks[-1], 'vulnerable_road_users').reason.startswith('pedestrian near')


def test_a_flickering_place_costs_a_real_hazard_one_frame():
    risks = run([CALM] * 5 + [DANGER] + [CALM] * 10 + [DANGER] * 3)
    assert [risk.level.name for risk in risks[16:]] == ['LOW', 'CRITICAL', 'CRITICAL']


def test_a_flickering_place_costs_other_places_nothing():
    risks = run([CALM] * 5 + [DANGER] + [CALM] * 10 + [frame(car(4.0))])
    assert risks[-1].level is LEVELS.CRITICAL


def test_a_hazard_seen_in_every_other_frame_stays():
    risks = run([CALM] * 5 + [DANGER, CALM] * 20)
    assert {risk.level for risk in risks[5:]} == {LEVELS.CRITICAL}


@pytest.mark.parametrize('gap_s', [-0.1, 1.1, nan])
def test_a_jump_of_the_stamps_starts_anew(gap_s):
    memory = RiskFilter(PARAMS)
    run([DANGER] * 20, memory)
    after = memory.update(CALM, 10.0 + 19 * DT + gap_s)
    assert (after.level, after.score) == (LEVELS.LOW, 100.0)


def test_another_camera_starts_anew():
    memory = RiskFilter(PARAMS)
    memory.update(DANGER, 1.0, 'front')
    assert memory.update(CALM, 1.05, 'rear').level is LEVELS.LOW


def test_an_unknown_risk_passes_and_is_forgotten():
    memory = RiskFilter(PARAMS)
    run([DANGER] * 20, memory)
    assert memory.update(UNKNOWN_RISK, 11.0) is UNKNOWN_RISK
    assert memory.update(CALM, 11.05).level is LEVELS.LOW


def test_the_same_stamp_twice_changes_nothing():
    memory = RiskFilter(PARAMS)
    before = run([DANGER] * 20 + [CALM] * 20, memory)[-1]
    assert memory.update(CALM, 10.0 + 39 * DT).score == before.score


def test_time_to_contact_of_a_car_that_comes_nearer():
    """8 m/s from 40 m; 2 m are kept free: (d - 2) / 8."""
    risks = run([frame(car(40 - 8 * i * DT)) for i in range(60)])
    assert isnan(risks[2].time_to_contact_s)
    for i in (30, 40, 59):
        assert risks[i].time_to_contact_s == pytest.approx((38 - 8 * i * DT) / 8, abs=0.01)
    reason = factor(risks[39], 'vehicles').reason
    assert reason == 'car 24.4 m ahead in the ego corridor, contact in 2.8 s'
    assert risks[59].level is LEVELS.CRITICAL and risks[59].score < frame(car(16.4)).score


def test_time_to_contact_needs_no_metres():
    """One nearest distance of 4.5 m a second, from five of them."""
    raws = []
    for i in range(40):
        far = 5 - i * DT
        raws.append(frame(Hazard('vehicles', 0, 0.3, 1 / far, nan, 'car', 90 / far, 1.0)))
    expected_s = 5 - 39 * DT
    assert run(raws)[-1].time_to_contact_s == pytest.approx(expected_s, abs=0.01)


def test_what_keeps_its_distance_has_no_time_to_contact():
    assert all(isnan(risk.time_to_contact_s) for risk in run([frame(car(12.0))] * 30))


def test_what_stands_beside_has_no_time_to_contact():
    raws = [frame(replace(car(40 - 8 * i * DT), zone=1)) for i in range(40)]
    assert all(isnan(risk.time_to_contact_s) for risk in run(raws))


def test_what_seems_to_come_nearer_but_does_not_grow_has_no_time_to_contact():
    """A camera that nods."""
    raws = [frame(car(40 - 8 * i * DT, width_px=40.0)) for i in range(40)]
    assert all(isnan(risk.time_to_contact_s) for risk in run(raws))


def test_what_grows_by_entering_the_corridor_has_no_time_to_contact():
    raws = [frame(car(12.0, width_px=20.0 + 4 * i)) for i in range(20)]
    assert all(isnan(risk.time_to_contact_s) for risk in run(raws))


def test_what_a_swinging_path_meets_has_no_time_to_contact():
    """As what steadily comes nearer has, on a path that stays."""
    raws = [frame(car(22 - 8 * i * DT)) for i in range(20)]
    swinging, steady = RiskFilter(), RiskFilter()
    for i, raw in enumerate(raws):
        met = swinging.update(raw, i * DT, curvature_per_m=0.0005 * i)
        ahead = steady.update(raw, i * DT, curvature_per_m=0.01)
    assert isnan(met.time_to_contact_s) and isfinite(ahead.time_to_contact_s)


def test_what_enters_the_corridor_while_it_comes_nearer_is_no_sooner_there():
    """It doubles its width in half a second; what a nod may hide of the way is a tenth of it."""
    raws = [frame(car(22 - 10 * i * DT, width_px=30.0 * 1.07**i)) for i in range(20)]
    assert run(raws)[-1].time_to_contact_s >= 0.9 * (20 - 10 * 19 * DT) / 10


@pytest.mark.parametrize(('centred', 'is_contact'), [(0.1, False), (0.3, True)])
def test_what_slides_along_the_edge_is_no_contact(centred, is_contact):
    raws = [frame(replace(car(24 - 8 * i * DT), centred=centred)) for i in range(40)]
    assert isfinite(run(raws)[-1].time_to_contact_s) is is_contact


@pytest.mark.parametrize(
    ('factor', 'centred', 'is_contact'),
    [('vehicles', 0.5, False), ('vehicles', 0.7, True), ('obstacles', 1.0, False)],
)
def test_what_is_far_where_the_road_may_bend_is_no_contact(factor, centred, is_contact):
    """From 34 m to 20 m."""
    things = [replace(car(34 - 8 * i * DT), factor=factor, centred=centred) for i in range(36)]
    assert isfinite(run([frame(each) for each in things])[-1].time_to_contact_s) is is_contact


@pytest.mark.parametrize(('from_m', 'after_s'), [(12.0, 0.2), (30.0, 0.55)])
def test_what_is_far_has_to_be_seen_longer(from_m, after_s):
    risks = run([frame(car(from_m - 8 * i * DT)) for i in range(20)])
    first = next(i for i, risk in enumerate(risks) if isfinite(risk.time_to_contact_s))
    assert first * DT == pytest.approx(after_s, abs=DT / 2)


def test_wrong_distances_of_single_frames_do_not_count():
    raws = [frame(car((30 - 8 * i * DT) * (1.1 if i % 7 == 3 else 1.0))) for i in range(30)]
    assert run(raws)[-1].time_to_contact_s == pytest.approx((28 - 8 * 29 * DT) / 8, rel=0.15)


def test_another_thing_at_another_distance_starts_a_new_track():
    raws = [frame(car(30 - 8 * i * DT)) for i in range(20)] + [frame(car(10.0))]
    assert isnan(run(raws)[-1].time_to_contact_s)


def test_suggested_speed_falls_at_once_and_rises_as_a_vehicle_does():
    raws = [frame(speed_mps=speed) for speed in (12.0, 5.0, 12.0, 12.0, nan, 12.0)]
    speeds = [risk.suggested_speed_mps for risk in run(raws, dt=1.0)]
    assert speeds[:4] == [12.0, 5.0, 6.5, 8.0]
    assert isnan(speeds[4]) and speeds[5] == 12.0


def test_a_factor_without_a_class_keeps_its_risk():
    raw = frame(vehicles=0.3)
    assert factor(run([raw] * 3)[-1], 'vehicles').risk == 0.3


RISKS = st.lists(st.tuples(st.floats(0, 1), st.integers(-2, 2)), max_size=3)
DELAYS = st.one_of(st.floats(0, 2), st.sampled_from([-1.0, nan, 1e9]))


@given(st.lists(st.tuples(RISKS, st.floats(0, 1), DELAYS), max_size=30))
def test_any_stream_has_an_answer(stream):
    memory, stamp = RiskFilter(PARAMS), 0.0
    for hazards, trust, delay in stream:
        stamp += delay
        places = {zone: person(risk, zone) for risk, zone in hazards}
        raw = frame(*places.values(), perception_trust=trust)
        risk = memory.update(raw, stamp)
        assert isinstance(risk, SafetyRisk) and 0.0 <= risk.score <= 100.0
        assert all(0.0 <= each.risk <= 1.0 for each in risk.factors)
        assert [each.name for each in risk.factors] == list(WEIGHTS)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_what_stays_for_two_frames_is_never_hidden(risks):
    """Every risk of this frame and the last is in the answer, whatever came before."""
    memory, last = RiskFilter(PARAMS), 0.0
    for i, risk in enumerate(risks):
        told = memory.update(frame(person(risk)), i * DT)
        assert factor(told, 'vulnerable_road_users').risk >= min(risk, last) - 1e-12
        last = risk


def test_same_stream_same_answers():
    frames = [CALM, DANGER, CALM, frame(car(9.0)), CALM] * 5
    assert [r.score for r in run(frames)] == [r.score for r in run(frames)]


def test_ranges():
    message = r'risk time contact_from_s: got 1\.0, expected above contact_full_s, 1\.5'
    with pytest.raises(ParameterError, match=message):
        TimeParams(contact_from_s=1.0)
    with pytest.raises(ParameterError, match=r'risk time gap_s: got 0, expected 0\.05 to 60'):
        TimeParams(gap_s=0)
