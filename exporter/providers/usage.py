"""Token counts as several providers write them."""

from __future__ import annotations

from exporter.providers.wire import LenientCount, Wire, count
from exporter.result import Usage


class CachedTokens(Wire):
    """Parts of the prompt that were read from a cache or written to one."""

    cached_tokens: LenientCount | None = None
    cache_write_tokens: LenientCount | None = None
    cache_creation_input_tokens: LenientCount | None = None  # DashScope's explicit cache


class ReasoningTokens(Wire):
    """The part of the output that is thought."""

    reasoning_tokens: LenientCount | None = None


class InputOutputUsage(Wire):
    """The counts of the Responses API and of DashScope's own protocol."""

    input_tokens: LenientCount | None = None
    output_tokens: LenientCount | None = None
    input_tokens_details: CachedTokens | None = None
    prompt_tokens_details: CachedTokens | None = None  # DashScope
    output_tokens_details: ReasoningTokens | None = None

    def normalised(self) -> Usage | None:
        """``None`` where the block holds no counts. Cached and reasoning tokens are parts of the
        input and output counts (OpenAI API reference, response usage; Model Studio
        documentation, "Context cache" and "Deep thinking")."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        read = self.prompt_tokens_details or self.input_tokens_details or CachedTokens()
        generated = self.output_tokens_details or ReasoningTokens()
        return Usage(
            input=count(self.input_tokens),
            output=count(self.output_tokens),
            cached_input=count(read.cached_tokens),
            cache_write=count(read.cache_write_tokens, read.cache_creation_input_tokens),
            reasoning=count(generated.reasoning_tokens),
        )
