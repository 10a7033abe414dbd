"""Activation patching on facts-6m by TransformerLens' own functions, without processed weights.

Takes the packages of xtask/bench/requirements.txt, of which TransformerLens is one.
"""

import numpy as np
import pandas as pd
import torch
from transformer_lens import patching
from transformer_lens.model_bridge import TransformerBridge

import gpt2
import interventions
import npz
import paths

# file → clean, corrupted, answer, distractor, whether single cells of patterns are patched (a
# pass for each layer, head and pair of positions, so of the short prompts only)
PAIRS = {
    "capital": (interventions.CLEAN, interventions.CORRUPTED, " Paris", " Warsaw", True),
    "ioi": (paths.CLEAN, paths.CORRUPTED, paths.ANSWER, paths.DISTRACTOR, False),
}
HEAD_SITES = ("out", "q", "k", "v", "pattern")
GRIDS = [
    *("resid_pre", "attn_out", "mlp_out"),
    *(f"attn_head_{site}_{axis}" for axis in ("all_pos", "by_pos") for site in HEAD_SITES),
]
CELLS = "attn_head_pattern_dest_src_pos"
NEURON_STEP = 97
SENDERS = [(0, 5), (3, 2), (5, 5), (6, 1), (6, 5)]  # layer, head


def main() -> None:
    model, tokenizer = gpt2.load_facts()
    folder = gpt2.FIXTURES / "facts-6m"
    lens = TransformerBridge.boot_transformers(
        str(folder),
        hf_model=gpt2.load(folder),
        tokenizer=tokenizer,
        device="cpu",
        dtype=torch.float32,
    )
    for name, (*texts, single_cells) in PAIRS.items():
        clean, corrupted, answer, distractor = (gpt2.encode(tokenizer, text) for text in texts)

        def logit_diff(logits: torch.Tensor) -> torch.Tensor:
            return (logits[0, -1, answer] - logits[0, -1, distractor]).squeeze()

        clean_logits, clean_cache = lens.run_with_cache(clean[None])
        corrupted_logits, corrupted_cache = lens.run_with_cache(corrupted[None])
        for ids, logits in ((clean, clean_logits), (corrupted, corrupted_logits)):
            gpt2.same("logits", logits[0], gpt2.hooked(model, ids)[0])

        run = (lens, corrupted[None], clean_cache)
        grids = {}
        for grid in GRIDS + [CELLS] * single_cells:
            grids[grid] = getattr(patching, f"get_act_patch_{grid}")(*run, logit_diff)
        # Neurons have no function of their own, but their axes are a head vector's.
        last, neurons = len(corrupted) - 1, range(0, lens.cfg.d_mlp, NEURON_STEP)
        index = [(layer, last, each) for layer in range(lens.cfg.n_layers) for each in neurons]
        values = patching.generic_activation_patch(
            *run,
            logit_diff,
            patching.layer_pos_head_vector_patch_setter,
            "post",
            index_df=pd.DataFrame(index, columns=["layer", "pos", "neuron"]),
        )
        grids[f"neurons_last_every{NEURON_STEP}th"] = values.unflatten(0, (-1, len(neurons)))
        # One edge: to the residual stream that the receiver's q, k or v alone reads before its
        # norm, what the sender writes in the clean run less what it writes in the corrupted one
        # is added at all positions. Rows up to the sender's own layer are 0 and mean nothing.
        for receiver in "qkv":
            edges = [
                patching.get_act_patch_direct_path(
                    *run, corrupted_cache, logit_diff, *sender, receiver, verbose=False
                )
                for sender in SENDERS
            ]
            grids[f"direct_path_{receiver}"] = torch.stack(edges)

        base = logit_diff(corrupted_logits)
        # The test's bound is a ten thousandth of the scale; what is smaller tests nothing.
        for grid, values in grids.items():
            effect = (values[values != 0.0] - base).abs().max().item()
            print(f"{name} {grid} {list(values.shape)}: {effect:.3f}")
            assert effect > 1e-2, grid
        npz.save(
            gpt2.GOLDENS / "transformer_lens" / f"{name}.npz",
            {
                "texts": np.array([*texts, "denoise"]),
                "clean_ids": clean.numpy(),
                "corrupted_ids": corrupted.numpy(),
                "answer": np.array(answer.item()),
                "distractor": np.array(distractor.item()),
                "clean": logit_diff(clean_logits).numpy(),
                "corrupted": base.numpy(),
                "scale": clean_logits[0, -1].abs().max().numpy(),
                "senders": np.array(SENDERS),
                **{grid: values.numpy() for grid, values in grids.items()},
            },
        )


if __name__ == "__main__":
    main()
