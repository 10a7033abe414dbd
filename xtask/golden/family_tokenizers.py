"""Small tokenizers, put together as those that the families publish: byte-level BPE, and
SentencePiece's BPE with bytes to fall back on. Each comes with its tokenizer_config.json, or with
None."""

import json

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import processors

import tiny

TEXT = "The capital of France is"
LETTERS, MERGES = 40, 30  # in the vocabulary of a SentencePiece; other letters are bytes

# What a run of digits is differs: up to three, or one by one.
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA3.replace("{1,3}", "")

LLAMA3_CHAT = (
    "{% for message in messages %}"
    "{% set turn = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    " + message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.first %}{% set turn = bos_token + turn %}{% endif %}{{ turn }}{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
MISTRAL_CHAT = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('The roles must alternate: user, assistant, user, …') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"
)
QWEN_CHAT = (
    "{%- if messages[0]['role'] != 'system' %}"
    "{{- '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{%- endif %}"
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
GEMMA_CHAT = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('There is no system role') }}{% endif %}"
    "{% for message in messages %}"
    "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)


def begin_with(tokenizer: Tokenizer, token: str) -> processors.TemplateProcessing:
    return processors.TemplateProcessing(
        single=f"{token} $A",
        pair=f"{token} $A {token}:1 $B:1",
        special_tokens=[(token, tokenizer.token_to_id(token))],
    )


def settings(kind: str, bos: str | None, eos: str, chat: str | None = None, **more) -> dict:
    config = dict(tokenizer_class=kind, bos_token=bos, eos_token=eos, **more)
    config |= dict(clean_up_tokenization_spaces=False, model_max_length=64)
    if bos is not None:
        config |= dict(add_bos_token=True, add_eos_token=False)
    return config | (dict(chat_template=chat) if chat else {})


def gpt2():
    return tiny.make_tokenizer(98), None


def opt():
    tokenizer = tiny.make_tokenizer(102, special=("<s>", "<pad>", "</s>", "<unk>"))
    tokenizer.post_processor = begin_with(tokenizer, "</s>")
    return tokenizer, settings("GPT2Tokenizer", "</s>", "</s>", pad_token="<pad>")


def with_regex(regex: str, special: tuple[str, ...], trim_offsets: bool) -> Tokenizer:
    """Byte-level BPE that splits words by `regex`; the special tokens come last."""
    tokenizer = tiny.make_tokenizer(100, special=(), letters="ĠĊ")
    tokenizer.add_special_tokens(list(special))
    bytes_ = pre_tokenizers.ByteLevel(False, trim_offsets=trim_offsets, use_regex=False)
    split = pre_tokenizers.Split(Regex(regex), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_])
    return tokenizer


def llama3():
    bos, eos = "<|begin_of_text|>", "<|end_of_text|>"
    special = (bos, eos, "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    tokenizer = with_regex(LLAMA3, special, trim_offsets=True)
    tokenizer.model.ignore_merges = True
    tokenizer.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=True), begin_with(tokenizer, bos)]
    )
    return tokenizer, settings("PreTrainedTokenizerFast", bos, eos, LLAMA3_CHAT)


def qwen():
    special = (tiny.END_OF_TEXT, "<|im_start|>", "<|im_end|>")
    tokenizer = with_regex(QWEN, special, trim_offsets=False)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer, settings("Qwen2Tokenizer", None, "<|im_end|>", QWEN_CHAT)


def pieces(special: tuple[str, ...], bos: str, prefix: bool) -> Tokenizer:
    """A SentencePiece's BPE: special tokens, bytes, merged pieces, letters, in this order.
    `prefix`: a text begins with ▁."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always" if prefix else "never")
    trainer = trainers.BpeTrainer(
        vocab_size=LETTERS + MERGES, limit_alphabet=LETTERS, show_progress=False
    )
    trained.train_from_iterator(tiny.corpus(), trainer)
    model = json.loads(trained.to_str())["model"]
    learned = sorted(model["vocab"], key=model["vocab"].get)
    tokens = [*special, *(f"<0x{byte:02X}>" for byte in range(256))]
    tokens += learned[LETTERS:] + learned[:LETTERS]

    tokenizer = Tokenizer(
        models.BPE(
            vocab={token: i for i, token in enumerate(tokens)},
            merges=[tuple(merge) for merge in model["merges"]],
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.add_special_tokens(list(special))
    tokenizer.post_processor = begin_with(tokenizer, bos)
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    steps += [decoders.Strip(" ", 1, 0)] if prefix else []
    tokenizer.decoder = decoders.Sequence(steps)
    return tokenizer


def llama2():
    tokenizer = pieces(("<unk>", "<s>", "</s>"), "<s>", prefix=True)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    return tokenizer, settings("LlamaTokenizer", "<s>", "</s>", legacy=True, unk_token="<unk>")


def mistral():
    """As of version 0.3: the pre-tokenizer does what Llama 2's normalizer does."""
    tokenizer = pieces(("<unk>", "<s>", "</s>", "[INST]", "[/INST]"), "<s>", prefix=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    more = dict(legacy=False, unk_token="<unk>")
    return tokenizer, settings("LlamaTokenizer", "<s>", "</s>", MISTRAL_CHAT, **more)


def gemma(chat: str | None = None):
    special = ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")
    tokenizer = pieces(special, "<bos>", prefix=False)
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    more = dict(pad_token="<pad>", unk_token="<unk>")
    return tokenizer, settings("GemmaTokenizer", "<bos>", "<eos>", chat, **more)


def gemma_chat():
    return gemma(GEMMA_CHAT)
