// What the state chooses: runs, case, grid, quantity, axes, cell.

const documents = new Map();

// Two runs are there to be compared.
const isBoth = () => runs.length > 1 && (state.run ?? "both") === "both";

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
  const both = isBoth();
  const second = both ? partnerOf(panels[0], name) : null;
  if (second) panels.push(second, difference(panels[0], second, quantity));
  const problem = both && !second ? `${runs[1].name} has nothing like this to compare with.` : "";
  return { run, name, doc, grid, choices, quantity, quantities, panels, problem };
}

// The second run's panel beside the first's: of the same case with the same prompt, and the same grid.
function partnerOf(first, name) {
  const prompt = run => runs[run].cases.find(listed => listed[0] === name)?.[1];
  const same = name === undefined ? runs[1].all : prompt(0) === prompt(1);
  const doc = same ? documentOf(1, name) : null;
  const grid = doc?.grids.find(grid => sameFacets(grid, first.grid));
  return grid ? { ...first, run: 1, name: runs[1].name, doc, grid } : null;
}

const NONE = { name: "", keys: [""] };

function strongestCell(grid, quantity) {
  let best = [-1, {}];
  for (const keys of cells(grid)) {
    const size = Math.abs(column(grid, quantity, placeOf(grid, keys)) ?? 0);
    if (size > best[0]) best = [size, keys];
  }
  return best[1];
}

// Which axes stand across and down, and where the other ones are held.
function chooseAxes(grid, quantity) {
  const named = name => grid.axes.find(axis => axis.name === name);
  const across = named(state.across) ?? named("layer") ?? grid.axes.at(-1) ?? NONE;
  const others = grid.axes.filter(axis => axis !== across);
  const down = others.find(axis => axis.name === state.down) ?? others[0] ?? null;
  const held = others.filter(axis => axis !== down);
  const at = {};
  const strongest = held.length ? strongestCell(grid, quantity) : {};
  for (const { name, keys } of held) {
    const wanted = state["at." + name] ?? state["cell." + name];
    at[name] = keys.find(key => String(key) === wanted) ?? strongest[name] ?? keys[0];
  }
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
