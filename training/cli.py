# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Commands of the trainer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from seg_perception.core.classes import CAMVID_11
from seg_perception.core.errors import SegPerceptionError
from training.config import load_config


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; 1 and one sentence on stderr when something is wrong."""
    args = _parser().parse_args(words)
    try:
        args.run(args)
    except SegPerceptionError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m training', description=__doc__)
    commands = parser.add_subparsers(required=True)
    fit = commands.add_parser('fit', help='train, or resume the run of the output folder')
    fit.set_defaults(run=_fit)
    fit.add_argument('--config', type=Path, required=True)
    fit.add_argument('overrides', nargs='*', metavar='key=value', help='such as optim.batch=4')
    evaluate = commands.add_parser('evaluate', help='scores on the held-out sequence')
    evaluate.set_defaults(run=_evaluate)
    source = evaluate.add_mutually_exclusive_group(required=True)
    source.add_argument('--checkpoint', type=Path, help='best.pt; the temperature is fitted')
    source.add_argument('--model', type=Path, help='an exported .onnx')
    evaluate.add_argument('--config', type=Path, required=True)
    evaluate.add_argument('overrides', nargs='*', metavar='key=value')
    export = commands.add_parser('export', help='write a model file and its card')
    export.set_defaults(run=_export)
    export.add_argument('--checkpoint', type=Path, required=True)
    export.add_argument('--out', type=Path, required=True, help='file name ending in .onnx')
    export.add_argument(
        'overrides', nargs='*', metavar='key=value', help='such as deploy.upscale=1.25'
    )
    return parser


def _fit(args: argparse.Namespace) -> None:
    from training.fit import fit

    best = fit(load_config(args.config, args.overrides))
    print(f'best mean IoU on the hold-out: {best:.4f}')


def _evaluate(args: argparse.Namespace) -> None:
    from training.evaluate import evaluate_checkpoint, evaluate_model

    config = load_config(args.config, args.overrides)
    if args.model:
        scores = evaluate_model(args.model, config)
    else:
        scores = evaluate_checkpoint(args.checkpoint, config)
    print(scores.text(CAMVID_11))


def _export(args: argparse.Namespace) -> None:
    from training.export import export

    scores = export(args.checkpoint, args.out, args.overrides)
    print(scores.text(CAMVID_11))
    print(f'wrote {args.out} and {args.out.with_suffix(".md")}')
