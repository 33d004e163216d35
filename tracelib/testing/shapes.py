"""A chat completion in the shapes that each of an endpoint's APIs gives it, whole and in pieces."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

CHAT, RESPONSES, EMBEDDINGS = "/v1/chat/completions", "/v1/responses", "/v1/embeddings"
DIMENSIONS = 32
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def whole(path: str, completion: Mapping[str, Any], body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The completion as the API at this path answers."""
    if path == EMBEDDINGS:
        return embeddings(body)
    return response(completion) if path == RESPONSES else completion


def pieces(path: str, completion: Mapping[str, Any], body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The completion as the API at this path streams it."""
    return list(events(response(completion))) if path == RESPONSES else chunks(completion, body)


def chunks(completion: Mapping[str, Any], body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The completion as the chunks of a stream: the role, each word, the end, and the usage if asked for."""
    shell = {**completion, "object": "chat.completion.chunk"}
    usage = shell.pop("usage")
    flow = [{**shell, "choices": [part]} for choice in completion["choices"] for part in parts(choice)]
    if (body.get("stream_options") or {}).get("include_usage"):
        flow.append({**shell, "choices": [], "usage": usage})
    return flow


def parts(choice: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One choice as the deltas of a stream."""
    message, index = choice["message"], choice["index"]
    deltas: list[dict[str, Any]] = [{"role": "assistant"}]
    deltas += [{"content": word} for word in words(message["content"] or "")]
    deltas += [{"refusal": word} for word in words(message["refusal"] or "")]
    deltas += [{"tool_calls": [{"index": i, **call}]} for i, call in enumerate(message.get("tool_calls", ()))]
    told = [{"index": index, "delta": delta, "finish_reason": None} for delta in deltas]
    return [*told, {"index": index, "delta": {}, "finish_reason": choice["finish_reason"]}]


def words(text: str) -> list[str]:
    """The text cut before each space, nothing lost.

    >>> words("to be  or")
    ['to', ' be', ' ', ' or']
    """
    first, *rest = text.split(" ")
    return [word for word in (first, *(f" {word}" for word in rest)) if word]


def response(completion: Mapping[str, Any]) -> dict[str, Any]:
    """The completion's first choice as the Responses API has it."""
    usage, choices = completion["usage"], completion["choices"]
    reason = INCOMPLETE.get(choices[0]["finish_reason"]) if choices else None
    return {
        "id": str(completion["id"]).replace("chatcmpl", "resp"),
        "object": "response",
        "created_at": 0,
        "model": completion["model"],
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "error": None,
        "output": list(output(choices[0]["message"])) if choices else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": usage.get("prompt_tokens"),
            "input_tokens_details": usage.get("prompt_tokens_details"),
            "output_tokens": usage.get("completion_tokens"),
            "output_tokens_details": usage.get("completion_tokens_details"),
            "total_tokens": usage.get("total_tokens"),
        },
    }


def output(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The items of an output that stand for a message."""
    content: list[dict[str, Any]] = []
    if message["content"] is not None:
        content.append({"type": "output_text", "text": message["content"], "annotations": []})
    if message["refusal"] is not None:
        content.append({"type": "refusal", "refusal": message["refusal"]})
    if content:
        shell = {"id": "msg_0", "type": "message", "role": "assistant", "status": "completed"}
        yield {**shell, "content": content}
    for call in message.get("tool_calls", ()):
        shell = {"id": f"fc_{call['id']}", "type": "function_call", "status": "completed"}
        yield {**shell, "call_id": call["id"], **call["function"]}


def events(answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A response as the events of a stream: its beginning, each word, and the whole."""
    begun = {**answer, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    flow: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
    for index, item in enumerate(answer["output"]):
        flow += [{"output_index": index, "item_id": item["id"], **told} for told in deltas(item)]
    flow.append({"type": f"response.{answer['status']}", "response": answer})
    yield from ({"sequence_number": nth, **event} for nth, event in enumerate(flow))


def deltas(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What an item adds to a stream."""
    if item["type"] == "function_call":
        yield {"type": "response.function_call_arguments.delta", "delta": item["arguments"]}
    for index, part in enumerate(item.get("content", ())):
        kind = part["type"]
        for word in words(part.get("text") or part.get("refusal") or ""):
            yield {"type": f"response.{kind}.delta", "content_index": index, "delta": word}


def embeddings(body: Mapping[str, Any]) -> dict[str, Any]:
    """A vector for each text of the input: texts that share words lie near each other."""
    told = body.get("input", ())
    texts = [told] if isinstance(told, str) else told
    data = [{"object": "embedding", "index": i, "embedding": vector(text)} for i, text in enumerate(texts)]
    count = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return {"object": "list", "model": body.get("model", ""), "data": data, "usage": usage}


def vector(text: str) -> list[float]:
    """The words of a text counted into a vector of length 1 (or 0 without any word)."""
    counts = [0.0] * DIMENSIONS
    for word in text.lower().split():
        counts[zlib.crc32(word.encode()) % DIMENSIONS] += 1
    length = sum(count * count for count in counts) ** 0.5 or 1.0
    return [count / length for count in counts]


def asked(body: Mapping[str, Any]) -> list[str]:
    """The texts of what was asked, by whichever API."""
    turns = body.get("messages") or body.get("input") or ()
    return [str(turn.get("content") or "") for turn in turns if isinstance(turn, Mapping)]


def instance_for(body: Mapping[str, Any]) -> str | None:
    """The smallest instance of the schema that the answer is asked to have, as JSON; None without one."""
    format = body.get("response_format") or (body.get("text") or {}).get("format") or {}
    schema = {**format, **format.get("json_schema", {})}.get("schema")
    return None if schema is None else json.dumps(smallest(schema, schema))


def counted(body: Mapping[str, Any], message: Mapping[str, Any]) -> dict[str, Any]:
    """Usage with a word for a token."""
    prompt = sum(len(text.split()) for text in asked(body))
    completion = len(str(message["content"] or "").split())
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def smallest(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """The smallest instance of a JSON schema, always the same: first choices, empty lists, least numbers."""
    if "$ref" in schema:
        return smallest(referred(schema["$ref"], root), root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return smallest(schema[key][0], root)
    return smallest_of_type(schema, root)


def smallest_of_type(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """The smallest instance by the schema's `type`."""
    kind = schema.get("type")
    if kind == "object":
        return {name: smallest(inner, root) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [smallest(schema["items"], root)] * int(schema.get("minItems", 0))
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    return {"string": "x" * int(schema.get("minLength", 0)), "boolean": False}.get(str(kind))


def referred(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of the root schema that a local reference such as `#/$defs/Name` points to."""
    found: Any = root
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)
