"""ROME's causal tracing, as its code does it: one forward pass of a clean and some corrupted rows for each cell."""

import json

import gpt2
import numpy as np
import torch

KINDS = {
    "hidden": "transformer.h.{}",
    "mlp": "transformer.h.{}.mlp",
    "attn": "transformer.h.{}.attn",
}
SITES = {"hidden": "resid_post", "mlp": "mlp_out", "attn": "attn_out"}
CLASSES = (
    "first_subject middle_subject last_subject first_subsequent further last".split()
)


def tables(model, tokenizer, sweep):
    """cells, averages and rome_averages of a sweep file with `command = "trace"`."""
    level = float(sweep["settings"]["noise"][1:]) * deviation(model, tokenizer)
    cells, traces = [], []
    for case in sweep["cases"]:
        trace = Trace(model, tokenizer, sweep["settings"], case, level)
        if trace.is_right():
            cells += trace.cells()
            traces.append(trace)
    return {
        "cells": cells,
        "averages": averages_by_role(cells),
        "rome_averages": rome_averages(traces, sweep["settings"]["kinds"]),
    }


def deviation(model, tokenizer):
    """The standard deviation of the embeddings of the subjects of all known facts."""
    facts = json.loads((gpt2.FIXTURES / "known_1000.json").read_text())
    ids = torch.cat([gpt2.encode(tokenizer, fact["subject"]) for fact in facts])
    return model.transformer.wte.weight[ids].std().item()


def subject_range(tokenizer, ids, subject):
    """ROME's find_token_range: the tokens that cover the subject's first occurrence in the joined decodings."""
    texts = [tokenizer.decode([each]) for each in ids.tolist()]
    at = "".join(texts).index(subject)
    place, start = 0, None
    for index, text in enumerate(texts):
        place += len(text)
        if start is None and place > at:
            start = index
        if place >= at + len(subject):
            return start, index + 1
    raise ValueError(subject)


def role(position, subject, length):
    """The class of a token."""
    start, end = subject
    if position < start:
        return "before_subject"
    if position < end:
        if position == end - 1:
            return "last_subject"
        return "first_subject" if position == start else "middle_subject"
    if position == length - 1:
        return "last"
    return "first_subsequent" if position == end else "further"


class Trace:
    def __init__(self, model, tokenizer, settings, case, level):
        self.model, self.settings, self.case, self.level = model, settings, case, level
        self.tokenizer, self.samples = tokenizer, settings["samples"]
        self.ids = gpt2.encode(tokenizer, case["prompt"])
        self.batch = self.ids.repeat(1 + self.samples, 1)
        self.range = subject_range(tokenizer, self.ids, case["subject"])
        probabilities = torch.softmax(self.model(self.batch).logits[:, -1], dim=1)[0]
        self.answer = probabilities.argmax().item()
        self.high = probabilities[self.answer].item()
        self.low = self.score([])
        self.grids = {}

    def is_right(self):
        return self.tokenizer.decode([self.answer]).strip() == self.case["expected"]

    def noise(self, generator):
        """Added to the embeddings of the corrupted rows, drawn and added in f64."""
        start, end = self.range

        def hook(_module, _args, output):
            draw = generator.randn(self.samples, end - start, output.shape[2])
            output[1:, start:end] += torch.from_numpy(self.level * draw)
            return output

        return self.model.transformer.wte.register_forward_hook(hook)

    def restored(self, module, position):
        def hook(_module, _args, output):
            value = output[0] if isinstance(output, tuple) else output
            value[1:, position] = value[0, position]
            return output

        return self.model.get_submodule(module).register_forward_hook(hook)

    def score(self, modules, position=0, more=(), generator=None):
        """The answer's mean probability in the corrupted rows."""
        handles = [self.noise(generator or np.random.RandomState(1))]
        handles += [self.restored(module, position) for module in modules]
        handles += [make() for make in more]
        try:
            logits = self.model(self.batch, use_cache=False).logits
        finally:
            for handle in handles:
                handle.remove()
        return torch.softmax(logits[1:, -1], dim=1).mean(dim=0)[self.answer].item()

    def window(self, kind, layer):
        if kind == "hidden":
            return [layer]
        width, layers = self.settings["window"], self.model.config.n_layer
        return range(max(0, layer - width // 2), min(layers, layer - (-width // 2)))

    def grid(self, kind):
        """[tokens, layers]"""
        layers = range(self.model.config.n_layer)
        modules = [[KINDS[kind].format(each) for each in self.window(kind, layer)] for layer in layers]
        return np.array(
            [[self.score(modules[layer], place) for layer in layers] for place in range(len(self.ids))]
        )

    def severed(self, kind):
        """[layers]: the state restored at the subject's last token, while what `kind` writes there is held at what it
        wrote in a corrupted run. In ROME's notebook one generator makes the noise of both runs, so the second has the
        next draw."""
        position, scores = self.range[1] - 1, []
        modules = [KINDS[kind].format(each) for each in range(self.model.config.n_layer)]
        for layer in range(self.model.config.n_layer):
            generator, held = np.random.RandomState(1), {}

            def read(module):
                def hook(_module, _args, output):
                    value = output[0] if isinstance(output, tuple) else output
                    held[module] = value[1:, position].clone()

                return self.model.get_submodule(module).register_forward_hook(hook)

            def write(module):
                def hook(_module, _args, output):
                    value = output[0] if isinstance(output, tuple) else output
                    value[1:, position] = held[module]
                    return output

                return self.model.get_submodule(module).register_forward_hook(hook)

            self.score([], 0, [lambda m=m: read(m) for m in modules], generator)
            state = [KINDS["hidden"].format(layer)]
            more = [lambda m=m: write(m) for m in modules]
            same = self.settings["sever_noise"] == "same"
            scores.append(self.score(state, position, more, None if same else generator))
        return np.array(scores)

    def cells(self):
        rows = []
        for kind in self.settings["kinds"]:
            self.grids[kind] = self.grid(kind)
            for (position, layer), value in np.ndenumerate(self.grids[kind]):
                rows.append(self.row(kind, SITES[kind], layer, position, value))
        for module in self.settings.get("sever", []):
            for layer, value in enumerate(self.severed(module)):
                place = self.range[1] - 1
                rows.append(self.row(f"severed_{module}", "resid_post", layer, place, value))
        return rows

    def row(self, kind, site, layer, position, value):
        return {
            "case": self.case["name"],
            "kind": kind,
            "site": site,
            "layer": layer,
            "position": position,
            "role": role(position, self.range, len(self.ids)),
            "metric": "prob",
            "value": float(value),
            "clean": self.high,
            "corrupted": self.low,
            "recovery": (float(value) - self.low) / (self.high - self.low),
        }


def averages_by_role(cells):
    """A case with several tokens of a role counts once, with their mean."""
    by_case = {}
    for row in cells:
        place = (row["kind"], row["site"], row["layer"], row["role"])
        by_case.setdefault(place, {}).setdefault(row["case"], []).append(row)
    rows = []
    for (kind, site, layer, role), cases in by_case.items():
        mean = {
            column: float(
                np.mean([np.mean([row[column] for row in members]) for members in cases.values()])
            )
            for column in ("value", "clean", "corrupted")
        }
        recovery = (mean["value"] - mean["corrupted"]) / (mean["clean"] - mean["corrupted"])
        place = {"kind": kind, "site": site, "layer": layer, "role": role, "metric": "prob"}
        rows.append({**place, **mean, "recovery": recovery})
    return rows


def rome_averages(traces, kinds):
    """As the notebook average_causal_effects.ipynb pools: prompts, and of middle and further ones tokens."""
    clean = float(np.mean([trace.high for trace in traces]))
    corrupted = float(np.mean([trace.low for trace in traces]))
    rows = []
    for kind in kinds:
        pooled = {name: [] for name in CLASSES}
        for trace in traces:
            scores, (start, end) = trace.grids[kind], trace.range
            last = len(scores) - 1
            pooled["first_subject"].append(scores[start : start + 1])
            pooled["middle_subject"].append(scores[start + 1 : max(start + 1, end - 1)])
            pooled["last_subject"].append(scores[end - 1 : end])
            pooled["first_subsequent"].append(scores[end : end + 1])
            pooled["further"].append(scores[min(end + 1, last) : last])
            pooled["last"].append(scores[last:])
        for role, parts in pooled.items():
            for layer, value in enumerate(np.concatenate(parts).mean(axis=0)):
                rows.append(
                    {
                        "kind": kind,
                        "site": SITES[kind],
                        "metric": "prob",
                        "role": role,
                        "layer": layer,
                        "value": float(value),
                        "clean": clean,
                        "corrupted": corrupted,
                        "effect": float(value) - corrupted,
                    }
                )
    return rows
