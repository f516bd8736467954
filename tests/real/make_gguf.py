"""Write a tiny llama model with random weights, for a real server to load.

    python make_gguf.py [--stops] [--width 512] tiny.gguf

The model has about four million parameters, or 16 million with a width of 512: a CPU core generates
hundreds of tokens per second, or about a thousand. The same seed gives the same file. The output is
meaningless text of made-up words, one per token. It never ends by itself, so it always has the
requested number of tokens. With ``--stops``, about one in ten tokens ends the answer.
"""

from __future__ import annotations

import argparse
from itertools import islice, product
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

SEED = 20_261_123
LAYERS, WIDTH, HEADS, KV_HEADS, HIDDEN_BY_WIDTH = 4, 256, 8, 4, 4
CONTEXT_TOKENS = 8192
WORDS = 400

BEACON = 0
"""A dimension of the residual stream that no layer writes to.

All tokens have the same value there. The output matrix can therefore use it as a bias against
tokens that aren't words.
"""
NEVER = -100.0
NOW_AND_THEN = 3.5
"""The bias of the end token, if it is enabled. It competes with 400 words."""
END_TOKEN = 2

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def vocabulary() -> tuple[list[str], list[gguf.TokenType]]:
    """Return SentencePiece's fixed tokens, every byte, every printable ASCII character, and
    words."""
    syllables = ["".join(pair) for pair in product("bdfgklmnprst", "aeiou")]
    words = ["\u2581" + "".join(pair) for pair in islice(product(syllables, syllables), WORDS)]
    bytes_ = [f"<0x{value:02X}>" for value in range(256)]
    characters = ["\u2581", *(chr(code) for code in range(0x21, 0x7F))]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    kinds += [gguf.TokenType.BYTE] * len(bytes_)
    kinds += [gguf.TokenType.NORMAL] * (len(characters) + len(words))
    return ["<unk>", "<s>", "</s>", *bytes_, *characters, *words], kinds


def weights(tokens: int, width: int, *, stops: bool) -> dict[str, npt.NDArray[np.float32]]:
    """Return every tensor by its GGUF name, as ``(rows, columns)``. Rows are outputs."""
    random = np.random.default_rng(SEED)

    def matrix(outputs: int, inputs: int) -> npt.NDArray[np.float32]:
        scale = 1 / np.sqrt(inputs)
        values = random.standard_normal((outputs, inputs)) * scale
        return np.asarray(values, dtype=np.float32)

    def into_residual(inputs: int) -> npt.NDArray[np.float32]:
        values = matrix(width, inputs)
        values[BEACON] = 0
        return values

    head, hidden = width // HEADS, HIDDEN_BY_WIDTH * width
    tensors = {"token_embd.weight": matrix(tokens, width) * np.sqrt(width, dtype=np.float32)}
    tensors["token_embd.weight"][:, BEACON] = 1
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        tensors |= {
            block + "attn_norm.weight": np.ones(width, np.float32),
            block + "attn_q.weight": matrix(width, width),
            block + "attn_k.weight": matrix(KV_HEADS * head, width),
            block + "attn_v.weight": matrix(KV_HEADS * head, width),
            block + "attn_output.weight": into_residual(width),
            block + "ffn_norm.weight": np.ones(width, np.float32),
            block + "ffn_gate.weight": matrix(hidden, width),
            block + "ffn_up.weight": matrix(hidden, width),
            block + "ffn_down.weight": into_residual(hidden),
        }
    output = matrix(tokens, width)
    output[:, BEACON] = NEVER
    output[-WORDS:, BEACON] = 0
    if stops:
        output[END_TOKEN, BEACON] = NOW_AND_THEN
    return tensors | {"output_norm.weight": np.ones(width, np.float32), "output.weight": output}


def write(path: Path, width: int, *, stops: bool) -> None:
    tokens, kinds = vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny random words")
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(HIDDEN_BY_WIDTH * width)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(width // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_scores([float(-index) for index in range(len(tokens))])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(END_TOKEN)
    writer.add_chat_template(CHAT_TEMPLATE)
    for name, tensor in weights(len(tokens), width, stops=stops).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--stops", action="store_true")
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    write(options.file, options.width, stops=options.stops)
