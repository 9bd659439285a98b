# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The torch engine on tiny models whose answers are known."""

import re
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from seg_perception.core.errors import ImageError, ModelFileError, ParameterError, ProviderError  # noqa: E402
from seg_perception.inference import open_engine as opener  # noqa: E402
from seg_perception.inference import torch_engine  # noqa: E402
from seg_perception.inference.answer import FrameAnswerer  # noqa: E402
from seg_perception.inference.model_file import OodCalibration, read_card  # noqa: E402
from seg_perception.inference.onnx_engine import OnnxEngine  # noqa: E402
from seg_perception.inference.open_engine import open_engine  # noqa: E402
from seg_perception.inference.torch_engine import TorchEngine, load_program, prepare  # noqa: E402
from tiny_model import tiny_card, write_tiny_model  # noqa: E402
from tiny_program import NearestColour, write_tiny_program  # noqa: E402

ROAD_RGB, SKY_RGB, CAR_RGB = (128, 64, 128), (128, 128, 128), (64, 0, 128)
ROAD, SKY, CAR = 3, 0, 8
HAS_GPU = torch.cuda.is_available()
on_gpu = pytest.mark.skipif(not HAS_GPU, reason='no GPU that torch can use')
without_gpu = pytest.mark.skipif(HAS_GPU, reason='a GPU that torch can use')


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """The engine sets the threads of the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope='module')
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_program(tmp_path_factory.mktemp('model') / 'm.pt2')


@pytest.fixture(scope='module')
def engine(path: Path) -> TorchEngine:
    return TorchEngine(path, 'cpu', threads=1)


def street(size: tuple[int, int] = (16, 24), car: int = 4) -> np.ndarray:
    """Sky above road with one car whose left side is at a column, (1, h, w, 3) RGB."""
    rgb = np.empty((1, *size, 3), np.uint8)
    rgb[:, :8], rgb[:, 8:] = SKY_RGB, ROAD_RGB
    rgb[:, 10:14, car : car + 4] = CAR_RGB
    return rgb


def street_labels(size: tuple[int, int] = (16, 24), car: int = 4) -> np.ndarray:
    labels = np.full((1, *size), ROAD, np.uint8)
    labels[:, :8] = SKY
    labels[:, 10:14, car : car + 4] = CAR
    return labels


def test_labels_and_confidence_are_those_of_the_model(engine: TorchEngine) -> None:
    answer = engine.run(street())
    np.testing.assert_array_equal(answer.labels, street_labels())
    np.testing.assert_array_equal(answer.confidence, np.full((1, 16, 24), 200))
    assert answer.labels.dtype == answer.confidence.dtype == np.uint8
    assert (engine.provider, engine.fallback) == ('cpu', None)


def test_any_count_and_size(engine: TorchEngine) -> None:
    for size in ((16, 24), (24, 16), (40, 56), (16, 24)):
        images = np.concatenate([street(size), street(size, car=9), street(size)])
        labels = np.concatenate(
            [street_labels(size), street_labels(size, car=9), street_labels(size)]
        )
        answer = engine.run(images)
        np.testing.assert_array_equal(answer.labels, labels)
        assert answer.confidence.shape == (3, *size)


class Brightness(NearestColour):
    """Also the mean of the first channel, as ood_score."""

    def forward(self, image: Any) -> Any:
        return *super().forward(image), image[..., 0].float().mean((1, 2))


def test_ood_score_of_each_image(tmp_path: Path) -> None:
    card = tiny_card(ood_calibration=OodCalibration('brightness', 10, 20))
    path = write_tiny_program(tmp_path / 'm.pt2', module=Brightness(), card=card)
    engine = TorchEngine(path, 'cpu', threads=1)
    images = np.concatenate([street(), np.full((1, 16, 24, 3), 20, np.uint8)])
    for _ in range(2):  # the buffers are used again
        answer = engine.run(images)
        # Red is 128, but 64 in the car, which is a twenty-fourth.
        np.testing.assert_allclose(answer.ood_score, [128 - 64 / 24, 20])
    np.testing.assert_array_equal(answer.labels[:1], street_labels())


def test_file_without_ood_score_says_nothing_of_it(engine: TorchEngine) -> None:
    assert np.isnan(engine.run(street()).ood_score).all()


def test_refuses_a_program_without_the_ood_score_of_its_card(tmp_path: Path) -> None:
    card = tiny_card(ood_calibration=OodCalibration('brightness', 10, 20))
    path = write_tiny_program(tmp_path / 'm.pt2', card=card)
    with pytest.raises(ModelFileError, match="expected 'ood_score' among them, as the card"):
        TorchEngine(path, 'cpu')


def test_view_that_is_not_contiguous_nor_writable(engine: TorchEngine) -> None:
    padded = np.zeros((1, 16, 32, 3), np.uint8)
    padded[:, :, :24] = street()
    padded.setflags(write=False)
    np.testing.assert_array_equal(engine.run(padded[:, :, :24]).labels, street_labels())
    flipped = street()[:, ::-1, ::-1]
    np.testing.assert_array_equal(engine.run(flipped).labels, street_labels()[:, ::-1, ::-1])


def test_answers_are_not_overwritten_by_the_next_run(engine: TorchEngine) -> None:
    rgb = street()
    first = engine.run(rgb)
    engine.run(np.zeros((1, 16, 24, 3), np.uint8))
    np.testing.assert_array_equal(first.labels, street_labels())
    np.testing.assert_array_equal(first.confidence, np.full((1, 16, 24), 200))
    np.testing.assert_array_equal(rgb, street())


def test_each_of_many_threads_gets_its_own_answer(engine: TorchEngine) -> None:
    cars = [column for column in range(0, 20, 4) for _ in range(20)]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda car: engine.run(street(car=car)).labels, cars)
        for car, labels in zip(cars, answers, strict=True):
            np.testing.assert_array_equal(labels, street_labels(car=car))


def test_buffers_are_kept_for_a_few_shapes(path: Path) -> None:
    engine = TorchEngine(path, 'cpu', threads=1)
    for width in range(8, 8 * 12, 8):
        engine.run(np.zeros((1, 8, width, 3), np.uint8))
        engine.run(np.zeros((1, 8, 8, 3), np.uint8))
    assert len(engine._runners) == 8
    assert (1, 8, 8, 3) in engine._runners  # used last, though it came first
    assert (1, 8, 16, 3) not in engine._runners


def test_is_what_open_engine_takes_for_such_a_file(path: Path) -> None:
    engine = open_engine(path, 'cpu', threads=1)
    assert isinstance(engine, TorchEngine)
    assert engine.card == tiny_card() == read_card(path)
    result = FrameAnswerer(engine).answer(np.full((90, 120, 3), ROAD_RGB, np.uint8))
    np.testing.assert_array_equal(result.labels, np.full((90, 120), ROAD))


def test_other_files_are_onnx(tmp_path: Path) -> None:
    assert isinstance(open_engine(write_tiny_model(tmp_path / 'm.onnx'), 'cpu'), OnnxEngine)


def test_size_for_and_warm_up_are_those_of_every_engine(engine: TorchEngine) -> None:
    assert engine.size_for((720, 1280)) == (360, 640)
    engine.warm_up((37, 53))
    assert (1, 40, 56, 3) in engine._runners


def test_fixed_model_has_one_size(tmp_path: Path) -> None:
    engine = TorchEngine(write_tiny_program(tmp_path / 'm.pt2', fixed_size=(16, 24)), 'cpu')
    assert engine.size_for((720, 1280)) == (16, 24)
    batch = np.concatenate([street(), street(car=9)])
    np.testing.assert_array_equal(engine.run(batch).labels[1:], street_labels(car=9))
    with pytest.raises(ImageError, match=r'got \(24, 32\), expected \(16, 24\). Resize'):
        engine.run(np.zeros((1, 24, 32, 3), np.uint8))


@pytest.mark.parametrize(
    ('rgb', 'message'),
    [
        (np.zeros((1, 16, 24, 3), np.float32), 'got float32 (1, 16, 24, 3), expected uint8'),
        (np.zeros((0, 16, 24, 3), np.uint8), 'got uint8 (0, 16, 24, 3), expected uint8'),
        (np.zeros((1, 16, 20, 3), np.uint8), 'got (16, 20), expected positive multiples of 8'),
    ],
)
def test_refuses_a_wrong_array(engine: TorchEngine, rgb: np.ndarray, message: str) -> None:
    with pytest.raises(ImageError, match=re.escape(message)):
        engine.run(rgb)


def test_threads_of_the_process(path: Path) -> None:
    TorchEngine(path, 'cpu', threads=3)
    assert torch.get_num_threads() == 3
    with pytest.raises(ParameterError, match=r'threads: got -1, expected 0 .*or more'):
        TorchEngine(path, 'cpu', threads=-1)


class Half(torch.nn.Module):
    """Says in its labels whether the convolution ran in half precision: 2049 is 2048 there."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 1, 1)
        self.conv.weight.data = torch.tensor([2048.0, 1.0, 0.0]).reshape(1, 3, 1, 1)
        self.conv.bias.data = torch.zeros(1)
        self.unused_by_kernels = torch.nn.Parameter(torch.tensor([2049.0]))

    def forward(self, image: Any) -> Any:
        value = self.conv(image.permute(0, 3, 1, 2).float())[:, 0]
        labels = (value.float() - self.unused_by_kernels + 2).to(torch.uint8)
        return labels, labels


@pytest.mark.parametrize(
    ('precision', 'label'), [('', 2), ('float32', 2), ('float16', 1), ('bfloat16', 1)]
)
def test_precision(tmp_path: Path, precision: str, label: int) -> None:
    path = write_tiny_program(tmp_path / 'm.pt2', module=Half())
    engine = TorchEngine(path, 'cpu', 1, precision)
    rgb = np.ones((1, 16, 24, 3), np.uint8)
    np.testing.assert_array_equal(engine.run(rgb).labels, np.full((1, 16, 24), label))


def test_unknown_precision(path: Path) -> None:
    with pytest.raises(
        ParameterError, match="precision: got 'int8', expected one of float32, float16"
    ):
        TorchEngine(path, 'cpu', precision='int8')


def test_every_constant_and_weight_moves_to_the_device(path: Path) -> None:
    """The device `meta` has shapes alone; one tensor left on the CPU and the sum would fail."""
    compute = prepare(load_program(path, tiny_card()), torch.device('meta'), torch.float32, 2)
    for part in compute(torch.zeros((2, 40, 56, 3), dtype=torch.uint8, device='meta')):
        assert (part.device.type, part.dtype, part.shape) == ('meta', torch.uint8, (2, 40, 56))


def test_tensorrt_takes_no_such_file(path: Path) -> None:
    message = (
        "provider 'tensorrt': got a file of torch.export (.pt2), expected auto, cpu or cuda for "
        'it. TensorRT runs the ONNX file of the same model.'
    )
    with pytest.raises(ProviderError, match=re.escape(message)):
        TorchEngine(path, 'tensorrt')


def test_unknown_provider(path: Path) -> None:
    with pytest.raises(ProviderError, match=r"got 'gpu', expected .*auto, cpu, cuda, tensorrt"):
        TorchEngine(path, 'gpu')


@without_gpu
def test_absent_gpu_stops(path: Path) -> None:
    message = (
        r"'cuda': got torch .* without a GPU that it can use, expected an NVIDIA GPU.* cpu`\."
    )
    with pytest.raises(ProviderError, match=message):
        TorchEngine(path, 'cuda')


@without_gpu
def test_auto_says_why_it_fell_back(path: Path) -> None:
    engine = TorchEngine(path)
    assert engine.provider == 'cpu'
    assert engine.fallback is not None
    assert engine.fallback.startswith("CPU instead of CUDA: provider 'cuda': got torch 2")
    np.testing.assert_array_equal(engine.run(street()).labels, street_labels())


def test_gpu_that_does_not_work(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there, but the first thing that is done with it fails."""

    def fail(program: Any, device: Any) -> None:
        raise RuntimeError('CUDA error: no kernel image is available')

    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch_engine, 'move_to_device_pass', fail)
    message = "'cuda': got CUDA error: no kernel image is available, expected a run without error"
    with pytest.raises(ProviderError, match=message):
        TorchEngine(path, 'cuda')
    engine = TorchEngine(path, 'auto')
    assert engine.provider == 'cpu' and message in (engine.fallback or '')


@on_gpu
def test_gpu_gives_the_same(path: Path) -> None:
    engine = TorchEngine(path, 'cuda', precision='float32')
    for car in (4, 9, 4):
        for size in ((16, 24), (24, 40)):
            answer = engine.run(street(size, car))
            np.testing.assert_array_equal(answer.labels, street_labels(size, car))
            assert (answer.confidence == 200).all()


@on_gpu
def test_gpu_in_half_precision_by_itself(tmp_path: Path) -> None:
    engine = TorchEngine(write_tiny_program(tmp_path / 'm.pt2', module=Half()))
    assert (engine.provider, engine.fallback) == ('cuda', None)
    assert (engine.run(np.ones((1, 16, 24, 3), np.uint8)).labels == 1).all()


def test_python_without_torch(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opener, 'find_spec', lambda name: None)
    message = (
        r"m\.pt2': got a Python without torch, expected torch, which runs \.pt2 files\. "
        r'.*`pip install torch`.*ONNX'
    )
    with pytest.raises(ProviderError, match=message):
        open_engine(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"none\.pt2': got nothing"):
        TorchEngine(tmp_path / 'none.pt2', 'cpu')


@pytest.mark.parametrize('share', [0.0, 0.3, 0.6, 0.95])
def test_truncated_file(path: Path, tmp_path: Path, share: float) -> None:
    data = path.read_bytes()
    (tmp_path / 'm.pt2').write_bytes(data[: int(share * len(data))])
    message = r'got \d+ bytes that do not load \(.*\), expected a whole file of torch\.export'
    with pytest.raises(ModelFileError, match=message):
        read_card(tmp_path / 'm.pt2')


def copy_without(path: Path, out: Path, ending: str) -> Path:
    """A copy of a zip file without the entries whose names end so."""
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(out, 'w') as copy:
        for name in archive.namelist():
            if not name.endswith(ending):
                copy.writestr(name, archive.read(name))
    return out


def test_foreign_program_is_sent_to_export(path: Path, tmp_path: Path) -> None:
    bare = copy_without(path, tmp_path / 'm.pt2', '/seg_perception')
    with pytest.raises(ModelFileError, match=r'torch\.export without `seg_perception`'):
        read_card(bare)


def test_program_that_torch_cannot_read(path: Path, tmp_path: Path) -> None:
    damaged = copy_without(path, tmp_path / 'm.pt2', 'weights_config.json')
    message = r'bytes that do not load \(.*\), expected a file of torch\.export that torch \d'
    with pytest.raises(ModelFileError, match=message):
        TorchEngine(damaged, 'cpu')


class Wrong(torch.nn.Module):
    """Breaks the contract in one way."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, image: Any) -> Any:
        return self.answer(image)


class WrongName(torch.nn.Module):
    def forward(self, x: Any) -> Any:
        return x[..., 0], x[..., 1]


@pytest.mark.parametrize(
    ('module', 'message'),
    [
        (WrongName(), "m.pt2': inputs: got ['x'], expected ['image']"),
        (
            Wrong(lambda image: (image[..., 0],)),
            "outputs: got ['labels'], expected ['confidence']",
        ),
        (
            Wrong(lambda image: (image[..., 0].long(), image[..., 1])),
            'type of output `labels`: got torch.int64, expected tensor(uint8)',
        ),
        (Wrong(lambda image: (image, image[..., 0])), 'shape of output `labels`: got'),
    ],
)
def test_refuses_another_contract(tmp_path: Path, module: Any, message: str) -> None:
    path = write_tiny_program(tmp_path / 'm.pt2', module=module)
    with pytest.raises(ModelFileError, match=re.escape(message)):
        TorchEngine(path, 'cpu')


def test_refuses_a_fixed_program_with_a_dynamic_card(tmp_path: Path) -> None:
    path = write_tiny_program(
        tmp_path / 'm.pt2', fixed_size=(16, 24), module=NearestColour(), card=tiny_card()
    )
    with pytest.raises(ModelFileError, match=r'got \(16, 24\), expected free'):
        TorchEngine(path, 'cpu')
