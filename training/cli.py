# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Commands of the trainer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

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
    except KeyboardInterrupt:
        return 130  # as shells say it of SIGINT
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m training', description=__doc__)
    commands = parser.add_subparsers(required=True)
    _add_fit(commands)
    _add_overfit(commands)
    _add_find_lr(commands)
    _add_evaluate(commands)
    _add_ood(commands)
    _add_sheet(commands)
    _add_pseudo_label(commands)
    _add_blend(commands)
    _add_export(commands)
    _add_stats(commands)
    _add_shard(commands)
    _add_summary(commands)
    _add_study(commands)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--config', type=Path, required=True)
    parser.add_argument('overrides', nargs='*', metavar='key=value', help='such as optim.batch=4')


def _add_fit(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    fit = commands.add_parser(
        'fit',
        help='train, or resume the run of the output folder',
        description='Several processes: torchrun --nproc-per-node 4 -m training fit ...',
    )
    fit.set_defaults(run=_fit)
    _add_config(fit)


def _fit(args: argparse.Namespace) -> None:
    from training.fit import fit

    fit(load_config(args.config, args.overrides))


def _add_overfit(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    overfit = commands.add_parser(
        'overfit',
        help='check that the network can overfit one batch',
        description='One batch without augmentation; an error when the score stays below --least.',
    )
    overfit.set_defaults(run=_overfit)
    _add_config(overfit)
    overfit.add_argument('--steps', type=int, default=200)
    overfit.add_argument('--least', type=float, default=0.9, metavar='MEAN_IOU')


def _overfit(args: argparse.Namespace) -> None:
    from training.probes import check_overfit, overfit

    result = overfit(load_config(args.config, args.overrides), args.steps)
    print(result.text())
    check_overfit(result, args.least)


def _add_find_lr(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    find = commands.add_parser(
        'find-lr',
        help='suggest a learning rate',
        description='Trains with a rate that rises until the loss blows up. Writes find_lr.png '
        'and find_lr.csv to the output folder, and no checkpoint.',
    )
    find.set_defaults(run=_find_lr)
    _add_config(find)
    find.add_argument('--steps', type=int, default=100)


def _find_lr(args: argparse.Namespace) -> None:
    from training.probes import find_learning_rate, write_sweep

    config = load_config(args.config, args.overrides)
    sweep = find_learning_rate(config, args.steps)
    write_sweep(sweep, Path(config.out))
    print(f'suggested optim.learning_rate: {sweep.suggestion:.2g}; see {config.out}/find_lr.png')


def _add_evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    evaluate = commands.add_parser(
        'evaluate',
        help='scores of a checkpoint or of model files on data.val',
        description='Scores, plots and submissions. The network is that of the checkpoint; data, '
        'working size and device are those of the configuration.',
    )
    evaluate.set_defaults(run=_evaluate)
    source = evaluate.add_mutually_exclusive_group(required=True)
    source.add_argument('--checkpoint', type=Path, help='best.pt of a run')
    source.add_argument(
        '--model',
        type=Path,
        action='append',
        default=[],
        help='an exported .onnx or .pt2; give it again to compare others with the first',
    )
    _add_config(evaluate)
    evaluate.add_argument('--out', type=Path, help='folder for scores.json, tables and pictures')
    evaluate.add_argument(
        '--absent',
        choices=('zero', 'skip'),
        default='zero',
        help='classes predicted but not in the truth: 0 as Cityscapes has it (default), '
        'or left out of means as BDD100K has it',
    )
    evaluate.add_argument(
        '--submission', default='', metavar='SERVER', help='cityscapes or bdd100k; needs --out'
    )
    views = evaluate.add_argument_group('of a checkpoint; the mean of the softmax of all views')
    views.add_argument('--scales', type=_numbers, default=(1.0,), help='such as 0.75,1,1.25')
    views.add_argument('--flip', action='store_true', help='each view also mirrored')
    views.add_argument('--window', type=_size, metavar='HxW', help='sliding, such as 512x1024')
    views.add_argument('--overlap', type=float, default=1 / 3, help='of windows, 0 to 0.9')
    views.add_argument(
        '--temperature', type=float, default=0.0, help='of the confidence; default: fitted first'
    )


def _evaluate(args: argparse.Namespace) -> None:
    from training.evaluate.evaluate import EvaluateOptions, evaluate
    from training.evaluate.views import Mode

    options = EvaluateOptions(
        checkpoint=args.checkpoint,
        models=tuple(args.model),
        out=args.out,
        mode=Mode(args.scales, args.flip, args.window, args.overlap),
        absent=args.absent,
        temperature=args.temperature,
        submission=args.submission,
    )
    print(evaluate(options, load_config(args.config, args.overrides)))
    if args.out:
        print(f'wrote {args.out}')


def _add_ood(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    ood = commands.add_parser(
        'ood',
        help='can a network tell that it has never seen something?',
        description='AUROC, AUPR and FPR95 of four scores of strangeness. The frames of data.val '
        'of the run are known; with data.keep, the classes left out are the unknown pixels.',
    )
    ood.set_defaults(run=_ood)
    ood.add_argument('--checkpoint', type=Path, required=True, help='best.pt of a run')
    for name, help_text in (
        ('--known', 'other pictures or videos that it should know; again for more'),
        ('--unknown', 'pictures or videos that it should not know'),
    ):
        ood.add_argument(
            name,
            type=_named,
            action='append',
            default=[],
            metavar='NAME=PATH,PATH',
            help=help_text,
        )
    ood.add_argument('--out', type=Path, help='folder for tables, plot and pictures')
    ood.add_argument('--docs', type=Path, help='page whose figures are replaced: docs/ood.md')
    ood.add_argument(
        '--show',
        action='append',
        default=[],
        metavar='NAME',
        help='sets to show pictures of (all)',
    )
    ood.add_argument('--every', type=int, default=10, help='frame of videos that is taken (10)')
    ood.add_argument(
        '--temperature', type=float, default=0.0, help='of the logits; default: fitted first'
    )
    ood.add_argument('overrides', nargs='*', metavar='key=value', help='such as threads=1')


def _ood(args: argparse.Namespace) -> None:
    from training.evaluate.ood import OodOptions, measure

    options = OodOptions(
        checkpoint=args.checkpoint,
        known=dict(args.known),
        unknown=dict(args.unknown),
        out=args.out,
        docs=args.docs,
        show=tuple(args.show),
        every=args.every,
        temperature=args.temperature,
        overrides=tuple(args.overrides),
    )
    print(measure(options))


def _named(word: str) -> tuple[str, tuple[Path, ...]]:
    name, equals, paths = word.partition('=')
    if not (name and equals and paths):
        raise argparse.ArgumentTypeError(f'got {word!r}, expected NAME=PATH or NAME=PATH,PATH')
    return name, tuple(Path(path) for path in paths.split(','))


def _numbers(word: str) -> tuple[float, ...]:
    return tuple(float(part) for part in word.split(','))


def _size(word: str) -> tuple[int, int]:
    height, width = (int(part) for part in word.split('x'))
    return height, width


def _add_sheet(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sheet = commands.add_parser(
        'sheet', help='what several model files make of the same pictures, side by side'
    )
    sheet.set_defaults(run=_sheet)
    sheet.add_argument('pictures', nargs='+', type=Path, metavar='PICTURE')
    sheet.add_argument('--model', type=Path, action='append', required=True, dest='models')
    sheet.add_argument('--out', type=Path, required=True, help='ends in .png or .jpg')


def _sheet(args: argparse.Namespace) -> None:
    from training.evaluate.sheet import write_sheet

    write_sheet(args.models, args.pictures, args.out)
    print(f'wrote {args.out}')


def _add_pseudo_label(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    label = commands.add_parser(
        'pseudo-label',
        help='let a network label frames that nobody labelled, for self-training',
        description='Writes a data set of kind folder. Called again, it resumes where it stopped.',
    )
    label.set_defaults(run=_pseudo_label)
    label.add_argument('frames', nargs='+', type=Path, metavar='PATH', help='pictures or videos')
    label.add_argument('--checkpoint', type=Path, required=True, help='last.pt of a run')
    label.add_argument('--out', type=Path, required=True, help='folder')
    label.add_argument('--height', type=int, default=360, help='of what is written (360)')
    label.add_argument('--every', type=int, default=1, help='frame of videos that is taken (1)')
    label.add_argument(
        '--sure', type=float, default=0.7, help='least softmax of a pixel that is labelled (0.7)'
    )
    label.add_argument(
        '--set', nargs='+', default=(), metavar='key=value', help='such as threads=1'
    )


def _pseudo_label(args: argparse.Namespace) -> None:
    from training.pseudo_labels import PseudoLabelOptions, pseudo_label

    options = PseudoLabelOptions(
        checkpoint=args.checkpoint,
        frames=tuple(args.frames),
        out=args.out,
        height=args.height,
        every=args.every,
        sure=args.sure,
        overrides=tuple(args.set),
    )
    print(pseudo_label(options))


def _add_blend(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    blended = commands.add_parser(
        'blend',
        help='mean of the weights of checkpoints, such as before and after a part of the training',
        description='Data and configuration are those of the first.',
    )
    blended.set_defaults(run=_blend)
    blended.add_argument('checkpoints', nargs='+', type=Path, metavar='CHECKPOINT')
    blended.add_argument('--out', type=Path, required=True, help='a checkpoint')


def _blend(args: argparse.Namespace) -> None:
    from training.average import blend

    blend(args.checkpoints, args.out)
    print(f'wrote {args.out}')


def _add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    export = commands.add_parser(
        'export',
        help='write model files and their cards',
        description='Files are written only if they give what the network gives on data.val, and '
        'eight bits only if they cost little. Data and size are those of the run.',
    )
    export.set_defaults(run=_export)
    export.add_argument('--checkpoint', type=Path, required=True, help='best.pt of a run')
    export.add_argument('--out', type=Path, required=True, help='file name ending in .onnx')
    export.add_argument(
        '--held-out',
        type=Path,
        help='checkpoint of another run, which was not trained on its data.val: the card gets its '
        'scores, temperature and scale of the strangeness',
    )
    export.add_argument('--int8', action='store_true', help='also OUT.int8.onnx, in eight bits')
    export.add_argument('--pt2', action='store_true', help='also OUT.pt2, for the torch engine')
    export.add_argument(
        '--calibration', type=int, default=64, help='training frames that --int8 looks at (64)'
    )
    export.add_argument(
        '--max-drop', type=float, default=1.0, help='points of mIoU that --int8 may cost (1.0)'
    )
    export.add_argument(
        'overrides', nargs='*', metavar='key=value', help='such as deploy.upscale=1.25'
    )


def _export(args: argparse.Namespace) -> None:
    from training.export.export import ExportOptions, export

    options = ExportOptions(
        checkpoint=args.checkpoint,
        out=args.out,
        held_out=args.held_out,
        int8=args.int8,
        pt2=args.pt2,
        calibration=args.calibration,
        max_drop=args.max_drop,
        overrides=tuple(args.overrides),
    )
    print(export(options))


def _add_stats(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    stats = commands.add_parser(
        'stats',
        help='how often the classes occur in data.train, and the weights that follow',
        description='Reads labels alone, in data.workers processes.',
    )
    stats.set_defaults(run=_stats)
    _add_config(stats)
    stats.add_argument('--out', type=Path, help='folder for stats.csv, stats.json and stats.png')


def _stats(args: argparse.Namespace) -> None:
    from training.stats_report import statistics_of, statistics_text, write_statistics

    config = load_config(args.config, args.overrides)
    statistics = statistics_of(config.data)
    print(statistics_text(statistics, config.loss.weight_offset))
    if args.out:
        write_statistics(statistics, config.loss.weight_offset, args.out)
        print(f'wrote {args.out}')


def _add_shard(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    shard = commands.add_parser(
        'shard',
        help='write the data sets of a configuration as tar files, for large ones',
        description='Frames are chosen, mapped and resized as the configuration says. Called '
        'again, it resumes where it stopped. OUT/data.yaml is the data group that reads them.',
    )
    shard.set_defaults(run=_shard)
    _add_config(shard)
    shard.add_argument('--out', type=Path, required=True, help='folder')
    shard.add_argument('--per-shard-mb', type=float, default=256.0, help='of a tar file (256)')


def _shard(args: argparse.Namespace) -> None:
    from training.data.convert import convert

    data = load_config(args.config, args.overrides).data
    print(f'wrote {convert(data, args.out, args.per_shard_mb)}')


def _add_summary(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = commands.add_parser('summary', help='table of the networks, in Markdown')
    summary.set_defaults(run=_summary)
    summary.add_argument('names', nargs='*', metavar='NAME', help='of networks; default: all')
    summary.add_argument(
        '--size', type=_size, default=(1024, 2048), metavar='HxW', help='default 1024x2048'
    )
    summary.add_argument('--classes', type=int, default=19, help='default 19')
    summary.add_argument(
        '--cpu-ms', action='store_true', help='also time the exported files on this CPU'
    )


def _summary(args: argparse.Namespace) -> None:
    from training.summary import markdown, summarise

    rows = summarise(args.names, args.size, args.classes, args.cpu_ms)
    print(markdown(rows, args.size, args.classes))


def _add_study(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    study = commands.add_parser(
        'study',
        help='train the variants of a claim under one budget and write its page',
        description='Studies are in config/training/studies. What is done is kept: the same '
        'command resumes. The page goes to docs/studies.',
    )
    study.set_defaults(run=_study)
    study.add_argument('name', metavar='NAME')
    study.add_argument('--out', type=Path, default=Path('runs/studies'), help='folder of the runs')
    study.add_argument(
        '--docs', type=Path, default=Path('docs/studies'), help='folder of the pages'
    )
    study.add_argument(
        '--variants',
        '--arms',
        type=_names,
        default=(),
        help='train only these variants, such as unet,enet',
    )
    study.add_argument('--seeds', type=_names, default=(), help='others, such as 0,1')
    study.add_argument(
        '--minutes',
        type=float,
        default=0.0,
        help='there are; says first how long it will take, and stops if that is more',
    )
    study.add_argument(
        '--set', nargs='+', default=(), metavar='key=value', help='of every variant'
    )


def _study(args: argparse.Namespace) -> None:
    from training.study.study import StudyOptions, study

    options = StudyOptions(
        name=args.name,
        out=args.out,
        docs=args.docs,
        variants=args.variants,
        seeds=tuple(int(seed) for seed in args.seeds),
        minutes=args.minutes,
        overrides=tuple(args.set),
    )
    print(f'wrote {study(options)}')


def _names(word: str) -> tuple[str, ...]:
    return tuple(word.split(','))
