# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Point the ROS wheels of this environment at this Python.

The CMake files of their Python message generators carry two include folders of the machine that
built them, so no interface package would build.
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy as np

BAKED_NUMPY = r'/opt/python/[^";]*?/numpy/_core/include'
BAKED_PYTHON = r'/opt/python/[^";/]*/include/python[\d.]+'


def main() -> None:
    """Rewrite the exports in place; a second run finds nothing to do."""
    for path in Path(sys.prefix, 'share').glob('*/cmake/*rosidl_generator_pyExport.cmake'):
        text = path.read_text()
        fixed = re.sub(BAKED_NUMPY, np.get_include(), text)
        fixed = re.sub(BAKED_PYTHON, sysconfig.get_path('include'), fixed)
        if fixed != text:
            path.write_text(fixed)


if __name__ == '__main__':
    main()
