"""Last-position logits under single interventions: at every site, and by every operation."""

import json
from dataclasses import dataclass

import numpy as np
import torch

import gpt2
import npz

CLEAN = "The capital of France is"
CORRUPTED = "The capital of Poland is"
# Further runs that values are read from: one of the same length, and a longer one.
OTHER = "The capital of Italy is"
LONGER = "The Space Needle is in downtown"
SUBJECT, LAST, LATER = 3, 4, 8


@dataclass(frozen=True)
class Where:
    """The layer, head and neuron of the cases."""

    layer: int
    head: int
    neuron: int
    neurons: tuple[int, ...]  # of those cases that change several


FACTS = Where(layer=5, head=2, neuron=17, neurons=(3, 17, 200))


def axes(site: str) -> tuple[str, ...]:
    """The leading axes of a site's value: those that a locus can fix."""
    if site.endswith(("hook_attn_scores", "hook_pattern")):
        return ("head", "dest", "src")
    if ".attn.hook_" in site:
        return ("position", "head")
    return ("position", "neuron") if ".mlp.hook_" in site else ("position",)


def mesh(site: str, at: dict, value: torch.Tensor) -> tuple:
    """A locus as an index. Every axis stays, and where the locus doesn't fix it, all of it."""

    def along(axis: str, length: int) -> torch.Tensor:
        fixed = at.get(axis, range(length))
        return torch.tensor([fixed] if isinstance(fixed, int) else list(fixed))

    return torch.meshgrid(*map(along, axes(site), value.shape), indexing="ij")


def mean_and_half(own: torch.Tensor, _reads: list) -> torch.Tensor:
    """The mean over the rows, which are the first axis, plus half of the row itself."""
    return own.mean(0) + 0.5 * own


def plus_half(own: torch.Tensor, reads: list) -> torch.Tensor:
    """Half of what is read is added, over and over where it is shorter."""
    return own + sum(0.5 * read for read in reads)


FUNCTIONS = {"mean_and_half": mean_and_half, "plus_half": plus_half}


def copies(at: Where) -> dict:
    """The clean value at every site, one at a time."""
    position = dict(position=SUBJECT)
    position_head = position | dict(head=at.head)
    head_row = dict(head=at.head, dest=LAST)
    position_neuron = position | dict(neuron=at.neuron)
    final = dict(position=LAST)
    b, h = f"blocks.{at.layer}", f"transformer.h.{at.layer}"
    sites = {
        "hook_embed": position,
        "hook_pos_embed": position,
        f"{b}.hook_resid_pre": position,
        f"{b}.ln1.hook_scale": position,
        f"{b}.ln1.hook_normalized": position,
        f"{h}.ln_1": position,
        f"{b}.attn.hook_q": position_head,
        f"{b}.attn.hook_k": position_head,
        f"{b}.attn.hook_v": position_head,
        f"{b}.attn.hook_attn_scores": head_row,
        f"{b}.attn.hook_pattern": head_row,
        f"{b}.attn.hook_z": position_head,
        f"{b}.attn.hook_result": position_head,
        f"{b}.hook_attn_out": position,
        f"{b}.hook_resid_mid": position,
        f"{b}.ln2.hook_scale": position,
        f"{b}.ln2.hook_normalized": position,
        f"{h}.ln_2": position,
        f"{b}.mlp.hook_pre": position_neuron,
        f"{b}.mlp.hook_post": position_neuron,
        f"{b}.hook_mlp_out": position,
        f"{b}.hook_resid_post": position,
        "ln_final.hook_scale": final,
        "ln_final.hook_normalized": final,
        "transformer.ln_f": final,
        "logits": final,
    }
    return {site: dict(operation="copy", site=site, **locus) for site, locus in sites.items()}


def operations(at: Where) -> dict:
    """Every operation, with every kind of value, at several sites."""
    b, above = f"blocks.{at.layer}", f"blocks.{at.layer + 1}"
    attn, mlp, resid = f"{b}.hook_attn_out", f"{b}.hook_mlp_out", f"{b}.hook_resid_post"
    z, neurons = f"{b}.attn.hook_z", f"{b}.mlp.hook_post"
    both, heads = [SUBJECT, LAST], [0, at.head]
    subject, last = dict(position=SUBJECT), dict(position=LAST)

    def of(run: str, **elsewhere) -> dict:
        return dict(run=run, **elsewhere)

    def replace(site: str, value: dict, **locus) -> dict:
        return dict(operation="replace", site=site, **locus, value=value)

    def add(site: str, value: dict, **locus) -> dict:
        return dict(operation="add", site=site, **locus, value=value)

    def interpolate(site: str, weight: float, value: dict, **locus) -> dict:
        return dict(operation="interpolate", site=site, **locus, value=value, weight=weight)

    def project(site: str, direction: str, along, **locus) -> dict:
        along = dict(of=along) if isinstance(along, dict) else along
        direction = f"direction_{direction}"
        return dict(operation="project", site=site, **locus, direction=direction, along=along)

    def call(site: str, function: str, *reads: dict, **locus) -> dict:
        reads = dict(reads=list(reads)) if reads else {}
        return dict(operation="call", site=site, **locus, function=function, **reads)

    clean, noise = dict(source=of("clean")), dict(array="noise")
    mean = dict(mean=[of("clean"), of("other"), of("corrupted")])
    later_heads = of("longer", position=LATER, head=heads)
    return {
        "zero": dict(operation="zero", site=mlp, **subject),
        "add": dict(operation="add", site=resid, **subject, factor=0.5),
        "scale": dict(operation="scale", site=z, **last, head=at.head, factor=2.0),
        "scale_pos_embed": dict(operation="scale", site="hook_pos_embed", **subject, factor=2.0),
        # The embedding's corruptions.
        "embed_zero": replace("hook_embed", dict(constant=0.0), **subject),
        "embed_noise": add("hook_embed", noise, position=[2, SUBJECT]),
        "embed_replaced": replace("hook_embed", noise, position=[2, SUBJECT]),
        "embed_interpolated": interpolate("hook_embed", 0.25, noise, position=[2, SUBJECT]),
        # Constants and arrays.
        "constant_neurons": replace(
            neurons, dict(constant=0.5), **subject, neuron=list(at.neurons)
        ),
        "constant_added": add(z, dict(constant=0.25), position=both, head=at.head),
        "knock_out": replace(
            f"{b}.attn.hook_attn_scores",
            dict(constant=-1e30),
            head=at.head,
            dest=LAST,
            src=[0, SUBJECT],
        ),
        "pattern_zero": replace(
            f"{b}.attn.hook_pattern", dict(constant=0.0), head=heads, dest=LAST, src=SUBJECT
        ),
        "array": replace(mlp, noise, position=both),
        # Other runs' values, their means, and values from elsewhere.
        "mean": replace(mlp, mean, position=both),
        "mean_head": replace(
            z,
            dict(mean=[of("clean"), of("longer", position=LATER, head=0)]),
            **last,
            head=at.head,
        ),
        "mean_added": add(attn, dict(mean=[of("clean"), of("other")]), **last),
        "source_added": add(resid, dict(source=of("other")), position=both),
        "source_above": replace(
            attn,
            dict(source=of("longer", site=f"{above}.hook_mlp_out", position=[6, LATER])),
            position=both,
        ),
        "source_computed": add(
            attn,
            dict(source=of("zero", site=mlp, position=SUBJECT, state="computed")),
            **last,
        ),
        "source_left": replace(mlp, dict(source=of("embed_noise")), position=both),
        "interpolate_resid": interpolate(resid, 0.25, clean, position=both),
        "interpolate_attn": interpolate(attn, 1.5, clean, **last),
        "interpolate_mlp": interpolate(mlp, 0.25, mean, position=both),
        "interpolate_head": interpolate(z, 1.5, clean, position=both, head=at.head),
        "interpolate_heads": interpolate(z, 0.25, dict(constant=0.5), **last, head=heads),
        "interpolate_neurons": interpolate(
            neurons, 1.5, clean, **subject, neuron=list(at.neurons)
        ),
        # Directions: of the residual stream, of a head, of the MLP's neurons and of some of them.
        "out_resid": project(resid, "model", "out", position=both),
        "out_attn": project(attn, "model", "out", **last),
        "out_heads": project(z, "head", "out", head=heads),
        "out_mlp_post": project(neurons, "mlp", "out", position=both),
        "in_attn": project(attn, "model", "in", position=both),
        "in_head": project(z, "head", "in", position=both, head=at.head),
        "in_mlp": project(mlp, "model", "in", **subject),
        "in_neurons": project(neurons, "neurons", "in", **subject, neuron=list(at.neurons)),
        "of_resid": project(resid, "model", of("clean"), position=both),
        "of_mlp": project(mlp, "model", of("clean"), **subject),
        "of_mlp_post": project(neurons, "mlp", of("other"), **subject),
        "of_heads": project(z, "head", later_heads, **last, head=heads),
        # Functions.
        "call_resid": call(resid, "mean_and_half", position=[2, SUBJECT, LAST]),
        "call_attn": call(attn, "mean_and_half"),
        "call_head": call(z, "mean_and_half", position=both, head=at.head),
        "call_mlp": call(
            mlp,
            "plus_half",
            of("longer", site=f"{above}.hook_attn_out", position=LATER),
            position=both,
        ),
        "call_heads": call(z, "plus_half", of("clean"), later_heads, position=both, head=heads),
    }


def arrays(config, at: Where, noise: float) -> dict:
    """The numbers that cases name: noise for two positions, and directions, not of length 1."""
    random = np.random.RandomState(0)
    d_model, d_mlp = config.n_embd, config.n_inner or 4 * config.n_embd
    # What neurons have along a direction is small unless most of its signs are theirs.
    directions = dict(
        model=random.randn(d_model),
        head=random.randn(d_model // config.n_head),
        mlp=random.rand(d_mlp),
        neurons=random.rand(len(at.neurons)),
    )
    directions = {f"direction_{name}": d.astype(np.float32) for name, d in directions.items()}
    return {"noise": noise * random.randn(2, d_model)} | directions


def read(source: dict, case: dict, runs: dict) -> torch.Tensor:
    """What another run has at the case's locus, or where the source says, if it does."""
    site = source.get("site", case["site"])
    at = source if source.keys() & {"site", *axes(site)} else case
    value = runs[source["run"], source.get("state", "left")][site]
    return value[mesh(site, at, value)]


def sources(case: dict) -> list:
    """All that a case reads of other runs."""
    if case["operation"] == "copy" or "factor" in case:
        return [dict(run="clean")]
    value, along = case.get("value", {}), case.get("along")
    return [
        *([value["source"]] if "source" in value else []),
        *value.get("mean", []),
        *([along["of"]] if isinstance(along, dict) else []),
        *case.get("reads", []),
    ]


def operate(case: dict, current: torch.Tensor, runs: dict, given: dict):
    """What a case makes of the values at its locus."""

    def value():
        kind, what = next(iter(case["value"].items()))
        if kind == "constant":
            return torch.full_like(current, what)
        if kind == "array":
            assert given[what].shape == current.shape, (case, current.shape)
            return torch.from_numpy(given[what])
        if kind == "source":
            return read(what, case, runs)
        return torch.stack([read(source, case, runs) for source in what]).mean(0)

    def part(x: torch.Tensor) -> torch.Tensor:
        d = torch.from_numpy(given[case["direction"]]).double()
        return (x.double() @ d / (d @ d))[..., None] * d

    match case["operation"]:
        case "copy":
            return read(dict(run="clean"), case, runs)
        case "zero":
            return torch.zeros_like(current)
        case "scale":
            return current * case["factor"]
        case "add" if "factor" in case:
            return current + case["factor"] * read(dict(run="clean"), case, runs)
        case "add":
            return current + value()  # f64 where the value is noise, and rounded once
        case "replace":
            return value()
        case "interpolate":
            return current + case["weight"] * (value() - current)
        case "project" if case["along"] == "out":
            return current - part(current)
        case "project" if case["along"] == "in":
            return part(current)
        case "project":
            other = read(case["along"]["of"], case, runs)
            return current - part(current) + part(other)
        case "call":
            reads = [read(source, case, runs) for source in case.get("reads", [])]
            return FUNCTIONS[case["function"]](current, reads)
        case other:
            raise ValueError(other)


def intervene(case: dict, runs: dict, given: dict, computed: dict, left: dict):
    """The patch that does one case, and keeps every value before and after it."""

    def patch(name, value):
        computed[name] = value.clone()
        if name == case["site"]:
            index = mesh(name, case, value)
            made = operate(case, value[index], runs, given)
            assert made.shape == value[index].shape, (case, made.shape)
            value = value.clone()
            value[index] = made.to(value.dtype)
        left[name] = value.clone()
        return value

    return patch


def golden_of(model, ids: dict, cases: dict, given: dict) -> dict:
    """The arrays of a file: each case is an intervention on the corrupted run."""
    # (run, state) → its sites, in the plain pass and in Hugging Face's.
    runs, hook_runs, logits = {}, {}, {}
    for name, tokens in ids.items():
        left, hook_left = {}, {}
        logits[name], _ = gpt2.hooked(model, tokens, gpt2.record(hook_left))
        gpt2.same(name, gpt2.plain(model, tokens, gpt2.record(left)), logits[name])
        runs[name, "left"], hook_runs[name, "left"] = left, hook_left

    golden = {f"{name}_ids": ids[name].numpy() for name in ("clean", "corrupted")}
    golden |= {name: logits[name][-1].numpy() for name in ("clean", "corrupted")}
    loci = []
    for key, case in cases.items():
        states = [(key, "computed"), (key, "left")]
        for state in states:
            runs[state], hook_runs[state] = {}, {}
        patch = intervene(case, runs, given, *(runs[state] for state in states))
        patched = gpt2.plain(model, ids["corrupted"], patch)
        # Hugging Face's own forward, wherever hooks on its modules can do the same.
        site, hooks = case["site"], hook_runs["clean", "left"]
        used = {site} | {source.get("site", site) for source in sources(case)}
        if used <= hooks.keys() and not site.endswith("hook_resid_mid"):
            patch = intervene(case, hook_runs, given, *(hook_runs[state] for state in states))
            by_hook, _ = gpt2.hooked(model, ids["corrupted"], patch)
            gpt2.same(key, patched, by_hook)
            patched = by_hook
        effect = (patched[-1] - logits["corrupted"][-1]).abs().max().item()
        print(f"{key}: {effect:.2e}")
        if key == "hook_pos_embed":  # the same vector in both runs
            assert effect == 0.0
        else:
            assert effect > 1e-4, key
        golden[key] = patched[-1].numpy()
        loci.append(json.dumps(dict(key=key) | case))
    golden["loci"] = np.array(loci)
    golden |= {f"{name}_ids": ids[name].numpy() for name in ids if f"{name}_ids" not in golden}
    return golden | given


def main() -> None:
    model, tokenizer = gpt2.load_facts()
    texts = dict(clean=CLEAN, corrupted=CORRUPTED, other=OTHER, longer=LONGER)
    ids = {name: gpt2.encode(tokenizer, text) for name, text in texts.items()}
    clean, corrupted, other, longer = ids.values()
    assert len(clean) == len(corrupted) == len(other) == LAST + 1 and len(longer) > LATER
    assert (clean != corrupted).nonzero().flatten().tolist() == [SUBJECT]

    noise = json.loads((gpt2.GOLDENS / "rome" / "noise.json").read_text())["s3"]
    cases = copies(FACTS) | operations(FACTS)
    golden = golden_of(model, ids, cases, arrays(model.config, FACTS, noise))
    npz.save(gpt2.GOLDENS / "interventions" / "capital.npz", golden)


if __name__ == "__main__":
    main()
