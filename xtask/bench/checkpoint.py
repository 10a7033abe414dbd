"""A GPT-2 with random weights in Hugging Face's layout, enough for measuring time.

Usage: checkpoint.py FOLDER
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel

# GPT-2 small, which is Hugging Face's default; without dropout it is the same in every mode.
CONFIG = GPT2Config(attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0, dtype="float32")
STD = 0.02


def make_tensors() -> dict[str, torch.Tensor]:
    """Every weight normal, those of the norms around 1."""
    generator = torch.Generator().manual_seed(1)
    tensors = {}
    for name, empty in GPT2LMHeadModel(CONFIG).state_dict().items():
        if name == "lm_head.weight":  # tied to the embedding
            continue
        mean = 1.0 if ".ln_" in name and name.endswith(".weight") else 0.0
        tensors[name] = mean + STD * torch.randn(empty.shape, generator=generator)
    return tensors


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    config = CONFIG.to_dict() | {"architectures": ["GPT2LMHeadModel"]}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    # The bench makes its prompts of token ids; for the program they are words, "t17 t4 t9".
    words = {f"t{i}": i for i in range(CONFIG.vocab_size)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="t0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    # Last and at once, so that a folder with weights is a whole one.
    unfinished = folder / "model.safetensors.tmp"
    save_file(make_tensors(), unfinished, metadata={"format": "pt"})
    unfinished.rename(folder / "model.safetensors")


if __name__ == "__main__":
    main()
