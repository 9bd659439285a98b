# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Pages from their templates: each is one file that carries style, script, plotly and data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seg_perception.evaluation.run_data import optional
from seg_perception.report import text

_HERE = Path(__file__).parent


def fill(name: str, data: Mapping[str, Any], **values: Any) -> str:
    """
    A page of a template in this folder.

    :param data: what the script reads: figures, images, inputs and so on.
    :param values: what the template names.
    :raises SegPerceptionError: when plotly or jinja2 is missing.
    """
    page: str = (
        _environment()
        .get_template(name)
        .render(
            css=_as_is((_HERE / 'page.css').read_text(encoding='utf-8')),
            js=_as_is((_HERE / 'page.js').read_text(encoding='utf-8')),
            plotly=_as_is(optional('plotly.offline').get_plotlyjs()),
            data=_as_is(_script_safe(data)),
            **values,
        )
    )
    return page


def _environment() -> Any:
    jinja2 = optional('jinja2')
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.undefined = jinja2.StrictUndefined
    filters = (text.number, text.percent, text.counted, text.spaced, text.worded)
    environment.filters |= {one.__name__: one for one in filters}
    return environment


def _as_is(text: str) -> Any:
    """Text that the template does not escape."""
    return optional('markupsafe').Markup(text)


def _script_safe(data: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element that holds it."""
    return json.dumps(data, separators=(',', ':'), allow_nan=False).replace('<', '\\u003c')
