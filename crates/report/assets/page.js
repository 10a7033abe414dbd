"use strict";
// The page of a results folder. Everything that it shows is a function of `state`, which is the address's part after
// `#`: texts by name. `render` draws it; a choice changes the address and draws again.
(() => {
const $ = id => document.getElementById(id);
const json = id => JSON.parse($(id).textContent);
const runs = json("runs");
const colours = json("colours");

// ---- Words and numbers

// What keeps grids apart, in the order in which it is chosen.
const FACETS = ["statistics", "kind", "site", "metric", "corruption", "metric_position", "tokens"];
// What can be shown, with the columns of its interval.
const QUANTITIES = {
  value: ["low", "high"], recovery: ["recovery_low", "recovery_high"], effect: ["effect_low", "effect_high"],
  difference: ["low", "high"], cases: [],
};
const NUMBERS = ["value", "low", "high", "clean", "corrupted", "base", "source", "recovery", "recovery_low",
  "recovery_high", "effect", "effect_low", "effect_high", "difference", "std", "stderr", "noise_stderr", "cases", "n"];
const CLASSES = "ROME's classes of tokens";
const WORDS = {
  src_position: "key", kv_head: "key/value head", src_role: "key's role", metric_position: "read at", low: "95 % from",
  high: "to", recovery_low: "recovery from", recovery_high: "to", effect_low: "effect from", effect_high: "to",
  std: "s.d.", stderr: "s.e.", noise_stderr: "noise s.e.", position: "token",
};
const words = name => WORDS[name] ?? name.replaceAll("_", " ");

// Plotly takes labels for a kind of HTML; these characters are all that makes it one.
const plain = text => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const short = (text, most) => ([...text].length > most ? [...text].slice(0, most - 1).join("") + "…" : text);

function digits(x) {
  if (x == null) return "–";
  const far = x !== 0 && (Math.abs(x) < 1e-4 || Math.abs(x) >= 1e6);
  return (far ? x.toExponential(3) : String(Number(x.toPrecision(4)))).replace("-", "−");
}

// An element with text and attributes; text is never markup.
function make(tag, text = "", attributes = {}, children = []) {
  const element = document.createElement(tag);
  if (text !== "") element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// ---- State

let state = {};
let shown = null;
const readAddress = () => { state = Object.fromEntries(new URLSearchParams(location.hash.slice(1))); };

// Changes what is shown, as an entry of the history unless it is only the cell.
function change(changes, inPlace = false) {
  for (const [name, value] of Object.entries(changes)) {
    if (value == null || value === "") delete state[name]; else state[name] = String(value);
  }
  history[inPlace ? "replaceState" : "pushState"](null, "", "#" + new URLSearchParams(state));
}
const choose = changes => { change(changes); render(); };

// ---- Grids

const axisIndex = (axis, key) =>
  (axis.index ??= new Map(axis.keys.map((k, i) => [String(k), i]))).get(String(key));

function column(grid, name, place) {
  const numbers = grid.columns[name];
  if (typeof numbers === "string") return column(grid, numbers, place);
  return Array.isArray(numbers) ? numbers[place] ?? null : Number.isInteger(place) ? numbers ?? null : null;
}

// Where the cell with these keys is; NaN where the grid hasn't got it.
const placeOf = (grid, keys) =>
  grid.axes.reduce((place, axis) => place * axis.keys.length + (axisIndex(axis, keys[axis.name]) ?? NaN), 0);

function* cells(grid, axes = grid.axes, keys = {}) {
  if (axes.length === 0) { yield keys; return; }
  for (const key of axes[0].keys) yield* cells(grid, axes.slice(1), { ...keys, [axes[0].name]: key });
}

const isPosition = name => name === "position" || name === "src_position";

function label(doc, name, key) {
  if (key == null) return "none";
  if (!isPosition(name) || doc.tokens[key] === undefined) return words(String(key));
  return doc.tokens[key] + (key >= doc.subject[0] && key < doc.subject[1] ? "*" : "");
}

// A cell in words: `layer 4, token 3 “ France*”`.
function spoken(doc, grid, keys) {
  const part = ([name, key]) => {
    const text = label(doc, name, key);
    if (isPosition(name) && text !== words(String(key))) return `${words(name)} ${key} “${text}”`;
    return `${words(name)} ${text}`;
  };
  return Object.entries({ ...grid.at, ...keys }).map(part).join(", ") || "the only cell";
}

// How sure a number is: its interval, or its standard error over noise samples.
function spread(grid, quantity, place) {
  const [low, high] = (QUANTITIES[quantity] ?? []).map(name => column(grid, name, place));
  if (low != null && high != null) return { low, high, text: `95 % ${digits(low)} … ${digits(high)}` };
  const [value, std, n] = [quantity, "std", "n"].map(name => column(grid, name, place));
  if (quantity !== "value" || std == null || !(n > 1)) return null;
  const error = std / Math.sqrt(n);
  return { low: value - error, high: value + error, text: `± ${digits(error)} (s.e., n = ${n})` };
}

const sameFacets = (a, b, names = FACETS) => names.every(name => (a.facets[name] ?? "") === (b.facets[name] ?? ""));

// The grid that the state asks for, as nearly as there is one, and what there was to choose.
function chooseGrid(grids) {
  let left = grids;
  const choices = [];
  for (const name of FACETS) {
    const options = [...new Set(left.map(grid => grid.facets[name] ?? ""))];
    const chosen = options.includes(state[name]) ? state[name] : options[0];
    if (options.length > 1) choices.push({ name, options, chosen });
    left = left.filter(grid => (grid.facets[name] ?? "") === chosen);
  }
  return { grid: left[0], choices };
}

// A second run's grid taken off the first's, cell by cell; a cell needs the same token in both.
function minus(first, second, quantity) {
  const numbers = [];
  for (const keys of cells(first.grid)) {
    const same = Object.keys(keys).every(name => label(first.doc, name, keys[name]) === label(second.doc, name, keys[name]));
    const [a, b] = [first, second].map(({ grid }) => column(grid, quantity, placeOf(grid, keys)));
    numbers.push(same && a != null && b != null ? a - b : null);
  }
  return { ...first.grid, columns: { difference: numbers } };
}

// The difference of two panels; of averages the one over pairs of cases, which has an interval.
function difference(first, second, quantity) {
  const paired = first.doc.differences.find(grid => sameFacets(grid, first.grid, FACETS.slice(1)));
  const axes = grid => grid.axes.map(axis => axis.name).join();
  const fits = paired && quantity === "value" && first.grid.facets.statistics !== CLASSES
    && axes(paired) === axes(first.grid);
  const grid = fits ? { ...paired, facets: first.grid.facets } : minus(first, second, quantity);
  const name = fits ? "difference over pairs of cases" : "difference";
  return { ...first, grid, name, quantity: "difference" };
}

// ---- What is shown

const documents = new Map();
function documentOf(run, name) {
  const number = name === undefined ? -1 : runs[run].cases.findIndex(listed => listed[0] === name);
  if (name !== undefined && number < 0) return null;
  const id = name === undefined ? `all-${run}` : `case-${run}-${number}`;
  if (!documents.has(id)) {
    if (documents.size > 8) documents.clear();
    documents.set(id, json(id));
  }
  return documents.get(id);
}

// Which run's cases are listed, and which case is chosen; undefined stands for all of them.
function chosenCase() {
  const run = state.run === "2" && runs[1] ? 1 : 0;
  const { all, cases } = runs[run];
  const known = cases.some(listed => listed[0] === state.case);
  return { run, name: known ? state.case : all ? undefined : cases[0]?.[0] };
}

function choosePanels() {
  const { run, name } = chosenCase();
  const doc = runs[run].cases.length ? documentOf(run, name) : null;
  if (!doc) return { run, name, doc: null, panels: [], choices: [], problem: "There are no cases." };
  const { grid, choices } = chooseGrid(doc.grids);
  if (!grid) return { run, name, doc, panels: [], choices, problem: "Nothing was measured of this case." };
  const quantities = Object.keys(QUANTITIES).filter(quantity =>
    grid.columns[quantity] !== undefined && (quantity === grid.show || typeof grid.columns[quantity] !== "string"));
  const quantity = quantities.includes(state.show) ? state.show : quantities.includes(grid.show) ? grid.show : quantities[0];
  const panels = [{ run, name: runs[run].name, doc, grid, quantity }];
  let problem = "";
  if (state.run === "both" && runs[1]) {
    const prompt = at => runs[at].cases.find(listed => listed[0] === name)?.[1];
    const other = name === undefined ? (runs[1].all ? documentOf(1) : null)
      : prompt(0) === prompt(1) ? documentOf(1, name) : null;
    const partner = other?.grids.find(second => sameFacets(second, grid));
    if (partner) {
      panels.push({ run: 1, name: runs[1].name, doc: other, grid: partner, quantity });
      panels.push(difference(panels[0], panels[1], quantity));
    } else problem = `${runs[1].name} has nothing like this to compare with.`;
  }
  return { run, name, doc, grid, choices, quantity, quantities, panels, problem };
}

const NONE = { name: "", keys: [""] };

// Which axes stand across and down, and where the other ones are held.
function chooseAxes(grid) {
  const named = name => grid.axes.find(axis => axis.name === name);
  const across = named(state.across) ?? named("layer") ?? grid.axes.at(-1) ?? NONE;
  const others = grid.axes.filter(axis => axis !== across);
  const down = others.find(axis => axis.name === state.down) ?? others[0] ?? null;
  const held = others.filter(axis => axis !== down);
  const at = {};
  for (const { name, keys } of held) at[name] = keys.find(key => String(key) === state["at." + name]) ?? keys[0];
  return { across, down, held, at };
}

const keysAt = ({ across, down, at }, i, j) => {
  const keys = { ...at };
  if (across.name) keys[across.name] = across.keys[i];
  if (down) keys[down.name] = down.keys[j];
  return keys;
};

// The cursor's column and row, where the cell of the address is among those that are shown.
function cursor() {
  const { across, down, held, at } = shown.axes;
  const index = axis => axisIndex(axis, state["cell." + axis.name] ?? (axis.name ? undefined : ""));
  const here = held.every(({ name }) => state["cell." + name] === undefined || state["cell." + name] === String(at[name]));
  const [i, j] = [index(across), down ? index(down) : 0];
  const any = Object.keys(state).some(name => name.startsWith("cell"));
  return any && here && i !== undefined && j !== undefined ? { i, j } : null;
}

// ---- Colours

const SEQUENTIAL = { hidden: "purples", mlp: "greens", attn: "reds", severed_mlp: "greens", severed_attn: "reds" };

// The scale of some panels: over all their cells, so that slices can be compared.
function scaleOf(panels) {
  const { quantity, grid } = panels[0];
  const values = panels.flatMap(panel => [...cells(panel.grid)].map(keys => column(panel.grid, quantity, placeOf(panel.grid, keys))));
  const finite = values.filter(value => value != null);
  const [least, most] = finite.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [Infinity, -Infinity]);
  const safe = state.colours === "safe";
  const ofClasses = quantity === "effect" && grid.facets.statistics === CLASSES;
  let low, high, map;
  if (quantity === "difference" || ((quantity === "recovery" || quantity === "effect") && !ofClasses)) {
    high = Math.max(Math.abs(least), Math.abs(most));
    // A faint field isn't drawn as a strong one, and more than everything has the colour of everything.
    if (quantity !== "difference") high = Math.min(Math.max(high, 0.1), 1);
    [low, map] = [-high, safe ? "Cividis" : colours.redblue];
  } else {
    const bases = panels.map(panel => panel.grid.columns.corrupted);
    const fromBase = quantity === "value" && grid.facets.kind && bases.every(base => typeof base === "number");
    low = ofClasses ? 0 : fromBase ? Math.min(...bases) : least;
    high = Math.max(most, low);
    map = safe ? "Cividis" : colours[SEQUENTIAL[grid.facets.kind] ?? "purples"];
  }
  if (high === low) high = low + 1e-9;
  return { low, high, map, least, most, outside: finite.filter(value => value < low || value > high).length, cells: finite.length };
}

function scaleText({ low, high, least, most, outside, cells }) {
  if (!cells) return "No cell has a number.";
  const clipped = outside ? `; ${outside} of ${cells} cells lie outside and have the colour of the end` : "";
  return `Colours from ${digits(low)} to ${digits(high)}; numbers from ${digits(least)} to ${digits(most)}${clipped}.`;
}

// Okabe and Ito's colours, which colour-blind people can tell apart.
const LINES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c"];
const DASHES = ["solid", "dash", "dot", "dashdot"];

// The appearance's colours, as the browser works them out.
function inks() {
  const colour = (element, property) => getComputedStyle(element)[property];
  return {
    ink: colour(document.body, "color"), paper: colour(document.body, "backgroundColor"),
    quiet: colour($("scale"), "color"), line: colour(document.querySelector("header"), "borderBottomColor"),
  };
}

// ---- Figures

function hoverText(panel, keys, place) {
  const value = column(panel.grid, panel.quantity, place);
  const sure = value == null ? null : spread(panel.grid, panel.quantity, place);
  const lines = [spoken(panel.doc, panel.grid, keys), `${panel.quantity} ${value == null ? "– no value" : digits(value)}`];
  return lines.concat(sure ? [sure.text] : []);
}
const hover = (panel, keys, place) => hoverText(panel, keys, place).map(plain).join("<br>");

function mapTraces(panel, axes, scale) {
  const rows = axes.down.keys.map((_, j) => axes.across.keys.map((_, i) => {
    const keys = keysAt(axes, i, j);
    const place = placeOf(panel.grid, keys);
    return [column(panel.grid, panel.quantity, place), hover(panel, keys, place)];
  }));
  const { ink } = inks();
  return [{
    type: "heatmap", z: rows.map(row => row.map(cell => cell[0])), text: rows.map(row => row.map(cell => cell[1])),
    hoverinfo: "text", colorscale: scale.map, zmin: scale.low, zmax: scale.high, xgap: 1, ygap: 1, hoverongaps: true,
    colorbar: { thickness: 10, outlinewidth: 0, tickfont: { color: ink }, len: 1, title: { text: plain(panel.quantity), side: "right" } },
  }];
}

function lineTraces(panel, axes) {
  const keys = axes.down ? axes.down.keys : [null];
  const bars = !axes.down && (axes.across.name !== "layer" || panel.quantity === "cases");
  return keys.flatMap((key, j) => {
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
      return [{ ...main, type: "bar", marker: { color }, error_y: { ...error_y, color: inks().quiet, thickness: 1 } }];
    }
    const line = { color, width: 2, dash: DASHES[Math.floor(j / LINES.length) % DASHES.length] };
    const edge = { x, mode: "lines", line: { width: 0, color }, hoverinfo: "skip", showlegend: false, legendgroup: j };
    const band = sure.some(Boolean)
      ? [{ ...edge, y: sure.map(s => s?.low ?? null) }, { ...edge, y: sure.map(s => s?.high ?? null), fill: "tonexty", fillcolor: color + "2b" }]
      : [];
    return [...band, { ...main, type: "scatter", mode: "lines+markers", line, marker: { size: 5, color }, legendgroup: j }];
  });
}

// An axis whose ticks are its keys; every so manieth where there isn't room for all.
function tickAxis(panel, axis, room, ink) {
  const every = Math.max(1, Math.ceil((axis.keys.length * 18) / room));
  const at = axis.keys.map((_, i) => i).filter(i => i % every === 0);
  const text = key => plain(short(label(panel.doc, axis.name, key), 22));
  return {
    tickvals: at, ticktext: at.map(i => text(axis.keys[i])), range: [-0.5, axis.keys.length - 0.5], automargin: true,
    title: { text: plain(words(axis.name)), standoff: 10 }, zeroline: false, showgrid: false, ticks: "",
    fixedrange: axis.keys.length <= 64, color: ink,
  };
}

function layoutOf(panel, axes, isMap, width) {
  const { ink, paper, line } = inks();
  const rows = isMap ? axes.down.keys.length : 0;
  const height = isMap ? Math.min(Math.max(rows * 24 + 90, 240), 1600) : 380;
  const layout = {
    height, margin: { l: 20, r: 20, t: 16, b: 20 }, paper_bgcolor: paper, plot_bgcolor: isMap ? line : paper,
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: ink }, dragmode: "zoom",
    hoverlabel: { bgcolor: paper, bordercolor: line, font: { color: ink, size: 13 }, align: "left" },
    hovermode: "closest", xaxis: tickAxis(panel, axes.across, Math.max(width - 220, 80), ink),
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, xanchor: "left" }, shapes: [],
  };
  if (isMap) layout.yaxis = { ...tickAxis(panel, axes.down, height - 90, ink), autorange: false };
  if (isMap) layout.yaxis.range = [rows - 0.5, -0.5];
  else layout.yaxis = { title: { text: plain(panel.quantity) }, automargin: true, gridcolor: line, zerolinecolor: line, color: ink, fixedrange: true };
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
  figure.hidden = false;
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
  Plotly.react(plot, data, layout, { displayModeBar: false, responsive: true });
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
  panels.forEach((panel, index) => drawPanel(panel, index, panel.quantity === quantity ? scale : scaleOf([panel])));
  [...$("plots").children].forEach((figure, index) => { figure.hidden = index >= panels.length; });
  $("scale").textContent = [shown.problem, scale && shown.isMap ? scaleText(scale) : ""].filter(Boolean).join(" ");
}

// ---- The cell

function selectCell(i, j) {
  const changes = {};
  for (const name of Object.keys(state)) if (name.startsWith("cell")) changes[name] = null;
  const keys = keysAt(shown.axes, i, j);
  for (const [name, key] of Object.entries(keys)) changes["cell." + name] = key;
  if (Object.keys(keys).length === 0) changes.cell = "only";
  change(changes, true);
  [...$("plots").children].filter(figure => !figure.hidden)
    .forEach(figure => Plotly.relayout(figure.lastChild, { shapes: cursorShapes(shown.isMap) }));
  drawCell();
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function moveCursor(key) {
  if (!shown.panels.length) return false;
  const { across, down } = shown.axes;
  const at = cursor();
  if (key === "Enter" && at) { $("cell").focus(); return true; }
  if (key === "Home" || key === "End") { selectCell(key === "Home" ? 0 : across.keys.length - 1, at?.j ?? 0); return true; }
  if (!STEPS[key] && key !== "Enter") return false;
  const [di, dj] = at && STEPS[key] ? STEPS[key] : [0, 0];
  const within = (index, keys) => Math.min(Math.max(index, 0), keys - 1);
  selectCell(within((at?.i ?? 0) + di, across.keys.length), within((at?.j ?? 0) + dj, down ? down.keys.length : 1));
  return true;
}

function drawCell() {
  const at = shown.panels.length ? cursor() : null;
  $("cell").hidden = !at;
  $("live").textContent = "";
  if (!at) return;
  const keys = keysAt(shown.axes, at.i, at.j);
  const said = shown.panels.map(panel => {
    const [, ...numbers] = hoverText(panel, keys, placeOf(panel.grid, keys));
    return (shown.panels.length > 1 ? panel.name + ": " : "") + numbers.join(", ");
  });
  const place = spoken(shown.doc, shown.grid, keys);
  $("live").textContent = `${place}: ${said.join("; ")}`;
  $("cell-title").textContent = place;
  const panels = shown.panels.filter(panel => panel.quantity === shown.quantity);
  $("cell-numbers").replaceChildren(...panels.map(panel => make("div", "", { class: "scroll" }, [numbersOf(panel, keys)])));
  $("cell-top").replaceChildren(...panels.flatMap(panel => topTokens(panel, keys)));
}

function tableOf(caption, head, rows) {
  const cell = (text, i) => (i === 0 ? make("th", text, { scope: "row" }) : make("td", text));
  return make("table", "", {}, [
    make("caption", caption),
    make("thead", "", {}, [make("tr", "", {}, head.map(text => make("th", text, { scope: "col" })))]),
    make("tbody", "", {}, rows.map(row => make("tr", "", {}, row.map(cell)))),
  ]);
}

// All metrics of a cell.
function numbersOf(panel, keys) {
  const others = FACETS.filter(name => name !== "metric");
  const grids = panel.doc.grids.filter(grid => sameFacets(grid, panel.grid, others));
  const of = (grid, name) => column(grid, name, placeOf(grid, keys));
  const names = NUMBERS.filter(name => grids.some(grid => of(grid, name) != null));
  const rows = grids.map(grid => [grid.facets.metric, ...names.map(name => digits(of(grid, name)))]);
  return tableOf(shown.panels.length > 1 ? panel.name : "Numbers of this cell", ["metric", ...names.map(words)], rows);
}

function topTokens(panel, keys) {
  const here = { ...panel.grid.facets, ...panel.grid.at, ...keys };
  const isHere = ([name, index]) => !(name in here) || String(here[name]) === String(index);
  const top = panel.doc.top.filter(one => one.run !== "cell" || Object.entries(one.at).every(isHere));
  return top.map(one => tableOf(
    `Likeliest next tokens: ${one.run === "cell" ? "patched" : one.run}`, ["token", "probability", "logit"],
    one.tokens.map(([text, prob, logit]) => [text, digits(prob), digits(logit)])));
}

// ---- Tables and files

function drawTables() {
  const asTable = state.table === "1" && shown.panels.length > 0;
  $("tables").hidden = !asTable;
  $("tables").replaceChildren(...(asTable ? shown.panels.map(tableOfPanel) : []));
}

function tableOfPanel(panel) {
  const { across, down } = shown.axes;
  const text = (i, j) => digits(column(panel.grid, panel.quantity, placeOf(panel.grid, keysAt(shown.axes, i, j))));
  const name = axis => key => (isPosition(axis.name) ? `${key} ` : "") + label(panel.doc, axis.name, key);
  const rows = down
    ? down.keys.map((key, j) => [name(down)(key), ...across.keys.map((_, i) => text(i, j))])
    : across.keys.map((key, i) => [name(across)(key), text(i, 0)]);
  const head = down ? [`${words(down.name)} \\ ${words(across.name)}`, ...across.keys.map(name(across))] : [words(across.name), panel.quantity];
  return make("div", "", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" },
    [tableOf(`${panel.name}: ${panel.quantity}`, head, rows)]);
}

function save(name, url) {
  const link = make("a", "", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

const fileName = panel => [shown.name ?? "all-cases", ...Object.values(panel.grid.facets), panel.quantity]
  .join("-").replace(/[^\p{L}\p{N}.-]+/gu, "_");

function downloadCsv(index) {
  const panel = shown.panels[index];
  const { grid, doc } = panel;
  const quoted = value => `"${String(value ?? "").replaceAll('"', '""')}"`;
  const facets = FACETS.filter(name => grid.facets[name] !== undefined);
  const common = Object.keys(grid.at);
  const axes = grid.axes.map(axis => axis.name);
  const tokens = [...common, ...axes].filter(name => isPosition(name) && doc.tokens.length);
  const names = ["difference", ...NUMBERS].filter((name, i, all) => grid.columns[name] !== undefined && all.indexOf(name) === i);
  const lines = [["run", "case", ...facets, ...common, ...axes, ...tokens.map(name => name.replace("position", "token")), ...names]];
  for (const keys of cells(grid)) {
    const place = placeOf(grid, keys);
    const at = { ...grid.at, ...keys };
    lines.push([quoted(panel.name), quoted(shown.name), ...facets.map(name => quoted(grid.facets[name])),
      ...[...common, ...axes].map(name => quoted(at[name])), ...tokens.map(name => quoted(doc.tokens[at[name]])),
      ...names.map(name => column(grid, name, place) ?? "")]);
  }
  const blob = new Blob([lines.map(line => line.join(",")).join("\r\n") + "\r\n"], { type: "text/csv" });
  save(fileName(panel) + ".csv", URL.createObjectURL(blob));
}

async function downloadPicture(index, format) {
  const plot = $("plots").children[index].lastChild;
  const size = { width: plot.clientWidth, height: plot.clientHeight };
  const url = await Plotly.toImage(plot, { format: format.toLowerCase(), scale: format === "PNG" ? 3 : 1, ...size });
  save(`${fileName(shown.panels[index])}.${format.toLowerCase()}`, url);
}

// ---- Texts and controls

function drawTexts() {
  const { run, name, doc } = shown;
  const listed = runs[run].cases.find(one => one[0] === name);
  const title = name === undefined ? "All cases" : listed[1] || name;
  $("title").textContent = title;
  document.title = `${title} – Tracewright`;
  $("model").textContent = state.run === "both" && runs[1]
    ? runs.map(({ name, model }) => `${name} (${model})`).join(" and ") : `${runs[run].name} (${runs[run].model})`;
  $("prompts").replaceChildren(...(doc?.prompts ?? []).map(prompt => make("p", "", { class: "prompt" }, [
    make("b", prompt.name),
    ...prompt.tokens.map((text, i) => make("span", text, {
      class: i >= doc.subject[0] && i < doc.subject[1] ? "token subject" : "token", title: `token ${i}`,
    })),
    make("span", `→ ${prompt.says}`, { class: "says" }),
  ])));
  const summaries = [...new Set((shown.panels.length ? shown.panels : [{ doc, name: "" }]).map(panel => panel.doc))];
  $("summary").replaceChildren(...summaries.flatMap((one, i) => (one?.summary ?? []).map((text, j) =>
    make("p", summaries.length > 1 && j === 0 ? `${runs[i].name}: ${text}` : text))));
  $("facts").hidden = !doc?.facts.length;
  $("facts").lastElementChild.replaceChildren(...(doc?.facts ?? []).flatMap(([name, text]) => [make("dt", name), make("dd", text)]));
  const grid = shown.grid;
  const held = Object.entries(shown.axes?.at ?? {}).map(([axis, key]) => `${words(axis)} ${label(doc, axis, key)}`);
  const parts = grid ? [...FACETS.map(facet => grid.facets[facet]).filter(Boolean), shown.quantity, ...held] : [];
  $("caption").textContent = parts.map(part => part.replaceAll("_", " ")).join(" · ");
  $("about").replaceChildren(...runs.flatMap(({ name, about }) => about.map(([what, text]) =>
    make("details", "", {}, [make("summary", runs.length > 1 ? `${what} of ${name}` : what), make("pre", text)]))));
}

// A labelled select; `options` are pairs of value and text.
function selectFor(text, chosen, options, picked) {
  const select = make("select", "", { name: text }, options.map(([value, words]) => make("option", words, { value })));
  select.value = chosen;
  select.addEventListener("change", () => picked(select.value));
  return make("label", text, {}, [select]);
}

function drawControls() {
  const focused = document.activeElement?.name;
  const { choices, quantities, quantity, axes, doc } = shown;
  const controls = choices.map(({ name, options, chosen }) => selectFor(
    words(name), chosen, options.map(option => [option, option || "last position"]), value => choose({ [name]: value })));
  if (axes) controls.push(...axisControls(quantities, quantity, axes, doc));
  $("controls").replaceChildren(...controls);
  if (focused) $("controls").elements[focused]?.focus();
}

function axisControls(quantities, quantity, { across, down, held, at }, doc) {
  const controls = [];
  const names = shown.grid.axes.map(({ name }) => [name, words(name)]);
  const place = (mine, other) => value => choose({ across: across.name, down: down.name, [mine]: value, ...(shown.axes[other].name === value ? { [other]: shown.axes[mine].name } : {}) });
  if (quantities.length > 1) controls.push(selectFor("quantity", quantity, quantities.map(name => [name, name]), value => choose({ show: value })));
  if (down) controls.push(selectFor("view", shown.isMap ? "map" : "lines", [["map", "heatmap"], ["lines", "lines"]], value => choose({ view: value })));
  if (down) controls.push(selectFor("across", across.name, names, place("across", "down")));
  if (down) controls.push(selectFor("down", down.name, names.filter(([name]) => held.length || name !== across.name), place("down", "across")));
  for (const { name, keys } of held) {
    controls.push(selectFor(words(name), String(at[name]), keys.map(key => [String(key), isPosition(name) ? `${key} ${label(doc, name, key)}` : label(doc, name, key)]),
      value => choose({ ["at." + name]: value })));
  }
  if (shown.isMap) controls.push(selectFor("colours", state.colours ?? "", [["", "as in the papers"], ["safe", "colour-blind safe"]], value => choose({ colours: value })));
  const table = make("input", "", { type: "checkbox", name: "table" });
  table.checked = state.table === "1";
  table.addEventListener("change", () => choose({ table: table.checked ? "1" : null }));
  controls.push(make("label", "", { class: "check" }, [table, "show as table"]));
  return controls;
}

// The list of cases: those with what is looked for in their name, prompt, subject or answer.
function drawList() {
  const { run, name } = chosenCase();
  const wanted = $("search").value.trim().toLowerCase();
  const found = runs[run].cases.filter(listed => listed.join("\n").toLowerCase().includes(wanted));
  const text = ([name, prompt, , answer, mark]) => `${name}  ${prompt}${answer ? " → " + answer : ""}${mark ? ` (${mark})` : ""}`;
  const options = found.map(listed => make("option", text(listed), { value: "=" + listed[0], title: listed[1] }));
  if (runs[run].all) options.unshift(make("option", "All cases", { value: "" }));
  $("case").replaceChildren(...options);
  $("case").value = name === undefined ? "" : "=" + name;
  $("found").textContent = wanted ? `${found.length} of ${runs[run].cases.length} cases` : `${runs[run].cases.length} cases`;
}

let listedRun = null;
function render() {
  shown = choosePanels();
  if (shown.grid) {
    shown.axes = chooseAxes(shown.grid);
    const lines = state.view === "lines";
    shown.isMap = shown.axes.down !== null && !lines;
  }
  if (listedRun !== shown.run) { drawList(); listedRun = shown.run; }
  $("case").value = shown.name === undefined ? "" : "=" + shown.name;
  $("run").value = state.run === "both" || state.run === "2" ? state.run : "1";
  drawTexts();
  drawControls();
  drawFigures();
  drawCell();
  drawTables();
}

function start() {
  const options = runs.map(({ name }, i) => [String(i + 1), name]);
  if (runs[1]) options.push(["both", "both, side by side"]);
  $("run").append(...options.map(([value, text]) => make("option", text, { value })));
  $("run-choice").hidden = !runs[1];
  $("run").addEventListener("change", () => choose({ run: $("run").value }));
  $("search").addEventListener("input", drawList);
  $("case").addEventListener("change", () => choose({ case: $("case").value.slice(1) }));
  $("theme").addEventListener("change", () => { document.documentElement.dataset.theme = $("theme").value; drawFigures(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawFigures);
  $("controls").addEventListener("submit", event => event.preventDefault());
  $("cell").addEventListener("keydown", event => { if (event.key === "Escape") $("plots").querySelector(".plot").focus(); });
  addEventListener("hashchange", () => { readAddress(); render(); });
  readAddress();
  render();
}
start();
})();
