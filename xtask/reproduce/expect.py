"""What PyTorch gets for the reproductions on the built-in model, without Tracewright.

    python expect.py NAME …

Runs the sweep files of each reproduction with Hugging Face's model and hooks, one forward pass for each cell,
ROME's traces as ROME's code does them, builds the tables that a results folder would have, reads the quantities of
reproduction.toml off them, and writes expected.json.
"""

import json
import sys
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "golden"))

import gpt2  # noqa: E402
import pairs  # noqa: E402
import traces  # noqa: E402

ORDER = (
    "case corruption kind site receiver metric layer position role head sender".split()
)


def key(row):
    """The order of rows, as in query.rs: numbers by size, texts by their letters."""
    values = [row.get(name) for name in ORDER]
    return [
        (0, value, "") if isinstance(value, (int, float)) else (1, 0, value or "")
        for value in values
    ]


def is_wanted(row, where):
    return all(
        row.get(name) in want if isinstance(want, list) else row.get(name) == want
        for name, want in where.items()
    )


def take(quantity, tables):
    """The quantity's values, as a list."""
    rows = [row for row in tables[quantity["table"]] if is_wanted(row, quantity.get("where", {}))]
    column = quantity["column"]
    rows = [row for row in sorted(rows, key=key) if row.get(column) is not None]
    values = [row[column] for row in rows]
    assert values, quantity
    match quantity["take"]:
        case "all":
            return values
        case "mean":
            return [sum(values) / len(values)]
        case "only":
            assert max(values) - min(values) < 1e-9, (quantity["name"], values)
            best = 0
        case "largest":
            best = values.index(max(values))
        case "smallest":
            best = values.index(min(values))
    return [float(rows[best][quantity.get("give", column)])]


def tables_of(folder, model, tokenizer):
    """The tables of all sweeps of a reproduction."""
    tables = {"cells": [], "averages": [], "rome_averages": []}
    for path in sorted(folder.glob("sweep*.toml")):
        sweep = tomllib.loads(path.read_text())
        kind = {"pair": pairs, "trace": traces}[sweep["command"]]
        for name, rows in kind.tables(model, tokenizer, sweep).items():
            tables[name] += rows
    return tables


def main(names):
    model, tokenizer = gpt2.load_facts()
    for name in names:
        start, folder = time.monotonic(), HERE / name
        reproduction = tomllib.loads((folder / "reproduction.toml").read_text())
        tables = tables_of(folder, model, tokenizer)
        expected = {
            quantity["name"]: [float(f"{value:.9g}") for value in take(quantity, tables)]
            for quantity in reproduction["quantities"]
        }
        (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
        print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
