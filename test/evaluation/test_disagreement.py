# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Where two runs label differently, from real bags."""

from pathlib import Path

import numpy as np
import pytest

from mask_bags import mask, write_masks
from seg_perception.core.errors import SourceError
from seg_perception.evaluation.disagreement import disagreement


def test_share_of_each_frame_and_of_the_picture(tmp_path: Path) -> None:
    write_masks(tmp_path / 'new/bags/drive', {10: mask(), 20: mask(18), 30: mask(36), 40: mask()})
    write_masks(tmp_path / 'old/bags/drive', {20: mask(), 30: mask(), 40: mask(), 51: mask(9)})
    found = disagreement(tmp_path / 'new', tmp_path / 'old', ['drive', 'not there'])
    assert found is not None
    assert found.frames == 3
    assert found.share_of == {('drive', 20): 0.25, ('drive', 30): 0.5, ('drive', 40): 0.0}
    assert found.share == pytest.approx(0.25)
    # The upper quarter differs in two of three frames, the next in one, the rest in none.
    assert found.cells.shape == (36, 64)
    np.testing.assert_allclose(found.cells[:9], 2 / 3)
    np.testing.assert_allclose(found.cells[9:18], 1 / 3)
    np.testing.assert_allclose(found.cells[18:], 0)


def test_other_images_are_no_masks(tmp_path: Path) -> None:
    for run in ('new', 'old'):
        write_masks(
            tmp_path / run / 'bags/drive', {10: mask()}, '/seg_perception/front/confidence'
        )
    assert disagreement(tmp_path / 'new', tmp_path / 'old', ['drive']) is None


def test_no_bags(tmp_path: Path) -> None:
    assert disagreement(tmp_path, tmp_path, ['drive']) is None


def test_masks_of_two_sizes(tmp_path: Path) -> None:
    write_masks(tmp_path / 'new/bags/drive', {2_500_000_000: mask()})
    write_masks(tmp_path / 'old/bags/drive', {2_500_000_000: mask()[:36]})
    message = r'masks of drive at 2.500 s: got \(72, 128\) here, \(36, 128\) in the baseline'
    with pytest.raises(SourceError, match=message):
        disagreement(tmp_path / 'new', tmp_path / 'old', ['drive'])
