# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Seconds that ``--help`` takes, of both command lines and of each of their commands.

    python -m benchmarks.help --out help.json
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.record import spread, write_record
from seg_perception.cli import COMMANDS
from training import cli as training


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('--rounds', type=int, default=5, help='processes per command')
    parser.add_argument('--out', type=Path, help='JSON file')
    options = parser.parse_args(arguments)
    figures = {
        ' '.join([module, *words]): spread(
            [_seconds(module, words) for _ in range(options.rounds)]
        )
        for module, commands in (('seg_perception', COMMANDS), ('training', training.COMMANDS))
        for words in ([], *([command] for command in commands))
    }
    write_record('help', {'seconds': figures}, options.out)


def _seconds(module: str, words: Sequence[str]) -> float:
    started_s = time.perf_counter()
    command = [sys.executable, '-m', module, *words, '--help']
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started_s


if __name__ == '__main__':
    main()
