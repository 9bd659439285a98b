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
from tiny_run import BAD, BAD_REASON, FRONT, frame_table, summary_of, write_run, write_thumbs

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


def test_headline_and_worst_frame(tmp_path: Path) -> None:
    inputs = [('a.mcap', FRONT), ('b.mcap', FRONT)]
    text = Outline(write_report(write_run(tmp_path, 12, inputs)).read_text()).text
    for told in (
        'tiny on 24 frames of 2 inputs.',
        f'The lowest safety score is 20 ({BAD_REASON}), in a.mcap, frame {BAD}.',
        'Frames 24 of 2 inputs',
        'Speed 25.0 frames/s 5 s of processing',
        'Latency 22.0 ms p95 31.0 ms, all stages',
        'Safety score 80 median',
        'High or critical 8.3 % of the frames',  # 2 of 24
        # road 60/70, pole 10/20, car 20/20; 90 of 100 pixels are correct
        'Mean IoU 78.6 % pixel accuracy 90.0 %',
        'Drivable IoU 85.7 % 24 frames with ground truth',
        'Expected calibration error 4.0 %.',
        'pole predicted as road: 50.0 % of its pixels, 10.00 % of all',
        'condition frames miou day 24 75.0 %',
    ):
        assert told in text


def test_table_of_inputs_has_the_values_to_sort_by(tmp_path: Path) -> None:
    inputs = [('a.mcap', FRONT), ('clip.mp4', '')]
    steady = {'pairs': 9, 'consistency': 0.625, 'flips_per_s': 1.5}
    summary = {
        'inputs': [{'source': 'a.mcap', 'stability': steady}, {'source': 'clip.mp4'}],
        'stability': steady,
    }
    folder = write_run(tmp_path, 10, inputs, with_truth=False, summary=summary)
    page = write_report(folder).read_text()
    assert 'Label consistency 62.5 % 1.50 flips per pixel and second' in Outline(page).text
    row = re.search(r'data-input="0">(.*?)</tr>', page, re.S)
    assert row
    cells = re.findall(r'data-value="([^"]*)">([^<]*)<', row[1])
    told = ['10', '80', '20', '10.0 %', '16.7', '62.5 %', '1.50', '–']  # noqa: RUF001
    assert [shown for _, shown in cells] == told
    assert [float(value) for value, _ in cells[1:3]] == [80, 20]
    assert cells[-1][0] == '-1'  # unknown comes before every number


def test_levels_from_safe_to_unknown(tmp_path: Path) -> None:
    counts = {'UNKNOWN': 1, 'CRITICAL': 2, 'LOW': 5, 'HIGH': 0, 'MODERATE': 2}
    page = write_report(write_run(tmp_path, summary={'levels': counts})).read_text()
    order = 'low 50.0 % moderate 20.0 % critical 20.0 % unknown 10.0 %'
    assert order in Outline(page).text


def test_facts_and_what_was_skipped(tmp_path: Path) -> None:
    given = {'name': 'net', 'input_size': [384, 640], 'scores': {'a_b': 0.123456789}}
    skipped = {'drive.mcap': {'truncated image': 3}}
    write_run(tmp_path, summary={'model': given, 'skipped': skipped})
    text = Outline(write_report(tmp_path).read_text()).text
    assert 'name net input size 384, 640 scores 1 line a b 0.123457' in text
    assert 'Skipped frames input and reason frames drive.mcap · truncated image 3' in text


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
    assert 'The camera is not calibrated' in outline.text
    assert 'Mean IoU' not in outline.text


def test_without_frames_the_failures_are_told(tmp_path: Path) -> None:
    write_run(tmp_path, with_thumbs=False)
    pq.write_table(frame_table(0, [('a', '')]), tmp_path / 'frames.parquet')
    failures = [{'source': f'{n}.mcap', 'what': 'no footer'} for n in range(5)]
    summary = summary_of(0, [], with_truth=False) | {'failures': failures}
    (tmp_path / 'summary.json').write_text(json.dumps(summary))
    outline = Outline(write_report(tmp_path).read_text())
    assert 'No frame was evaluated.' in outline.text
    assert 'Not read completely: 0.mcap, 1.mcap, 2.mcap and 2 more.' in outline.text
    assert outline.text.count('no footer') == 5
    assert 'timeline' not in outline.ids


def test_missing_images_are_told(tmp_path: Path) -> None:
    write_run(tmp_path)
    for index in (2, 3, 7):
        (tmp_path / f'thumbs/drive.mcap/{index:06d}.jpg').unlink()
    page = write_report(tmp_path).read_text()
    assert '3 images that frames.parquet names are missing from' in Outline(page).text
    assert sorted(data_of(page)['images'], key=int) == [
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
    assert re.search(r'\d{3} of 90\s?000 images are in this file', text)


def test_report_is_replaced_as_a_whole(tmp_path: Path) -> None:
    (write_run(tmp_path) / 'report.html').write_text('old')
    assert write_report(tmp_path).stat().st_size > 4 * MIB
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith('.')] == []


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (write_run(tmp_path) / 'report.html').mkdir()
    with pytest.raises(
        SourceError, match=r"output '.*report.html': got Is a directory.*path that can be written"
    ):
        write_report(tmp_path)


def test_without_plotly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'plotly.offline', None)
    with pytest.raises(SegPerceptionError, match='got a Python without plotly, expected plotly'):
        write_report(write_run(tmp_path))
