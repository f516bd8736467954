"""Record how a small model answers fixed prompts, with its original weights and with rounded ones.

    python record_fingerprint.py FOLDER < PROMPTS > ../../benchmarks/fingerprint_answers.json

FOLDER contains a model from ``make_vllm_model.py FOLDER 512 4``. PROMPTS is a JSON list of texts.
Every matrix is rounded in blocks of 32, like in llama.cpp's Q8_0 and Q4_0. Each prompt runs in a
batch with up to three others, so that sums are added in a different order every time.

Run it in vLLM's environment, which has torch and transformers.
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any

_TOKENS = 8
_TOP = 5
_BLOCK = 32


def rounded(model: Any, bits: int) -> Any:
    """Return the model with weights of this many bits. Each block has a scale."""
    import torch

    top = 2 ** (bits - 1) - 1
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim != 2:
                continue
            blocks = weights.float().reshape(-1, _BLOCK)
            scale = (blocks.abs().amax(1, keepdim=True) / top).clamp(min=1e-12)
            near = (blocks / scale).round().clamp(-top - 1, top) * scale
            weights.copy_(near.reshape(weights.shape).to(weights.dtype))
    return model


def answers(model: Any, words: Any, prompts: list[str], rounds: int) -> list[list[Any]]:
    """Return the number of the prompt, the answer, and the first tokens with their
    probabilities."""
    import torch

    told = []
    for number in [*range(len(prompts))] * rounds:
        others = random.choices(prompts, k=random.choice((0, 1, 3)))
        texts = [
            words.apply_chat_template(
                [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
            )
            for prompt in (prompts[number], *others)
        ]
        asked = words(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        said = model.generate(
            input_ids=asked["input_ids"],
            attention_mask=asked["attention_mask"],
            max_new_tokens=_TOKENS,
            do_sample=False,
            output_scores=True,
            return_dict_in_generate=True,
        )
        top = torch.softmax(said.scores[0][0].float(), -1).topk(_TOP)
        first = [[str(int(i)), float(p)] for p, i in zip(top.values, top.indices, strict=True)]
        new = said.sequences[0][asked["input_ids"].shape[1] :]
        told.append([number, words.decode(new), first])
    return told


def main(folder: str, prompts: list[str]) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    random.seed(1)
    torch.set_num_threads(1)
    words = AutoTokenizer.from_pretrained(folder, padding_side="left")

    def model() -> Any:
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()

    recorded = {
        "bf16": answers(model(), words, prompts, 16),
        "q8": answers(rounded(model(), 8), words, prompts, 2),
        "q4": answers(rounded(model(), 4), words, prompts, 2),
        "fp32": answers(model().float(), words, prompts, 2),
    }
    json.dump(recorded, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], json.load(sys.stdin))
