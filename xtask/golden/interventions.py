"""Last-position logits of facts-6m under single interventions, one at each site."""

import json

import numpy as np
import torch

import gpt2
import npz

CLEAN = "The capital of France is"
CORRUPTED = "The capital of Poland is"
LAYER, SUBJECT, HEAD, LAST, NEURON = 5, 3, 2, 4, 17

# What one copies of a site: the axes of its value that a locus fixes.
POSITION = dict(position=SUBJECT)
POSITION_HEAD = dict(position=SUBJECT, head=HEAD)
HEAD_ROW = dict(head=HEAD, dest=LAST)
POSITION_NEURON = dict(position=SUBJECT, neuron=NEURON)
FINAL = dict(position=LAST)

B, H = f"blocks.{LAYER}", f"transformer.h.{LAYER}"
SITES = {
    "hook_embed": POSITION,
    "hook_pos_embed": POSITION,
    f"{B}.hook_resid_pre": POSITION,
    f"{B}.ln1.hook_scale": POSITION,
    f"{B}.ln1.hook_normalized": POSITION,
    f"{H}.ln_1": POSITION,
    f"{B}.attn.hook_q": POSITION_HEAD,
    f"{B}.attn.hook_k": POSITION_HEAD,
    f"{B}.attn.hook_v": POSITION_HEAD,
    f"{B}.attn.hook_attn_scores": HEAD_ROW,
    f"{B}.attn.hook_pattern": HEAD_ROW,
    f"{B}.attn.hook_z": POSITION_HEAD,
    f"{B}.attn.hook_result": POSITION_HEAD,
    f"{B}.hook_attn_out": POSITION,
    f"{B}.hook_resid_mid": POSITION,
    f"{B}.ln2.hook_scale": POSITION,
    f"{B}.ln2.hook_normalized": POSITION,
    f"{H}.ln_2": POSITION,
    f"{B}.mlp.hook_pre": POSITION_NEURON,
    f"{B}.mlp.hook_post": POSITION_NEURON,
    f"{B}.hook_mlp_out": POSITION,
    f"{B}.hook_resid_post": POSITION,
    "ln_final.hook_scale": FINAL,
    "ln_final.hook_normalized": FINAL,
    "transformer.ln_f": FINAL,
    "logits": FINAL,
}

# key → operation, site, locus, factor
CASES = {site: ("copy", site, locus, 1.0) for site, locus in SITES.items()} | {
    "zero": ("zero", f"{B}.hook_mlp_out", POSITION, 0.0),
    "add": ("add", f"{B}.hook_resid_post", POSITION, 0.5),
    "scale": ("scale", f"{B}.attn.hook_z", dict(position=LAST, head=HEAD), 2.0),
    "scale_pos_embed": ("scale", "hook_pos_embed", POSITION, 2.0),
}


def intervene(case, clean: dict):
    """The patch that does one case. The locus' axes are the value's leading axes, in order."""
    operation, site, locus, factor = case
    index = tuple(locus.values())

    def patch(name, value):
        if name != site:
            return value
        source = clean[site][index]
        value = value.clone()
        if operation == "copy":
            value[index] = source
        elif operation == "zero":
            value[index] = 0.0
        elif operation == "add":
            value[index] += factor * source
        else:
            value[index] *= factor
        return value

    return patch


def main() -> None:
    model, tokenizer = gpt2.load_facts()
    clean_ids, corrupted_ids = gpt2.encode(tokenizer, CLEAN), gpt2.encode(tokenizer, CORRUPTED)
    assert len(clean_ids) == len(corrupted_ids) == LAST + 1
    assert (clean_ids != corrupted_ids).nonzero().flatten().tolist() == [SUBJECT]

    hook_sites, clean = {}, {}
    clean_logits, _ = gpt2.hooked(model, clean_ids, gpt2.record(hook_sites))
    gpt2.same("clean", gpt2.plain(model, clean_ids, gpt2.record(clean)), clean_logits)
    corrupted_logits, _ = gpt2.hooked(model, corrupted_ids)
    gpt2.same("corrupted", gpt2.plain(model, corrupted_ids), corrupted_logits)

    golden = {
        "clean_ids": clean_ids.numpy(),
        "corrupted_ids": corrupted_ids.numpy(),
        "clean": clean_logits[-1].numpy(),
        "corrupted": corrupted_logits[-1].numpy(),
    }
    loci = []
    for key, case in CASES.items():
        operation, site, locus, factor = case
        logits = gpt2.plain(model, corrupted_ids, intervene(case, clean))
        # Hugging Face's own forward, wherever a hook on one of its modules can do the same.
        if site in hook_sites and not site.endswith("hook_resid_mid"):
            by_hook, _ = gpt2.hooked(model, corrupted_ids, intervene(case, hook_sites))
            gpt2.same(key, logits, by_hook)
            logits = by_hook
        effect = (logits[-1] - corrupted_logits[-1]).abs().max().item()
        print(f"{key}: {effect:.2e}")
        if key == "hook_pos_embed":  # the same vector in both runs
            assert effect == 0.0
        else:
            assert effect > 1e-4, key
        golden[key] = logits[-1].numpy()
        loci.append(dict(key=key, operation=operation, site=site, **locus))
        if operation in ("add", "scale"):
            loci[-1]["factor"] = factor
    golden["loci"] = np.array([json.dumps(locus) for locus in loci])
    npz.save(gpt2.GOLDENS / "interventions" / "capital.npz", golden)


if __name__ == "__main__":
    main()
