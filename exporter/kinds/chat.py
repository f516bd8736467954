"""The kind ``chat``: a prompt with a streamed response.

The prompt stands alone or at the end of a dialogue. It can have an image, a schema for the answer,
or tools to call.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from exporter.kinds.base import Heard, Probe, Size, unanswered
from exporter.kinds.expect import Expectation, mistake
from exporter.kinds.picture import PNG, Image, PictureFile, code_of, drawn
from exporter.kinds.schema import JsonSchema, schema_mistake, validator_of
from exporter.kinds.tools import OfferedTool, tool_mistake
from exporter.providers.asks import ChatAsk, Kind, Picture, Reasoning, Role, Turn
from exporter.providers.base import Call, OutputKind
from exporter.result import Failure, FailureReason, Measures
from exporter.settings.prompts import NONCE_CHARACTERS, LoadedPrompts, with_nonce
from exporter.settings.types import Model, raise_all

if TYPE_CHECKING:
    import jsonschema_rs

_PICTURE_TOKENS = 300, 1_600
"""The usual and the largest cost of the generated image, which is small for every provider."""
_FILE_TOKENS = 1_600, 16_384
"""The same for any image. Providers scale large images down, or charge by pixels (Qwen)."""


class Message(Model):
    """One message of a dialogue."""

    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1)


class Chat(Probe):
    """A prompt with a streamed response."""

    kind: Literal[Kind.CHAT] = Kind.CHAT
    prompt: str | None = Field(default=None, min_length=1)
    """The text to send. A new nonce goes before it."""
    prompts_file: LoadedPrompts | None = None
    """A file of JSON lines, each ``{"prompt": "..."}``. Probes use them in turn."""
    messages: tuple[Message, ...] = ()
    """A dialogue that ends with the question. A new nonce goes before its first message."""
    max_output_tokens: int = Field(default=64, ge=1, le=100_000)
    image: Image | None = None
    """``code``: send an image of a random number, which the answer must contain. Any other value
    is the path of an image."""
    json_schema: JsonSchema | None = None
    """A JSON Schema that the answer must match. The request asks the provider to enforce it."""
    tools: tuple[OfferedTool, ...] = Field(default=(), max_length=32)
    """Tools that the model can call. It must call one, with arguments that match its schema."""
    tool_choice: Literal["auto", "required"] = "auto"
    """``required``: the request demands a tool call; ``auto``: the model decides."""
    reasoning: Reasoning | None = None
    """How much the model reasons before it answers. Defaults to the model's own behavior."""
    reasoning_budget: int | None = Field(default=None, ge=0, le=100_000)
    """The most tokens for reasoning; 0 turns it off. An alternative to ``reasoning``."""
    expect: Expectation | None = None

    @model_validator(mode="after")
    def _thought_is_measured_once(self) -> Self:
        if self.reasoning is not None and self.reasoning_budget is not None:
            wrong = ValueError("set reasoning or reasoning_budget, not both")
            raise_all("Chat", [(("reasoning_budget",), wrong)])
        return self

    @model_validator(mode="after")
    def _exactly_one_source(self) -> Self:
        if sum(map(bool, (self.prompt, self.prompts_file, self.messages))) != 1:
            raise ValueError("set exactly one of prompt, prompts_file and messages")
        return self

    @model_validator(mode="after")
    def _dialogue_ends_with_a_question(self) -> Self:
        roles = [message.role for message in self.messages]
        for position, role in enumerate(roles):
            if role == "system" and position:
                wrong = ValueError("only the first message can be the system's")
                raise_all("Chat", [(("messages", position, "role"), wrong)])
        if roles and roles[-1] != "user":
            wrong = ValueError("the last message must be the user's")
            raise_all("Chat", [(("messages", len(roles) - 1, "role"), wrong)])
        return self

    @model_validator(mode="after")
    def _tools_are_told_apart(self) -> Self:
        names = [tool.name for tool in self.tools]
        if again := next((name for name in names if names.count(name) > 1), None):
            raise_all("Chat", [(("tools",), ValueError(f"two tools are named {again!r}"))])
        if self.tools and self.json_schema is not None:
            wrong = "an answer is a call of a tool, or keeps a schema; remove json_schema or tools"
            raise_all("Chat", [(("json_schema",), ValueError(wrong))])
        if not self.tools and self.tool_choice == "required":
            raise_all("Chat", [(("tool_choice",), ValueError("there are no tools; add tools"))])
        return self

    @model_validator(mode="after")
    def _expected_tool_is_offered(self) -> Self:
        expected = self.expect and self.expect.tool
        names = [tool.name for tool in self.tools]
        if not expected or (names and expected.name in (None, *names)):
            return self
        wrong = f"there is no tool {expected.name!r}" if expected.name else "there are no tools"
        where = ("expect", "tool", "name") if expected.name else ("expect", "tool")
        raise_all("Chat", [(where, ValueError(f"{wrong}; add it to tools"))])
        return self

    @property
    def texts(self) -> tuple[str, ...]:
        if self.messages:
            return (self.messages[-1].content,)
        return self.prompts_file.prompts if self.prompts_file else (self.prompt or "",)

    @property
    def is_confidential(self) -> bool:
        return self.prompts_file is not None

    @cached_property
    def size(self) -> Size:
        others = [message.content for message in self.messages[:-1]]
        if self.json_schema:
            others.append(json.dumps(self.json_schema))
        others += [tool.model_dump_json() for tool in self.tools]
        characters = sum(map(len, others)) + NONCE_CHARACTERS
        longest = max(len(text.encode()) for text in self.texts) + NONCE_CHARACTERS
        usual, most = _PICTURE_TOKENS if self.image == "code" else _FILE_TOKENS
        if not self.image:
            usual, most = 0, 0
        return Size(
            sum(map(len, self.texts)) / len(self.texts) + characters + 4 * usual,
            longest + sum(len(text.encode()) for text in others) + most,
            self.max_output_tokens,
        )

    def ask(self, text: str, nonce: str) -> ChatAsk:
        """The request, with its nonce at the start of the conversation, where caches match from."""
        system, earlier = self._before_the_question
        if system:
            system = with_nonce(system, nonce)
        elif earlier:
            first, *others = earlier
            earlier = (Turn(first.role, with_nonce(first.text, nonce)), *others)
        else:
            text = with_nonce(text, nonce)
        return ChatAsk(
            text,
            self.max_output_tokens,
            system=system,
            earlier=earlier,
            picture=self._picture(nonce),
            json_schema=self.json_schema,
            tools=tuple(tool.asked() for tool in self.tools),
            must_call=self.tool_choice == "required",
            reasoning=self.reasoning,
            reasoning_budget=self.reasoning_budget,
        )

    def _picture(self, nonce: str) -> Picture | None:
        if isinstance(self.image, PictureFile):
            return self.image.picture
        code = code_of(nonce)
        return Picture(drawn(code), PNG, code) if self.image else None

    @property
    def demands(self) -> frozenset[str]:
        return frozenset() if self.reasoning_budget is None else frozenset({"reasoning_budget"})

    @cached_property
    def _before_the_question(self) -> tuple[str | None, tuple[Turn, ...]]:
        before = [(message.role, message.content) for message in self.messages[:-1]]
        system = next((text for role, text in before if role == "system"), None)
        return system, tuple(Turn(Role(role), text) for role, text in before if role != "system")

    def judge(self, heard: Heard, call: Call[ChatAsk]) -> Failure | None:
        if failure := unanswered(heard):
            return failure
        wrong = self._mistake(heard, call.ask.picture)
        return Failure(FailureReason.WRONG_ANSWER, wrong) if wrong else None

    def measures(self, heard: Heard, call: Call[ChatAsk]) -> Measures:
        return self.measures_of_failure(heard)

    def measures_of_failure(self, heard: Heard) -> Measures:
        """The number of tool calls, correct or not."""
        return Measures(tool_calls=len(heard.calls) if self.tools else None)

    def _mistake(self, heard: Heard, picture: Picture | None) -> str | None:
        answer = heard.text(OutputKind.ANSWER)
        said = answer + "".join(call.arguments for call in heard.calls)
        if picture and picture.says and picture.says not in re.sub(r"[\s.,-]", "", said):
            return f"the answer does not say {picture.says}, which is in the picture"
        expected = self.expect.tool if self.expect else None
        if self.tools and (wrong := tool_mistake(heard.calls, self.tools, expected)):
            return wrong
        if self._validator and (wrong := schema_mistake(answer, self._validator)):
            return wrong
        return mistake(answer, self.expect) if self.expect else None

    @cached_property
    def _validator(self) -> jsonschema_rs.Validator | None:
        return None if self.json_schema is None else validator_of(self.json_schema)


DEFAULT_PROMPT = "Count from 1 to 20, separated by spaces."
DEFAULT_PROBES = {
    "short": Chat(
        prompt=DEFAULT_PROMPT,
        max_output_tokens=64,
        expect=Expectation(regex=r"\b20\b"),
    )
}
