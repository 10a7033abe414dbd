"""ROME's causal tracing as its `calculate_hidden_flow` does it, on Hugging Face's model.

One full forward pass for every cell: a clean row and a row for each sample of noise, with hooks
that add the noise to the subject's embeddings and copy the clean row's states into the others.
"""

import numpy
import torch

import peer
from peer import JOB

MODEL = peer.load()
START, END = JOB["subject"]
SAMPLES, LAYERS = JOB["samples"], MODEL.config.n_layer
IDS = torch.tensor([JOB["clean"]] * (1 + SAMPLES))
INPUT = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}
MODULES = {
    "hidden": "transformer.h.{}",
    "mlp": "transformer.h.{}.mlp",
    "attn": "transformer.h.{}.attn",
}


def predict() -> tuple[int, float]:
    """The answer and its probability, from a forward pass of all rows as ROME's code does it."""
    probabilities = torch.softmax(MODEL(**INPUT).logits[:, -1], dim=1)
    best, tokens = torch.max(probabilities, dim=1)
    return tokens[0].item(), best[0].item()


def noise(_module, _args, output: torch.Tensor) -> torch.Tensor:
    """Adds the same noise in every pass: drawn and added in f64, as ROME's code does."""
    draw = numpy.random.RandomState(1).randn(SAMPLES, END - START, output.shape[2])
    output[1:, START:END] += JOB["noise"] * torch.from_numpy(draw)
    return output


def restore(position: int):
    def hook(_module, _args, output):
        value = output[0] if isinstance(output, tuple) else output
        value[1:, position] = value[0, position]
        return output

    return hook


def score(answer: int, modules: list[str], position: int = 0) -> float:
    """The answer's mean probability in the corrupted rows, some modules restored."""
    handles = [MODEL.transformer.wte.register_forward_hook(noise)]
    for name in modules:
        handles.append(MODEL.get_submodule(name).register_forward_hook(restore(position)))
    try:
        logits = MODEL(**INPUT).logits
    finally:
        for handle in handles:
            handle.remove()
    return torch.softmax(logits[1:, -1, :], dim=1).mean(dim=0)[answer].item()


def layers(kind: str, centre: int) -> range:
    if kind == "hidden":
        return range(centre, centre + 1)
    window = JOB["window"]
    return range(max(0, centre - window // 2), min(LAYERS, centre - (-window // 2)))


def base() -> tuple[int, list[float]]:
    answer, high = predict()
    return answer, [high, score(answer, [])]


def sweep(answer: int, cells: list) -> list[float]:
    values = []
    for kind, layer, position in cells:
        modules = [MODULES[kind].format(each) for each in layers(kind, layer)]
        values.append(score(answer, modules, position))
    return values


peer.serve(base, sweep, ["numpy"])
