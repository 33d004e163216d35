"""The Responses API: a question in chat shape as its items have it, and its answers as replies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tracelib.errors import InvalidReply, ModelError
from tracelib.llm.chat import as_response_format
from tracelib.llm.completion import field_of, read_usage, short
from tracelib.llm.exchange import told
from tracelib.llm.guard import Question
from tracelib.llm.reply import Reply, ToolCall

ENDED = ("response.completed", "response.incomplete", "response.failed")
DELTAS = ("response.output_text.delta", "response.refusal.delta")
CHAT = ("role", "content", "tool_calls", "refusal")
"""What a message in chat shape says that is said otherwise here."""
REASONS = {"max_output_tokens": "length"}
"""Why an answer is incomplete, as chat completions call it where they have a word for it."""


class Responses:
    """The dialect of `/responses`."""

    words = "input"
    streaming = {"stream": True}
    keeps = True
    expected = "response with an output"

    def resource(self, client: Any) -> Any:
        return client.responses

    def body(self, question: Question) -> dict[str, Any]:
        items = [item for message in question.messages for item in as_items(message)]
        return {"model": question.model, "input": items, **as_params(told(question))}

    def read(self, answer: Any) -> Reply:
        return read_response(answer)

    def failure(self, answer: Any) -> tuple[str, str] | None:
        error = field_of(answer, "error")
        if not error and field_of(answer, "status") != "failed":
            return None
        return str(field_of(error, "code") or "failed"), str(field_of(error, "message") or "the model failed")

    def gathering(self) -> ResponseGathering:
        return ResponseGathering()


def read_response(answer: Any) -> Reply:
    """The reply in a response, a dict or an object. Raises InvalidReply when it has not ended or is empty."""
    output, finish = field_of(answer, "output"), finish_of(answer)
    if output is None or (not output and finish == "stop"):
        raise InvalidReply(f"the response has no output: {short(answer)}", short(answer))
    parts = [part for item in output if field_of(item, "type") == "message" for part in parts_of(item)]
    refusal = "".join(field_of(part, "refusal") or "" for part in parts) or None
    calls = tuple(_tool_call(item) for item in output if field_of(item, "type") == "function_call")
    return Reply(
        "".join(field_of(part, "text") or "" for part in parts) or refusal or "",
        usage=read_usage(field_of(answer, "usage")),
        model=field_of(answer, "model") or "",
        finish_reason="tool_calls" if calls and finish == "stop" else finish,
        refusal=refusal,
        tool_calls=calls,
        images=tuple(image for item in output if (image := _image(item))),
        raw=answer,
    )


def finish_of(answer: Any) -> str:
    """Why the response ended, in the words of chat completions. Raises InvalidReply when it has not."""
    status = field_of(answer, "status") or "completed"
    if status == "completed":
        return "stop"
    if status != "incomplete":
        raise InvalidReply(f"the response is {status}, not completed: {short(answer)}", short(answer))
    reason = str(field_of(field_of(answer, "incomplete_details"), "reason") or status)
    return REASONS.get(reason, reason)


def parts_of(item: Any) -> Any:
    """The parts of a message's content."""
    return field_of(item, "content") or ()


def _tool_call(item: Any) -> ToolCall:
    return ToolCall(
        id=field_of(item, "call_id") or "",
        name=field_of(item, "name") or "",
        arguments=field_of(item, "arguments") or "",
    )


def _image(item: Any) -> str:
    """The data: URL of an image that was made, empty for any other item."""
    data = field_of(item, "result") if field_of(item, "type") == "image_generation_call" else None
    return f"data:image/{field_of(item, 'output_format') or 'png'};base64,{data}" if data else ""


class ResponseGathering:
    """A response heard from the events of a stream; the last of them brings it whole."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._whole: Any = None

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self._said)

    @property
    def ended(self) -> bool:
        """Whether the response came whole, or the event of an error in its place."""
        return self._whole is not None

    def add(self, event: Any) -> str:
        """Take an event in; the piece of text that it brought."""
        kind = field_of(event, "type")
        if kind in ENDED:
            self._whole = _plain(field_of(event, "response"))
        elif kind == "error":
            told = {key: field_of(event, key) for key in ("code", "message")}
            self._whole = {"status": "failed", "error": told}
        piece = str(field_of(event, "delta") or "") if kind in DELTAS else ""
        self._said.append(piece)
        return piece

    def completion(self) -> Any:
        """The response as it would have come in one piece."""
        return self._whole


def _plain(response: Any) -> Any:
    """As JSON has it, without the SDK's warnings of what it does not know."""
    dump = getattr(response, "to_dict", None)
    return dump(mode="json", warnings=False) if callable(dump) else response


def as_items(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The items that stand for one message in chat shape: what was said, tools called, a tool's result."""
    content = message.get("content")
    if message["role"] == "tool":
        output = content if isinstance(content, str) else as_parts(content, "input_text")
        yield {"type": "function_call_output", "call_id": message.get("tool_call_id"), "output": output}
        return
    if content is None and message.get("refusal"):
        content = [{"type": "refusal", "refusal": message["refusal"]}]
    if content or not message.get("tool_calls"):
        yield _said(message, content)
    for call in message.get("tool_calls") or ():
        yield {"type": "function_call", "call_id": call["id"], **call["function"]}


def _said(message: Mapping[str, Any], content: Any) -> dict[str, Any]:
    spoken = "output_text" if message["role"] == "assistant" else "input_text"
    # What the SDK's own messages say of nothing is in chat only, and is refused here.
    rest = {k: v for k, v in message.items() if k not in CHAT and v not in (None, [])}
    words = content if isinstance(content, str) else as_parts(content, spoken)
    return {"role": message["role"], "content": words, **rest}


def as_parts(content: Any, text: str) -> list[dict[str, Any]]:
    """Parts of a content in chat shape as the Responses API has them; `text` is what a text part is called.

    >>> as_parts([{"type": "image_url", "image_url": {"url": "https://x/y.png"}}], "input_text")
    [{'type': 'input_image', 'image_url': 'https://x/y.png'}]
    """
    return [_part(part, text) for part in content or ()]


def _part(part: Any, text: str) -> dict[str, Any]:
    kind = part.get("type")
    if kind == "text":
        return {**part, "type": text}
    if kind == "image_url":
        image = part["image_url"]
        given = {"url": image} if isinstance(image, str) else dict(image)
        return {"type": "input_image", "image_url": given.pop("url"), **given}
    if kind == "file":
        return {"type": "input_file", **part["file"]}
    return dict(part)


def as_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of chat completions under the names they have here, which win; all others as they are.

    Raises ModelError for `n`: the API gives one answer.
    """
    told = dict(params)
    if told.pop("n", 1) != 1:
        raise ModelError('the Responses API gives one answer to a question: ask again, or with api="chat"')
    for name in ("max_completion_tokens", "max_tokens"):
        if name in told:
            told.setdefault("max_output_tokens", told.pop(name))
    if "reasoning_effort" in told:
        told["reasoning"] = {"effort": told.pop("reasoning_effort"), **told.get("reasoning", {})}
    if "tools" in told:
        told["tools"] = [as_tool(tool) for tool in told["tools"]]
    choice = told.get("tool_choice")
    if isinstance(choice, Mapping) and "function" in choice:
        told["tool_choice"] = {"type": "function", "name": choice["function"]["name"]}
    text = {**_text_of(told), **told.get("text", {})}
    return {**told, "text": text} if text else told


def _text_of(told: dict[str, Any]) -> dict[str, Any]:
    """What chat completions call response_format and verbosity, taken out of the parameters."""
    text: dict[str, Any] = {}
    if "response_format" in told:
        wanted = as_response_format(told.pop("response_format"))
        text["format"] = {"type": wanted["type"], **wanted.get("json_schema", {})}
    if "verbosity" in told:
        text["verbosity"] = told.pop("verbosity")
    return text


def as_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool in chat shape as it is here; not strict unless it says so, which here is not the default."""
    function = tool.get("function")
    return dict(tool) if function is None else {"type": "function", "strict": False, **function}
