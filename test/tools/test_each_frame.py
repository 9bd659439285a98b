# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One damaged file costs its own frames alone; an output that cannot be written ends all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from seg_perception.core.errors import OutputError, SourceError
from seg_perception.io.frames import Frame
from seg_perception.tools.each_frame import for_each_frame


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three images, of which the second is damaged."""
    paths = [tmp_path / f'{name}.png' for name in 'abc']
    for path in paths:
        cv2.imwrite(str(path), np.zeros((4, 6, 3), np.uint8))
    paths[1].write_bytes(b'broken')
    return paths


def test_a_damaged_file_is_a_failure_and_the_others_are_read(files: list[Path]) -> None:
    seen: list[tuple[Path, str]] = []
    failures = for_each_frame(files, lambda file, frame: seen.append((file, frame.name)))
    assert seen == [(files[0], 'a'), (files[2], 'c')]
    assert [type(failure) for failure in failures] == [SourceError]
    assert 'b.png' in str(failures[0])


def test_work_that_fails_is_a_failure_of_its_file(files: list[Path]) -> None:
    def work(file: Path, frame: Frame) -> None:
        raise SourceError(f'name {frame.name}', 'taken', 'a free one')

    failures = for_each_frame(files[::2], work)
    assert [str(failure).split(':')[0] for failure in failures] == ['name a', 'name c']


def test_an_output_that_cannot_be_written_ends_it(files: list[Path]) -> None:
    def work(file: Path, frame: Frame) -> None:
        raise OutputError('output', 'a full disk', 'room')

    with pytest.raises(OutputError, match='full disk'):
        for_each_frame(files, work)
