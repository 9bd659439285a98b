# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from seg_perception.models import EMBEDDED, model_path


@pytest.mark.parametrize('model', ['', 'default'])
def test_nothing_stands_for_the_default(model: str) -> None:
    assert model_path(model).name == 'default.onnx'


@pytest.mark.parametrize('name', EMBEDDED)
def test_every_name_has_its_file(name: str) -> None:
    assert model_path(name).is_file()


@pytest.mark.parametrize('path', ['my.onnx', 'default.onnx', 'runs/default'])
def test_other_words_are_paths(path: str) -> None:
    assert model_path(path) == Path(path)
