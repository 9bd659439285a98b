# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
from builtin_interfaces.msg import Time

from seg_perception.node.callbacks import guarded, stamp_ns, stamp_seconds


@pytest.mark.parametrize(
    ('sec', 'nanosec', 'expected'),
    [
        (0, 0, 0),
        (12, 5, 12_000_000_005),
        (-5, 250_000_000, -4_750_000_000),
        (-(2**31), 0, -2_147_483_648_000_000_000),
        (2**31 - 1, 2**32 - 1, 2_147_483_651_294_967_295),
    ],
)
def test_stamps_hold_what_the_message_can(sec: int, nanosec: int, expected: int) -> None:
    stamp = Time(sec=sec, nanosec=nanosec)
    assert stamp_ns(stamp) == expected
    assert stamp_seconds(stamp) == pytest.approx(expected / 1e9)


def test_an_error_is_passed_on_and_the_next_message_works() -> None:
    taken, errors = [], []

    def take(number: int) -> None:
        taken.append(10 // number)

    callback = guarded(take, errors.append)
    for number in (5, 0, 2):
        callback(number)
    assert taken == [2, 5]
    assert [type(error) for error in errors] == [ZeroDivisionError]
