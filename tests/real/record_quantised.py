"""Record how a tiny model answers fixed prompts in llama.cpp, with and without quantization.

    python record_quantised.py MODEL.gguf < PROMPTS > ../../benchmarks/quantised_answers.json

MODEL.gguf comes from ``make_gguf.py``. PROMPTS is a JSON list of texts. llama.cpp's own function
quantizes the files. Each prompt is processed in pieces of a different size every time. Sums are
then added in a different order, as on a server with other requests.

Run it in llama-cpp-python's environment, with ``LLAMA_CPP_LIB_PATH`` set to llama.cpp's library.
"""

from __future__ import annotations

import ctypes
import json
import math
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

_TOKENS = 16
_TOP = 5
_PIECES = (8, 24, 512)
_PAST_ROUNDS, _ROUNDS = 16, 3


def quantised(model: Path, folder: Path, name: str) -> Path:
    """Return the model in another precision, like ``llama-quantize``."""
    import llama_cpp

    file = folder / f"{name}.gguf"
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{name}")
    params.nthread = 1
    source, target = str(model).encode(), str(file).encode()
    wrong = llama_cpp.llama_model_quantize(source, target, ctypes.byref(params))
    if wrong:
        raise RuntimeError(f"llama.cpp made no {name}: {wrong}")
    return file


def answers(model: Path, prompts: list[str], rounds: int) -> list[list[Any]]:
    """Return the number of the prompt, the answer, and the first tokens with their
    probabilities."""
    from llama_cpp import Llama

    contexts = [
        Llama(
            str(model),
            n_ctx=512,
            n_batch=pieces,
            n_ubatch=pieces,
            n_threads=1,
            n_threads_batch=1,
            logits_all=True,
            verbose=False,
        )
        for pieces in _PIECES
    ]
    told = []
    for number in [*range(len(prompts))] * rounds:
        context = random.choice(contexts)
        context.reset()
        answer: Any = context.create_completion(
            f"user: {prompts[number]}\nassistant:",
            max_tokens=_TOKENS,
            temperature=0,
            logprobs=_TOP,
        )
        choice = answer["choices"][0]
        likely = choice["logprobs"]["top_logprobs"][0]
        first = [[token, round(math.exp(log), 6)] for token, log in likely.items()]
        told.append([number, choice["text"], first])
    return told


def main(model: Path, prompts: list[str]) -> None:
    random.seed(1)
    with tempfile.TemporaryDirectory() as folder:
        recorded = {"F32": answers(model, prompts, _PAST_ROUNDS)}
        for name in ("F16", "Q8_0", "Q5_0", "Q4_0"):
            recorded[name] = answers(quantised(model, Path(folder), name), prompts, _ROUNDS)
    json.dump(recorded, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.load(sys.stdin))
