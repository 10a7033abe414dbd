"""The tiny checkpoints of many families: what their config.json says, and how they are stored."""

from collections.abc import Callable
from dataclasses import dataclass

import family_tokenizers as tokenizers


@dataclass(frozen=True)
class Checkpoint:
    seed: int
    tokenizer: Callable
    # As transformers 4 wrote it where it has torch_dtype, and then stored just so; else as
    # transformers 5 writes it, which adds the defaults. The vocabulary is the tokenizer's.
    config: dict
    # Changes of the config, each of which must change the logits: so each setting is at work.
    matters: tuple[dict, ...]
    spare: int = 0  # rows of the model for which the tokenizer has no token
    shards: int = 1
    pickled: bool = False  # pytorch_model.bin


def llama_like(model_type: str, kind: str, heads: int, kv_heads: int, **more) -> dict:
    common = dict(
        model_type=model_type, architectures=[kind], hidden_size=24, num_hidden_layers=3,
        num_attention_heads=heads, num_key_value_heads=kv_heads, intermediate_size=40,
        hidden_act="silu", max_position_embeddings=64, rms_norm_eps=1e-5,
        tie_word_embeddings=False, bos_token_id=1, eos_token_id=2, pad_token_id=None,
    )  # fmt: skip
    return common | more


def gemma_like(model_type: str, kind: str, kv_heads: int, **more) -> dict:
    special = dict(pad_token_id=0, eos_token_id=1, bos_token_id=2, tie_word_embeddings=True)
    config = llama_like(model_type, kind, 4, kv_heads, head_dim=8, rms_norm_eps=1e-6, **special)
    if model_type != "gemma":
        config |= dict(hidden_activation="gelu_pytorch_tanh", query_pre_attn_scalar=11)
        del config["hidden_act"]
    return config | dict(attention_bias=False) | more


GPTJ = dict(
    model_type="gptj", architectures=["GPTJForCausalLM"], n_embd=32, n_layer=3, n_head=4,
    n_inner=40, n_positions=64, rotary=True, rotary_dim=4, activation_function="gelu_new",
    layer_norm_epsilon=1e-5, scale_attn_weights=True, tie_word_embeddings=False,
    bos_token_id=0, eos_token_id=0, torch_dtype="float32", transformers_version="4.18.0",
)  # fmt: skip
NEOX = dict(
    model_type="gpt_neox", architectures=["GPTNeoXForCausalLM"], num_hidden_layers=3,
    intermediate_size=40, max_position_embeddings=64, bos_token_id=0, eos_token_id=0,
)  # fmt: skip
OPT = dict(
    model_type="opt", architectures=["OPTForCausalLM"], hidden_size=24, num_hidden_layers=3,
    num_attention_heads=4, ffn_dim=40, max_position_embeddings=32, word_embed_proj_dim=24,
    do_layer_norm_before=True, _remove_final_layer_norm=False, dropout=0.1, attention_dropout=0.0,
    pad_token_id=1, bos_token_id=2, eos_token_id=2, torch_dtype="bfloat16",
    transformers_version="4.21.0",
)  # fmt: skip
PHI = dict(
    model_type="phi", architectures=["PhiForCausalLM"], hidden_size=32, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=None, intermediate_size=40, hidden_act="gelu_new",
    max_position_embeddings=64, layer_norm_eps=1e-5, partial_rotary_factor=0.5, rope_theta=100.0,
    rope_scaling=None, qk_layernorm=False, tie_word_embeddings=False, bos_token_id=0,
    eos_token_id=0, torch_dtype="float32", transformers_version="4.37.0",
)  # fmt: skip
LLAMA3_ROPE = dict(
    rope_type="llama3", factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
    original_max_position_embeddings=32,
)  # fmt: skip
V4 = dict(torch_dtype="float32", transformers_version="4.40.0")
DEFAULT_ROPE = dict(rope_type="default", rope_theta=100.0)

CHECKPOINTS = {
    "gptj": Checkpoint(
        21, tokenizers.gpt2, GPTJ, ({"rotary_dim": 8}, {"activation_function": "relu"}), spare=6
    ),
    "neox-parallel": Checkpoint(
        22,
        tokenizers.gpt2,
        NEOX | V4
        | dict(
            hidden_size=32, num_attention_heads=2, hidden_act="gelu", rotary_pct=0.25,
            rotary_emb_base=10000, use_parallel_residual=True, layer_norm_eps=1e-5,
            tie_word_embeddings=False,
        ),
        ({"use_parallel_residual": False}, {"rotary_pct": 1.0}, {"rotary_emb_base": 100}),
        spare=6,
    ),
    "neox-sequential": Checkpoint(
        23,
        tokenizers.gpt2,
        NEOX
        | dict(
            hidden_size=24, num_attention_heads=3, hidden_act="gelu_new", layer_norm_eps=1e-3,
            attention_bias=False, use_parallel_residual=False, tie_word_embeddings=True,
            rope_parameters=dict(rope_type="default", rope_theta=500.0, partial_rotary_factor=0.5),
        ),
        ({"use_parallel_residual": True}, {"rope_parameters": None}, {"layer_norm_eps": 1e-1}),
    ),
    "opt": Checkpoint(
        24,
        tokenizers.opt,
        OPT | dict(activation_function="relu", tie_word_embeddings=True),
        ({"activation_function": "gelu"},),
    ),
    "opt-nobias": Checkpoint(
        25,
        tokenizers.opt,
        OPT
        | dict(
            activation_function="gelu", enable_bias=False, layer_norm_elementwise_affine=True,
            num_hidden_layers=2, tie_word_embeddings=False, torch_dtype="float32",
        ),
        ({"activation_function": "relu"},),
    ),
    "llama2": Checkpoint(
        26,
        tokenizers.llama2,
        llama_like(
            "llama", "LlamaForCausalLM", 4, 4, hidden_size=20, head_dim=6, rope_theta=10000.0,
            rope_scaling=None, attention_bias=False, pretraining_tp=1, torch_dtype="float16",
            transformers_version="4.31.0",
        ),
        ({"rope_theta": 100.0}, {"rms_norm_eps": 1e-1}),
    ),
    "llama3": Checkpoint(
        27,
        tokenizers.llama3,
        llama_like(
            "llama", "LlamaForCausalLM", 6, 2, head_dim=8, tie_word_embeddings=True,
            rope_theta=100.0, rope_scaling=LLAMA3_ROPE, max_position_embeddings=128,
            attention_bias=False, mlp_bias=False, bos_token_id=100, eos_token_id=101,
            torch_dtype="bfloat16", transformers_version="4.45.0",
        ),
        ({"rope_scaling": None}, {"rope_scaling": LLAMA3_ROPE | dict(high_freq_factor=8.0)}),
    ),
    "llama-linear": Checkpoint(
        28,
        tokenizers.gpt2,
        llama_like(
            "llama", "LlamaForCausalLM", 6, 3, head_dim=6, attention_bias=True, mlp_bias=True,
            hidden_act="gelu", bos_token_id=0, eos_token_id=0,
            rope_parameters=dict(rope_type="linear", factor=2.0, rope_theta=100.0),
        ),
        ({"rope_parameters": DEFAULT_ROPE}, {"hidden_act": "silu"}),
        shards=3,
    ),
    "mistral": Checkpoint(
        29,
        tokenizers.mistral,
        llama_like(
            "mistral", "MistralForCausalLM", 4, 2, head_dim=8, sliding_window=3, rope_theta=100.0,
            **V4,
        ),
        ({"sliding_window": None}, {"sliding_window": 4}, {"rope_theta": 10000.0}),
    ),
    "phi3": Checkpoint(
        30,
        tokenizers.llama2,
        llama_like(
            "phi3", "Phi3ForCausalLM", 4, 2, hidden_size=32, num_hidden_layers=2,
            sliding_window=None, partial_rotary_factor=0.5, rope_theta=100.0, rope_scaling=None,
            original_max_position_embeddings=64, pad_token_id=0, **V4,
        ),
        ({"partial_rotary_factor": 1.0},),
    ),
    "qwen2": Checkpoint(
        31,
        tokenizers.qwen,
        llama_like(
            "qwen2", "Qwen2ForCausalLM", 4, 2, tie_word_embeddings=True, use_sliding_window=True,
            sliding_window=3, max_window_layers=1, rope_theta=100.0, rms_norm_eps=1e-6,
            bos_token_id=100, eos_token_id=102, **V4,
        ),
        ({"use_sliding_window": False}, {"max_window_layers": 0}, {"max_window_layers": 2}),
    ),
    "qwen3": Checkpoint(
        32,
        tokenizers.qwen,
        llama_like(
            "qwen3", "Qwen3ForCausalLM", 4, 1, head_dim=8, attention_bias=False,
            num_hidden_layers=2, rms_norm_eps=1e-6, rope_parameters=DEFAULT_ROPE,
            bos_token_id=100, eos_token_id=102,
        ),
        ({"rope_parameters": None},),
    ),
    "gemma": Checkpoint(
        33,
        tokenizers.gemma,
        # Google's own files say "gelu" in one field and what is meant in another.
        gemma_like(
            "gemma", "GemmaForCausalLM", 1, hidden_act="gelu", rope_theta=100.0,
            hidden_activation="gelu_pytorch_tanh", num_hidden_layers=2, **V4,
        ),
        ({"hidden_act": "silu"},),
    ),
    "gemma2": Checkpoint(
        34,
        tokenizers.gemma_chat,
        gemma_like(
            "gemma2", "Gemma2ForCausalLM", 2, num_hidden_layers=4, attn_logit_softcapping=2.0,
            final_logit_softcapping=3.0, sliding_window=3, rope_theta=100.0, **V4,
        ),
        (
            {"attn_logit_softcapping": None}, {"final_logit_softcapping": None},
            {"sliding_window": 64}, {"query_pre_attn_scalar": 8},
        ),
    ),
    "gemma3": Checkpoint(
        35,
        tokenizers.gemma,
        gemma_like(
            "gemma3_text", "Gemma3ForCausalLM", 2, num_hidden_layers=4, sliding_window=3,
            sliding_window_pattern=3, attn_logit_softcapping=None, final_logit_softcapping=None,
            rope_theta=1000.0, rope_local_base_freq=100.0,
            rope_scaling=dict(rope_type="linear", factor=8.0), **V4,
        ),
        (
            {"sliding_window": 64}, {"sliding_window_pattern": 2}, {"query_pre_attn_scalar": 8},
            {"rope_theta": 100.0}, {"rope_local_base_freq": 1000.0}, {"rope_scaling": None},
        ),
    ),
    # The same in transformers 5's spelling, with a soft-cap.
    "gemma3-v5": Checkpoint(
        36,
        tokenizers.gemma,
        gemma_like(
            "gemma3_text", "Gemma3ForCausalLM", 2, num_hidden_layers=2, sliding_window=3,
            layer_types=["full_attention", "sliding_attention"], final_logit_softcapping=3.0,
            rope_parameters=dict(
                full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1000.0),
                sliding_attention=DEFAULT_ROPE,
            ),
        ),
        ({"final_logit_softcapping": None}, {"rope_parameters": None}, {"layer_types": None}),
    ),
    "phi": Checkpoint(
        37,
        tokenizers.gpt2,
        PHI,
        ({"partial_rotary_factor": 1.0}, {"rope_theta": 10000.0}),
        pickled=True,
    ),
    "olmo2": Checkpoint(
        38,
        tokenizers.gpt2,
        llama_like(
            "olmo2", "Olmo2ForCausalLM", 4, 2, attention_bias=False, num_hidden_layers=2,
            rope_parameters=DEFAULT_ROPE, bos_token_id=None, eos_token_id=0,
        ),
        ({"rope_parameters": None},),
    ),
}  # fmt: skip
