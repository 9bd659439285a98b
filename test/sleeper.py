# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
A parent that holds a child, as `run` and `demo` hold theirs.

    python sleeper.py      prints the process id of the child
"""

import time

from seg_perception.node.processes import RosProcess, signals_as_exit


def main() -> int:
    """The child: it ends when it is interrupted, which `seg_perception.program` sees to."""
    time.sleep(600)
    return 0


if __name__ == '__main__':
    with signals_as_exit(), RosProcess('sleeper', 'sleeper', {}) as child:
        print(child.pid, flush=True)
        time.sleep(600)
