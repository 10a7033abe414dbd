// What Plotly draws of a panel: heatmaps, lines with bands, bars.

// What the numbers of a panel are, as an axis or a sentence names it.
const TITLES = { value: "", recovery: "recovery of ", effect: "effect on ", difference: "difference in " };
const titleOf = ({ quantity, grid }) => (quantity in TITLES ? TITLES[quantity] + grid.facets.metric : quantity);

function hoverText(panel, keys, place) {
  const value = column(panel.grid, panel.quantity, place);
  const sure = value == null ? null : spread(panel.grid, panel.quantity, place);
  const said = `${titleOf(panel)} ${value == null ? "– no value" : digits(value)}`;
  return [spoken(panel.doc, panel.grid, keys), said, ...(sure ? [sure.text] : [])];
}
const hover = (panel, keys, place) => hoverText(panel, keys, place).map(plain).join("<br>");

// Lines between cells, where cells are wider than lines.
const gap = axis => (axis.keys.length > 128 ? 0 : 1);

function mapTraces(panel, axes, scale) {
  const places = axes.down.keys.map((_, j) => axes.across.keys.map((_, i) => {
    const keys = keysAt(axes, i, j);
    return [keys, placeOf(panel.grid, keys)];
  }));
  const each = of => places.map(row => row.map(([keys, place]) => of(keys, place)));
  const title = { text: plain(titleOf(panel)), side: "right" };
  return [{
    type: "heatmap", z: each((_, place) => column(panel.grid, panel.quantity, place)),
    text: each((keys, place) => hover(panel, keys, place)), hoverinfo: "text", hoverongaps: true,
    colorscale: scale.map, zmin: scale.low, zmax: scale.high, xgap: gap(axes.across), ygap: gap(axes.down),
    colorbar: { thickness: 10, outlinewidth: 0, tickfont: { color: inks().ink }, len: 1, title },
  }];
}

// One line for each key that would stand down, or for them all where nothing does; or bars where what stands across
// has no order of its own.
function lineTraces(panel, axes) {
  const bars = !axes.down && (axes.across.name !== "layer" || panel.quantity === "cases");
  const traces = (axes.down?.keys ?? [null]).flatMap((key, j) => {
    const places = axes.across.keys.map((_, i) => placeOf(panel.grid, keysAt(axes, i, j)));
    const y = places.map(place => column(panel.grid, panel.quantity, place));
    const sure = places.map((place, i) => (y[i] == null ? null : spread(panel.grid, panel.quantity, place)));
    const text = places.map((place, i) => hover(panel, keysAt(axes, i, j), place));
    const name = axes.down ? plain(short(label(panel.doc, axes.down.name, key), 24)) : "";
    const main = { x: y.map((_, i) => i), y, text, hoverinfo: "text", meta: j, name, showlegend: axes.down !== null };
    return bars ? [barTrace(main, sure)] : bandedLine(main, sure, j);
  });
  // Bands lie behind all lines.
  return [...traces.filter(trace => trace.hoverinfo === "skip"), ...traces.filter(trace => trace.hoverinfo !== "skip")];
}

function barTrace(main, sure) {
  const reach = side => sure.map((s, i) => (s ? Math.abs(s[side] - main.y[i]) : 0));
  const error_y = {
    type: "data", symmetric: false, array: reach("high"), arrayminus: reach("low"), visible: sure.some(Boolean),
    color: inks().quiet, thickness: 1,
  };
  return { ...main, type: "bar", textposition: "none", marker: { color: LINES[0] }, error_y };
}

function bandedLine(main, sure, j) {
  const color = LINES[j % LINES.length];
  const line = { color, width: 2, dash: DASHES[Math.floor(j / LINES.length) % DASHES.length] };
  const drawn = { ...main, type: "scatter", mode: "lines+markers", line, marker: { size: 5, color }, legendgroup: j };
  if (!sure.some(Boolean)) return [drawn];
  const edge = side => ({
    x: main.x, y: sure.map(s => s?.[side] ?? null), mode: "lines", line: { width: 0, color }, hoverinfo: "skip",
    showlegend: false, legendgroup: j,
  });
  return [edge("low"), { ...edge("high"), fill: "tonexty", fillcolor: color + "22" }, drawn];
}
