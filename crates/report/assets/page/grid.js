// Grids as the data has them (`src/page/grid.rs`): their cells, and what they have in common.

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

// A cell in words: `layer 4, token 3 “ France”*`.
function spoken(doc, grid, keys) {
  const part = ([name, key]) => {
    const text = label(doc, name, key);
    if (!isPosition(name) || doc.tokens[key] === undefined) return `${words(name)} ${text}`;
    return `${words(name)} ${key} “${doc.tokens[key]}”${text.slice(doc.tokens[key].length)}`;
  };
  const axes = grid.axes.map(axis => [axis.name, keys[axis.name]]);
  return [...Object.entries(grid.at), ...axes].map(part).join(", ") || "the only cell";
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

const facetsOf = grid => FACETS.map(name => grid.facets[name]).filter(facet => facet !== undefined);
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
  const name = `${first.name} − ${second.name}${fits ? ", by pairs of cases" : ""}`;
  return { ...first, grid, name, quantity: "difference" };
}
