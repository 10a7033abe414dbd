"""TransformerLens' `get_act_patch_resid_pre` on a pair of prompts."""

import pandas
import torch
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.patching import generic_activation_patch, layer_pos_patch_setter

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


def base() -> tuple:
    logits, cache = MODEL.run_with_cache(CLEAN)
    values = [peer.logit_diff(logits), peer.logit_diff(MODEL(CORRUPTED))]
    return cache, [value.item() for value in values]


def sweep(cache, cells: list) -> list[float]:
    """What `get_act_patch_resid_pre` is made of, which takes no list of cells."""
    index = pandas.DataFrame([cell[1:] for cell in cells], columns=["layer", "pos"])
    return generic_activation_patch(
        MODEL,
        CORRUPTED,
        cache,
        peer.logit_diff,
        layer_pos_patch_setter,
        "resid_pre",
        index_df=index,
    ).tolist()


peer.serve(base, sweep, ["transformer-lens"])
