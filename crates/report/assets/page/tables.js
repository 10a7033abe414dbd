// What is shown as a table, and as files to keep.

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
  const head = down
    ? [`${words(down.name)} \\ ${words(across.name)}`, ...across.keys.map(name(across))]
    : [words(across.name), panel.quantity];
  return make("div", "", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" },
    [tableOf(`${panel.name}: ${panel.quantity}`, head, rows)]);
}

function save(name, url) {
  const link = make("a", "", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

const fileName = panel => [shown.name ?? "all-cases", ...facetsOf(panel.grid), panel.quantity]
  .join("-").replace(/[^\p{L}\p{N}.-]+/gu, "_");

function downloadCsv(index) {
  const panel = shown.panels[index];
  const { grid, doc } = panel;
  const quoted = value => `"${String(value ?? "").replaceAll('"', '""')}"`;
  const facets = FACETS.filter(name => grid.facets[name] !== undefined);
  const common = Object.keys(grid.at);
  const axes = grid.axes.map(axis => axis.name);
  const tokens = [...common, ...axes].filter(name => isPosition(name) && doc.tokens.length);
  const names = NUMBERS.filter(name => grid.columns[name] !== undefined);
  const texts = tokens.map(name => name.replace("position", "token"));
  const lines = [["run", "case", ...facets, ...common, ...axes, ...texts, ...names]];
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
