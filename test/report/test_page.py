# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The page as a file: whole, safe, small enough, and clear about what is missing."""

import json
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from math import nan
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from seg_perception.core.errors import SegPerceptionError, SourceError
from seg_perception.report import write_report
from tiny_run import FRONT, frame_table, summary_of, write_run, write_thumbs

MIB = 2**20


class Outline(HTMLParser):
    """Tags with their attributes, identifiers, and text outside of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._raw = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._raw = tag in ('script', 'style')

    def handle_endtag(self, tag: str) -> None:
        self._raw = False

    def handle_data(self, data: str) -> None:
        if not self._raw:
            self.words.append(data)

    @property
    def text(self) -> str:
        return ' '.join(' '.join(self.words).split())

    @property
    def ids(self) -> list[str]:
        return [found for _, given in self.tags if (found := given.get('id'))]


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])


def addresses(outline: Outline) -> Iterator[str]:
    for _, given in outline.tags:
        yield from (given[key] or '' for key in ('src', 'href', 'action') if key in given)


def test_asks_for_nothing_outside(tmp_path: Path) -> None:
    page = write_report(write_run(tmp_path)).read_text()
    outline = Outline(page)
    assert {address.partition(':')[0][:1] for address in addresses(outline)} <= {'d', '#'}
    assert all(address.startswith(('data:', '#')) for address in addresses(outline))
    policy = next(given for tag, given in outline.tags if given.get('http-equiv'))
    assert str(policy['content']).startswith("default-src 'none'; img-src data:;")
    assert page.count('plotly.js v') == 1


def test_all_sections_are_there_once(tmp_path: Path) -> None:
    outline = Outline(write_report(write_run(tmp_path, 4, [('a', FRONT), ('b', '')])).read_text())
    wanted = ['timeline', 'worst', 'inputs', 'truth', 'speed', 'map', 'facts', 'failures']
    assert [one for one in outline.ids if one in wanted] == wanted
    assert len(set(outline.ids)) == len(outline.ids)
    links = [address[1:] for address in addresses(outline) if address[:1] == '#']
    assert set(links) == set(wanted)


def test_names_from_outside_stay_text(tmp_path: Path) -> None:
    name = '</script><b onclick="x">&drive'
    failure = {'source': name, 'what': '<img src=x>'}
    write_run(tmp_path, 4, [(name, '')], with_thumbs=False, summary={'failures': [failure]})
    page = write_report(tmp_path).read_text()
    assert data_of(page)['inputs'][0]['title'] == name
    outline = Outline(page)
    assert not any('onclick' in given for _, given in outline.tags)
    assert '<img src=x>' in outline.text


def test_without_truth_calibration_and_positions(tmp_path: Path) -> None:
    write_run(tmp_path, with_truth=False, with_fix=False, free_m=nan)
    outline = Outline(write_report(tmp_path).read_text())
    assert not {'truth', 'map', 'iou', 'confusion', 'reliability'} & set(outline.ids)
    assert 'Without calibration there are no metres' in outline.text
    assert 'Mean IoU' not in outline.text


def test_without_frames_the_failures_are_told(tmp_path: Path) -> None:
    write_run(tmp_path, with_thumbs=False)
    pq.write_table(frame_table(0, [('a', '')]), tmp_path / 'frames.parquet')
    failures = [{'source': f'{n}.mcap', 'what': 'no footer'} for n in range(5)]
    summary = summary_of(0, [], with_truth=False) | {'failures': failures}
    (tmp_path / 'summary.json').write_text(json.dumps(summary))
    outline = Outline(write_report(tmp_path).read_text())
    assert 'No frame was evaluated.' in outline.text
    assert 'Not read to the end: 0.mcap, 1.mcap, 2.mcap and 2 more.' in outline.text
    assert outline.text.count('no footer') == 5
    assert 'timeline' not in outline.ids


def test_missing_pictures_are_told(tmp_path: Path) -> None:
    write_run(tmp_path)
    for index in (2, 3, 7):
        (tmp_path / f'thumbs/drive.mcap/{index:06d}.jpg').unlink()
    page = write_report(tmp_path).read_text()
    assert '3 pictures that frames.parquet names are not in' in Outline(page).text
    assert sorted(data_of(page)['pictures'], key=int) == [
        '0',
        '1',
        '4',
        '5',
        '6',
        '8',
        '9',
        '10',
        '11',
    ]


def test_an_hour_stays_below_15_mb(tmp_path: Path) -> None:
    hour = 90_000
    write_run(tmp_path, 100, with_thumbs=False)
    table = frame_table(hour, [('drive.mcap', FRONT)])
    names = [f'thumbs/drive.mcap/{index % 3:06d}.jpg' for index in range(hour)]
    table = table.set_column(table.column_names.index('thumbnail'), 'thumbnail', [names])
    pq.write_table(table, tmp_path / 'frames.parquet')
    write_thumbs(tmp_path / 'thumbs/drive.mcap', 3)
    for file in (tmp_path / 'thumbs/drive.mcap').iterdir():
        file.write_bytes(file.read_bytes() + bytes(18_000))  # as large as a busy street
    path = write_report(tmp_path)
    assert 11e6 < path.stat().st_size < 15e6
    text = Outline(path.read_text()).text
    assert re.search(r'[12]\s?\d{3} of 90\s?000 frames are drawn', text)
    assert re.search(r'\d{3} of 90\s?000 pictures are in this file', text)


def test_report_is_replaced_as_a_whole(tmp_path: Path) -> None:
    (write_run(tmp_path) / 'report.html').write_text('old')
    assert write_report(tmp_path).stat().st_size > 4 * MIB
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith('.')] == []


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (write_run(tmp_path) / 'report.html').mkdir()
    with pytest.raises(SourceError, match=r"output '.*report.html': .*file that can be written"):
        write_report(tmp_path)


def test_without_plotly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'plotly.offline', None)
    with pytest.raises(SegPerceptionError, match='got a Python without plotly, expected plotly'):
        write_report(write_run(tmp_path))
