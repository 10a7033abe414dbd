"""What every peer shares: its job, its model, and the conversation with `cargo xtask bench`.

A peer is started with one job, a JSON object, as its argument. Each line that it then reads is a
JSON list of cells; it sweeps them, and answers with a line that tells the seconds taken and the
values found.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch
from transformers import AutoTokenizer, GPT2LMHeadModel, PreTrainedTokenizerBase

JOB: dict[str, Any] = json.loads(sys.argv[1])

# Answers go to standard output; whatever a library prints goes to standard error.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

torch.set_num_threads(JOB["threads"])


def load() -> GPT2LMHeadModel:
    """The job's model in f32, with the attention that Hugging Face chooses by itself."""
    folder, dtype = JOB["model"], torch.float32
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=dtype, local_files_only=True)
    return model.eval()


def tokenizer() -> PreTrainedTokenizerBase:
    """The tokenizer in the model's folder. Prompts are token ids, but libraries want one."""
    return AutoTokenizer.from_pretrained(JOB["model"], local_files_only=True)


def logit_diff(logits: torch.Tensor) -> torch.Tensor:
    """The metric of the sweeps on a pair: answer − distractor at the last position."""
    last = logits[0, -1]
    return last[JOB["answer"]] - last[JOB["distractor"]]


def answer(message: dict[str, Any]) -> None:
    print(json.dumps(message), file=ANSWERS, flush=True)


def serve(
    base: Callable[[], tuple], sweep: Callable[..., list[float]], packages: list[str]
) -> None:
    """Answers until there is nothing more to read.

    `base()` runs what a sweep needs once, and gives some state with the metric of the clean and
    of the corrupted run; `sweep(state, cells)` gives the metric of each cell. The two are timed
    apart, so that a part of the cells can stand for all of them.
    """
    versions = {name: version(name) for name in ["torch", "transformers", *packages]}
    answer({"versions": versions, "threads": torch.get_num_threads()})
    for line in sys.stdin:
        cells = json.loads(line)
        with torch.inference_mode():
            start = time.perf_counter()
            state, values = base()
            between = time.perf_counter()
            values = values + sweep(state, cells)
            end = time.perf_counter()
        answer({"base": between - start, "cells": end - between, "values": values})
