# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Cameras whose images hang upside down or lie on their side, and nobody has said so.

Their labels do not tell it: a network that knows upright streets alone finds sky at the top and
road at the bottom of any image. Its confidence does. It is 0.84 to 0.97 (mean of a drive) on nine
drives as they are, and 0.17 to 0.57 when their images are turned.
"""

from __future__ import annotations

from collections import deque
from math import inf

import numpy as np

from seg_perception.core.results import SceneRecord
from seg_perception.core.turning import turn_image
from seg_perception.inference.answer import FrameAnswerer, FrameContext
from seg_perception.io.encodings import Pixels

_SURE = 0.75  # mean confidence of images that need no look
_GAIN = 0.1  # by which turned images are surer; upright ones gain at most 0.04 on any data set
_LOOKS = 3  # at each of the three turns, whose median decides
_PERIODS_S = (0.5, 10.0)  # between the first looks, and between those that follow


class OrientationProbe:
    """
    Asks the network, now and then, whether it reads turned images of a camera better.

    ``warning`` says so when it does; it is empty otherwise. A camera that is read well costs
    nothing, another one an answer every ten seconds.
    """

    def __init__(self, answerer: FrameAnswerer) -> None:
        self.warning = ''
        self._answerer = answerer
        # Confidence as it is, and turned once more by 2, 1 or 3 quarters.
        self._looks: deque[tuple[float, float]] = deque(maxlen=3 * _LOOKS)
        self._turns = deque((2, 1, 3))
        self._next_s = -inf

    def look(
        self, pixels: Pixels, record: SceneRecord, context: FrameContext, time_s: float
    ) -> None:
        """
        Take a look at a frame that was answered with a record, where one is due.

        :param time_s: of the frame, on any clock.
        """
        late_s = time_s - self._next_s
        if -_PERIODS_S[1] <= late_s < 0:  # earlier ones are of a clock that has jumped
            return
        self._next_s = time_s + _PERIODS_S[len(self._looks) == 3 * _LOOKS]
        seen = turned = _confidence(record)
        applied = context.view.geometry.turns if context.view else 0
        if seen < _SURE:
            image = turn_image(pixels.array, applied + self._turns[0])
            turned = _confidence(self._answerer.answer(image, pixels.order))
        self._looks.append((seen, turned))
        if len(self._looks) == 3 * _LOOKS:
            self.warning = self._judge(applied)
        self._turns.rotate(-1)

    def _judge(self, applied: int) -> str:
        """What is wrong with the turns that are applied; the last look was at ``_turns[0]``."""
        oldest_first = np.array(self._looks).reshape(_LOOKS, 3, 2)
        asked = (*list(self._turns)[1:], self._turns[0])
        gains = np.median(oldest_first[..., 1] - oldest_first[..., 0], axis=0)
        best = int(gains.argmax())
        if gains[best] < _GAIN:
            return ''
        as_is, turned = np.median(oldest_first[:, best], axis=0)
        turns = (applied + asked[best]) % 4
        degrees = (90, 180, -90, 0)[turns - 1]
        return (
            f'the images look turned: mean confidence is {turned:.1f} with a roll of '
            f'{degrees} degrees, and {as_is:.1f} as it is: set the roll of the camera in its '
            f'extrinsics to {np.radians(degrees):.4f} rad, or turn the images'
        )


def _confidence(record: SceneRecord) -> float:
    return float(record.confidence.mean()) / 255.0
