// Heatmaps, lines and bars, drawn by Plotly.

// What the numbers of a panel are, as an axis or a sentence names it.
const TITLES = { value: "", recovery: "recovery of ", effect: "effect on ", difference: "difference in " };
const titleOf = ({ quantity, grid }) => (quantity in TITLES ? TITLES[quantity] + grid.facets.metric : quantity);

function hoverText(panel, keys, place) {
  const value = column(panel.grid, panel.quantity, place);
  const sure = value == null ? null : spread(panel.grid, panel.quantity, place);
  const lines = [spoken(panel.doc, panel.grid, keys), `${titleOf(panel)} ${value == null ? "– no value" : digits(value)}`];
  return lines.concat(sure ? [sure.text] : []);
}
const hover = (panel, keys, place) => hoverText(panel, keys, place).map(plain).join("<br>");

// Lines between cells, where cells are wider than lines.
const gap = axis => (axis.keys.length > 128 ? 0 : 1);

function mapTraces(panel, axes, scale) {
  const rows = axes.down.keys.map((_, j) => axes.across.keys.map((_, i) => {
    const keys = keysAt(axes, i, j);
    const place = placeOf(panel.grid, keys);
    return [column(panel.grid, panel.quantity, place), hover(panel, keys, place)];
  }));
  const { ink } = inks();
  return [{
    type: "heatmap", z: rows.map(row => row.map(cell => cell[0])), text: rows.map(row => row.map(cell => cell[1])),
    hoverinfo: "text", colorscale: scale.map, zmin: scale.low, zmax: scale.high, xgap: gap(axes.across), ygap: gap(axes.down), hoverongaps: true,
    colorbar: { thickness: 10, outlinewidth: 0, tickfont: { color: ink }, len: 1, title: { text: plain(titleOf(panel)), side: "right" } },
  }];
}

function lineTraces(panel, axes) {
  const keys = axes.down ? axes.down.keys : [null];
  const bars = !axes.down && (axes.across.name !== "layer" || panel.quantity === "cases");
  const traces = keys.flatMap((key, j) => {
    const color = LINES[j % LINES.length];
    const places = axes.across.keys.map((_, i) => placeOf(panel.grid, keysAt(axes, i, j)));
    const y = places.map(place => column(panel.grid, panel.quantity, place));
    const sure = places.map((place, i) => (y[i] == null ? null : spread(panel.grid, panel.quantity, place)));
    const text = places.map((place, i) => hover(panel, keysAt(axes, i, j), place));
    const x = y.map((_, i) => i);
    const name = axes.down ? plain(short(label(panel.doc, axes.down.name, key), 24)) : "";
    const main = { x, y, text, hoverinfo: "text", meta: j, name, showlegend: axes.down !== null };
    if (bars) {
      const reach = side => sure.map((s, i) => (s ? Math.abs(s[side] - y[i]) : 0));
      const error_y = { type: "data", symmetric: false, array: reach("high"), arrayminus: reach("low"), visible: sure.some(Boolean) };
      return [{ ...main, type: "bar", textposition: "none", marker: { color }, error_y: { ...error_y, color: inks().quiet, thickness: 1 } }];
    }
    const line = { color, width: 2, dash: DASHES[Math.floor(j / LINES.length) % DASHES.length] };
    const edge = { x, mode: "lines", line: { width: 0, color }, hoverinfo: "skip", showlegend: false, legendgroup: j };
    const band = sure.some(Boolean)
      ? [{ ...edge, y: sure.map(s => s?.low ?? null) }, { ...edge, y: sure.map(s => s?.high ?? null), fill: "tonexty", fillcolor: color + "22" }]
      : [];
    return [...band, { ...main, type: "scatter", mode: "lines+markers", line, marker: { size: 5, color }, legendgroup: j }];
  });
  // Bands lie behind all lines.
  return [...traces.filter(trace => trace.hoverinfo === "skip"), ...traces.filter(trace => trace.hoverinfo !== "skip")];
}

// An axis of more keys can be zoomed; a figure without such an axis leaves fingers and wheels to the page.
const MOST_FIXED = 64;

// An axis whose ticks are its keys; only some of them where there isn't room for all.
function tickAxis(panel, axis, room, ink) {
  const every = Math.max(1, Math.ceil(axis.keys.length / room));
  const at = axis.keys.map((_, i) => i).filter(i => i % every === 0);
  const text = key => plain(short(label(panel.doc, axis.name, key), 22));
  // A single bar isn't as wide as the figure.
  const pad = axis.keys.length === 1 && !shown.isMap ? 3 : 0.5;
  return {
    tickvals: at, ticktext: at.map(i => text(axis.keys[i])), range: [-pad, axis.keys.length - 1 + pad], automargin: true,
    title: { text: plain(words(axis.name)), standoff: 10 }, zeroline: false, showgrid: false, ticks: "",
    fixedrange: axis.keys.length <= MOST_FIXED, color: ink,
  };
}

function layoutOf(panel, axes, isMap, width) {
  const { ink, paper, line } = inks();
  const rows = isMap ? axes.down.keys.length : 0;
  const fixed = Math.max(rows, axes.across.keys.length) <= MOST_FIXED;
  const height = isMap ? Math.min(Math.max(rows * (rows > 40 ? 16 : 24) + 90, 240), 2400) : 380;
  const layout = {
    height, margin: { l: 20, r: 20, t: 16, b: 20 }, paper_bgcolor: paper, plot_bgcolor: isMap ? line : paper,
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: ink }, dragmode: fixed ? false : "zoom",
    hoverlabel: { bgcolor: paper, bordercolor: line, font: { color: ink, size: 13 }, align: "left" },
    hovermode: "closest", xaxis: tickAxis(panel, axes.across, Math.max(width - 220, 80) / 18, ink),
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, xanchor: "left" }, shapes: [],
  };
  if (isMap) layout.yaxis = { ...tickAxis(panel, axes.down, (height - 90) / 14, ink), autorange: false };
  if (isMap) layout.yaxis.range = [rows - 0.5, -0.5];
  else layout.yaxis = { title: { text: plain(titleOf(panel)) }, automargin: true, gridcolor: line, zerolinecolor: line, color: ink, fixedrange: true };
  return layout;
}

function cursorShapes(isMap) {
  const at = cursor();
  if (!at) return [];
  const rows = isMap ? { y0: at.j - 0.5, y1: at.j + 0.5 } : { y0: 0, y1: 1, yref: "paper" };
  const edge = { type: "rect", x0: at.i - 0.5, x1: at.i + 0.5, ...rows };
  const { ink, paper } = inks();
  return isMap
    ? [{ ...edge, line: { color: paper, width: 5 } }, { ...edge, line: { color: ink, width: 2.5 } }]
    : [{ ...edge, line: { width: 0 }, fillcolor: ink, opacity: 0.1, layer: "below" }];
}

// The figure of a place, made once.
function figureAt(index) {
  const figure = $("plots").children[index];
  if (figure) return figure;
  const plot = make("div", "", { class: "plot", tabindex: "0", role: "application", "aria-describedby": "live" });
  const caption = make("figcaption", "", {}, [make("span")]);
  for (const format of ["CSV", "SVG", "PNG"]) {
    const button = make("button", format, { type: "button" });
    button.addEventListener("click", () => (format === "CSV" ? downloadCsv(index) : downloadPicture(index, format)));
    caption.append(button);
  }
  plot.addEventListener("keydown", event => { if (moveCursor(event.key)) event.preventDefault(); });
  return $("plots").appendChild(make("figure", "", {}, [caption, plot]));
}

function drawPanel(panel, index, scale) {
  const figure = figureAt(index);
  const [caption, plot] = figure.children;
  caption.firstChild.textContent = shown.panels.length > 1 ? panel.name : "";
  for (const button of caption.querySelectorAll("button")) {
    button.setAttribute("aria-label", `Download ${shown.panels.length > 1 ? panel.name + " " : ""}as ${button.textContent}`);
  }
  plot.setAttribute("aria-label", `${shown.isMap ? "Heatmap" : "Plot"}: ${$("caption").textContent}. Arrow keys choose a cell.`);
  const data = shown.isMap ? mapTraces(panel, shown.axes, scale) : lineTraces(panel, shown.axes);
  const layout = layoutOf(panel, shown.axes, shown.isMap, plot.clientWidth);
  layout.shapes = cursorShapes(shown.isMap);
  if (!shown.isMap && panel.quantity === shown.quantity && scale.shared) layout.yaxis.range = scale.shared;
  const first = !plot.data;
  Plotly.react(plot, data, layout, { displayModeBar: false, responsive: true, typesetMath: false });
  if (first) plot.on("plotly_click", ({ points: [{ x, y, data }] }) => selectCell(x, shown.isMap ? y : data.meta ?? 0));
}

// One range for the lines of both runs.
function sharedRange(panels) {
  if (panels.length < 2) return null;
  const ends = panels.flatMap(panel => [...cells(panel.grid)].flatMap(keys => {
    const place = placeOf(panel.grid, keys);
    const sure = spread(panel.grid, panel.quantity, place);
    return [column(panel.grid, panel.quantity, place), sure?.low, sure?.high].filter(value => value != null);
  }));
  const [low, high] = ends.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [Infinity, -Infinity]);
  const room = (high - low) * 0.05 || 0.05;
  return [low - room, high + room];
}

function drawFigures() {
  const { panels, quantity } = shown;
  const ofRuns = panels.filter(panel => panel.quantity === quantity);
  const scale = panels.length ? { ...scaleOf(ofRuns), shared: shown.isMap ? null : sharedRange(ofRuns) } : null;
  panels.forEach((_, index) => { figureAt(index).hidden = false; });
  [...$("plots").children].forEach((figure, index) => { figure.hidden = index >= panels.length; });
  panels.forEach((panel, index) => drawPanel(panel, index, panel.quantity === quantity ? scale : scaleOf([panel])));
  $("scale").textContent = [shown.problem, scale && shown.isMap ? scaleText(scale) : ""].filter(Boolean).join(" ");
}
