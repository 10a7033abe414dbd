"""Patching between two prompts, one forward pass of Hugging Face's model for each cell."""

import json
from collections import defaultdict

import gpt2
import numpy as np
import torch
import traces

# Site → its name in gpt2.hooked.
SITES = {
    "resid_pre": "blocks.{}.hook_resid_pre",
    "resid_post": "blocks.{}.hook_resid_post",
    "attn_out": "blocks.{}.hook_attn_out",
    "mlp_out": "blocks.{}.hook_mlp_out",
    "z": "blocks.{}.attn.hook_z",
}
DISTANCES = ("kl", "l2")


def tables(model, tokenizer, sweep):
    """cells and averages of a sweep file with `command = "pair"`."""
    cells = []
    for index, case in enumerate(cases_of(sweep)):
        case.setdefault("name", str(index))
        cells += Pair(model, tokenizer, sweep["settings"], case).cells()
    return {"cells": cells, "averages": averages(cells)}


def cases_of(sweep):
    cases = sweep.get("cases", [])
    if "pairs" in sweep:
        lines = (gpt2.ROOT / sweep["pairs"]).read_text().splitlines()
        cases += [json.loads(line) for line in lines]
    return cases[: sweep.get("limit")]


def token(tokenizer, text):
    """The first token of an answer, as the prompt's continuation."""
    return gpt2.encode(tokenizer, " " + text.strip())[0].item()


class Pair:
    """A pair of prompts, and its runs without a patch."""

    def __init__(self, model, tokenizer, settings, case):
        self.model, self.settings, self.case = model, settings, case
        self.ids = gpt2.encode(tokenizer, case["clean"])
        self.corruption = settings.get("corruptions", [{"by": "prompt"}])[0]
        self.clean_values = {}
        self.clean, _ = gpt2.hooked(model, self.ids, gpt2.record(self.clean_values))
        if self.corruption["by"] == "noise":
            self.corrupted_ids = [self.ids] * self.corruption["samples"]
            self.noise = self.draw(tokenizer)
        else:
            self.corrupted_ids = [gpt2.encode(tokenizer, case["corrupted"])]
            assert len(self.corrupted_ids[0]) == len(self.ids), case
            differ = (self.corrupted_ids[0] != self.ids).nonzero().flatten().tolist()
            self.subject = (differ[0], differ[-1] + 1)
        self.corrupted, self.corrupted_values = [], []
        for sample, ids in enumerate(self.corrupted_ids):
            values = {}
            record = gpt2.record(values)
            self.corrupted.append(self.run(ids, sample, record))
            self.corrupted_values.append(values)
        answer = case.get("answer")
        self.answer = token(tokenizer, answer) if answer else self.clean[-1].argmax().item()
        distractor = case.get("distractor")
        argmax = self.corrupted[0].argmax().item()
        self.distractor = token(tokenizer, distractor) if distractor else argmax

    def draw(self, tokenizer):
        rule = self.corruption["noise"]
        level = float(rule[1:]) * traces.deviation(self.model, tokenizer)
        self.subject = traces.subject_range(tokenizer, self.ids, self.case["subject"])
        start, end = self.subject
        samples, width = self.corruption["samples"], self.model.config.n_embd
        return level * np.random.RandomState(1).randn(samples, end - start, width)

    def run(self, ids, sample, patch):
        """The last logits of a corrupted run with a patch."""

        def corrupt(name, value):
            if name == "hook_embed" and self.corruption["by"] == "noise":
                start, end = self.subject
                value = value.clone()
                value[start:end] += torch.from_numpy(self.noise[sample])
            return patch(name, value)

        return gpt2.hooked(self.model, ids, corrupt)[0][-1]

    def patched(self, site, position, head):
        """The last logits of each run with one place of the other run."""
        noising = self.settings.get("direction") == "noise"
        logits = []
        for sample, ids in enumerate(self.corrupted_ids):
            source = self.corrupted_values[sample] if noising else self.clean_values

            def patch(name, value):
                if name != site:
                    return value
                value = value.clone()
                places = slice(None) if position is None else position
                if head is None:
                    value[places] = source[name][places]
                else:
                    value[places, head] = source[name][places, head]
                return value

            if noising:
                logits.append(gpt2.hooked(self.model, self.ids, patch)[0][-1])
            else:
                logits.append(self.run(ids, sample, patch))
        return logits

    def along_path(self, site, head):
        """The logits when only the direct path from a head's corrupted output is left: everything that is between
        it and the logits is held at the clean run's keys, queries and values, and MLPs are computed again."""
        source = self.corrupted_values[0]

        def patch(name, value):
            if name == site:
                value = value.clone()
                value[:, head] = source[name][:, head]
                return value
            held = name.endswith(("hook_q", "hook_k", "hook_v"))
            return self.clean_values[name] if held else value

        return [gpt2.hooked(self.model, self.ids, patch)[0][-1]]

    def measure(self, metric, logits):
        """The mean over samples."""
        clean = self.clean[-1]

        def one(last):
            match metric:
                case "prob":
                    return last.softmax(-1)[self.answer]
                case "logit":
                    return last[self.answer]
                case "logit-diff":
                    return last[self.answer] - last[self.distractor]
                case "l2":
                    return (last - clean).norm()
                case "kl":
                    ours, theirs = clean.double().log_softmax(-1), last.double().log_softmax(-1)
                    return (ours.exp() * (ours - theirs)).sum()

        return float(np.mean([one(last).item() for last in logits]))

    def cells(self):
        settings, config = self.settings, self.model.config
        per = settings["per"]
        positions = range(len(self.ids)) if "position" in per else [None]
        if settings.get("positions") == ["last"]:
            positions = [len(self.ids) - 1]
        heads = range(config.n_head) if "head" in per else [None]
        paths = "paths" in settings
        rows = []
        for site in settings["sites"]:
            for layer in range(config.n_layer):
                for position in positions:
                    for head in heads:
                        name = SITES[site].format(layer)
                        logits = (
                            self.along_path(name, head)
                            if paths
                            else self.patched(name, position, head)
                        )
                        place = {
                            "site": site,
                            "layer": layer,
                            "position": position,
                            "role": None if position is None else self.role(position),
                            "head": head,
                            "sender": f"z@{layer}.{head}" if paths else None,
                        }
                        rows += [self.row(place, metric, logits) for metric in settings["metrics"]]
        return rows

    def role(self, position):
        return traces.role(position, self.subject, len(self.ids))

    def row(self, place, metric, logits):
        value = self.measure(metric, logits)
        clean = self.measure(metric, [self.clean[-1]])
        corrupted = self.measure(metric, self.corrupted)
        noising = self.settings.get("direction") == "noise"
        base, source = (clean, corrupted) if noising else (corrupted, clean)
        return {
            "case": self.case["name"],
            **place,
            "metric": metric,
            "value": value,
            "clean": clean,
            "corrupted": corrupted,
            "recovery": recovery(metric, value, clean, corrupted),
            "effect": (value - base) / (source - base),
        }


def recovery(metric, value, clean, corrupted):
    if metric in DISTANCES:
        return 1 - value / corrupted
    return (value - corrupted) / (clean - corrupted)


def averages(cells):
    """The cells of all cases by place; recovery is the ratio of means."""
    names = ["kind", "site", "layer", "position", "role", "head", "sender", "metric"]
    groups = defaultdict(list)
    for row in cells:
        groups[tuple(row.get(name) for name in names)].append(row)
    rows = []
    for place, members in groups.items():
        row = dict(zip(names, place))
        for column in ("value", "clean", "corrupted"):
            row[column] = float(np.mean([member[column] for member in members]))
        row["recovery"] = recovery(row["metric"], row["value"], row["clean"], row["corrupted"])
        rows.append(row)
    return rows
