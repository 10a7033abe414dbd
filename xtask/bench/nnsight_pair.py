"""The residual stream of a pair patched with nnsight: one trace for each cell, or all cells as
invokes of one trace."""

import nnsight
import torch

import peer
from peer import JOB

MODEL = nnsight.TransformersModel(peer.load(), tokenizer=peer.tokenizer())
BLOCKS = MODEL.transformer.h
CLEAN, CORRUPTED = torch.tensor([JOB["clean"]]), torch.tensor([JOB["corrupted"]])


def base() -> tuple[list, list[float]]:
    """The clean run's residual stream before every layer."""
    with MODEL.trace(CLEAN):
        states = nnsight.save([block.input for block in BLOCKS])
        clean = peer.logit_diff(MODEL.lm_head.output).save()
    with MODEL.trace(CORRUPTED):
        corrupted = peer.logit_diff(MODEL.lm_head.output).save()
    return states, [clean.item(), corrupted.item()]


def one_by_one(states: list, cells: list) -> list[float]:
    values = []
    for _, layer, position in cells:
        with MODEL.trace(CORRUPTED):
            BLOCKS[layer].input[:, position] = states[layer][:, position]
            value = peer.logit_diff(MODEL.lm_head.output).save()
        values.append(value.item())
    return values


def batched(states: list, cells: list) -> list[float]:
    with MODEL.trace() as tracer:
        values = nnsight.save([])
        for _, layer, position in cells:
            with tracer.invoke(CORRUPTED):
                BLOCKS[layer].input[:, position] = states[layer][:, position]
                values.append(peer.logit_diff(MODEL.lm_head.output))
    return [value.item() for value in values]


peer.serve(base, batched if JOB["batched"] else one_by_one, ["nnsight"])
