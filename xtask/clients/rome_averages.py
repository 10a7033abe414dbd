"""Checks a trace's averages with NumPy and DuckDB, without Tracewright.

Reads ROME's files `cases/knowledge_*.npz` of a results folder, averages them as ROME's notebook
`average_causal_effects.ipynb` does, and compares with `rome_averages.parquet`; then compares the
number of cells and their mean by layer in `cells.parquet` with the same files. Prints the worst
difference of each, and exits with 1 where one is too large.

    python rome_averages.py FOLDER
"""

import math
import sys
from pathlib import Path

import duckdb
import numpy as np

TOLERANCE = 1e-6
SUFFIXES = {"hidden": "", "mlp": "_mlp", "attn": "_attn"}
CLASSES = [
    "first_subject",
    "middle_subject",
    "last_subject",
    "first_subsequent",
    "further",
    "last",
]


def files_of(folder, kind):
    """The files of a kind; the suffix tells it, and a name can't end with another's."""
    others = tuple(f"{suffix}.npz" for suffix in SUFFIXES.values() if suffix)
    for path in sorted((folder / "cases").glob("knowledge_*.npz")):
        suffix = SUFFIXES[kind]
        if path.name.endswith(f"{suffix}.npz" if suffix else ".npz"):
            if suffix or not path.name.endswith(others):
                yield path


def traces_of(folder, kind):
    """Scores, subject, low and high score of the cases that are answered rightly."""
    for path in files_of(folder, kind):
        with np.load(path) as file:
            if not file["correct_prediction"]:
                continue
            start, end = (int(place) for place in file["subject_range"])
            yield file["scores"], start, end, float(file["low_score"]), float(file["high_score"])


def pool(traces):
    """The rows of scores of each class, over all cases, and in how many cases it is."""
    pooled = {name: [] for name in CLASSES}
    cases = dict.fromkeys(CLASSES, 0)
    for scores, start, end, _, _ in traces:
        last = len(scores) - 1
        rows = {
            "first_subject": scores[start : start + 1],
            "middle_subject": scores[start + 1 : max(start + 1, end - 1)],
            "last_subject": scores[end - 1 : end],
            # None where the prompt ends with its subject; ROME's code stops there.
            "first_subsequent": scores[end : end + 1],
            "further": scores[min(end + 1, last) : last],
            "last": scores[last:],
        }
        for name in CLASSES:
            pooled[name].append(rows[name])
            cases[name] += len(rows[name]) > 0
    return {name: np.concatenate(rows) for name, rows in pooled.items()}, cases


def expected_of(traces):
    """What the table should hold of a kind: its numbers by class and layer."""
    pooled, cases = pool(traces)
    corrupted = np.mean([low for *_, low, _ in traces])
    clean = np.mean([high for *_, high in traces])
    for name in CLASSES:
        rows = pooled[name]
        for layer in range(rows.shape[1] if len(rows) else 0):
            # ROME sums in f32; its sum over a thousand cases is off in the seventh digit.
            scores = rows[:, layer].astype(np.float64)
            n, value = len(scores), scores.mean()
            std = scores.std(ddof=1) if n > 1 else None
            numbers = {
                "value": value,
                "std": std,
                "stderr": std / math.sqrt(n) if n > 1 else None,
                "clean": clean,
                "corrupted": corrupted,
                "effect": value - corrupted,
                "n": n,
                "cases": cases[name],
            }
            yield (name, layer), numbers


def difference(found, expected):
    if found is None or expected is None:
        return 0.0 if found is expected else math.inf
    return abs(found - expected)


class Worst:
    """The largest difference so far, and where it is."""

    def __init__(self, what):
        self.what, self.size, self.where, self.count = what, 0.0, "anywhere", 0

    def see(self, where, found, expected):
        self.count += 1
        size = difference(found, expected)
        # A NaN is a difference too.
        if not size <= self.size:
            self.size, self.where = size, f"{where} ({found} there, {expected} expected)"

    def report(self):
        fine = self.size <= TOLERANCE and self.count > 0
        word = "agree" if fine else "DON'T AGREE"
        print(f"{self.what}: {self.count} numbers {word}; worst {self.size:.3g} at {self.where}")
        return fine


def table(path, query):
    connection = duckdb.connect()
    result = connection.execute(query, [str(path)])
    names = [column[0] for column in result.description]
    return [dict(zip(names, row)) for row in result.fetchall()]


def check_averages(folder, traces):
    worst = Worst("rome_averages.parquet")
    path = folder / "rome_averages.parquet"
    rows = table(path, "SELECT * FROM read_parquet(?)")
    found = {(row["kind"], row["role"], row["layer"]): row for row in rows}
    for kind, cases in traces.items():
        for (role, layer), numbers in expected_of(cases):
            where = f"{kind} {role} layer {layer}"
            row = found.pop((kind, role, layer), {})
            for name, expected in numbers.items():
                worst.see(f"{where} {name}", row.get(name), expected)
            if row.get("low") is not None:
                # A percentile interval can leave the mean out where very few cases are drawn.
                inside = row["low"] <= row["value"] <= row["high"] or row["cases"] < 4
                worst.see(f"{where} interval", float(inside), 1.0)
    for left in found:
        worst.see(f"a row {left} too many", None, 0.0)
    return worst.report()


def check_cells(folder, traces):
    """Cells of cases that are averaged: by kind and layer their number and mean."""
    worst = Worst("cells.parquet")
    rows = table(
        folder / "cells.parquet",
        "SELECT kind, layer, count(*) AS n, avg(value) AS mean FROM read_parquet(?)"
        " WHERE metric = 'prob' AND value IS NOT NULL GROUP BY kind, layer",
    )
    found = {(row["kind"], row["layer"]): row for row in rows}
    for kind, cases in traces.items():
        scores = np.concatenate([scores for scores, *_ in cases]).astype(np.float64)
        for layer in range(scores.shape[1]):
            row = found.get((kind, layer), {})
            worst.see(f"{kind} layer {layer} number of cells", row.get("n"), len(scores))
            worst.see(f"{kind} layer {layer} mean", row.get("mean"), scores[:, layer].mean())
    return worst.report()


def main(folder):
    traces = {kind: list(traces_of(folder, kind)) for kind in SUFFIXES}
    traces = {kind: cases for kind, cases in traces.items() if len(cases) > 1}
    if not traces:
        print(f"{folder} has no kind with two cases or more that are answered rightly")
        return 1
    for kind, cases in traces.items():
        print(f"{kind}: {len(cases)} cases")
    fine = [check_averages(folder, traces), check_cells(folder, traces)]
    return 0 if all(fine) else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
