"""Tiny random checkpoints that MLX has quantised, as mlx-community publishes them: their logits,
and the numbers that the packed weights stand for.

A quantised number is an unsigned integer q and stands for scale · q + bias, of its group. A row's
integers follow each other without gaps, from the lowest bit of its first word on; so with 3, 5 and
6 bits some stand in two words. `mx.dequantize` multiplies and adds in the type of the scales that
it is given, and rounds after each. In f16 or bf16, as they are stored, that is off by up to three
half units in the last place of the largest number (asserted). What counts here is f32: there the
stored scales and biases are exact, and so are the products (8 bits by 11), so that only the sum is
rounded, with or without fused multiply-add. Every bit is determined (asserted): the bound is 0.
"""

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
import mlx.nn
import mlx_lm.utils
import numpy as np
import torch
from mlx.utils import tree_flatten
from tokenizers import Tokenizer
from transformers import AutoTokenizer

import families
import family_tokenizers as tokenizers
import gpt2
import npz
from family_configs import Checkpoint, llama_like

mx.set_default_device(mx.cpu)
mx.disable_compile()  # it would take a C++ compiler

ROWS = 2  # of each quantised tensor that are kept; of all of them there is a digest
HALF_UNIT = {mx.float16: 2**-11, mx.bfloat16: 2**-8}


@dataclass(frozen=True)
class Quantised:
    checkpoint: Checkpoint
    # Arguments of `mlx_lm.convert`.
    convert: dict
    # Modules with groups of their own, or left as they are. The config then says of every module
    # whether and how it is quantised, as mlx-lm wrote it up to version 0.25.
    modules: dict | None = None


def llama(seed: int, dtype: str) -> Checkpoint:
    config = llama_like(
        "llama", "LlamaForCausalLM", 4, 2, hidden_size=64, head_dim=16, num_hidden_layers=2,
        intermediate_size=128, attention_bias=False, mlp_bias=False, rope_theta=100.0,
        rope_scaling=None, bos_token_id=100, eos_token_id=101, torch_dtype=dtype,
        transformers_version="4.45.0",
    )  # fmt: skip
    return Checkpoint(seed, tokenizers.llama3, config, ({"rope_theta": 10000.0},))


def qwen2(seed: int, dtype: str) -> Checkpoint:
    config = llama_like(
        "qwen2", "Qwen2ForCausalLM", 4, 2, hidden_size=64, num_hidden_layers=2,
        intermediate_size=128, tie_word_embeddings=True, use_sliding_window=False,
        sliding_window=64, max_window_layers=2, rope_theta=100.0, rms_norm_eps=1e-6,
        bos_token_id=100, eos_token_id=102, torch_dtype=dtype, transformers_version="4.45.0",
    )  # fmt: skip
    return Checkpoint(seed, tokenizers.qwen, config, ({"rope_theta": 10000.0},))


def groups(size: int, bits: int) -> dict:
    return dict(group_size=size, bits=bits)


MODULES = {
    "model.embed_tokens": groups(64, 6),
    "model.layers.0.self_attn.v_proj": groups(64, 2),
    "model.layers.0.self_attn.o_proj": False,
    "model.layers.0.mlp.down_proj": groups(128, 5),
    "model.layers.1.self_attn.v_proj": groups(32, 6),
    "model.layers.1.mlp.gate_proj": False,
    "model.layers.1.mlp.down_proj": groups(64, 8),
    "lm_head": groups(64, 8),
}

CHECKPOINTS = {
    "llama-4bit": Quantised(llama(51, "float16"), dict(q_group_size=64, q_bits=4)),
    "qwen2-8bit": Quantised(qwen2(52, "bfloat16"), dict(q_group_size=32, q_bits=8)),
    "llama-mixed": Quantised(llama(53, "float16"), dict(q_group_size=32, q_bits=4), MODULES),
    # The config's own bits are 4, as mlx-lm writes it with this recipe, and of no module.
    "llama-3bit": Quantised(
        llama(54, "bfloat16"), dict(q_group_size=32, quant_predicate="mixed_3_6")
    ),
}


def note_modules(folder: Path, modules: dict) -> None:
    """Writes into the config how every module is quantised."""
    config = mlx_lm.utils.load_config(folder)
    model, _ = mlx_lm.utils.load_model(folder)
    leaves = tree_flatten(model.leaf_modules(), is_leaf=mlx.nn.Module.is_module)
    noted = {path: modules.get(path, "scales" in module) for path, module in leaves}
    assert modules.items() <= noted.items(), noted
    everywhere = config["quantization"]
    config["quantization"] = groups(everywhere["group_size"], everywhere["bits"]) | noted
    mlx_lm.utils.save_config(config, folder / "config.json")


def make(name: str, quantised: Quantised, generator: torch.Generator) -> dict:
    """Makes the checkpoint and returns the config of what was quantised."""
    checkpoint = quantised.checkpoint
    folder = gpt2.FIXTURES / "quantised" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(exist_ok=True)
    config = checkpoint.config | dict(vocab_size=checkpoint.tokenizer()[0].get_vocab_size())
    model = families.build(config)
    families.redraw(model, generator)
    arguments, modules = quantised.convert, quantised.modules
    if modules:
        arguments = arguments | dict(quant_predicate=lambda path, _: modules.get(path, True))
    with tempfile.TemporaryDirectory() as source:
        families.save(Path(source), checkpoint, config, model)
        mlx_lm.convert(source, str(folder), quantize=True, **arguments)
    if modules:
        note_modules(folder, modules)
    (folder / "README.md").unlink()
    for path in folder.iterdir():
        path.chmod(0o644)
    return config


def unpack(words: np.ndarray, bits: int) -> np.ndarray:
    """The integers of each row, as f32."""
    stream = np.unpackbits(words.astype("<u4").view(np.uint8), axis=-1, bitorder="little")
    return stream.reshape(len(words), -1, bits) @ (2.0 ** np.arange(bits, dtype=np.float32))


def dequantise(name: str, words, scales, biases, group_size: int, bits: int) -> np.ndarray:
    """What the packed numbers stand for, as `mx.dequantize` computes it in f32."""
    assert words.dtype == mx.uint32 and scales.dtype == biases.dtype, name
    stored = mx.dequantize(words, scales, biases, group_size, bits)
    assert stored.dtype == scales.dtype, name
    unit = HALF_UNIT[scales.dtype]
    scales, biases = scales.astype(mx.float32), biases.astype(mx.float32)
    numbers = np.array(mx.dequantize(words, scales, biases, group_size, bits))
    error = np.abs(np.array(stored.astype(mx.float32)) - numbers).max() / np.abs(numbers).max()
    assert 0 < error <= 3 * unit, (name, error)

    integers = unpack(np.array(words), bits)
    scales, biases = (np.array(part).repeat(group_size, -1) for part in (scales, biases))
    for type_ in (np.float32, np.float64):  # rounded twice, and once
        plain = scales.astype(type_) * integers.astype(type_) + biases.astype(type_)
        assert (plain.astype(np.float32) == numbers).all(), name
    assert integers.max() == 2**bits - 1 and integers.min() == 0, name
    return numbers


def read(folder: Path) -> tuple[dict, dict]:
    """All tensors in f32, and those of them that are quantised."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    quantization = config["quantization"]
    assert config["quantization_config"] == quantization
    stored, metadata = mx.load(str(folder / "model.safetensors"), return_metadata=True)
    assert metadata == {"format": "mlx"}
    plain, quantised = {}, {}
    for name, tensor in stored.items():
        module, part = name.rsplit(".", 1)
        own = quantization.get(module)
        if f"{module}.scales" not in stored:
            assert own in (None, False), name
            plain[name] = np.array(tensor.astype(mx.float32))
        elif part == "weight":
            assert own in (None, True) or isinstance(own, dict), name
            settings = own if isinstance(own, dict) else quantization
            parts = (tensor, stored[f"{module}.scales"], stored[f"{module}.biases"])
            kind = (settings["group_size"], settings["bits"])
            quantised[name] = dequantise(name, *parts, *kind)
        elif part == "bias":  # of a linear module, beside the groups' biases
            plain[name] = np.array(tensor.astype(mx.float32))
    return plain | quantised, quantised


def by_torch(config: dict, tensors: dict):
    """Hugging Face's model with these weights."""
    model = families.build(config)
    tensors = {name: torch.tensor(tensor) for name, tensor in tensors.items()}
    if config["tie_word_embeddings"]:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    model.load_state_dict(tensors)
    return model


def by_mlx(folder: Path, ids: torch.Tensor) -> torch.Tensor:
    """The logits as mlx-lm computes them from the packed weights, in f32: with f32 activations, MLX
    takes scales and biases as f32 in its matrix products."""
    model, _ = mlx_lm.utils.load_model(folder)
    model.set_dtype(mx.float32)
    return torch.tensor(np.array(model(mx.array(ids.numpy())[None])[0]))


def encode(folder: Path, tokenizer: Tokenizer) -> list[int]:
    """The text's tokens, which are the same before and after."""
    ids = tokenizer.encode(tokenizers.TEXT).ids
    assert Tokenizer.from_file(str(folder / "tokenizer.json")).encode(tokenizers.TEXT).ids == ids
    loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert loaded(tokenizers.TEXT)["input_ids"] == ids
    return ids


def main() -> None:
    for name, quantised in CHECKPOINTS.items():
        checkpoint = quantised.checkpoint
        generator = torch.Generator().manual_seed(checkpoint.seed)
        config = make(name, quantised, generator)
        folder = gpt2.FIXTURES / "quantised" / name
        tensors, packed = read(folder)

        clean, _ = families.make_prompts(config["vocab_size"], generator)
        model = by_torch(config, tensors)
        families.check_settings(checkpoint, config, model, clean)
        logits = model(clean[None], use_cache=False).logits[0]
        gpt2.same(name, by_mlx(folder, clean), logits)

        text = np.array(encode(folder, checkpoint.tokenizer()[0]))
        arrays = dict(clean_ids=clean.numpy(), text_ids=text, logits=logits.numpy())
        digests = [hashlib.sha256(numbers.astype("<f4").tobytes()) for numbers in packed.values()]
        arrays |= dict(quantised=np.array(list(packed)))
        arrays |= dict(sha256=np.array([digest.hexdigest() for digest in digests]))
        arrays |= {tensor: numbers[:ROWS] for tensor, numbers in packed.items()}
        npz.save(gpt2.GOLDENS / "quantised" / f"{name}.npz", arrays)


if __name__ == "__main__":
    main()
