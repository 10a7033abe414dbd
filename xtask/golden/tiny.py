"""Tiny random GPT-2 checkpoints in Hugging Face's layout: their logits, every site's value, and
logits under single interventions."""

import json

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import gpt2
import interventions
import npz
import sites
from interventions import LAST, LATER, SUBJECT, Where

POSITIONS = 32
END_OF_TEXT = "<|endoftext|>"

# name → seed, stored type, config, whether names are those of the first GPT-2 checkpoint
MODELS = {
    "gpt2-inverse": (
        11,
        torch.float32,
        dict(
            n_layer=3, n_embd=24, n_head=3, n_inner=40, vocab_size=97,
            activation_function="gelu_new", scale_attn_by_inverse_layer_idx=True,
            dtype="float32",
        ),
        False,
    ),
    "gpt2-untied-bf16": (
        12,
        torch.bfloat16,
        dict(
            n_layer=2, n_embd=16, n_head=2, vocab_size=300,
            activation_function="gelu", tie_word_embeddings=False,
            torch_dtype="bfloat16",
        ),
        True,
    ),
    "gpt2-relu-f16": (
        13,
        torch.float16,
        dict(
            n_layer=2, n_embd=16, n_head=4, vocab_size=300,
            activation_function="relu", scale_attn_weights=False, layer_norm_epsilon=1e-3,
            dtype="float16",
        ),
        False,
    ),
}  # fmt: skip

# Where the cases of interventions.py change each model.
CASES = {
    "gpt2-inverse": Where(layer=1, head=1, neuron=17, neurons=(3, 17, 20)),
    "gpt2-untied-bf16": Where(layer=0, head=1, neuron=17, neurons=(3, 17, 20)),
    "gpt2-relu-f16": Where(layer=0, head=2, neuron=17, neurons=(3, 17, 20)),
}
NOISE = 0.5
FEW = (  # of those cases
    *("hook_q", "hook_attn_scores", "hook_pattern", "hook_resid_mid", "ln2.hook_scale", "hook_pre"),
    *("embed_noise", "knock_out", "mean_head", "interpolate_head", "out_heads", "in_neurons"),
    *("of_resid", "call_resid"),
)


def make_config(settings: dict) -> dict:
    common = dict(
        architectures=["GPT2LMHeadModel"], model_type="gpt2", n_positions=POSITIONS,
        n_inner=None, layer_norm_epsilon=1e-5, scale_attn_weights=True,
        scale_attn_by_inverse_layer_idx=False, reorder_and_upcast_attn=False,
        tie_word_embeddings=True, attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return common | settings


def make_tensors(config: dict, generator: torch.Generator) -> dict:
    d, vocab = config["n_embd"], config["vocab_size"]
    inner = config["n_inner"] or 4 * d

    def normal(*shape, std=0.25, mean=0.0):
        return mean + std * torch.randn(shape, generator=generator)

    def norm(name):
        return {f"{name}.weight": normal(d, mean=1.0), f"{name}.bias": normal(d)}

    def linear(name, rows, columns):
        return {f"{name}.weight": normal(rows, columns), f"{name}.bias": normal(columns)}

    tensors = {"wte.weight": normal(vocab, d), "wpe.weight": normal(POSITIONS, d)}
    for layer in range(config["n_layer"]):
        h = f"h.{layer}"
        tensors |= norm(f"{h}.ln_1") | linear(f"{h}.attn.c_attn", d, 3 * d)
        tensors |= linear(f"{h}.attn.c_proj", d, d) | norm(f"{h}.ln_2")
        tensors |= linear(f"{h}.mlp.c_fc", d, inner) | linear(f"{h}.mlp.c_proj", inner, d)
    tensors |= norm("ln_f")
    if not config["tie_word_embeddings"]:
        tensors["lm_head.weight"] = normal(vocab, d)
    return tensors


def rename(tensors: dict, config: dict, legacy: bool) -> dict:
    if legacy:
        mask = torch.ones(1, 1, POSITIONS, POSITIONS).tril()
        return tensors | {f"h.{i}.attn.bias": mask.clone() for i in range(config["n_layer"])}
    return {k if k == "lm_head.weight" else f"transformer.{k}": v for k, v in tensors.items()}


def corpus() -> list[str]:
    facts = json.loads((gpt2.FIXTURES / "known_1000.json").read_text("utf-8"))
    return [fact["prompt"] for fact in facts if fact["prompt"].isascii()]


def make_tokenizer(vocab: int, special=(END_OF_TEXT,), letters: str = "Ġ") -> Tokenizer:
    """Byte-level BPE with exactly `vocab` tokens, the special ones first. Where 256 bytes don't
    fit, it has printable ASCII and `letters` only."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    if vocab <= len(alphabet):
        alphabet = [chr(c) for c in range(0x21, 0x7F)] + list(letters)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=list(special),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    assert tokenizer.get_vocab_size() == vocab
    text = "The capital of France is"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
    return tokenizer


def make_prompts(vocab: int, generator: torch.Generator) -> dict:
    """The runs of interventions.py, of random ids."""
    clean = torch.randint(vocab, (LAST + 1,), generator=generator)
    others = []
    for shift in (1, 2):  # two other subjects
        others.append(clean.clone())
        others[-1][SUBJECT] = (clean[SUBJECT] + shift * vocab // 3) % vocab
    longer = torch.randint(vocab, (LATER + 1,), generator=generator)
    return dict(clean=clean, corrupted=others[0], other=others[1], longer=longer)


def save_sites(name: str, model, ids: torch.Tensor) -> None:
    values, check = sites.read_sites(model, ids), {}
    gpt2.plain(model, ids, gpt2.record(check))
    for site, value in check.items():
        gpt2.same(site, value, values[site])
    golden = {"input_ids": ids.numpy()} | {site: values[site].numpy() for site in check}
    npz.save(gpt2.GOLDENS / "tiny_sites" / f"{name}.npz", golden)


def save_interventions(name: str, model, ids: dict) -> None:
    at = CASES[name]
    cases = interventions.copies(at) | interventions.operations(at)
    cases = {key: case for key, case in cases.items() if key.endswith(FEW)}
    assert len(cases) == len(FEW)
    given = interventions.arrays(model.config, at, NOISE)
    golden = interventions.golden_of(model, ids, cases, given)
    npz.save(gpt2.GOLDENS / "tiny_interventions" / f"{name}.npz", golden)


def main() -> None:
    for name, (seed, dtype, settings, legacy) in MODELS.items():
        folder = gpt2.FIXTURES / "tiny" / name
        folder.mkdir(parents=True, exist_ok=True)
        generator = torch.Generator().manual_seed(seed)
        config = make_config(settings)
        tensors = rename(make_tensors(config, generator), config, legacy)
        tensors = {key: value.to(dtype) for key, value in tensors.items()}
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "model.safetensors").chmod(0o644)
        (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        make_tokenizer(config["vocab_size"]).save(str(folder / "tokenizer.json"))

        model = gpt2.load(folder)
        golden = {}
        for i, length in enumerate([1, 9]):
            ids = torch.randint(config["vocab_size"], (length,), generator=generator)
            logits, patterns = gpt2.hooked(model, ids)
            gpt2.same(name, gpt2.plain(model, ids), logits)
            if length > 1:
                last = torch.stack([pattern[:, -1] for pattern in patterns])
                assert last.amax(-1).mean() > 2 / length, "attention is nearly uniform"
            golden[f"ids_{i}"] = ids.numpy()
            golden[f"logits_{i}"] = logits.numpy()
        npz.save(gpt2.GOLDENS / "tiny" / f"{name}.npz", golden)

        prompts = make_prompts(config["vocab_size"], generator)
        save_sites(name, model, prompts["clean"][:LAST])  # fewer, for the size
        save_interventions(name, model, prompts)


if __name__ == "__main__":
    main()
