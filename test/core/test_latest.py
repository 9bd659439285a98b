# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import threading
import time
from collections import Counter

from seg_perception.core.latest import FairLatest


def test_newest_wins_and_the_loss_is_told():
    slot = FairLatest()
    assert slot.put('front', 1) is False
    assert slot.put('front', 2) is True
    assert slot.take(0) == ('front', 2)
    assert slot.put('front', 3) is False


def test_empty_gives_none_after_the_timeout():
    started = time.monotonic()
    assert FairLatest().take(0.05) is None
    assert time.monotonic() - started >= 0.05


def test_falsy_items_are_items():
    slot = FairLatest()
    slot.put('front', 0)
    assert slot.take(0) == ('front', 0)


def test_take_wakes_on_put():
    slot, taken = FairLatest(), []
    reader = threading.Thread(target=lambda: taken.append(slot.take(10)))
    reader.start()
    slot.put('front', 'frame')
    reader.join(5)
    assert taken == [('front', 'frame')]


def test_close_wakes_readers_and_loses_what_comes_later():
    slot, taken = FairLatest(), []
    readers = [threading.Thread(target=lambda: taken.append(slot.take())) for _ in range(3)]
    for reader in readers:
        reader.start()
    slot.close()
    for reader in readers:
        reader.join(5)
    assert taken == [None, None, None]
    assert slot.closed
    assert slot.put('front', 1) is True
    assert slot.take(0) is None


def test_close_discards_what_is_unread():
    slot = FairLatest()
    slot.put('front', 1)
    slot.close()
    assert slot.take(0) is None


def test_keys_take_turns():
    slots = FairLatest()
    for key in 'abc':
        slots.put(key, 1)
    slots.put('a', 2)
    assert slots.take(0) == ('a', 2)
    slots.put('a', 3)
    assert [slots.take(0) for _ in range(4)] == [('b', 1), ('c', 1), ('a', 3), None]


def test_a_loss_is_counted_for_its_own_key_only():
    slots = FairLatest()
    assert [slots.put(key, 0) for key in 'aabab'] == [False, True, False, True, True]


def test_fast_camera_does_not_starve_slow_ones():
    slots = FairLatest()
    served = Counter()
    for step in range(300):
        slots.put('fast', step)
        if step % 3 == 0:
            slots.put('slow', step)
            slots.put('slower', step)
        served[slots.take(0)[0]] += 1
    assert served == {'fast': 100, 'slow': 100, 'slower': 100}


def test_stress_nothing_is_lost_uncounted_or_out_of_order():
    """Every item put is taken or counted as a drop, in order for each key, with real threads."""
    slots, keys, per_key = FairLatest(), range(4), 3000
    drops, taken = Counter(), {key: [] for key in keys}
    lock = threading.Lock()

    def write(key):
        lost = sum(slots.put(key, item) for item in range(per_key))
        with lock:
            drops[key] += lost

    def read():
        while (got := slots.take(0.5)) is not None:
            key, item = got
            taken[key].append(item)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(key,)) for key in keys]
    for thread in (reader, *writers):
        thread.start()
    for thread in (*writers, reader):
        thread.join(30)
    for key in keys:
        assert len(taken[key]) + drops[key] == per_key
        assert taken[key] == sorted(set(taken[key]))
        assert taken[key][-1] == per_key - 1


def test_stress_many_readers_take_each_item_once():
    slot, taken, lock, drops = FairLatest(), [], threading.Lock(), []

    def read():
        while (item := slot.take(0.5)) is not None:
            with lock:
                taken.append(item[1])

    def write():
        drops.append(sum(slot.put('front', item) for item in range(1, 5001)))

    threads = [threading.Thread(target=read) for _ in range(3)]
    threads.append(threading.Thread(target=write))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(taken) == len(set(taken)) == 5000 - drops[0]
    assert 5000 in taken
