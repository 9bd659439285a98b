# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The page about the risk states the numbers that the code has."""

from pathlib import Path

from benchmarks.events import EVENTS
from seg_perception.core.results import RiskLevel

PAGE = (Path(__file__).parents[2] / 'docs' / 'risk.md').read_text(encoding='utf-8')
TABLES = ([cell.strip() for cell in line.split('|')[1:-1]] for line in PAGE.splitlines())
ROWS = {cells[0]: cells[1:] for cells in TABLES if cells}


def test_every_event_is_in_the_table():
    assert len(EVENTS) == 33
    for event in EVENTS:
        asked = 'calm' if event.least is RiskLevel.LOW else event.least.name
        assert asked in ROWS[event.name]
