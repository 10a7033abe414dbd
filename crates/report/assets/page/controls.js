// Texts, controls, the list of cases, and the start.

// What a case or a run says in words; of many sentences the first, and the others where there is room.
function sentences(doc, before) {
  const [first, ...others] = (doc?.summary ?? []).map(text => make("p", text));
  if (!first) return [];
  first.prepend(before);
  if (!others.length) return [first];
  const details = make("details", "", {}, [make("summary", "In words"), ...others]);
  details.open = $("summary").querySelector("details")?.open ?? false;
  return [first, details];
}

function drawTexts() {
  const { run, name, doc } = shown;
  const listed = runs[run].cases.find(one => one[0] === name);
  const title = name === undefined ? "All cases" : listed[1] || name;
  $("title").textContent = title;
  document.title = `${title} – Tracewright`;
  $("model").textContent = isBoth()
    ? runs.map(({ name, model }) => `${name} (${model})`).join(" and ") : `${runs[run].name} (${runs[run].model})`;
  $("prompts").replaceChildren(...(doc?.prompts ?? []).map(prompt => make("p", "", { class: "prompt" }, [
    make("b", prompt.name),
    ...prompt.tokens.map((text, i) => make("span", text, {
      class: i >= prompt.subject[0] && i < prompt.subject[1] ? "token subject" : "token", title: `token ${i}`,
    })),
    make("span", `→ ${prompt.says}`, { class: "says" }),
  ])));
  const docs = new Set(shown.panels.length ? shown.panels.map(panel => panel.doc) : [doc]);
  $("summary").replaceChildren(...[...docs].flatMap((one, i) => sentences(one, docs.size > 1 ? `${runs[i].name}: ` : "")));
  $("facts").hidden = !doc?.facts.length;
  const facts = (doc?.facts ?? []).flatMap(([name, text]) => [make("dt", name), make("dd", text)]);
  $("facts").lastElementChild.replaceChildren(...facts);
  const grid = shown.grid;
  const held = Object.entries(shown.axes?.at ?? {}).map(([axis, key]) => `${words(axis)} ${label(doc, axis, key)}`);
  const facets = FACETS.filter(facet => grid?.facets[facet] !== undefined)
    .map(facet => (facet === "metric_position" ? `read at token ${grid.facets[facet]}` : grid.facets[facet]));
  const parts = grid ? [...facets, shown.quantity, ...held] : [];
  $("caption").textContent = parts.join(" · ");
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
  const facets = shown.choices.map(({ name, options, chosen }) => selectFor(
    words(name), chosen, options.map(option => [option, option || "last position"]), value => choose({ [name]: value })));
  $("controls").replaceChildren(...facets, ...(shown.axes ? [...axisControls(), tableControl()] : []));
  if (focused) $("controls").elements[focused]?.focus();
}

// How the grid is shown; only what there is a choice of.
function axisControls() {
  const { quantities, quantity, doc, grid, isMap, axes: { across, down, held, at } } = shown;
  const axes = grid.axes.map(({ name }) => [name, words(name)]);
  // An axis that is put in the other one's place gives it its own.
  const put = (place, other) => name => choose(name === other ? { across: down.name, down: across.name }
    : { across: across.name, down: down.name, [place]: name });
  const keyOf = (name, key) => [String(key), (isPosition(name) ? `${key} ` : "") + label(doc, name, key)];
  const named = names => names.map(name => [name, name]);
  const maps = [["", "as in the papers"], ["safe", "colour-blind safe"]];
  return [
    quantities.length > 1 && selectFor("quantity", quantity, named(quantities), value => choose({ show: value })),
    down && selectFor("view", isMap ? "heatmap" : "lines", named(["heatmap", "lines"]), value => choose({ view: value })),
    down && selectFor("across", across.name, axes, put("across", down.name)),
    held.length > 0 && selectFor("down", down.name, axes, put("down", across.name)),
    ...held.map(({ name, keys }) => selectFor(
      words(name), String(at[name]), keys.map(key => keyOf(name, key)), value => choose({ ["at." + name]: value }))),
    isMap && selectFor("colours", state.colours ?? "", maps, value => choose({ colours: value })),
  ].filter(Boolean);
}

function tableControl() {
  const table = make("input", "", { type: "checkbox", name: "table" });
  table.checked = state.table === "1";
  table.addEventListener("change", () => choose({ table: table.checked ? "1" : null }));
  return make("label", "", { class: "check" }, [table, "show as table"]);
}

// The list of cases: those with what is looked for in their name, prompt, subject or answer.
function drawList() {
  const { run, name } = chosenCase();
  const wanted = $("search").value.trim().toLowerCase();
  const found = runs[run].cases.filter(listed => listed.join("\n").toLowerCase().includes(wanted));
  const text = ([name, prompt, , answer, mark]) =>
    `${name}  ${prompt}${answer && ` → ${answer}`}${mark && ` (${mark})`}`;
  const options = found.map(listed => make("option", text(listed), { value: "=" + listed[0], title: listed[1] }));
  if (runs[run].all) options.unshift(make("option", "All cases", { value: "" }));
  $("case").size = Math.min(Math.max(options.length, 2), 30);
  $("case").replaceChildren(...options);
  $("case").value = name === undefined ? "" : "=" + name;
  document.querySelector("nav").hidden = runs[run].cases.length < 2;
  $("found").textContent = `${wanted ? `${found.length} of ` : ""}${runs[run].cases.length} cases`;
}

let listedRun = null;
function render() {
  shown = choosePanels();
  if (shown.grid) {
    shown.axes = chooseAxes(shown.grid, shown.quantity);
    shown.isMap = shown.axes.down !== null && state.view !== "lines";
  }
  if (listedRun !== shown.run) { drawList(); listedRun = shown.run; }
  $("case").value = shown.name === undefined ? "" : "=" + shown.name;
  $("run").value = isBoth() ? "both" : state.run === "2" ? "2" : "1";
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
