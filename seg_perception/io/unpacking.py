# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Decompression in which a few kilobytes cannot become gigabytes."""

from __future__ import annotations

import bz2
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from seg_perception.core.errors import SourceError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_BLOCK = 512 << 20  # bytes of one message or chunk; a raw image of 64 megapixels has 192 MB
_LEAST_FILE, _FILE_RATIO = 1 << 30, 100  # of a whole file: what it may become at least
_CHUNK = 1 << 20


def unzstd(data: bytes, limit: int = MAX_BLOCK) -> bytes:
    """What zstd packed, or the beginning of it where it is cut; ValueError above the limit."""
    return _unpack(zstd.ZstdDecompressor, data, limit)


def unlz4(data: bytes, limit: int = MAX_BLOCK) -> bytes:
    """As ``unzstd``, for a frame of LZ4."""
    import lz4.frame  # which only recordings need

    return _unpack(lz4.frame.LZ4FrameDecompressor, data, limit)


def unbz2(data: bytes, limit: int = MAX_BLOCK) -> bytes:
    """As ``unzstd``, for bzip2."""
    return _unpack(bz2.BZ2Decompressor, data, limit)


def unzstd_file(file: Path, target: Path) -> bool:
    """
    Unpack what can be unpacked of a file; whether that is all of it.

    :raises SourceError: when it is far more than such files become.
    """
    limit = max(_LEAST_FILE, _FILE_RATIO * file.stat().st_size)
    decoder = zstd.ZstdDecompressor()
    with file.open('rb') as packed, target.open('wb') as unpacked, suppress(zstd.ZstdError):
        while chunk := packed.read(_CHUNK):
            while chunk or not decoder.needs_input:  # several frames may follow each other
                decoder = zstd.ZstdDecompressor() if decoder.eof else decoder
                unpacked.write(decoder.decompress(chunk, _CHUNK))
                if unpacked.tell() > limit:
                    raise SourceError(
                        f'bag file {str(file)!r}',
                        f'{file.stat().st_size} bytes that unpack to more than {limit}',
                        f'at most {_FILE_RATIO} times its size',
                        'Unpack it by yourself if you trust it: unzstd FILE.',
                    )
                chunk = decoder.unused_data if decoder.eof else b''
                if decoder.eof and not chunk:
                    break
        return bool(decoder.eof)
    return False


def _unpack(decompressor: Callable[[], Any], data: bytes, limit: int) -> bytes:
    decoder = decompressor()
    unpacked = bytes(decoder.decompress(data, limit + 1))
    if len(unpacked) > limit:
        raise ValueError(f'{len(data)} bytes that unpack to more than {limit}')
    return unpacked
