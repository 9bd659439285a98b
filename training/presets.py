# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Where the shipped experiments are, and how a file finds another, from any working directory."""

from __future__ import annotations

from pathlib import Path

IN_REPOSITORY = 'config/training'
_HERE = Path(__file__).resolve().parent
_INSTALLED = _HERE / 'experiments'  # package data; see setup.py
PRESETS = _INSTALLED if _INSTALLED.is_dir() else _HERE.parent / IN_REPOSITORY
"""Folder of the shipped experiments."""
NO_EXPERIMENTS = ('bases', 'data', 'studies', 'teachers')
"""Folders there whose files are something else."""


def find_file(name: str | Path, beside: Path | None = None) -> Path | None:
    """
    The YAML file of a name; None where there is none.

    It is looked for next to ``beside``, then in the working directory, then among the presets,
    where its ending and the folder ``config/training`` may be left out.

    :param beside: the file that gives the name.
    """
    path = Path(name)
    preset = path.relative_to(IN_REPOSITORY) if path.is_relative_to(IN_REPOSITORY) else path
    places = [path, PRESETS / preset, PRESETS / f'{preset}.yaml']
    if beside is not None:
        places.insert(0, beside.parent / path)
    return next((place for place in places if place.is_file()), None)


def preset_names() -> list[str]:
    """Names of the experiments, such as ``dsnet/fine``, without those of NO_EXPERIMENTS."""
    paths = [path.relative_to(PRESETS) for path in PRESETS.rglob('*.yaml')]
    experiments = [path for path in paths if path.parts[0] not in NO_EXPERIMENTS]
    return sorted(path.with_suffix('').as_posix() for path in experiments)
