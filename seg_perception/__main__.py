# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m seg_perception`` is the command ``seg-perception``."""

import sys

from seg_perception.cli import main

if __name__ == '__main__':
    sys.exit(main())
