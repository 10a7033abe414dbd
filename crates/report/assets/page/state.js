// The state is the address's part after `#`, texts by name: what is shown is a function of it and of the data. A choice
// changes the address and draws again.

const json = id => JSON.parse($(id).textContent);
const runs = json("runs");
const colours = json("colours");

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
