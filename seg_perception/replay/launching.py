# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Processes of replay.launch.py: the bag player, with the settings for big images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from launch import LaunchDescriptionEntity
from launch.actions import ExecuteProcess, RegisterEventHandler
from launch.event_handlers import OnProcessExit

from seg_perception.node.launching import shutdown
from seg_perception.node.transport import transport_env
from seg_perception.options import ReplayOptions
from seg_perception.replay.bag_launching import OURS, choose_player, player_command, waiter_command


def bag_player(player: str, playing: ReplayOptions, topic: str) -> list[LaunchDescriptionEntity]:
    """
    What plays a bag, once someone listens to a topic; the launch ends with it.

    :param player: ours, ros2bag or auto.
    """
    chosen = choose_player(player, playing)
    play = _process(player_command(chosen, playing), on_exit=shutdown('replay'))
    if chosen == OURS:  # which waits by itself
        return [play]
    wait = _process(waiter_command(topic))
    return [wait, RegisterEventHandler(OnProcessExit(target_action=wait, on_exit=[play]))]


def _process(command: Sequence[str], **options: Any) -> ExecuteProcess:
    return ExecuteProcess(
        cmd=list(command), output='screen', additional_env=transport_env(), **options
    )
