// Copyright 2026 The seg_perception authors
// SPDX-License-Identifier: Apache-2.0
'use strict';
(() => {
  const SHORTEST_PAUSE_S = 2;
  const MINUTES_FROM_S = 600;
  const FIRST_CLOCK_MS = 1e12; // stamps before 2001 count from the start of something
  const PRINT_WIDTH_PX = 680; // of A4 between its margins
  const NARROW_PX = 900; // as in the style
  const DOTS_UP_TO = 60;

  const data = JSON.parse(document.getElementById('data').textContent);
  const LEVELS = data.levels;
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);

  // ---- Plots: figures come with names of CSS variables in place of colours.

  const paint = (value) => {
    if (typeof value === 'string' && value.startsWith('@')) {
      return getComputedStyle(root).getPropertyValue(`--${value.slice(1)}`).trim();
    }
    if (Array.isArray(value)) return value.map(paint);
    if (value && typeof value === 'object') {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, paint(one)]));
    }
    return value;
  };

  const axis = (given) => ({
    gridcolor: '@line',
    linecolor: '@line',
    tickcolor: '@line',
    zeroline: false,
    automargin: true,
    fixedrange: true,
    ...given,
    title: { standoff: 10, font: { color: '@muted', size: 13 }, ...given.title },
  });

  const base = () => ({
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: '@ink' },
    paper_bgcolor: '@paper',
    plot_bgcolor: '@paper',
    showlegend: false,
    dragmode: false,
    hoverlabel: { bgcolor: '@panel', bordercolor: '@line', font: { color: '@ink', size: 13 } },
  });

  const draw = (place, figure) => {
    const margin = { l: 8, r: 12, t: 12, b: 8, ...figure.layout.margin };
    const layout = { ...base(), ...figure.layout, margin };
    for (const name of Object.keys(layout)) {
      if (/^[xy]axis/.test(name)) layout[name] = axis(layout[name]);
    }
    if (root.dataset.scheme === 'print') {
      layout.width = Math.max(PRINT_WIDTH_PX, figure.min_width || 0);
    }
    const options = { displayModeBar: false, responsive: true, doubleClick: 'reset' };
    return Plotly.react(place, paint(figure.data), paint(layout), options);
  };

  const drawFigures = () => {
    for (const place of document.querySelectorAll('[data-figure]')) {
      draw(place, data.figures[place.dataset.figure]);
    }
  };

  const drawAll = () => {
    drawFigures();
    if (data.inputs.length) drawSeries();
  };

  // ---- The timeline of one input.

  const state = { input: 0, point: 0 };
  const current = () => data.inputs[state.input];
  const unit_s = () => (current().time_s.at(-1) > MINUTES_FROM_S ? 60 : 1);

  // Places of the points, and null where nothing was recorded, so that no line bridges a pause.
  const withBreaks = (times) => {
    const steps = times.slice(1).map((time, index) => time - times[index]);
    const usual = [...steps].sort((a, b) => a - b)[steps.length >> 1] || 0;
    const pause = Math.max(SHORTEST_PAUSE_S, 10 * usual);
    return times.flatMap((_, point) => (steps[point - 1] > pause ? [null, point] : [point]));
  };

  // Score, level and free distance below each other over one time axis.
  const seriesFigure = () => {
    const one = current();
    const points = withBreaks(one.time_s);
    const of = (values) => points.map((point) => (point === null ? null : values[point]));
    const x = of(one.time_s.map((time) => time / unit_s()));
    const common = { type: 'scatter', x, customdata: points, hoverinfo: 'none' };
    const line = (values, yaxis) => ({
      ...common,
      y: of(values),
      yaxis,
      mode: points.length <= DOTS_UP_TO ? 'lines+markers' : 'lines',
      line: { color: '@accent', width: 1.4 },
      marker: { color: '@accent', size: 5 },
    });
    const colours = one.level.map((level) => `@${LEVELS[level]}`);
    const level = {
      ...common,
      y: of(one.level),
      yaxis: 'y2',
      mode: 'markers',
      marker: { color: of(colours), size: 6, symbol: 'square' },
    };
    const metric = one.free_distance_m.some((value) => value !== null);
    const share = one.corridor_share.map((value) => (value === null ? null : 100 * value));
    const free = metric ? one.free_distance_m : share;
    return {
      data: [line(one.score, 'y'), level, line(free, 'y3')],
      layout: seriesLayout(metric ? 'free distance, m' : 'free share of the corridor, %'),
    };
  };

  const seriesLayout = (freeName) => ({
    height: innerWidth < NARROW_PX ? 440 : 520,
    margin: { t: 24 },
    hovermode: 'x',
    hoverdistance: -1,
    // On a touch screen a drag scrolls the page.
    dragmode: matchMedia('(pointer: fine)').matches ? 'zoom' : false,
    xaxis: {
      title: { text: `${unit_s() === 60 ? 'minutes' : 'seconds'} from the start` },
      anchor: 'y3',
      fixedrange: false,
      showgrid: false,
      showspikes: true,
      spikemode: 'across',
      spikethickness: 1,
      spikedash: 'solid',
      spikecolor: '@muted',
    },
    yaxis: { domain: [0.66, 1], range: [-4, 104], tickvals: [0, 25, 50, 75, 100] },
    yaxis2: {
      domain: [0.32, 0.58],
      range: [-0.5, LEVELS.length - 0.5],
      tickvals: LEVELS.map((_, level) => level),
      ticktext: LEVELS,
      tickfont: { size: 12 },
    },
    yaxis3: { domain: [0, 0.24], rangemode: 'tozero' },
    annotations: [
      heading('safety score, 100 is safe', 1.005),
      heading('level', 0.585),
      heading(freeName, 0.245),
    ],
    shapes: [cursor()],
  });

  const heading = (text, y) => ({
    text,
    x: 0,
    xref: 'paper',
    xanchor: 'left',
    y,
    yref: 'paper',
    yanchor: 'bottom',
    showarrow: false,
    font: { color: '@muted', size: 13 },
  });

  const cursor = () => {
    const x = current().time_s[state.point] / unit_s();
    const line = { color: '@ink', width: 1.5 };
    return { type: 'line', x0: x, x1: x, y0: 0, y1: 1, yref: 'paper', line };
  };

  const drawSeries = () => draw(byId('series'), seriesFigure());

  // ---- The frame next to it.

  const clock = (seconds) => {
    const minutes = Math.floor(seconds / 60);
    return `${minutes}:${(seconds - 60 * minutes).toFixed(2).padStart(5, '0')}`;
  };

  const nearestImage = (one, point) => {
    const apart = (index) => Math.abs(one.time_s[index] - one.time_s[point]);
    let best = null;
    one.row.forEach((row, index) => {
      if (row in data.images && (best === null || apart(index) < apart(best))) best = index;
    });
    return best;
  };

  const showImage = (one, point) => {
    const near = nearestImage(one, point);
    const image = byId('image');
    byId('no-image').hidden = near !== null;
    byId('frame-nearest').textContent = '';
    if (near === null) {
      image.removeAttribute('src');
      image.alt = '';
      return;
    }
    image.src = data.images[one.row[near]];
    image.alt = `Frame ${one.index[near]} of ${one.title}`;
    image.dataset.row = one.row[near];
    const apart = one.time_s[near] - one.time_s[point];
    if (apart) {
      const side = apart < 0 ? 'before' : 'after';
      const words = `${Math.abs(apart).toFixed(2)} s ${side}`;
      byId('frame-nearest').textContent = `Image of the nearest frame that has one, ${words}.`;
    }
  };

  const factsOf = (one, point) => {
    const stamp_ms = Number(one.start_ns) / 1e6 + 1000 * one.time_s[point];
    const date = stamp_ms > FIRST_CLOCK_MS ? new Date(stamp_ms).toISOString() : '';
    const told = (values, words) => (values[point] === null ? '' : words(values[point]));
    return [
      date.replace('T', ' ').replace('Z', ' UTC'),
      `${one.total_ms[point]} ms`,
      told(one.free_distance_m, (value) => `free ${value} m`),
      told(one.corridor_share, (value) => `corridor ${(100 * value).toFixed(0)} % free`),
      told(one.confidence, (value) => `confidence ${(100 * value).toFixed(0)} %`),
      told(one.miou, (value) => `mean IoU ${(100 * value).toFixed(1)} %`),
    ].filter(Boolean);
  };

  const factorRow = ([name, values], point) => {
    const risk = values[point];
    const row = byId('factor').content.cloneNode(true);
    row.querySelector('dt').textContent = name.replaceAll('_', ' ');
    row.querySelector('i').style.width = `${100 * (risk || 0)}%`;
    row.querySelector('b').textContent = risk === null ? '\u2013' : risk.toFixed(2);
    return row;
  };

  const show = (point) => {
    const one = current();
    const level = LEVELS[one.level[point]];
    const score = one.score[point];
    showImage(one, point);
    byId('frame-score').textContent = score === null ? 'no score' : score.toFixed(0);
    byId('frame-level').textContent = level;
    byId('frame-level').className = `level ${level}`;
    byId('frame-time').textContent = `${clock(one.time_s[point])} · frame ${one.index[point]}`;
    byId('frame-reason').textContent = data.reasons[one.reason[point]];
    byId('frame-facts').textContent = factsOf(one, point).join(' · ');
    const factors = Object.entries(one.factors).map((row) => factorRow(row, point));
    byId('factors').replaceChildren(...factors);
  };

  const keep = (point) => {
    state.point = Math.max(0, Math.min(current().row.length - 1, point));
    const time_s = current().time_s[state.point];
    byId('scrub').value = state.point;
    byId('scrub').setAttribute('aria-valuetext', clock(time_s));
    show(state.point);
    const x = time_s / unit_s();
    Plotly.relayout(byId('series'), { 'shapes[0].x0': x, 'shapes[0].x1': x });
  };

  // ---- Ways to a frame.

  const open = async (input, point) => {
    if (input !== state.input) {
      Object.assign(state, { input, point });
      if (byId('input')) byId('input').value = input;
      byId('scrub').max = current().row.length - 1;
      await drawSeries();
    }
    keep(point);
  };

  const openAtLowest = (input) => {
    const known = data.inputs[input].score.map((score) => score ?? Infinity);
    return open(input, known.indexOf(Math.min(...known)));
  };

  const place = {};
  data.inputs.forEach((one, input) => {
    one.row.forEach((row, point) => {
      place[row] = { input, point };
    });
  });

  const goToRow = (row) => {
    if (!(row in place)) return;
    open(place[row].input, place[row].point);
    byId('timeline').scrollIntoView();
  };

  const goToInput = (input) => {
    openAtLowest(input);
    byId('timeline').scrollIntoView();
  };

  const startTimeline = async () => {
    const chooser = byId('input');
    if (chooser) {
      data.inputs.forEach((one, index) => chooser.add(new Option(one.title, index)));
      chooser.addEventListener('change', () => openAtLowest(Number(chooser.value)));
    }
    byId('scrub').max = current().row.length - 1;
    byId('scrub').addEventListener('input', (event) => keep(Number(event.target.value)));
    byId('previous').addEventListener('click', () => keep(state.point - 1));
    byId('next').addEventListener('click', () => keep(state.point + 1));
    await drawSeries();
    const plot = byId('series');
    plot.on('plotly_hover', (event) => show(event.points[0].customdata));
    plot.on('plotly_unhover', () => show(state.point));
    plot.on('plotly_click', (event) => keep(event.points[0].customdata));
    await openAtLowest(0);
  };

  const onClick = (selector, action) => {
    for (const one of document.querySelectorAll(selector)) {
      one.addEventListener('click', () => action(one));
    }
  };

  const onPoint = (id, action) => {
    byId(id)?.on('plotly_click', (event) => action(event.points[0].customdata));
  };

  // ---- Tables, schemes, paper.

  const sortBy = (header) => {
    const rising = header.getAttribute('aria-sort') !== 'ascending';
    for (const one of header.parentNode.cells) one.removeAttribute('aria-sort');
    header.setAttribute('aria-sort', rising ? 'ascending' : 'descending');
    const column = header.cellIndex;
    const ascending = column
      ? (a, b) => a.cells[column].dataset.value - b.cells[column].dataset.value
      : (a, b) => a.textContent.localeCompare(b.textContent, 'en', { numeric: true });
    const body = header.closest('table').tBodies[0];
    const rows = [...body.rows].sort(ascending);
    body.append(...(rising ? rows : rows.reverse()));
  };

  const toPaper = () => {
    for (const one of document.querySelectorAll('details')) one.open = true;
    root.dataset.scheme = 'print';
    drawAll();
  };

  const toScreen = () => {
    delete root.dataset.scheme;
    drawAll();
  };

  const begin = async () => {
    for (const image of document.querySelectorAll('[data-image]')) {
      image.src = data.images[image.dataset.image];
    }
    drawFigures();
    onClick('[data-row]', (one) => goToRow(one.dataset.row));
    onClick('[data-input]', (one) => goToInput(Number(one.dataset.input)));
    onClick('.sortable thead th', sortBy);
    onPoint('track', goToRow);
    onPoint('overview', goToInput);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
    addEventListener('beforeprint', toPaper);
    addEventListener('afterprint', toScreen);
    if (data.inputs.length) await startTimeline();
    root.dataset.ready = 'true'; // for whoever drives the page by a program
  };

  begin();
})();
