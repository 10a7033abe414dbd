"""TransformerLens' `get_act_patch_…` on a pair of prompts: the stream, heads, heads by position."""

import pandas
import torch
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.patching import (
    generic_activation_patch,
    layer_head_vector_patch_setter,
    layer_pos_head_vector_patch_setter,
    layer_pos_patch_setter,
)

import peer
from peer import JOB

MODEL = TransformerBridge.boot_transformers(
    JOB["model"],
    hf_model=peer.load(),
    tokenizer=peer.tokenizer(),
    device="cpu",
    dtype=torch.float32,
)
CLEAN, CORRUPTED = torch.tensor([JOB["clean"]]), torch.tensor([JOB["corrupted"]])
SETTERS = {
    ("layer", "pos"): layer_pos_patch_setter,
    ("layer", "head"): layer_head_vector_patch_setter,
    ("layer", "pos", "head"): layer_pos_head_vector_patch_setter,
}


def base() -> tuple:
    logits, cache = MODEL.run_with_cache(CLEAN)
    values = [peer.logit_diff(logits), peer.logit_diff(MODEL(CORRUPTED))]
    return cache, [value.item() for value in values]


def sweep(cache, cells: list) -> list[float]:
    """What the `get_act_patch_…` are made of, which take no list of cells."""
    return generic_activation_patch(
        MODEL,
        CORRUPTED,
        cache,
        peer.logit_diff,
        SETTERS[tuple(JOB["axes"])],
        JOB["site"],
        index_df=pandas.DataFrame([cell[1:] for cell in cells], columns=JOB["axes"]),
    ).tolist()


peer.serve(base, sweep, ["transformer-lens"])
