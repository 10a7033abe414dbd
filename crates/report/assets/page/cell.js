// The chosen cell: its cursor, its sentence and its numbers.

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
