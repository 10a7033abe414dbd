"""Tiny random checkpoints of many model families, as Hugging Face publishes them: their logits,
patterns, and patching sweeps by PyTorch hooks."""

import copy
import json
import shutil
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

import family_sites as sites
import family_tokenizers
import gpt2
import npz
from family_configs import CHECKPOINTS, LLAMA3_ROPE, Checkpoint

LENGTH = 8
SUBJECT = slice(2, 4)  # where the prompts differ
STD = 0.25
MATTERS = 1e-3  # of the largest logit


def build(config: dict):
    """A model as `config` says, read as transformers reads a config.json."""
    config = copy.deepcopy(config)
    config = AutoConfig.for_model(config.pop("model_type"), **config)
    kind = dict(dtype=torch.float32, attn_implementation="eager")
    return AutoModelForCausalLM.from_config(config, **kind).eval()


def redraw(model, generator: torch.Generator) -> None:
    """Matrices are normal around 0, gains and biases around the value that leaves things as they
    are, with which Hugging Face begins: 1 or, for Gemma's gains and biases, 0."""
    for name, parameter in model.named_parameters():
        neutral = 0.0
        if parameter.dim() == 1:
            neutral = parameter[0].item()
            assert neutral in (0.0, 1.0) and (parameter == neutral).all(), name
        parameter.copy_(neutral + STD * torch.randn(parameter.shape, generator=generator))


def dump(folder: Path, name: str, value: dict) -> None:
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / name).write_text(text + "\n")


def save(folder: Path, checkpoint: Checkpoint, config: dict, model) -> None:
    dtype = config.get("torch_dtype", "float32")
    model = model.to(getattr(torch, dtype))
    size = sum(parameter.nbytes for parameter in model.parameters())
    # Room for what doesn't fill a shard: a matrix isn't split.
    shard = size if checkpoint.shards == 1 else int(size / checkpoint.shards * 1.15)
    model.save_pretrained(folder, max_shard_size=shard)
    (folder / "generation_config.json").unlink(missing_ok=True)
    weights = sorted(folder.glob("*.safetensors"))
    assert len(weights) == checkpoint.shards, weights
    if checkpoint.pickled:
        weights[0].unlink()
        torch.save(dict(model.state_dict()), folder / "pytorch_model.bin")
    if "torch_dtype" in config:  # transformers 4's spelling
        dump(folder, "config.json", config)

    tokenizer, settings = checkpoint.tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    if settings:
        dump(folder, "tokenizer_config.json", settings)
    for path in folder.iterdir():
        path.chmod(0o644)


def make(name: str, checkpoint: Checkpoint, generator: torch.Generator) -> dict:
    """Makes the checkpoint and returns its config."""
    folder = gpt2.FIXTURES / "families" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    vocab = checkpoint.tokenizer()[0].get_vocab_size() + checkpoint.spare
    config = checkpoint.config | dict(vocab_size=vocab)
    model = build(config)
    redraw(model, generator)
    save(folder, checkpoint, config, model)
    return config


def make_prompts(vocab: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    clean = torch.randint(vocab, (LENGTH,), generator=generator)
    corrupted = clean.clone()
    corrupted[SUBJECT] = (clean[SUBJECT] + vocab // 3) % vocab
    return clean, corrupted


def check_settings(checkpoint: Checkpoint, config: dict, model, ids: torch.Tensor) -> None:
    """That every setting named in `matters` is at work."""
    logits, patterns = sites.run(model, ids)
    for change in checkpoint.matters:
        other = build(config | change)
        other.load_state_dict(model.state_dict())
        difference = (sites.run(other, ids)[0] - logits).abs().max() / logits.abs().max()
        assert difference > MATTERS, (change, difference)
    last = patterns[:, :, -1]
    assert last.amax(-1).mean() > 2 / LENGTH, "attention is nearly uniform"


def check_llama3(config: dict, model) -> None:
    """That the rule's three branches are all taken."""
    width, theta = config["head_dim"], config["rope_theta"]
    plain = theta ** -(torch.arange(0, width, 2) / width)
    ratio = plain / model.model.rotary_emb.inv_freq
    factor = LLAMA3_ROPE["factor"]
    assert torch.isclose(ratio, torch.tensor(1.0)).any(), ratio
    assert torch.isclose(ratio, torch.tensor(factor)).any(), ratio
    assert ((ratio > 1.01) & (ratio < factor - 0.01)).any(), ratio


def encode(folder: Path) -> list[int]:
    """What Hugging Face makes of the text, which is what the file by itself says."""
    tokenizer, _ = CHECKPOINTS[folder.name].tokenizer()
    ids = tokenizer.encode(family_tokenizers.TEXT).ids
    loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert loaded(family_tokenizers.TEXT)["input_ids"] == ids
    return ids


def golden_of(model, clean: torch.Tensor, corrupted: torch.Tensor) -> dict:
    (before, patterns), (after, _) = sites.run(model, clean), sites.run(model, corrupted)
    scale = before.abs().max()
    assert (before - after)[-1].abs().max() > 0.01 * scale, "the subject doesn't matter"
    values = sites.read(model, clean)
    sites.check(model, values, patterns)
    sites.check_reach(model, clean, values, patterns)
    golden = dict(logits_clean=before, logits_corrupted=after, pattern=patterns)
    golden |= sites.sweep(model, clean, corrupted)
    for site in sites.READINGS:
        layers = [value for (name, _), value in values.items() if name == site]
        golden |= {site: torch.stack(layers)} if layers else {}
    return golden


def main() -> None:
    for name, checkpoint in CHECKPOINTS.items():
        generator = torch.Generator().manual_seed(checkpoint.seed)
        config = make(name, checkpoint, generator)
        folder = gpt2.FIXTURES / "families" / name
        model = gpt2.load(folder, AutoModelForCausalLM)

        clean, corrupted = make_prompts(config["vocab_size"], generator)
        check_settings(checkpoint, config, model, clean)
        if name == "llama3":
            check_llama3(config, model)
        golden = dict(clean_ids=clean, corrupted_ids=corrupted)
        golden |= dict(text_ids=torch.tensor(encode(folder)))
        golden |= golden_of(model, clean, corrupted)
        arrays = {key: value.numpy() for key, value in golden.items()}
        npz.save(gpt2.GOLDENS / "families" / f"{name}.npz", arrays)


if __name__ == "__main__":
    main()
