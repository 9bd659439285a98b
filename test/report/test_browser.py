# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The report in a real browser: Chromium without a window, the file opened from the disk."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from seg_perception.evaluation.compare import compare
from seg_perception.report import write_report
from tiny_run import BAD_REASON, COLOURS, FRONT, write_run

playwright = pytest.importorskip('playwright.sync_api', reason='no playwright')
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason='no chromium on this machine')

FLAGS = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
]
DESKTOP = {'width': 1440, 'height': 900}
PHONE = {'width': 390, 'height': 844}
INPUTS = [('a_rather_long_name_of_a_drive_2026-05-01.mcap', FRONT), ('drive.mcap', FRONT)]
NO_FRAMES = 'No frame was evaluated.'
SMALLEST_PX = 11
LEAST_CONTRAST = 4.5  # WCAG 2.2, AA
COLOURS_OF = {'light': ('#ffffff', '#1a1f25'), 'dark': ('#14171b', '#e7eaee')}


@pytest.fixture(scope='module')
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that a report can hold: two inputs, truth, positions, a baseline, a failure."""
    folder = tmp_path_factory.mktemp('runs')
    failures = [{'source': 'broken.mcap', 'what': 'got 12 bytes, expected a whole bag'}]
    classes = ['road', 'pole', 'car', *(f'class {index}' for index in range(3, 19))]
    write_run(folder / 'old', 60, INPUTS, classes)
    write_run(folder / 'new', 60, INPUTS, classes, pole_hits=5, summary={'failures': failures})
    compare(folder / 'new', folder / 'old', {'miou_drop': 1.0})
    return folder / 'new' / 'report.html'


@pytest.fixture(scope='module')
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        context = started.chromium.launch_persistent_context(
            tmp_path_factory.mktemp('profile'),
            executable_path=CHROMIUM,
            headless=True,
            args=FLAGS,
            viewport=DESKTOP,
        )
        yield context
        context.close()


class Opened:
    """A page, and what it said and asked for while it was open."""

    def __init__(self, browser: Any, path: Path, size: dict[str, int], scheme: str) -> None:
        self.page = browser.new_page()
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on('console', lambda message: self.said.append(message.text))
        self.page.on('pageerror', lambda error: self.said.append(str(error)))
        self.page.on('request', lambda request: self.requests.append(request.url))
        self.page.set_viewport_size(size)
        self.page.emulate_media(color_scheme=scheme)
        self.page.goto(path.as_uri())
        self.wait('document.documentElement.dataset.ready === "true"')

    def wait(self, condition: str) -> None:
        """Until the condition holds; as a function, since the page forbids itself eval."""
        self.page.wait_for_function(f'() => {condition}')

    def wait_for_row(self, row: int) -> None:
        self.wait(f'document.getElementById("image").dataset.row === "{row}"')

    def text(self, selector: str) -> str:
        return ' '.join(str(self.page.text_content(selector)).split())

    def frame(self) -> str:
        return self.text('#frame-time').rpartition(' ')[2]

    def open_second_input(self) -> None:
        """At its worst frame, number 7, row 67."""
        self.page.click('#inputs [data-input="1"]')
        self.wait_for_row(67)

    def place_of(self, point: int) -> tuple[float, float]:
        """Where a point of the timeline's score is on the screen."""
        place = self.page.evaluate(
            """point => {
                const plot = document.getElementById('series');
                plot.scrollIntoView({ behavior: 'instant', block: 'center' });
                const { xaxis, yaxis } = plot._fullLayout, box = plot.getBoundingClientRect();
                const { x, y } = plot.data[0];
                return [box.x + xaxis._offset + xaxis.l2p(x[point]),
                        box.y + yaxis._offset + yaxis.l2p(y[point])];
            }""",
            point,
        )
        return place[0], place[1]


@pytest.fixture(scope='module')
def desktop(browser: Any, report: Path) -> Opened:
    return Opened(browser, report, DESKTOP, 'light')


@pytest.fixture(scope='module')
def phone(browser: Any, report: Path) -> Opened:
    return Opened(browser, report, PHONE, 'dark')


@pytest.fixture(params=['desktop', 'phone'])
def view(request: pytest.FixtureRequest) -> Opened:
    opened: Opened = request.getfixturevalue(request.param)
    return opened


def test_is_quiet_and_asks_for_nothing(view: Opened, report: Path) -> None:
    assert view.said == []
    assert [url for url in view.requests if not url.startswith('data:')] == [report.as_uri()]


def test_opens_at_the_worst_frame(view: Opened) -> None:
    assert view.frame() == '7'
    assert view.text('#frame-score') == '20'
    assert view.text('#frame-level') == 'critical'
    assert view.text('#frame-reason') == BAD_REASON


def test_nothing_is_wider_than_the_screen(view: Opened) -> None:
    width, wide = view.page.evaluate(
        """() => {
            const wide = [...document.querySelectorAll('body *')].filter((one) =>
                !one.closest('.wide, svg, select') && one.getBoundingClientRect().width > 0 &&
                one.getBoundingClientRect().right > innerWidth + 1);
            return [document.documentElement.scrollWidth, wide.map((one) => one.outerHTML)];
        }"""
    )
    assert width <= view.page.viewport_size['width']
    assert wide == []


def test_all_text_is_large_enough_and_inside(view: Opened) -> None:
    found = view.page.evaluate(
        """() => [...document.querySelectorAll('body *')].flatMap((one) => {
            const has = (node) => node.nodeType === Node.TEXT_NODE && node.data.trim();
            const box = one.getBoundingClientRect();
            const shown = [...one.childNodes].some(has) && box.width;
            if (!shown || one.closest('script, style, option')) return [];
            const cut = !one.closest('.wide') && (box.left < -1 || box.right > innerWidth + 1);
            return [[one.textContent.trim(), parseFloat(getComputedStyle(one).fontSize), cut]];
        })"""
    )
    assert len(found) > 150
    assert [row for row in found if row[1] < SMALLEST_PX or row[2]] == []


def luminance(rgb: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize('scheme', COLOURS_OF)
def test_text_stands_out(desktop: Opened, scheme: str) -> None:
    desktop.page.emulate_media(color_scheme=scheme)
    colours = desktop.page.evaluate(
        """() => Object.fromEntries(
            ['paper', 'panel', 'ink', 'muted', 'accent', 'good', 'bad'].map((name) => {
                const probe = document.body.appendChild(document.createElement('i'));
                probe.style.color = `var(--${name})`;
                const rgb = getComputedStyle(probe).color.match(/[0-9.]+/g).map(Number);
                probe.remove();
                return [name, rgb];
            }))"""
    )
    light = {name: luminance([c / 255 for c in rgb[:3]]) for name, rgb in colours.items()}
    for text in ('ink', 'muted', 'accent', 'good', 'bad'):
        for ground in ('paper', 'panel'):
            low, high = sorted((light[text], light[ground]))
            assert (high + 0.05) / (low + 0.05) >= LEAST_CONTRAST, (text, ground)


@pytest.mark.parametrize('scheme', ['dark', 'light'])
def test_every_plot_follows_the_scheme(view: Opened, scheme: str) -> None:
    view.page.emulate_media(color_scheme=scheme)
    paper, ink = COLOURS_OF[scheme]
    view.wait(
        '[...document.querySelectorAll(".plot")].every((one) => '
        f'one._fullLayout.paper_bgcolor === "{paper}" && one._fullLayout.font.color === "{ink}")'
    )
    drawn = view.page.evaluate(
        """() => [...document.querySelectorAll('.plot')]
            .filter((one) => one.querySelector('.trace, .hm'))
            .map((one) => one.id)"""
    )
    plots = ['series', 'changes', 'iou', 'reliability', 'confusion', 'latency', 'shares', 'track']
    assert drawn == plots


def test_clicking_a_point_shows_its_frame(view: Opened) -> None:
    view.open_second_input()
    view.page.mouse.click(*view.place_of(40))
    view.wait_for_row(100)
    view.page.mouse.move(5, 5)
    assert view.frame() == '40'
    assert view.text('#frame-score') == '80'
    red, green, blue = view.page.evaluate(
        """async () => {
            const image = document.getElementById('image');
            await image.decode();
            const canvas = document.createElement('canvas').getContext('2d');
            canvas.drawImage(image, 0, 0);
            return [...canvas.getImageData(4, 4, 1, 1).data].slice(0, 3);
        }"""
    )
    assert (blue, green, red) == pytest.approx(COLOURS[40 % 3], abs=6)


def test_pointing_shows_a_frame_until_the_pointer_leaves(desktop: Opened) -> None:
    desktop.open_second_input()
    desktop.page.mouse.move(*desktop.place_of(30))
    desktop.wait_for_row(90)
    desktop.page.mouse.move(5, 5)
    desktop.wait_for_row(67)


def test_keys_alone_step_through_the_frames(desktop: Opened) -> None:
    desktop.open_second_input()
    desktop.page.focus('#scrub')
    desktop.page.keyboard.press('ArrowRight')
    desktop.wait_for_row(68)
    desktop.page.keyboard.press('Tab')
    desktop.page.keyboard.press('Enter')
    desktop.wait_for_row(69)
    assert desktop.frame() == '9'


def test_a_worst_frame_opens_its_input(desktop: Opened) -> None:
    desktop.open_second_input()
    desktop.page.click('#worst .card[data-row="7"]')
    desktop.wait_for_row(7)
    assert desktop.page.input_value('#input') == '0'


def test_another_input_is_chosen(view: Opened) -> None:
    view.open_second_input()
    view.page.select_option('#input', label=f'{INPUTS[0][0]} {FRONT}')
    view.wait_for_row(7)


def test_tables_are_sorted_by_their_heads(desktop: Opened) -> None:
    for order, first in (('ascending', INPUTS[0][0]), ('descending', INPUTS[1][0])):
        desktop.page.click('#inputs thead th:nth-child(1) button')
        heading = '#inputs thead th:nth-child(1)'
        assert desktop.page.get_attribute(heading, 'aria-sort') == order
        assert desktop.text('#inputs tbody tr:first-child th') == f'{first} {FRONT}'


def test_paper_is_white_and_has_no_buttons(phone: Opened) -> None:
    colours_of_plots = """() => [...document.querySelectorAll('.plot')].map(
        (one) => one._fullLayout.paper_bgcolor)"""
    phone.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert set(phone.page.evaluate(colours_of_plots)) == {'#ffffff'}
    phone.page.emulate_media(media='print')
    assert not phone.page.is_visible('#scrub')
    assert phone.page.is_visible('#image')
    phone.page.emulate_media(media='screen')
    phone.page.evaluate("dispatchEvent(new Event('afterprint'))")


def test_no_line_bridges_a_pause(tmp_path: Path, browser: Any) -> None:
    write_run(tmp_path, 30, with_thumbs=False)
    path = tmp_path / 'frames.parquet'
    table = pq.read_table(path)
    place = table.column_names.index('stamp_ns')
    stamps = table['stamp_ns'].to_numpy() + 5 * 10**9 * (table['index'].to_numpy() >= 20)
    pq.write_table(table.set_column(place, 'stamp_ns', [stamps]), path)
    one = Opened(browser, write_report(tmp_path), DESKTOP, 'light')
    y = one.page.evaluate('() => document.getElementById("series").data[0].y')
    assert len(y) == 31
    assert y[20] is None
    one.page.mouse.click(*one.place_of(26))  # in the plot, after the break: point 25
    one.wait('document.getElementById("frame-time").textContent.endsWith("frame 25")')
    one.page.close()


def test_a_thousand_inputs_stay_usable(tmp_path: Path, browser: Any) -> None:
    inputs = [(f'drive_{number:04d}.mcap', FRONT) for number in range(1000)]
    write_run(tmp_path, 50, inputs, with_thumbs=False, with_truth=False)
    path = write_report(tmp_path)
    assert path.stat().st_size < 15e6
    one = Opened(browser, path, DESKTOP, 'light')
    one.page.click('#inputs [data-input="776"]')
    one.wait('document.getElementById("input").value === "776"')
    assert one.frame() == '7'
    assert one.text('#input option:nth-child(777)') == f'drive_0776.mcap {FRONT}'
    assert one.page.evaluate('() => document.getElementById("overview").data[1].x.length') == 1000
    assert one.said == []
    one.page.close()


@pytest.mark.parametrize('frames', [0, 1])
def test_with_next_to_nothing_it_is_quiet_too(tmp_path: Path, browser: Any, frames: int) -> None:
    write_run(tmp_path, frames, with_thumbs=False, with_truth=False)
    path = tmp_path / 'frames.parquet'
    table = pq.read_table(path)
    unknown = np.full(frames, np.nan, np.float32)
    for name in ('score', 'confidence', 'corridor_share', 'free_distance_m'):
        table = table.set_column(table.column_names.index(name), name, [unknown])
    pq.write_table(table, path)
    one = Opened(browser, write_report(tmp_path), PHONE, 'dark')
    assert one.said == []
    assert one.text('.lede') == ('tiny on 1 frame of 1 input.' if frames else NO_FRAMES)
    assert one.page.locator('#frame-score').all_text_contents() == ['no score'] * frames
    one.page.close()
