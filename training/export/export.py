# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m training export``: model files, written only if they equal the network."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import onnx

from seg_perception.inference.model_file import TORCH_ENDING, ModelCard
from seg_perception.inference.open_engine import open_engine
from seg_perception.io.atomic import write_bytes
from training.data.domains import open_domains
from training.errors import ExportError
from training.evaluate.domains import DomainScores, score_domains
from training.evaluate.ood_score import fit_scale
from training.evaluate.predictors import engine_predictor, score_file
from training.evaluate.scores import Scores
from training.export.candidate import ExportCandidate, load_candidate
from training.export.card import FileNote, card_text, make_card, score_table
from training.export.check import check_equal, check_half
from training.export.files import finish, program_bytes, to_onnx, with_card
from training.export.int8 import CALIBRATIONS, quantise
from training.options import ExportOptions

ONNX_ENDING = '.onnx'
INT8_ENDING = '.int8.onnx'


@dataclass(frozen=True)
class ExportArtifact:
    """A model file before it is written: content, card, scores and checks."""

    path: Path
    pack: Callable[[ModelCard], bytes]  # its content with a card
    card: ModelCard
    scores: Scores | DomainScores
    what: str
    checks: tuple[str, ...]
    costs: tuple[str, ...] = ()  # in scores

    @property
    def content(self) -> bytes:
        return self.pack(self.card)

    @property
    def note(self) -> FileNote:
        return FileNote(self.path.name, len(self.content), self.what, self.checks + self.costs)

    def measured_as(self, other: ExportArtifact) -> ExportArtifact:
        """The same with what was measured of another run's file."""
        card = replace(
            self.card, scores=other.card.scores, ood_calibration=other.card.ood_calibration
        )
        costs = tuple(f'of the held-out run, {cost}' for cost in other.costs)
        return replace(self, card=card, scores=other.scores, costs=costs)


def export(options: ExportOptions) -> str:
    """
    Write the files and their cards, and give the report to print.

    :raises ExportError: when a file differs from the network, or eight bits cost too much; then
        nothing is written.
    """
    if options.out.suffix != ONNX_ENDING:
        raise ExportError('--out', options.out, f'a name that ends in {ONNX_ENDING}')
    held_out = None
    if options.held_out is not None:
        held_out = load_candidate(options.held_out, options.overrides)
    candidate = load_candidate(options.checkpoint, options.overrides, held_out)
    if options.int8 and not (candidate.data.train and options.calibration > 0):
        seen = f'{options.calibration} frames of {len(candidate.data.train)} sets in data.train'
        raise ExportError('--int8', seen, 'frames to calibrate on')
    with tempfile.TemporaryDirectory() as folder:
        made = _make_all(candidate, options, Path(folder))
        if held_out is not None:
            others = _make_all(held_out, options, Path(folder))
            made = [file.measured_as(one) for file, one in zip(made, others, strict=True)]
    files = {file.path: file.content for file in made} | _cards(candidate, made)
    for path, content in files.items():
        write_bytes(path, content)
    checks = [check for file in made for check in file.note.checks]
    wrote = [f'wrote {path}' for path in files]
    scores = made[0].scores
    by_domain = isinstance(scores, DomainScores)
    text = scores.text('float32') if by_domain else scores.text(candidate.classes)
    return '\n'.join([text, *checks, *wrote])


def _cards(candidate: ExportCandidate, made: list[ExportArtifact]) -> dict[Path, bytes]:
    """One Markdown card for the files of each stem."""
    groups: dict[Path, list[ExportArtifact]] = {}
    for file in made:
        groups.setdefault(file.path.with_suffix('.md'), []).append(file)
    return {
        path: card_text(
            files[0].card, candidate, files[0].scores, [file.note for file in files]
        ).encode()
        for path, files in groups.items()
    }


def _make_all(
    candidate: ExportCandidate, options: ExportOptions, folder: Path
) -> list[ExportArtifact]:
    model = to_onnx(candidate.program(candidate.config.deploy.cells))
    plain = _make_onnx(candidate, model, options, folder)
    made = [plain]
    if options.pt2:
        made.append(_make_pt2(candidate, plain, folder))
    if options.int8:
        made.append(_make_int8(candidate, model, plain, options, folder))
    return made


def _make_onnx(
    candidate: ExportCandidate, model: onnx.ModelProto, options: ExportOptions, folder: Path
) -> ExportArtifact:
    """The float32 file, equal to the network."""
    card, small = make_card(candidate), finish(model)
    draft = _draft(folder, options.out, with_card(small, card))
    frames, engine = candidate.frames_to_check(), open_engine(draft, 'cpu')
    equal = check_equal(f'file {options.out}', engine, candidate.reference, frames)
    scores = _score(candidate, draft)
    ood = fit_scale(engine, candidate.data.val)
    card = replace(card, scores=score_table(candidate, scores), ood_calibration=ood)
    what = 'float16 weights and float32 arithmetic, for onnxruntime'
    pack = partial(with_card, small)
    return ExportArtifact(options.out, pack, card, scores, what, (f'onnxruntime {equal}',))


def _make_pt2(candidate: ExportCandidate, plain: ExportArtifact, folder: Path) -> ExportArtifact:
    """The same for the torch engine."""
    path = plain.path.with_suffix(TORCH_ENDING)
    pack = partial(program_bytes, candidate.program(by_cells=False))
    draft, frames = _draft(folder, path, pack(plain.card)), candidate.frames_to_check()
    equal = check_equal(f'file {path}', open_engine(draft, 'cpu'), candidate.reference, frames)
    share = check_half(str(path), draft, frames[0])
    checks = (
        f'torch engine {equal}',
        f'float16, the precision of the torch engine on a GPU, keeps {share:.2%} of the labels',
    )
    what = 'the same network as a program of torch.export, for the torch engine'
    return replace(plain, path=path, pack=pack, what=what, checks=checks)


def _make_int8(
    candidate: ExportCandidate,
    model: onnx.ModelProto,
    plain: ExportArtifact,
    options: ExportOptions,
    folder: Path,
) -> ExportArtifact:
    """The file in eight bits, by the first calibration that costs little enough."""
    path = plain.path.with_suffix(INT8_ENDING)
    card = make_card(candidate, 'int8')
    frames = candidate.frames_to_calibrate(options.calibration)
    before, drops = plain.scores.means()['mean_iou'], list[str]()
    for name in CALIBRATIONS:
        small = finish(quantise(model, frames, name))
        draft = _draft(folder, path, with_card(small, card))
        scores = _score(candidate, draft)
        after = scores.means()['mean_iou']
        drops.append(f'{100 * (before - after):.2f} points ({name})')
        if 100 * (before - after) <= options.max_drop:
            break
    else:
        raise ExportError(
            'mean IoU lost to eight bits',
            ', '.join(drops),
            f'at most {options.max_drop:g} points',
            'Allow more with --max-drop, or calibrate on more frames with --calibration.',
        )
    cost = (
        f'eight bits: mean IoU {after:.4f}, in float32 {before:.4f}; lost {", ".join(drops)}, at '
        f'most {options.max_drop:g} allowed; ranges from {len(frames)} training frames'
    )
    ood = fit_scale(open_engine(draft, 'cpu'), candidate.data.val)
    card = replace(card, scores=score_table(candidate, scores), ood_calibration=ood)
    what = (
        'eight-bit weights and activations inside the network, for onnxruntime on processors with '
        'VNNI; without, sums may saturate'
    )
    return ExportArtifact(path, partial(with_card, small), card, scores, what, (), (cost,))


def _score(candidate: ExportCandidate, draft: Path) -> Scores | DomainScores:
    """Scores of a file on the frames of the run, by domain where these have domains."""
    if domains := open_domains(candidate.config.data):
        predict = engine_predictor(open_engine(draft, 'cpu'))
        return score_domains(predict, candidate.classes, domains)
    return score_file(draft, candidate.data.val)


def _draft(folder: Path, path: Path, content: bytes) -> Path:
    """The file where the engines can try it out before it is written in its place."""
    draft = folder / path.name
    draft.write_bytes(content)
    return draft
