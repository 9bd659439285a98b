# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import ctypes
import os
import subprocess
import sys

import pytest

from training import memory

# Page faults of the second time that 64 MB are taken, filled and given back.
FAULTS = """
import ctypes, resource
from training.memory import keep_freed_memory
{prepare}
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(64 << 20)
    ctypes.memset(block, 1, 64 << 20)
    libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
needs_glibc = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), 'mallopt'), reason='the C library is not glibc'
)


def faults(prepare):
    # Without settings of the caller's environment.
    env = {name: value for name, value in os.environ.items() if not name.startswith('MALLOC_')}
    script = FAULTS.format(prepare=prepare)
    done = subprocess.run(
        [sys.executable, '-c', script], env=env, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@needs_glibc
def test_freed_blocks_are_taken_again():
    assert faults('assert keep_freed_memory()') < 100


@needs_glibc
def test_glibc_gives_them_back_by_itself():
    assert faults('') > 10_000  # 16,384 pages of 4 kB


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(memory.ctypes, 'CDLL', lambda _: object())
    assert not memory.keep_freed_memory()
