# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in training, in the family of the package's errors."""

from __future__ import annotations

from collections.abc import Collection

from seg_perception.core.errors import SegPerceptionError
from seg_perception.core.errors import did_you_mean as near

__all__ = ['near']


class ConfigError(SegPerceptionError):
    """A configuration key or value cannot be."""


class DatasetError(SegPerceptionError):
    """A data set is not laid out as it should be."""


class DamagedFileError(DatasetError):
    """An image or label file cannot be decoded."""


class CheckpointError(SegPerceptionError):
    """A checkpoint is missing, damaged or of another run."""


class DivergedError(SegPerceptionError):
    """The loss is NaN or infinite."""


class ProbeError(SegPerceptionError):
    """A network failed a check that comes before training."""

    exit_code = 1


class ExportError(SegPerceptionError):
    """The exported file does not give what the network gives."""


class StudyError(SegPerceptionError):
    """A study cannot be run to its end."""


class FailedRunsError(StudyError):
    """Some runs of a study failed; what the others gave is written."""

    exit_code = 1


def check_known(
    thing: str, name: str, known: Collection[str], error: type[SegPerceptionError] = ConfigError
) -> None:
    """
    Refuse a name that is not among the known ones.

    :param thing: that the name is given for, such as a key of a configuration.
    :raises ConfigError: or another ``error``, which lists the known names and the close ones.
    """
    if name not in known:
        raise error(thing, repr(name), ', '.join(known), near(name, known))
