# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The grid of the ground as a latched topic that never keeps an old answer."""

from __future__ import annotations

from typing import Any

from std_msgs.msg import Header

from seg_perception.core.grid import unknown_grid
from seg_perception.core.results import Grid
from seg_perception.node.ground_msgs import grid_to_msg
from seg_perception.node.parameters import NodeParams


class GridPublisher:
    """
    A grid that is offered transient local, as Nav2's static layer asks for.

    Its readers keep the last message for as long as no other comes, so a grid that holds no more
    is followed by one in which every cell is unknown.

    :param publisher: of nav_msgs/OccupancyGrid, transient local.
    """

    def __init__(self, publisher: Any) -> None:
        self._publisher, self._shows_ground = publisher, False

    @property
    def is_heard(self) -> bool:
        """Whether someone listens."""
        return bool(self._publisher.get_subscription_count() > 0)

    def publish(self, grid: Grid | None, header: Header, params: NodeParams) -> None:
        """
        The grid of a frame while someone listens; what came before it holds no more.

        :param grid: None: nothing is known of the ground.
        """
        shown = grid if self.is_heard else None
        if shown is None and not self._shows_ground:
            return
        self._shows_ground = shown is not None
        cells = shown or unknown_grid(params.rules.grid)
        self._publisher.publish(grid_to_msg(cells, header, params.base_height_m))
