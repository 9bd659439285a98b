# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Share of 1280x720 images that arrive in another process, with and without the shipped settings.

    python benchmarks/transport.py [--frames 200] [--rounds 3] [--out transport.json]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.record import spread, write_record
from seg_perception.tools.dds_check import Stream, measure_arrival, shipped_environ, stock_environ


def main() -> None:
    """Measure both settings and print the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--frames', type=int, default=200)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--out', type=Path)
    options = parser.parse_args()
    stream = Stream(frames=options.frames, rate_hz=20.0)
    figures = {
        'stream': '1280x720 bgr8 at 20 Hz, best effort, depth 1 to 5',
        'frames': options.frames,
        'rounds': options.rounds,
        'stock': _measure(stream, stock_environ(), options.rounds),
        'shipped': _measure(stream, shipped_environ(), options.rounds),
    }
    write_record('transport', figures, options.out)


def _measure(stream: Stream, environ: Mapping[str, str], rounds: int) -> dict[str, Any]:
    arrivals = [measure_arrival(stream, environ) for _ in range(rounds)]
    heard = [arrival.latency_ms for arrival in arrivals if arrival.latency_ms]
    latency = {
        f'p{share}': spread([float(np.percentile(ms, share)) for ms in heard])
        for share in (50, 95, 99)
        if heard
    }
    return {'arrived': spread([arrival.share for arrival in arrivals]), 'latency_ms': latency}


if __name__ == '__main__':
    main()
