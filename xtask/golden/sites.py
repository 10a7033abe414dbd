"""Every GPT-2 site of facts-6m, read with PyTorch hooks."""

import torch

import gpt2
import npz

# file → prompt, layers, layers with the wide sites (left out elsewhere for their size)
PROMPTS = {
    "capital": ("The capital of France is", range(12), [0, 5, 11]),
    "space_needle": ("The Space Needle is in downtown", [0, 5, 11], [5]),
    "vinson": ("Vinson Massif is located in the continent of", [0, 5, 11], [5]),
}
WIDE = ("attn.hook_result", "mlp.hook_pre", "mlp.hook_post")


def read_sites(model, ids: torch.Tensor) -> dict:
    """All sites by name: hooked values, and what follows from them where there is no module."""
    sites, config, w = {}, model.config, model.state_dict()
    _, patterns = gpt2.hooked(model, ids, gpt2.record(sites))

    def add_norm(site, module, x):
        centred = x - x.mean(-1, keepdim=True)
        variance = x.var(-1, correction=0, keepdim=True)
        scale = (variance + config.layer_norm_epsilon).sqrt()
        sites[f"{site}.hook_scale"] = scale
        sites[f"{site}.hook_normalized"] = centred / scale
        output = centred / scale * w[f"{module}.weight"] + w[f"{module}.bias"]
        gpt2.same(module, output, sites[module])

    for layer, pattern in enumerate(patterns):
        b, h = f"blocks.{layer}", f"transformer.h.{layer}"
        add_norm(f"{b}.ln1", f"{h}.ln_1", sites[f"{b}.hook_resid_pre"])
        add_norm(f"{b}.ln2", f"{h}.ln_2", sites[f"{b}.hook_resid_mid"])

        q, k, v, z = (sites[f"{b}.attn.hook_{part}"] for part in "qkvz")
        scores = gpt2.causal_scores(q, k, gpt2.attention_scale(config, layer))
        gpt2.same(f"{b} scores", scores.softmax(-1), pattern)
        gpt2.same(f"{b} pattern", torch.einsum("hds,she->dhe", pattern, v), z)
        sites[f"{b}.attn.hook_attn_scores"] = scores
        sites[f"{b}.attn.hook_pattern"] = pattern

        result = torch.einsum("phe,hem->phm", z, gpt2.output_rows(w, config, layer))
        attn_out, bias = sites[f"{b}.hook_attn_out"], w[f"{h}.attn.c_proj.bias"]
        gpt2.same(f"{b} z", z.flatten(-2) @ w[f"{h}.attn.c_proj.weight"] + bias, attn_out)
        gpt2.same(f"{b} result", result.sum(1) + bias, attn_out)
        sites[f"{b}.attn.hook_result"] = result

        mid, post = sites[f"{b}.hook_resid_mid"], sites[f"{b}.hook_resid_post"]
        gpt2.same(f"{b} mid", sites[f"{b}.hook_resid_pre"] + attn_out, mid)
        gpt2.same(f"{b} post", mid + sites[f"{b}.hook_mlp_out"], post)
    add_norm("ln_final", "transformer.ln_f", post)
    return sites


def main() -> None:
    model, tokenizer = gpt2.load_facts()
    for name, (text, layers, wide_layers) in PROMPTS.items():
        ids = gpt2.encode(tokenizer, text)
        sites = read_sites(model, ids)
        check = {}
        gpt2.plain(model, ids, gpt2.record(check))
        assert sites.keys() == check.keys(), sites.keys() ^ check.keys()

        golden = {"input_ids": ids.numpy()}
        for site, value in check.items():  # in the order of the forward pass
            gpt2.same(site, value, sites[site])
            layer = site.removeprefix("blocks.").removeprefix("transformer.h.").split(".")[0]
            kept = wide_layers if site.endswith(WIDE) else layers
            if not layer.isdigit() or int(layer) in kept:
                golden[site] = sites[site].numpy()
        npz.save(gpt2.GOLDENS / "sites" / f"{name}.npz", golden)


if __name__ == "__main__":
    main()
