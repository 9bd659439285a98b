# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The record of every benchmark: figures with commit, versions, device and load."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seg_perception.tools.versions import environment

ROOT = Path(__file__).parents[1]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, minimum and maximum."""
    return {
        'median': round(float(np.median(values)), 2),
        'min': round(float(min(values)), 2),
        'max': round(float(max(values)), 2),
    }


def write_record(name: str, figures: dict[str, Any], out: Path | None) -> None:
    """Print the record as JSON, and write it to ``out``."""
    record = {
        'benchmark': name,
        'commit': _git('rev-parse', 'HEAD'),
        'changed': bool(_git('status', '--porcelain')),
        'load_average': round(os.getloadavg()[0], 2),
        'environment': environment(),
        **figures,
    }
    text = json.dumps(record, indent=2)
    print(text)
    if out is not None:
        out.write_text(text + '\n', encoding='utf-8')


def _git(*arguments: str) -> str:
    answer = subprocess.run(
        ['git', '-C', str(ROOT), *arguments], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or 'unknown' if answer.returncode == 0 else 'unknown'
