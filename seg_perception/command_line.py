# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Command lines made from option dataclasses: ``seg-perception`` and ``python -m training``.

    @dataclass(frozen=True)
    class ShowOptions(Settings, name='show'):
        '''
        Show a video.

        :param rate_hz: frames per second
        '''

        rate_hz: Annotated[float, within(0.1, 100)] = 10.0

is a command with ``--rate HZ  frames per second (default: 10)``. The docstring is the help, the
end of a name its unit; ``Setting`` holds the range, and ``Option`` says how an option is written
where the field's type and name do not. A field of a dataclass type is a group of options.

Nothing heavy is imported here, and nothing that only pip has: ``--help`` and ``doctor`` must work
where packages are missing.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import shutil
import signal
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import partial
from inspect import cleandoc
from math import inf
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from seg_perception.core.errors import SegPerceptionError, did_you_mean
from seg_perception.core.settings import HIDDEN, Setting, hints, load, nested

INTERRUPTED_EXIT = 130  # as shells report SIGINT
UNITS = {'hz': 'HZ', 's': 'SECONDS', 'm': 'METRES', 'deg': 'DEGREES'}
HELP_FLAGS = ('-h', '--help')
PLACEHOLDERS = {int: 'N', float: 'X', Path: 'PATH', str: 'TEXT'}

Options = TypeVar('Options')
Command = Callable[[Any], object]
"""Takes the options that its annotation names; what it returns is printed, or is the exit code."""

_UNIT_ENDING = re.compile(f'_({"|".join(UNITS)})$')
_PARAM = re.compile(r'^:param (\w+): (.*?)(?=^:|\Z)', re.MULTILINE | re.DOTALL)
_FLAG = re.compile(r'--?[A-Za-z][\w-]*(=|$)')
_OVERRIDE = re.compile(r'[A-Za-z_]\w*(\.\w+)*=')


@dataclass(frozen=True)
class Option:
    """
    How an option is written.

    :param placeholder: what stands for the value in the help.
    :param read: makes the value, or one of its items, from a word.
    :param names: flags in place of the one made from the field's name; the first is shown.
    :param positional: given by its place, without a flag.
    :param repeat: each use of the flag adds one item.
    :param nargs: number of words, as argparse counts them.
    :param const: value of the flag alone.
    :param bare: words ``name=value`` without the flag are items too.
    :param prefix: first part of the flags of a group, in place of the field's name.
    """

    placeholder: str = ''
    read: Callable[[str], Any] | None = None
    names: tuple[str, ...] = ()
    positional: bool = False
    repeat: bool = False
    nargs: str | None = None
    const: object = None
    bare: bool = False
    prefix: str | None = None


def size(text: str) -> tuple[int, int]:
    """WxH as people write it, (height, width) as the code has it."""
    width, cross, height = text.partition('x')
    if not (cross and width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise ArgumentTypeError(f'got {text!r}, expected WIDTHxHEIGHT such as 1280x720')
    return int(height), int(width)


def named_number(text: str) -> tuple[str, float]:
    name, _, value = text.partition('=')
    try:
        return name, float(value)
    except ValueError:
        raise ArgumentTypeError(f'got {text!r}, expected NAME=VALUE') from None


def comma_separated(read: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """A reader of items between commas, such as ``0.75,1,1.25``."""
    return lambda text: tuple(read(item) for item in text.split(','))


def within(low: float, high: float = inf) -> Setting:
    """The range of an option."""
    return Setting('', low=low, high=high)


SIZE = Option('WxH', read=size)


@dataclass(frozen=True)
class Argument:
    """One option of a command: the path of its field, and all that was declared of it."""

    path: tuple[str, ...]
    prefix: str
    group: str  # its title
    kind: Any  # without Annotated and None
    option: Option
    setting: Setting
    default: Any  # MISSING: required
    description: str

    @property
    def dest(self) -> str:
        return '.'.join(self.path)

    @property
    def flags(self) -> tuple[str, ...]:
        name = self.prefix + _UNIT_ENDING.sub('', self.path[-1])
        return self.option.names or ('--' + name.replace('_', '-'),)

    @property
    def items(self) -> tuple[Any, ...]:
        """Types of the items of a tuple; empty for any other kind."""
        return get_args(self.kind) if get_origin(self.kind) is tuple else ()

    @property
    def placeholder(self) -> str:
        if self.option.placeholder:
            return self.option.placeholder
        if self.setting.choices:
            return '{' + ','.join(self.setting.choices) + '}'
        if unit := _UNIT_ENDING.search(self.path[-1]):
            return UNITS[unit[1]]
        return PLACEHOLDERS.get(self.items[0] if self.items else self.kind, 'VALUE')

    @property
    def help(self) -> str:
        text, value = self.description, self.default
        if value is MISSING:
            return text if self.option.positional else f'{text} (required)'
        if '(default' in text or value in (None, '', ()) or isinstance(value, bool | Mapping):
            return text
        return f'{text} (default: {_shown(value, self.option.placeholder == SIZE.placeholder)})'

    def read(self, word: str) -> Any:
        """
        One value, or one item of a list, from a word.

        :raises ArgumentTypeError: when it has another type or is out of range.
        """
        kind = str if self.setting.choices else self.items[0] if self.items else self.kind
        try:
            value = (self.option.read or kind)(word)
        except ValueError:
            expected = 'a whole number' if kind is int else 'a number'
            raise ArgumentTypeError(f'got {word!r}, expected {expected}') from None
        if isinstance(value, int | float | str) and not self.setting.allows(value):
            raise ArgumentTypeError(f'got {word}, expected {self.setting.allowed}')
        return value

    def arguments(self) -> dict[str, Any]:
        """Arguments of argparse's ``add_argument``."""
        if self.kind is bool:
            return {'action': 'store_true', 'dest': self.dest}
        how: dict[str, Any] = {'metavar': self.placeholder, 'type': self.read}
        if self.option.repeat:
            how['action'] = 'append'
        elif self.option.nargs:
            how |= {'nargs': self.option.nargs, 'const': self.option.const}
        elif self.items and not self.option.read:
            how['nargs'] = '+' if self.items[1:] == (...,) else len(self.items)
        if self.option.positional:
            return how
        return {**how, 'dest': self.dest, 'required': self.default is MISSING}


class _Parser(argparse.ArgumentParser):
    """Errors are one line that names the command, without the whole usage."""

    def error(self, message: str) -> NoReturn:
        end = '' if message.endswith('?') else '.'
        self.exit(2, f'{self.prog}: error: {message}{end} See `{self.prog} --help`.\n')


def by_name(*commands: Command) -> dict[str, Command]:
    """Commands by the names of their functions: ``_find_lr`` is ``find-lr``."""
    return {each.__name__.strip('_').replace('_', '-'): each for each in commands}


def run_command(
    prog: str,
    description: str,
    commands: Mapping[str, Command],
    words: Sequence[str],
    prepare: Callable[[str, Sequence[str]], None],
) -> int:
    """
    Run the command that the words name.

    :param prepare: is called with the command's name and the words before the command runs.
    :return: 0, 1 for findings or failed inputs, 2 for errors, 130 when interrupted.
    """
    log_to_stderr()
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # in a background job of a script
        signal.signal(signal.SIGINT, signal.default_int_handler)
    name, *rest = words or ['']
    try:
        if name in HELP_FLAGS:
            print(_overview(prog, description, commands))
            return 0
        try:
            options = _options(prog, commands, name, rest)
        except SystemExit as ended:  # the words cannot be read, or --help
            return int(ended.code or 0)
        prepare(name, words)
        result = commands[name](options)
        if isinstance(result, int):
            return result
        if result is not None:
            print(result, flush=True)
        return int(getattr(result, 'exit_code', 0))
    except SegPerceptionError as error:
        print(f'{prog}: error: {error}', file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


class _Log(logging.Handler):
    """Plain lines on standard error, above a progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        level = f'{record.levelname.lower()}: ' if record.levelno >= logging.WARNING else ''
        tqdm.write(level + record.getMessage(), file=sys.stderr)


def log_to_stderr() -> None:
    """Show what the modules of this repository log, from INFO on."""
    for name in ('seg_perception', 'training'):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        if not any(isinstance(handler, _Log) for handler in logger.handlers):
            logger.addHandler(_Log())


def _options(
    prog: str, commands: Mapping[str, Command], name: str, words: Sequence[str]
) -> object:
    if name not in commands:
        seen = f'command {name!r}: got an unknown name' if name else 'COMMAND: got nothing'
        _Parser(prog).error(f'{seen}, expected one of {_near(name, commands)}')
    options: object = parse(f'{prog} {name}', options_class(commands[name]), words)
    return options


def options_class(command: Command) -> type:
    """The dataclass that a command takes, by its annotation."""
    kind: type = get_type_hints(command)['options']
    return kind


def parse(prog: str, kind: type[Options], words: Sequence[str]) -> Options:
    """
    The options that the words give; what they leave out has its default.

    :raises SystemExit: with code 2 and one line on stderr when a word cannot be read; with 0
        after ``--help``.
    :raises SegPerceptionError: when the options do not fit together.
    """
    items, flags = list(arguments_of(kind)), words[: [*words, '--'].index('--')]
    if any(word in HELP_FLAGS for word in flags):
        _parser(prog, kind, items).print_help()
        raise SystemExit(0)
    flagged = [item for item in items if not item.option.positional]
    parser = _parser(prog, kind, flagged)
    known = [flag for item in flagged for flag in item.flags]
    for flag in (word.partition('=')[0] for word in flags if _FLAG.match(word)):
        if not any(name.startswith(flag) for name in known):
            near = _near(flag, known)
            parser.error(f'option {flag}: got an unknown name, expected one of {near}')
    given, rest = parser.parse_known_args(words)
    values = vars(given)
    _take_bare_words(parser, items, values, rest)
    for item in items:
        if item.dest in values and get_origin(item.kind) is Mapping:
            values[item.dest] = dict(values[item.dest])
    return load(kind, nested(values), 'option')


def _take_bare_words(
    parser: _Parser, items: Sequence[Argument], values: dict[str, Any], words: Sequence[str]
) -> None:
    """Add the words without a flag to the values: overrides, then options given by place."""
    for item in items:
        if item.option.bare:
            bare = [word for word in words if _OVERRIDE.match(word)]
            words = [word for word in words if word not in bare]
            values[item.dest] = [*values.get(item.dest, ()), *bare]
    words = [word for word in words if word != '--']
    for item in items:
        if item.option.positional:
            mine, words = (words, []) if item.items else (words[:1], words[1:])
            if not mine and item.default is MISSING:
                parser.error(f'the following arguments are required: {item.placeholder}')
            try:
                read = [item.read(word) for word in mine]
            except ArgumentTypeError as error:
                parser.error(f'{item.placeholder}: {error}')
            if read:
                values[item.dest] = read if item.items else read[0]
    if words:
        parser.error(f'{" ".join(words)}: got words that are no options, expected none')


def arguments_of(
    kind: type, path: tuple[str, ...] = (), prefix: str = '', group: str = 'options'
) -> Iterator[Argument]:
    """The options of a dataclass, those of the groups in it too."""
    docs = _docs(kind)
    for field in fields(kind):
        bare, extras = _peeled(hints(kind)[field.name])
        if HIDDEN in extras:
            continue
        option = next((extra for extra in extras if isinstance(extra, Option)), Option())
        here = (*path, field.name)
        if isinstance(bare, type) and is_dataclass(bare):
            start = f'{field.name}_' if option.prefix is None else option.prefix
            yield from arguments_of(bare, here, start, _summary(bare))
        else:
            factory = field.default_factory
            default = field.default if factory is MISSING else factory()
            setting = next((extra for extra in extras if isinstance(extra, Setting)), Setting(''))
            text = docs.get(field.name, setting.description)
            yield Argument(here, prefix, group, bare, option, setting, default, text)


def _peeled(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type without Annotated and None, and what Annotated held."""
    extras: tuple[Any, ...] = ()
    while get_origin(kind) in (Annotated, Union, UnionType):
        inner, *others = get_args(kind)
        extras += tuple(others) if get_origin(kind) is Annotated else ()
        kind = inner
    return kind, extras


def _parser(prog: str, kind: type, items: Sequence[Argument]) -> _Parser:
    needed = [item for item in items if item.default is MISSING]
    words = [
        item.placeholder + ' ...' * bool(item.items)
        if item.option.positional
        else f'{item.flags[0]} {item.placeholder}'
        for item in sorted(needed, key=lambda item: not item.option.positional)
    ]
    width = min(shutil.get_terminal_size().columns, 100)
    layout = partial(argparse.RawDescriptionHelpFormatter, max_help_position=28, width=width)
    parser = _Parser(
        prog,
        ' '.join(['%(prog)s', *words, '[options]']),
        cleandoc(kind.__doc__ or '').partition('\n:')[0],
        add_help=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=layout,
    )
    titles = dict.fromkeys(['arguments', 'options', *(item.group for item in items)])
    groups = {title: parser.add_argument_group(title) for title in titles}
    groups['options'].add_argument(*HELP_FLAGS, action='store_true', help='show this help')
    for item in items:
        title = 'arguments' if item.option.positional else item.group
        names = (item.dest,) if item.option.positional else item.flags
        how = item.arguments() | {'help': item.help.replace('%', '%%')}
        groups[title].add_argument(*names, **how)
    return parser


def _overview(prog: str, description: str, commands: Mapping[str, Command]) -> str:
    width = max(map(len, commands)) + 2
    lines = [f'usage: {prog} COMMAND [options]', '', description, '', 'commands:']
    lines += [
        f'  {name:<{width}}{_summary(options_class(command))}'
        for name, command in commands.items()
    ]
    return '\n'.join([*lines, '', f'`{prog} COMMAND --help` lists the options of a command.'])


def _summary(kind: type) -> str:
    """First line of a docstring, as a line of a list has it."""
    line = cleandoc(kind.__doc__ or '').partition('\n')[0].rstrip('.')
    return line[:1].lower() + line[1:]


def _docs(kind: type) -> dict[str, str]:
    """What the docstrings of a class and its bases say of each field."""
    texts = [cleandoc(base.__doc__ or '') for base in reversed(kind.__mro__)]
    found = [pair for text in texts for pair in _PARAM.findall(text)]
    return {name: ' '.join(text.split()) for name, text in found}


def _shown(value: Any, is_size: bool) -> str:
    if is_size:
        return f'{value[1]}x{value[0]}'
    values = value if isinstance(value, tuple) else (value,)
    return ' '.join(f'{one:g}' if isinstance(one, float) else str(one) for one in values)


def _near(word: str, known: Iterable[str]) -> str:
    known = list(known)
    return f'{", ".join(known)}. {did_you_mean(word, known)}'.rstrip(' .')
