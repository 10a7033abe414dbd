"""Path patching on facts-6m from MLPs and the embedding, by four passes of PyTorch hooks."""

import numpy as np
import torch

import gpt2
import npz

CLEAN = "After John and Mary went to the store, Mary gave a bottle of milk to"
CORRUPTED = "After John and Mary went to the store, John gave a bottle of milk to"
ANSWER, DISTRACTOR = " John", " Mary"

# Receivers as the program's flag writes them: the site that each reads, and its head.
RECEIVERS = {
    "q@7.3,k@9.0": [("blocks.7.attn.hook_q", 3), ("blocks.9.attn.hook_k", 0)],
    "mlp_in@8": [("transformer.h.8.ln_2", None)],
    "attn_in@4": [("transformer.h.4.ln_1", None)],
    "resid_post@10": [("blocks.10.hook_resid_post", None)],
    "logits": [("logits", None)],
}
# The last layer whose MLP can reach them.
REACHED_FROM = {"q@7.3,k@9.0": 8, "mlp_in@8": 7, "attn_in@4": 3, "resid_post@10": 10, "logits": 11}


def held(name: str, freeze_mlp: bool) -> bool:
    qkv = name.endswith(("hook_q", "hook_k", "hook_v"))
    return qkv or (freeze_mlp and name.endswith("hook_mlp_out"))


def path(model, clean_ids, clean, corrupted, sender, receivers, freeze_mlp) -> torch.Tensor:
    """D's logits at the last position."""
    received = {}

    def send(name, value):
        # As computed, before the run's own freezing.
        received[name] = value.clone()
        if name == sender:
            return corrupted[name]
        return clean[name] if held(name, freeze_mlp) else value

    gpt2.hooked(model, clean_ids, send)

    def receive(name, value):
        for site, head in receivers:
            if site == name and head is None:
                value = received[name]
            elif site == name:
                value = value.clone()
                value[:, head] = received[name][:, head]
        return value

    logits, _ = gpt2.hooked(model, clean_ids, receive)
    return logits[-1]


def main() -> None:
    model, tokenizer = gpt2.load_facts()
    ids = [gpt2.encode(tokenizer, text) for text in (CLEAN, CORRUPTED)]
    clean, corrupted = {}, {}
    logits, _ = gpt2.hooked(model, ids[0], gpt2.record(clean))
    gpt2.hooked(model, ids[1], gpt2.record(corrupted))
    answer, distractor = (gpt2.encode(tokenizer, text).item() for text in (ANSWER, DISTRACTOR))

    def logit_diff(last: torch.Tensor) -> float:
        return (last[answer] - last[distractor]).item()

    layers = model.config.n_layer
    senders = [f"mlp_out@{layer}" for layer in range(layers)] + ["embed"]
    sites = [f"blocks.{layer}.hook_mlp_out" for layer in range(layers)] + ["hook_embed"]
    keys, values = [], []
    for name, receivers in RECEIVERS.items():
        for frozen in ["", "mlp"]:
            keys.append(f"{name}|{frozen}")
            row = []
            for index, site in enumerate(sites):
                reaches = site == "hook_embed" or index <= REACHED_FROM[name]
                arguments = (model, ids[0], clean, corrupted, site, receivers, frozen == "mlp")
                row.append(logit_diff(path(*arguments)) if reaches else float("nan"))
            values.append(row)
    npz.save(
        gpt2.GOLDENS / "paths" / "senders.npz",
        {
            "texts": np.array([CLEAN, CORRUPTED, ANSWER.strip(), DISTRACTOR.strip()]),
            "keys": np.array(keys),
            "senders": np.array(senders),
            "values": np.array(values),
            "base": np.array(logit_diff(logits[-1])),
            "scale": np.array(logits[-1].abs().max().item(), dtype=np.float64),
        },
    )


if __name__ == "__main__":
    main()
