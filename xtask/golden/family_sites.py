"""Any family's sites by PyTorch hooks on Hugging Face's modules, and patching sweeps over them.

All families are reached in one way: a `Place` is a module's input or output, and a head, or a
part of a fused projection, is some of its columns.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

import gpt2

NEURONS = (1, 5)
BY_POSITION = ("resid_post", "attn_out", "mlp_out", "attn_module", "mlp_module")
SWEEPS = (*BY_POSITION, "z", "q", "k", "v", "mlp_post")
READINGS = ("ln1", "ln2")
ALL = slice(None)


@dataclass(frozen=True)
class Form:
    """The names of a family's modules, within a block but for `block` itself."""

    block: str
    attn: str
    qkv: str  # {} where q, k and v are modules of their own
    z: str  # attention's output projection
    mlp: str
    mlp_post: str  # the MLP's output projection
    ln1: str | None
    ln2: str | None
    attn_norm: str | None = None  # of a module's output, before it is added
    mlp_norm: str | None = None


LLAMA = Form(
    "model.layers.{}", "self_attn", "self_attn.{}_proj", "self_attn.o_proj", "mlp",
    "mlp.down_proj", "input_layernorm", "post_attention_layernorm",
)  # fmt: skip
POST_NORMS = dict(attn_norm="post_attention_layernorm", mlp_norm="post_feedforward_layernorm")
GEMMA2 = replace(LLAMA, ln2="pre_feedforward_layernorm", **POST_NORMS)

FORMS = {
    "gptj": Form(
        "transformer.h.{}", "attn", "attn.{}_proj", "attn.out_proj", "mlp", "mlp.fc_out",
        "ln_1", None,
    ),
    "gpt_neox": Form(
        "gpt_neox.layers.{}", "attention", "attention.query_key_value", "attention.dense", "mlp",
        "mlp.dense_4h_to_h", "input_layernorm", "post_attention_layernorm",
    ),
    "opt": Form(
        "model.decoder.layers.{}", "self_attn", "self_attn.{}_proj", "self_attn.out_proj", "fc2",
        "fc2", "self_attn_layer_norm", "final_layer_norm",
    ),
    "llama": LLAMA,
    "mistral": LLAMA,
    "phi3": replace(LLAMA, qkv="self_attn.qkv_proj"),
    "qwen2": LLAMA,
    "qwen3": LLAMA,
    "gemma": LLAMA,
    "gemma2": GEMMA2,
    "gemma3_text": GEMMA2,
    "phi": replace(LLAMA, z="self_attn.dense", mlp_post="mlp.fc2", ln2=None),
    "olmo2": replace(LLAMA, ln1=None, ln2=None, **POST_NORMS),
}  # fmt: skip


class Place(NamedTuple):
    module: str
    is_input: bool


class Locus(NamedTuple):
    positions: slice
    columns: slice | list


def place(form: Form, layer: int, site: str) -> Place | None:
    """Where a site's value passes, or None where the family has no such site."""
    names = dict(
        resid_post="",
        attn_out=form.attn_norm or form.attn,
        mlp_out=form.mlp_norm or form.mlp,
        attn_module=form.attn if form.attn_norm else None,
        mlp_module=form.mlp if form.mlp_norm else None,
        q=form.qkv.format("q"), k=form.qkv.format("k"), v=form.qkv.format("v"),
        z=form.z, mlp_post=form.mlp_post, ln1=form.ln1, ln2=form.ln2,
    )  # fmt: skip
    if names[site] is None:
        return None
    module = f"{form.block.format(layer)}.{names[site]}".removesuffix(".")
    return Place(module, is_input=site in ("z", "mlp_post"))


def sizes(config) -> tuple[int, int, int]:
    """Query heads, key/value heads, and their width."""
    heads = config.num_attention_heads
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    return heads, kv_heads, getattr(config, "head_dim", None) or config.hidden_size // heads


def columns(config, site: str, head: int) -> slice:
    """A head's columns in z, or in the output of the module that makes q, k or v."""
    heads, kv_heads, width = sizes(config)
    first = head
    if config.model_type == "gpt_neox" and site != "z":  # [heads, 3, width]
        first = 3 * head + "qkv".index(site)
    if config.model_type == "phi3" and site != "z":  # q of all heads, then k, then v
        first = head + dict(q=0, k=heads, v=heads + kv_heads)[site]
    return slice(first * width, (first + 1) * width)


def loci(config, site: str, length: int) -> list[Locus]:
    """The cells of a sweep within one layer."""
    if site in BY_POSITION:
        return [Locus(slice(p, p + 1), ALL) for p in range(length)]
    if site == "mlp_post":
        return [Locus(ALL, list(NEURONS))]
    heads, kv_heads, _ = sizes(config)
    count = kv_heads if site in ("k", "v") else heads
    return [Locus(ALL, columns(config, site, head)) for head in range(count)]


def hook(model, at: Place, patch: Callable):
    """`patch` gets the value as [pos, width] and returns the value to go on with."""

    def apply(value):
        # OPT's MLP has no batch axis.
        return patch(value[0])[None] if value.dim() == 3 else patch(value)

    def before(_module, args):
        return (apply(args[0]), *args[1:])

    def after(_module, _args, output):
        if isinstance(output, tuple):
            return (apply(output[0]), *output[1:])
        return apply(output)

    module = model.get_submodule(at.module)
    if at.is_input:
        return module.register_forward_pre_hook(before)
    return module.register_forward_hook(after)


def run(model, ids: torch.Tensor, patches: dict = {}):
    """Logits [pos, vocab] and patterns [layer, head, dest, src], with a patch at each place."""
    handles = [hook(model, at, patch) for at, patch in patches.items()]
    try:
        output = model(ids[None], output_attentions=True, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return output.logits[0], torch.stack([pattern[0] for pattern in output.attentions])


def copy(values: torch.Tensor, at: Locus) -> Callable:
    """A patch that puts `values` in at a locus."""

    def patch(value):
        value = value.clone()
        value[at.positions, at.columns] = values[at.positions, at.columns]
        return value

    return patch


def site_places(model, sites=(*SWEEPS, *READINGS)) -> dict:
    """(site, layer) → place, for all that the model has."""
    form, layers = FORMS[model.config.model_type], range(model.config.num_hidden_layers)
    places = {(site, layer): place(form, layer, site) for site in sites for layer in layers}
    return {key: at for key, at in places.items() if at}


def read(model, ids: torch.Tensor) -> dict:
    """(site, layer) → the value [pos, width]."""
    values, places = {}, site_places(model)

    def keep(at):
        def patch(value):
            values[at] = value.clone()
            return value

        return patch

    run(model, ids, {at: keep(at) for at in set(places.values())})
    return {key: values[at] for key, at in places.items()}


def check(model, values: dict, patterns: torch.Tensor) -> None:
    """That the values are what their names say, by how they follow from one another."""
    config = model.config
    heads, kv_heads, _ = sizes(config)
    for layer in range(config.num_hidden_layers):
        if layer:
            added = values["attn_out", layer] + values["mlp_out", layer]
            post = values["resid_post", layer - 1] + added
            gpt2.same("resid_post", post, values["resid_post", layer])
        for head in range(heads):
            group = head // (heads // kv_heads)
            v = values["v", layer][:, columns(config, "v", group)]
            z = values["z", layer][:, columns(config, "z", head)]
            gpt2.same("z", patterns[layer, head] @ v, z)


def check_reach(model, ids: torch.Tensor, values: dict, patterns: torch.Tensor) -> None:
    """That a query changes its own row of its head's pattern, and a key no earlier row."""
    config, layer, position = model.config, 0, 4
    heads, kv_heads, width = sizes(config)
    if config.model_type == "olmo2":  # its norm over all heads lets each reach all
        width = 0
    for site, count in (("q", heads), ("k", kv_heads)):
        at = site_places(model, [site])[site, layer]
        for head in range(count if width else 0):
            locus = Locus(slice(position, position + 1), columns(config, site, head))
            _, others = run(model, ids, {at: copy(-values[site, layer], locus)})
            changed = (others != patterns)[layer].any(-1).nonzero().tolist()
            own = range(head * heads // count, (head + 1) * heads // count)
            assert {h for h, _ in changed} == set(own), (site, head, changed)
            rows = {row for _, row in changed}
            assert position in rows and min(rows) == position, (site, head, changed)
            assert (rows == {position}) == (site == "q"), (site, head, changed)


def sweep(model, clean: torch.Tensor, corrupted: torch.Tensor) -> dict:
    """Site → logits [layer, cell, vocab] at the last position of the corrupted run, where one
    cell has the clean run's value. Every patch is tried on the clean run too, where it must
    change nothing."""
    values = read(model, clean)
    expected, _ = run(model, clean)
    golden = {}
    for (site, layer), at in site_places(model, SWEEPS).items():
        cells = []
        for locus in loci(model.config, site, len(clean)):
            patch = {at: copy(values[site, layer], locus)}
            assert torch.equal(run(model, clean, patch)[0], expected), (site, layer, locus)
            cells.append(run(model, corrupted, patch)[0][-1])
        golden.setdefault(site, []).append(torch.stack(cells))
        if site == "resid_post":
            everything = {at: copy(values[site, layer], Locus(ALL, ALL))}
            assert torch.equal(run(model, corrupted, everything)[0], expected), layer
    golden = {site: torch.stack(layers) for site, layers in golden.items()}
    golden["mlp_post"] = golden["mlp_post"].squeeze(1)  # one cell
    return golden
