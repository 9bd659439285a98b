# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import pickle

import pytest

from seg_perception.core import errors
from seg_perception.core.errors import ImageError, SegPerceptionError


def test_message_has_thing_seen_expected_and_fix():
    error = ImageError("image 'front'", 'step 10', 'at least 30', 'Set step to width * 3.')
    assert str(error) == (
        "image 'front': got step 10, expected at least 30. Set step to width * 3."
    )


def test_message_without_fix_ends_with_expected():
    assert str(ImageError('width', 0, 'above 0')) == 'width: got 0, expected above 0.'


def test_values_survive_pickling_between_processes():
    error = pickle.loads(pickle.dumps(ImageError('width', 0, 'above 0', 'Try 1.')))
    assert (error.thing, error.seen, error.expected, error.fix) == (
        'width',
        0,
        'above 0',
        'Try 1.',
    )


@pytest.mark.parametrize(
    'name',
    [
        'ClassTableError',
        'ImageError',
        'ModelFileError',
        'ProviderError',
        'ParameterError',
        'SourceError',
    ],
)
def test_one_family(name):
    assert issubclass(getattr(errors, name), SegPerceptionError)
