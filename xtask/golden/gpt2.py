"""GPT-2 with its sites open, twice: Hugging Face's with hooks, and a plain one.

Both take `patch(name, value)`, which is called at every site with the site's name and its
value without a batch axis, and which returns the value to go on with.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import AutoTokenizer, GPT2LMHeadModel
from transformers.utils import logging

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"
GOLDENS = FIXTURES / "goldens"

ACTIVATIONS = {
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "gelu": F.gelu,
    "relu": F.relu,
}

# Arithmetic in one fixed order, so that a second run gives the same bytes.
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
torch.set_grad_enabled(False)
logging.disable_progress_bar()


def load(folder: Path, kind=GPT2LMHeadModel):
    """The checkpoint in f32 with eager attention; every stored tensor must have its place."""
    model, info = kind.from_pretrained(
        folder,
        attn_implementation="eager",
        dtype=torch.float32,
        local_files_only=True,
        output_loading_info=True,
    )
    assert not any(info.values()), info
    return model.eval()


def load_facts():
    folder = FIXTURES / "facts-6m"
    return load(folder), AutoTokenizer.from_pretrained(folder, local_files_only=True)


def encode(tokenizer, text: str) -> torch.Tensor:
    return torch.tensor(tokenizer(text, add_special_tokens=False)["input_ids"])


def same(name: str, a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-5) -> None:
    """Fails unless a and b agree, relative to the largest value (infinities must coincide)."""
    assert a.shape == b.shape, (name, a.shape, b.shape)
    finite = torch.isfinite(b)
    assert torch.equal(finite, torch.isfinite(a)) and torch.equal(a[~finite], b[~finite]), name
    error = ((a - b)[finite].abs().max() / b[finite].abs().max()).item()
    assert error <= tolerance, f"{name}: relative error {error:.2e}"


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """[pos, d_model] → [pos, head, d_head]"""
    return x.unflatten(-1, (heads, -1))


def attention_scale(config, layer: int) -> float:
    scale = (config.n_embd // config.n_head) ** -0.5 if config.scale_attn_weights else 1.0
    return scale / (layer + 1) if config.scale_attn_by_inverse_layer_idx else scale


def causal_scores(q: torch.Tensor, k: torch.Tensor, scale: float) -> torch.Tensor:
    """[pos, head, d_head] twice → [head, dest, src], future sources at -inf"""
    scores = torch.einsum("dhe,she->hds", q, k) * scale
    future = torch.ones(scores.shape[1:], dtype=torch.bool).triu(1)
    return scores.masked_fill(future, float("-inf"))


def output_rows(weights: dict, config, layer: int) -> torch.Tensor:
    """c_proj's rows by head: [head, d_head, d_model]"""
    return weights[f"transformer.h.{layer}.attn.c_proj.weight"].unflatten(0, (config.n_head, -1))


def plain(model: GPT2LMHeadModel, ids: torch.Tensor, patch=lambda name, value: value):
    """GPT-2's forward pass written out, every site patchable. Returns logits [pos, vocab]."""
    w, config = model.state_dict(), model.config

    def norm(x, site, module):
        centred = x - x.mean(-1, keepdim=True)
        variance = centred.square().mean(-1, keepdim=True)
        scale = patch(f"{site}.hook_scale", (variance + config.layer_norm_epsilon).sqrt())
        normalized = patch(f"{site}.hook_normalized", centred / scale)
        return patch(module, normalized * w[f"{module}.weight"] + w[f"{module}.bias"])

    def linear(x, module):
        return x @ w[f"{module}.weight"] + w[f"{module}.bias"]

    embed = patch("hook_embed", w["transformer.wte.weight"][ids])
    pos_embed = patch("hook_pos_embed", w["transformer.wpe.weight"][: len(ids)])
    x = embed + pos_embed
    for layer in range(config.n_layer):
        b, h = f"blocks.{layer}", f"transformer.h.{layer}"
        x = patch(f"{b}.hook_resid_pre", x)

        normed = norm(x, f"{b}.ln1", f"{h}.ln_1")
        q, k, v = linear(normed, f"{h}.attn.c_attn").chunk(3, dim=-1)
        q = patch(f"{b}.attn.hook_q", split_heads(q, config.n_head))
        k = patch(f"{b}.attn.hook_k", split_heads(k, config.n_head))
        v = patch(f"{b}.attn.hook_v", split_heads(v, config.n_head))
        scores = causal_scores(q, k, attention_scale(config, layer))
        scores = patch(f"{b}.attn.hook_attn_scores", scores)
        pattern = patch(f"{b}.attn.hook_pattern", scores.softmax(-1))
        z = patch(f"{b}.attn.hook_z", torch.einsum("hds,she->dhe", pattern, v))
        result = torch.einsum("phe,hem->phm", z, output_rows(w, config, layer))
        result = patch(f"{b}.attn.hook_result", result)
        attn_out = result.sum(1) + w[f"{h}.attn.c_proj.bias"]
        attn_out = patch(f"{b}.hook_attn_out", attn_out)
        x = patch(f"{b}.hook_resid_mid", x + attn_out)

        normed = norm(x, f"{b}.ln2", f"{h}.ln_2")
        pre = patch(f"{b}.mlp.hook_pre", linear(normed, f"{h}.mlp.c_fc"))
        post = patch(f"{b}.mlp.hook_post", ACTIVATIONS[config.activation_function](pre))
        mlp_out = patch(f"{b}.hook_mlp_out", linear(post, f"{h}.mlp.c_proj"))
        x = patch(f"{b}.hook_resid_post", x + mlp_out)
    x = norm(x, "ln_final", "transformer.ln_f")
    return patch("logits", x @ w["lm_head.weight"].T)


def hooked(model: GPT2LMHeadModel, ids: torch.Tensor, patch=lambda name, value: value):
    """Hugging Face's own forward pass with PyTorch hooks, at the sites that are a module's
    input or output. Returns logits [pos, vocab] and the attention weights by layer.

    `hook_resid_mid` can only be read here: the block adds it to the MLP's output without
    passing it through a module.
    """
    heads, handles = model.config.n_head, []

    def apply(name, value):
        patched = patch(name, value)
        assert patched is value or not name.endswith("hook_resid_mid"), "read-only here"
        return patched

    def on_output(module, name):
        def hook(_module, _args, output):
            return apply(name, output[0])[None]

        handles.append(model.get_submodule(module).register_forward_hook(hook))

    def on_input(module, name, by_head=False):
        def hook(_module, args):
            value = split_heads(args[0][0], heads) if by_head else args[0][0]
            value = apply(name, value)
            return ((value.flatten(-2) if by_head else value)[None], *args[1:])

        handles.append(model.get_submodule(module).register_forward_pre_hook(hook))

    def on_qkv(module, names):
        def hook(_module, _args, output):
            parts = [split_heads(part, heads) for part in output[0].chunk(3, dim=-1)]
            parts = [apply(name, part).flatten(-2) for name, part in zip(names, parts)]
            return torch.cat(parts, dim=-1)[None]

        handles.append(model.get_submodule(module).register_forward_hook(hook))

    on_output("transformer.wte", "hook_embed")
    on_output("transformer.wpe", "hook_pos_embed")
    for layer in range(model.config.n_layer):
        b, h = f"blocks.{layer}", f"transformer.h.{layer}"
        on_input(h, f"{b}.hook_resid_pre")
        on_output(f"{h}.ln_1", f"{h}.ln_1")
        on_qkv(f"{h}.attn.c_attn", [f"{b}.attn.hook_{part}" for part in "qkv"])
        on_input(f"{h}.attn.c_proj", f"{b}.attn.hook_z", by_head=True)
        on_output(f"{h}.attn.c_proj", f"{b}.hook_attn_out")
        on_input(f"{h}.ln_2", f"{b}.hook_resid_mid")
        on_output(f"{h}.ln_2", f"{h}.ln_2")
        on_output(f"{h}.mlp.c_fc", f"{b}.mlp.hook_pre")
        on_input(f"{h}.mlp.c_proj", f"{b}.mlp.hook_post")
        on_output(f"{h}.mlp", f"{b}.hook_mlp_out")
        on_output(h, f"{b}.hook_resid_post")
    on_output("transformer.ln_f", "transformer.ln_f")
    on_output("lm_head", "logits")
    try:
        output = model(ids[None], output_attentions=True, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return output.logits[0], [weights[0] for weights in output.attentions]


def record(values: dict):
    """A patch that changes nothing and keeps every value."""

    def patch(name, value):
        assert name not in values, name
        values[name] = value.clone()
        return value

    return patch
