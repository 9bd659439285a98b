# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Write the files that follow from the settings: parameters, default risk profile, documentation.

    python -m seg_perception.tools.settings_files
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seg_perception.core.settings import Item
from seg_perception.node.parameters import is_derived, is_live, table
from seg_perception.risk_profiles import profile_items

ROOT = Path(__file__).parents[2]
_COMMAND = 'python -m seg_perception.tools.settings_files'
_HEADER = """\
# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
#
"""
_PARAMETERS = f"""\
{_HEADER}\
# Every parameter of the node with its default. Those marked `live` can change at run time, the
# others are read when the node starts. Written by `{_COMMAND}`.
# Quote names such as 'y', 'n', 'on', 'off': unquoted they are booleans to YAML.
/**:
  ros__parameters:
"""
_PROFILE = f"""\
{_HEADER}\
# Every number of a risk profile with its default; docs/risk.md states the rule that they feed.
# A profile of your own needs only the keys that differ: pass its path as the parameter
# risk_profile. Written by `{_COMMAND}`.
"""
_MARKDOWN = f"""\
# Parameters of the node

Parameters marked `live` can change at run time, several at once or none of them. `<cam>` is a
name from `cameras`. Written by `{_COMMAND}`.

| parameter | default | unit, range | live | meaning |
|---|---|---|---|---|
"""
_MARKDOWN_PROFILE = """
## Risk profile

The parameter `risk_profile` names the file with the rules for drivable area and risk: `default`
(cars on roads), `slow_robot` (a slow robot among people), or the path of a YAML file of your own.
It can change while the node runs. A wrong file is refused as a whole, and the old rules stay.
Setting the same path again reads the file again.

A profile needs only the keys that differ from
[default.yaml](../seg_perception/risk_profiles/default.yaml), in groups:

```yaml
risk:
  near_m: 3.0
  time:
    hold_s: 1.0
```

`seg-perception evaluate --set risk_profile=slow_robot --set risk.near_m=3` takes the same names.
[risk.md](risk.md) explains how the numbers work together.

| key | default | unit, range | meaning |
|---|---|---|---|
"""
_MARKDOWN_OLD = """
## Names of version 0.1

These names still work as parameters at start, with one warning; the next version drops them.

| old | new |
|---|---|
| `<cam>.mount.*` | `<cam>.extrinsics.*` |
| `drivable.clearance_m`, `grid.clearance_m`, `scan.clearance_m` | `clearance_m` |
| `drivable.min_confidence`, `grid.min_confidence` | `min_confidence` |
| keys of the table above, as parameters | keys of a profile file; the old parameters win over it |
"""


def parameters_yaml() -> str:
    """``config/params.yaml``: every parameter of one camera with its default."""
    rows = table(['front']).values()
    return _PARAMETERS + ''.join(
        f'\n{_comment(row, 4, live=True)}    {"# " * is_derived(row)}{row.path}: {_value(row)}\n'
        for row in rows
    )


def profile_yaml() -> str:
    """``default.yaml``: every key of a risk profile with its default."""
    text, path = _PROFILE, list[str]()
    for row in profile_items():
        *groups, name = row.path.split('.')
        for depth, group in enumerate(groups):
            if path[: depth + 1] != groups[: depth + 1]:
                text += f'\n{"  " * depth}{group}:\n'
        path = groups
        indent = 2 * len(groups)
        text += f'{_comment(row, indent)}{" " * indent}{name}: {_value(row)}\n'
    return text


def parameters_markdown() -> str:
    """``docs/parameters.md``: the tables for people."""
    rows = [
        f'| `{row.path}` | `{_value(row)}` | {_marks(row)} | {"yes" if is_live(row) else ""} '
        f'| {row.setting.description} |\n'
        for row in table().values()
    ]
    keys = [
        f'| `{row.path}` | `{_value(row)}` | {_marks(row)} | {row.setting.description} |\n'
        for row in profile_items()
    ]
    return ''.join([_MARKDOWN, *rows, _MARKDOWN_PROFILE, *keys, _MARKDOWN_OLD])


FILES = {
    'config/params.yaml': parameters_yaml,
    'seg_perception/risk_profiles/default.yaml': profile_yaml,
    'docs/parameters.md': parameters_markdown,
}
"""What is written, by path from the repository's root."""


def _marks(row: Item) -> str:
    """Unit and range, such as ``m, 0 to 5``."""
    setting = row.setting
    is_share = setting.unit == '0..1' and (setting.low, setting.high) == (0, 1)
    span = ', '.join(setting.choices) or ('' if is_share else setting.allowed)
    return ', '.join(filter(None, [setting.unit, span]))


def _comment(row: Item, indent: int, live: bool = False) -> str:
    about = ', '.join(filter(None, [_marks(row), 'live' if live and is_live(row) else '']))
    text = f'{row.setting.description} [{about}]' if about else row.setting.description
    lines = textwrap.wrap(text, 96 - indent)
    return ''.join(f'{" " * indent}# {line}\n' for line in lines)


def _value(row: Item) -> str:
    value: Any = list(row.default) if isinstance(row.default, tuple) else row.default
    return json.dumps(value).replace('"', "'")


def stale_files(root: Path = ROOT) -> Iterable[str]:
    """The files that no longer follow from the settings."""
    return [
        name for name, made in FILES.items() if (root / name).read_text(encoding='utf-8') != made()
    ]


def main() -> None:
    for name, made in FILES.items():
        (ROOT / name).write_text(made(), encoding='utf-8')


if __name__ == '__main__':
    main()
