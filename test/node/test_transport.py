# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped transport settings: what they set, and that big images arrive with them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from seg_perception.node.transport import profile_path, transport_env
from seg_perception.tools.dds_check import Stream, measure_arrival, shipped_environ

MALLOC = {'MALLOC_MMAP_THRESHOLD_': '268435456', 'MALLOC_TRIM_THRESHOLD_': '1073741824'}


def test_sets_profile_and_malloc() -> None:
    env = transport_env({})
    assert env == MALLOC | {'FASTDDS_DEFAULT_PROFILES_FILE': str(profile_path())}
    assert profile_path().is_file()


def test_humble_knows_the_old_name_alone() -> None:
    env = transport_env({'ROS_DISTRO': 'humble'})
    assert env == MALLOC | {'FASTRTPS_DEFAULT_PROFILES_FILE': str(profile_path())}


def test_what_the_user_has_set_stays() -> None:
    assert transport_env({'FASTDDS_DEFAULT_PROFILES_FILE': 'mine.xml'}) == MALLOC
    assert transport_env({'FASTRTPS_DEFAULT_PROFILES_FILE': 'mine.xml'}) == MALLOC
    assert transport_env({'FASTDDS_BUILTIN_TRANSPORTS': 'LARGE_DATA'}) == MALLOC
    env = transport_env({'MALLOC_TRIM_THRESHOLD_': '1'})
    assert set(env) == {'MALLOC_MMAP_THRESHOLD_', 'FASTDDS_DEFAULT_PROFILES_FILE'}


def test_nothing_is_left_to_set_in_its_own_environment() -> None:
    assert transport_env(transport_env({})) == {}


def test_profile_holds_several_images_and_keeps_udp() -> None:
    root = ElementTree.parse(profile_path()).getroot()
    values = {element.tag.rpartition('}')[2]: element.text for element in root.iter()}
    types = [element.text for element in root.iter() if element.tag.endswith('}type')]
    assert types == ['SHM', 'UDPv4']
    assert int(values['segment_size']) >= 16 * 2**20
    assert values['useBuiltinTransports'] == 'false'


def test_720p_images_arrive_best_effort() -> None:
    # Stock Fast DDS loses most of them; a loaded machine may cost one or two here.
    arrival = measure_arrival(Stream(frames=40, rate_hz=20.0), shipped_environ())
    assert arrival.sent == 40
    assert arrival.arrived >= 38
