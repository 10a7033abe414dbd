// Scales and colours.

const SEQUENTIAL = { hidden: "purples", mlp: "greens", attn: "reds", severed_mlp: "greens", severed_attn: "reds" };

const extent = values => values.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [Infinity, -Infinity]);

// The scale of some panels: over all their cells, so that slices can be compared.
function scaleOf(panels) {
  const { quantity, grid } = panels[0];
  const numbers = ({ grid }) => [...cells(grid)].map(keys => column(grid, quantity, placeOf(grid, keys)));
  const finite = panels.flatMap(numbers).filter(value => value != null);
  const [least, most] = finite.length ? extent(finite) : [0, 1];
  const safe = state.colours === "safe";
  const ofClasses = quantity === "effect" && grid.facets.statistics === CLASSES;
  let low, high, map;
  if (quantity === "difference" || ((quantity === "recovery" || quantity === "effect") && !ofClasses)) {
    high = Math.max(Math.abs(least), Math.abs(most));
    // Red and blue can be told apart by everybody, and zero needs a colour of its own: these are safe as they are.
    // A faint field isn't drawn as a strong one, and more than everything has the colour of everything.
    if (quantity !== "difference") high = Math.min(Math.max(high, 0.1), 1);
    [low, map] = [-high, colours.redblue];
  } else {
    const bases = panels.map(panel => panel.grid.columns.corrupted);
    const fromBase = quantity === "value" && grid.facets.kind && bases.every(base => typeof base === "number");
    low = ofClasses ? 0 : fromBase ? Math.min(...bases) : least;
    high = Math.max(most, low);
    map = safe ? "Cividis" : colours[SEQUENTIAL[grid.facets.kind] ?? "purples"];
  }
  if (high === low) high = low + 1e-9;
  const outside = finite.filter(value => value < low || value > high).length;
  return { low, high, map, least, most, outside, cells: finite.length };
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
