"""Write a small llama model with random weights and a generated tokenizer, for vLLM.

    python make_vllm_model.py FOLDER [WIDTH LAYERS]

The model has about 135 million parameters and takes about 30 ms per token on one core. Its output
is meaningless. All tokens of its vocabulary are text, except for the special ones. The second
special token ends an answer.

Run it in vLLM's environment, which has torch, transformers, and tokenizers.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

SEED = 20_261_126
WIDTH, LAYERS, HEAD_WIDTH = 1024, 8, 64
CONTEXT_TOKENS = 2048
VOCABULARY = 1024
SPECIAL = ["<s>", "</s>", "<pad>"]
WORDS = ("count", "from", "one", "to", "twenty", "tokens", "first", "output", "user", "assistant")

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message['role'] }}: "
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{% endif %}\n"
    "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)


def tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    random.seed(SEED)
    texts = [" ".join(random.choices(WORDS, k=20)) for _ in range(2000)]
    texts += [" ".join(str(random.randrange(100)) for _ in range(20)) for _ in range(500)]
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    printable = [chr(code) for code in range(33, 127)]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL,
        initial_alphabet=[*printable, "\u0120", "\u010a"],  # a space and a newline
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    bos, eos, pad = SPECIAL
    fast = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token=bos,
        eos_token=eos,
        pad_token=pad,
        model_max_length=CONTEXT_TOKENS,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def write(folder: Path, width: int, layers: int) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    words = tokenizer()
    words.save_pretrained(folder)
    torch.manual_seed(SEED)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // HEAD_WIDTH,
        num_key_value_heads=width // HEAD_WIDTH,
        max_position_embeddings=CONTEXT_TOKENS,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
        tie_word_embeddings=False,
        dtype="bfloat16",
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)


if __name__ == "__main__":
    width, layers = (int(number) for number in sys.argv[2:4] or (WIDTH, LAYERS))
    write(Path(sys.argv[1]), width, layers)
