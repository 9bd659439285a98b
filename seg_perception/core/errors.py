# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every error of the package: one family, one sentence shape."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class SegPerceptionError(Exception):
    """
    Base of all errors: what is wrong, the value seen, the value expected, the fix.

    :param thing: what is wrong, such as ``"image 'front'"``.
    :param seen: the value seen.
    :param expected: the value or values that would have been right.
    :param fix: what the reader can do about it; may be empty.
    """

    exit_code = 2
    """Exit code of a command that this error ends."""

    def __init__(self, thing: str, seen: object, expected: object, fix: str = '') -> None:
        self.thing, self.seen, self.expected, self.fix = thing, seen, expected, fix
        super().__init__(thing, seen, expected, fix)

    def __str__(self) -> str:
        text = f'{self.thing}: got {self.seen}, expected {self.expected}.'
        return printable(f'{text} {self.fix}' if self.fix else text)


class ClassTableError(SegPerceptionError):
    """A class table is inconsistent or unknown."""


class ImageError(SegPerceptionError):
    """One image cannot be used; the next one may be fine."""


class CloudError(SegPerceptionError):
    """One point cloud cannot be used; the next one may be fine."""


class ModelFileError(SegPerceptionError):
    """A model file is missing, damaged or not in the contract."""


class ProviderError(SegPerceptionError):
    """The asked-for execution provider is not there."""


class ParameterError(SegPerceptionError):
    """A parameter is unknown, out of range or cannot change now."""


class SourceError(SegPerceptionError):
    """A video, folder or camera cannot be read, or an output cannot be written."""


class OutputError(SourceError):
    """An output cannot be written: no room or no permission. No other input will fare better."""


class CalibrationError(SegPerceptionError):
    """A camera's intrinsics or extrinsics are impossible, or belong to another image."""


class MessageError(SegPerceptionError):
    """A message and what fills it do not have the same fields."""


def printable(text: str) -> str:
    """Text of files and messages with its control characters escaped, but for line ends."""
    if text.isprintable():
        return text
    shown = (c if c.isprintable() or c == '\n' else ascii(c)[1:-1] for c in text)
    return ''.join(shown)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence that names the known words close to a wrong one; empty when none is close."""
    names = {name.lower(): name for name in known}
    close = [names[name] for name in get_close_matches(word.lower(), names)]
    return f'Did you mean {" or ".join(close)}?' if close else ''


def first_line(error: Exception) -> str:
    """The first line of what a library says, or the kind of error where it says nothing."""
    return (str(error).strip().splitlines() or [''])[0] or type(error).__name__
