// Words, numbers, and elements of the document.

const $ = id => document.getElementById(id);

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
