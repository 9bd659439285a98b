# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The engine on tiny models whose answers are known."""

import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from seg_perception.core.errors import ImageError, ParameterError, ProviderError
from seg_perception.inference.engine import working_size
from seg_perception.inference.model_file import OodCalibration
from seg_perception.inference.onnx_engine import OnnxEngine, available_providers
from tiny_model import tiny_card, tiny_graph, write_tiny_model

ROAD_RGB, SKY_RGB, CAR_RGB = (128, 64, 128), (128, 128, 128), (64, 0, 128)
ROAD, SKY, CAR = 3, 0, 8
ABSENT = [name for name in ('cuda', 'tensorrt') if name not in available_providers()]


@pytest.fixture
def engine(tmp_path: Path) -> OnnxEngine:
    return OnnxEngine(write_tiny_model(tmp_path / 'm.onnx'), 'cpu')


def street(size: tuple[int, int] = (16, 24)) -> np.ndarray:
    """Sky above road with one car, (1, h, w, 3) RGB."""
    rgb = np.empty((1, *size, 3), np.uint8)
    rgb[:, :8], rgb[:, 8:] = SKY_RGB, ROAD_RGB
    rgb[:, 10:14, 4:8] = CAR_RGB
    return rgb


def street_labels(size: tuple[int, int] = (16, 24)) -> np.ndarray:
    labels = np.full((1, *size), ROAD, np.uint8)
    labels[:, :8] = SKY
    labels[:, 10:14, 4:8] = CAR
    return labels


def test_labels_and_confidence_are_those_of_the_model(engine: OnnxEngine) -> None:
    answer = engine.run(street())
    np.testing.assert_array_equal(answer.labels, street_labels())
    np.testing.assert_array_equal(answer.confidence, np.full((1, 16, 24), 200))
    assert answer.labels.dtype == answer.confidence.dtype == np.uint8


def test_file_without_ood_score_says_nothing_of_it(engine: OnnxEngine) -> None:
    ood_score = engine.run(np.concatenate([street(), street()])).ood_score
    assert ood_score.shape == (2,) and np.isnan(ood_score).all()
    assert np.isnan(engine.card.ood_score(3.0))


def test_ood_score_of_each_image(tmp_path: Path) -> None:
    """Two of sixteen rows are 8 off in each channel."""
    path = write_tiny_model(
        tmp_path / 'm.onnx', ood_calibration=OodCalibration('distance', 10, 20)
    )
    off = street()
    off[:, :2] -= 8
    answer = OnnxEngine(path, 'cpu').run(np.concatenate([street(), off]))
    np.testing.assert_allclose(answer.ood_score, [0, 3 * 64 * 2 / 16])
    assert answer.ood_score.dtype == np.float32


def test_batch_equals_singles(engine: OnnxEngine) -> None:
    mirrored = street()[:, :, ::-1]
    answer = engine.run(np.concatenate([street(), mirrored, street()]))
    expected = np.concatenate([street_labels(), street_labels()[:, :, ::-1], street_labels()])
    np.testing.assert_array_equal(answer.labels, expected)
    assert answer.confidence.shape == (3, 16, 24)


def test_model_of_batch_one_takes_many(tmp_path: Path) -> None:
    model = tiny_graph(tiny_card())
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, str(tmp_path / 'm.onnx'))
    answer = OnnxEngine(tmp_path / 'm.onnx', 'cpu').run(np.concatenate([street()] * 3))
    np.testing.assert_array_equal(answer.labels, np.concatenate([street_labels()] * 3))
    assert answer.confidence.shape == (3, 16, 24)


def test_weights_may_be_stored_in_half_precision(tmp_path: Path) -> None:
    model = tiny_graph(tiny_card())
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == 'twice')
    half = numpy_helper.to_array(weights).astype(np.float16)  # 2 * 255 at most: exact
    weights.CopyFrom(numpy_helper.from_array(half, 'twice_half'))
    cast = helper.make_node('Cast', ['twice_half'], ['twice'], to=TensorProto.FLOAT)
    model.graph.node.insert(0, cast)
    onnx.save(model, str(tmp_path / 'm.onnx'))
    answer = OnnxEngine(tmp_path / 'm.onnx', 'cpu').run(street())
    np.testing.assert_array_equal(answer.labels, street_labels())


def test_view_that_is_not_contiguous(engine: OnnxEngine) -> None:
    padded = np.zeros((1, 16, 32, 3), np.uint8)
    padded[:, :, :24] = street()
    np.testing.assert_array_equal(engine.run(padded[:, :, :24]).labels, street_labels())
    flipped = street()[:, ::-1, ::-1]
    np.testing.assert_array_equal(engine.run(flipped).labels, street_labels()[:, ::-1, ::-1])


def test_answers_are_not_overwritten_by_the_next_run(engine: OnnxEngine) -> None:
    first = engine.run(street())
    engine.run(np.zeros((1, 16, 24, 3), np.uint8))
    np.testing.assert_array_equal(first.labels, street_labels())
    np.testing.assert_array_equal(first.confidence, np.full((1, 16, 24), 200))


@pytest.mark.parametrize(
    ('frame', 'expected'),
    [
        ((720, 1280), (360, 640)),
        ((1080, 1920), (360, 640)),
        ((1440, 2560), (360, 640)),
        ((720, 1216), (360, 608)),  # a half: 376 x 640 would fit, but halves are exact and fast
        ((1200, 1920), (384, 608)),  # a third is too large, a quarter no multiple of 8
        ((480, 640), (384, 512)),
        ((960, 1280), (384, 512)),  # a third is no multiple of 8
        ((640, 1664), (240, 640)),  # a third is no multiple of 8 either
        ((384, 640), (384, 640)),
        ((360, 640), (360, 640)),
        ((360, 480), (360, 480)),
        ((361, 481), (368, 488)),
        ((385, 630), (384, 624)),  # rounded up it were 392 x 632, more than 384 x 640
        ((1280, 720), (640, 360)),  # upright
        ((640, 480), (512, 384)),
        ((800, 800), (384, 384)),
        ((8, 8), (8, 8)),
        ((1, 1), (8, 8)),
        ((1, 100000), (8, 640)),
        ((100000, 1), (640, 8)),
    ],
)
def test_size_for_a_frame(
    engine: OnnxEngine, frame: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert engine.size_for(frame) == expected


@pytest.mark.parametrize(
    ('frame', 'expected'),
    [
        ((720, 1280), (360, 640)),
        ((384, 640), (384, 640)),
        ((360, 480), (480, 640)),  # 1.33 times, to the size of the card
        ((480, 640), (480, 640)),
        ((448, 600), (448, 600)),  # near enough
        ((240, 320), (360, 480)),  # 1.5 times
        ((320, 240), (480, 360)),
        ((1, 1), (8, 8)),
        ((1, 100000), (8, 640)),
    ],
)
def test_small_frames_grow_where_the_card_says_so(
    frame: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert working_size(frame, (480, 640), 8, upscale=1.5) == expected


def test_fixed_model_has_one_size(tmp_path: Path) -> None:
    engine = OnnxEngine(write_tiny_model(tmp_path / 'm.onnx', fixed_size=(16, 24)), 'cpu')
    assert engine.size_for((720, 1280)) == (16, 24)
    engine.warm_up((720, 1280))
    np.testing.assert_array_equal(engine.run(street()).labels, street_labels())
    with pytest.raises(ImageError, match=r'got \(24, 32\), expected \(16, 24\). Resize'):
        engine.run(np.zeros((1, 24, 32, 3), np.uint8))


def test_warm_up_takes_any_frame_size(engine: OnnxEngine) -> None:
    engine.warm_up()
    engine.warm_up((37, 53))


@pytest.mark.parametrize(
    ('rgb', 'message'),
    [
        (np.zeros((1, 16, 24, 3), np.float32), 'got float32 (1, 16, 24, 3), expected uint8'),
        (np.zeros((16, 24, 3), np.uint8), 'got uint8 (16, 24, 3), expected uint8 (N, h, w, 3)'),
        (np.zeros((1, 16, 24, 4), np.uint8), 'got uint8 (1, 16, 24, 4), expected uint8'),
        (np.zeros((0, 16, 24, 3), np.uint8), 'got uint8 (0, 16, 24, 3), expected uint8'),
        (np.zeros((1, 16, 20, 3), np.uint8), 'got (16, 20), expected positive multiples of 8'),
        (np.zeros((1, 0, 24, 3), np.uint8), 'got (0, 24), expected positive multiples of 8'),
    ],
)
def test_refuses_a_wrong_array(engine: OnnxEngine, rgb: np.ndarray, message: str) -> None:
    with pytest.raises(ImageError, match=re.escape(message)):
        engine.run(rgb)


def test_cpu_is_used_when_asked_for(engine: OnnxEngine) -> None:
    assert (engine.provider, engine.fallback) == ('cpu', None)


@pytest.mark.parametrize('provider', ABSENT)
def test_absent_provider_stops_with_what_is_there(tmp_path: Path, provider: str) -> None:
    path = write_tiny_model(tmp_path / 'm.onnx')
    message = (
        rf"'{provider}': got an onnxruntime with .*cpu, .*`pip install .onnxruntime-gpu\[cuda"
    )
    with pytest.raises(ProviderError, match=message):
        OnnxEngine(path, provider)


@pytest.mark.filterwarnings('ignore:Specified provider:UserWarning')
@pytest.mark.parametrize('provider', ABSENT)
def test_silent_fallback_of_onnxruntime_is_refused(
    tmp_path: Path, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU build without its libraries lists the provider, but runs on the CPU."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    listed = ['TensorrtExecutionProvider', 'CUDAExecutionProvider', 'CPUExecutionProvider']
    monkeypatch.setattr(ort, 'get_available_providers', lambda: listed)
    monkeypatch.setattr(ort, 'preload_dlls', lambda: None)
    path = write_tiny_model(tmp_path / 'm.onnx')
    with pytest.raises(ProviderError, match='got a session on CPUExecutionProvider, expected'):
        OnnxEngine(path, provider)
    engine = OnnxEngine(path, 'auto')
    assert engine.provider == 'cpu'
    assert engine.fallback is not None
    assert engine.fallback.startswith("CPU instead of CUDA: provider 'cuda': got a session on CPU")


@pytest.mark.skipif('cuda' not in ABSENT, reason='this onnxruntime has CUDA')
def test_auto_says_why_it_fell_back(tmp_path: Path) -> None:
    engine = OnnxEngine(write_tiny_model(tmp_path / 'm.onnx'))
    assert engine.provider == 'cpu'
    assert engine.fallback is not None
    assert engine.fallback.startswith("CPU instead of CUDA: provider 'cuda': got an onnxruntime w")


def test_unknown_provider(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / 'm.onnx')
    with pytest.raises(ProviderError, match=r"got 'gpu', expected .*auto, cpu, cuda, tensorrt"):
        OnnxEngine(path, 'gpu')


def test_negative_threads(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / 'm.onnx')
    with pytest.raises(ParameterError, match=r'threads: got -1, expected 0 .*or more'):
        OnnxEngine(path, 'cpu', threads=-1)
