// Figures: their axes, their cursor, their elements.

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
  const colours = { color: ink, gridcolor: line, zerolinecolor: line };
  layout.yaxis = isMap
    ? { ...tickAxis(panel, axes.down, (height - 90) / 14, ink), autorange: false, range: [rows - 0.5, -0.5] }
    : { title: { text: plain(titleOf(panel)) }, automargin: true, fixedrange: true, ...colours };
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
  const [low, high] = ends.length ? extent(ends) : [0, 1];
  const room = (high - low) * 0.05 || 0.05;
  return [low - room, high + room];
}

function drawFigures() {
  const { panels, quantity, isMap } = shown;
  const ofRuns = panels.filter(panel => panel.quantity === quantity);
  const common = panels.length ? { ...scaleOf(ofRuns), shared: isMap ? null : sharedRange(ofRuns) } : null;
  const scales = panels.map(panel => (panel.quantity === quantity ? common : scaleOf([panel])));
  panels.forEach((_, index) => { figureAt(index).hidden = false; });
  [...$("plots").children].forEach((figure, index) => { figure.hidden = index >= panels.length; });
  panels.forEach((panel, index) => drawPanel(panel, index, scales[index]));
  const told = [...new Set(scales)].map((scale, i) => (i ? `${panels.at(-1).name}: ` : "") + scaleText(scale));
  $("scale").textContent = [shown.problem, ...(isMap ? told : [])].filter(Boolean).join(" ");
}
