"""Token counts in the formats of all providers, and one way to normalize them.

Providers differ in what a count includes. If there is a total, it decides: the reading that adds up
to it is the right one. A missing count is never guessed.
"""

from __future__ import annotations

from itertools import product

from exporter.providers.wire import CamelWire, IfObject, LenientCount, Wire, count
from exporter.result import Usage


class CachedTokens(Wire):
    """The parts of the prompt that were read from a cache or written to one."""

    cached_tokens: LenientCount | None = None
    cache_write_tokens: LenientCount | None = None
    cache_creation_input_tokens: LenientCount | None = None  # DashScope's explicit cache

    @property
    def written(self) -> int:
        return count(self.cache_write_tokens, self.cache_creation_input_tokens)


class ReasoningTokens(Wire):
    """The part of the output that is reasoning."""

    reasoning_tokens: LenientCount | None = None


def counted(
    *,
    input: int | None,
    output: int | None,
    cached: int = 0,
    written: int = 0,
    reasoning: int = 0,
    total: int | None = None,
    cache_is_beside: bool = False,
    thought_is_beside: bool = False,
    rest_is_thought: bool = False,
) -> Usage | None:
    """Normalize the counts of one usage block. Return ``None`` if there are none.

    ``cache_is_beside`` and ``thought_is_beside`` say whether, by the provider's documentation,
    these tokens aren't part of the prompt and the output. Another reading applies only if the
    numbers prove it: it alone adds up to the total, or a part is larger than the whole.

    With ``rest_is_thought``, tokens that only the total includes are reasoning. Google's compatible
    endpoint doesn't report reasoning separately.
    """
    if input is None and output is None:
        return None
    prompt = count(input)
    if output is None:
        output = total - prompt if input is not None and total and total > prompt else 0
    generated = count(output)
    cache_beside = cache_is_beside or cached + written > prompt
    thought_beside = thought_is_beside or reasoning > generated
    if total:
        readings = sorted(
            product((False, True), repeat=2),
            key=lambda beside: (beside[0] != cache_beside) + (beside[1] != thought_beside),
        )
        possible = (
            (cache, thought)
            for cache, thought in readings
            if (cache or cached + written <= prompt) and (thought or reasoning <= generated)
            if prompt + cache * (cached + written) + generated + thought * reasoning == total
        )
        cache_beside, thought_beside = next(possible, (cache_beside, thought_beside))
    prompt += cache_beside * (cached + written)
    generated += thought_beside * reasoning
    if rest_is_thought and total and not reasoning and total > prompt + generated:
        reasoning = total - prompt - generated
        generated += reasoning
    return Usage(
        input=prompt,
        output=generated,
        cached_input=cached,
        cache_write=written,
        reasoning=reasoning,
    )


class ChatUsage(Wire):
    """The usage of Chat Completions.

    Cached and reasoning tokens are parts of the prompt and of the completion (OpenAI API reference,
    usage object). xAI counts reasoning tokens separately.
    """

    prompt_tokens: LenientCount | None = None
    completion_tokens: LenientCount | None = None
    total_tokens: LenientCount | None = None
    prompt_tokens_details: IfObject[CachedTokens] = None
    completion_tokens_details: IfObject[ReasoningTokens] = None
    reasoning_tokens: LenientCount | None = None  # SGLang
    prompt_cache_hit_tokens: LenientCount | None = None  # DeepSeek
    cached_tokens: LenientCount | None = None  # Moonshot
    # LiteLLM and other gateways in front of Claude:
    cache_read_input_tokens: LenientCount | None = None
    cache_creation_input_tokens: LenientCount | None = None

    def normalised(self, *, rest_is_thought: bool = False) -> Usage | None:
        prompt = self.prompt_tokens_details or CachedTokens()
        completion = self.completion_tokens_details or ReasoningTokens()
        return counted(
            input=self.prompt_tokens,
            output=self.completion_tokens,
            cached=count(
                prompt.cached_tokens,
                self.prompt_cache_hit_tokens,
                self.cached_tokens,
                self.cache_read_input_tokens,
            ),
            written=count(prompt.written, self.cache_creation_input_tokens),
            reasoning=count(completion.reasoning_tokens, self.reasoning_tokens),
            total=self.total_tokens,
            rest_is_thought=rest_is_thought,
        )


class InputOutputUsage(Wire):
    """The usage of the Responses API and of DashScope's own protocol.

    Cached and reasoning tokens are parts of the input and the output (OpenAI API reference,
    response usage; Model Studio documentation, "Context cache" and "Deep thinking").
    """

    input_tokens: LenientCount | None = None
    output_tokens: LenientCount | None = None
    total_tokens: LenientCount | None = None
    input_tokens_details: IfObject[CachedTokens] = None
    prompt_tokens_details: IfObject[CachedTokens] = None  # DashScope
    output_tokens_details: IfObject[ReasoningTokens] = None

    def normalised(self) -> Usage | None:
        read = self.prompt_tokens_details or self.input_tokens_details or CachedTokens()
        generated = self.output_tokens_details or ReasoningTokens()
        return counted(
            input=self.input_tokens,
            output=self.output_tokens,
            cached=count(read.cached_tokens),
            written=read.written,
            reasoning=count(generated.reasoning_tokens),
            total=self.total_tokens,
        )


class _ThinkingTokens(Wire):
    thinking_tokens: LenientCount | None = None


_INPUT_COUNTS = frozenset(
    {"input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"}
)


class AnthropicUsage(Wire):
    """The ``usage`` of Anthropic's Messages API."""

    input_tokens: LenientCount | None = None
    cache_read_input_tokens: LenientCount | None = None
    cache_creation_input_tokens: LenientCount | None = None
    output_tokens: LenientCount | None = None
    output_tokens_details: IfObject[_ThinkingTokens] = None

    def normalised(self) -> Usage | None:
        """Normalize the counts.

        ``input_tokens`` excludes tokens that were read from a cache or written to one.
        ``output_tokens`` includes thinking (Anthropic API reference, prompt caching and usage).
        """
        details = self.output_tokens_details or _ThinkingTokens()
        return counted(
            input=self.input_tokens,
            output=self.output_tokens,
            cached=count(self.cache_read_input_tokens),
            written=count(self.cache_creation_input_tokens),
            reasoning=count(details.thinking_tokens),
            cache_is_beside=True,
        )

    def updated(self, later: AnthropicUsage) -> AnthropicUsage:
        """Apply a later usage block.

        Counts are cumulative, and a missing one keeps its value. So does the input if all of its
        counts are zero, which gateways send at the end of a stream.
        """
        reported = {name: value for name, value in later if value is not None}
        kept = () if any(map(reported.get, _INPUT_COUNTS)) else _INPUT_COUNTS
        return self.model_copy(update={name: reported[name] for name in reported.keys() - kept})


class BedrockUsage(CamelWire):
    """The ``usage`` of Bedrock's ConverseStream."""

    input_tokens: LenientCount | None = None
    output_tokens: LenientCount | None = None
    total_tokens: LenientCount | None = None
    cache_read_input_tokens: LenientCount | None = None
    cache_write_input_tokens: LenientCount | None = None

    def normalised(self) -> Usage | None:
        """Normalize the counts.

        ``inputTokens`` excludes tokens that were read from a cache or written to one ("Prompt
        caching" in the Bedrock user guide), unless the total proves otherwise. ``outputTokens``
        includes reasoning, which isn't reported separately.
        """
        return counted(
            input=self.input_tokens,
            output=self.output_tokens,
            cached=count(self.cache_read_input_tokens),
            written=count(self.cache_write_input_tokens),
            total=self.total_tokens,
            cache_is_beside=True,
        )


class Counter:
    """Tracks the usage blocks of one stream. The last block is valid, unless it is all zeros after
    a block that isn't."""

    def __init__(self) -> None:
        self._counts = False

    def holds(self, usage: Usage | None) -> bool:
        """Return whether to report this block."""
        if usage is None or (self._counts and not (usage.input or usage.output)):
            return False
        self._counts = self._counts or bool(usage.input or usage.output)
        return True
