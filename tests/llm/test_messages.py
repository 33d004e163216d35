from __future__ import annotations

import pytest

from tracelib.errors import MessageError, TraceError
from tracelib.graph.node import node
from tracelib.llm.message import Message, as_messages, assistant, system, user


def told(conversation: object) -> list[tuple[str, object]]:
    return [(message.role, message.content) for message in as_messages(conversation)]


def test_a_lone_text_is_what_the_user_says():
    assert as_messages("Hello") == [user("Hello")]


def test_texts_dicts_and_messages_mix_in_one_list():
    mixed = [system("Be kind."), {"role": "user", "content": "Hi"}, assistant("Hello"), "And now?"]
    assert told(mixed) == [
        ("system", "Be kind."),
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "And now?"),
    ]


def test_a_single_dict_or_message_is_a_conversation():
    assert as_messages({"role": "system", "content": "x"}) == as_messages(system("x")) == [system("x")]


def test_keys_beyond_role_and_content_survive():
    turn = {"role": "tool", "content": "4", "tool_call_id": "call_1", "name": "add"}
    (message,) = as_messages(turn)
    assert message.to_dict() == turn


def test_an_assistant_that_only_calls_tools_has_no_content():
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    (message,) = as_messages({"role": "assistant", "tool_calls": calls})
    assert message.to_dict() == {"role": "assistant", "content": None, "tool_calls": calls}


@pytest.mark.parametrize("wrap", [node, lambda text: node(text) + ""], ids=["leaf", "result"])
def test_recorded_texts_become_plain_str(wrap):
    for conversation in (wrap("Hi"), [wrap("Hi")], user(wrap("Hi")), {"role": "user", "content": wrap("Hi")}):
        (message,) = as_messages(conversation)
        assert message.content == "Hi"
        assert type(message.content) is str


def test_a_text_of_the_users_own_kind_becomes_plain_str():
    class Shout(str):
        def __str__(self):
            return "LOUD"

    (message,) = as_messages(Shout("Hi"))
    assert (message.content, type(message.content)) == ("Hi", str)


def test_a_recorded_list_of_messages_is_a_conversation():
    assert told(node([{"role": "system", "content": "x"}, {"role": "user", "content": "y"}])) == [
        ("system", "x"),
        ("user", "y"),
    ]


def test_recorded_values_deep_in_content_parts_become_plain():
    (message,) = as_messages(user([{"type": "text", "text": node("a") + "b"}]))
    assert message.content == [{"type": "text", "text": "ab"}]
    assert type(message.content[0]["text"]) is str


def test_a_message_keeps_its_own_copy_of_the_parts():
    parts = [{"type": "text", "text": "before"}]
    message = user(parts)
    parts[0]["text"] = "after"
    assert message.content == [{"type": "text", "text": "before"}]


@pytest.mark.parametrize(
    ("conversation", "words"),
    [
        ([], "the list is empty"),
        (3, "int 3 is not a message"),
        ([None], "NoneType None is not a message"),
        ({"content": "x"}, "says no role"),
        ({"role": "", "content": "x"}, "the role of a message is text"),
        (Message, "is not a message"),
    ],
)
def test_what_is_no_conversation_is_refused_in_words(conversation, words):
    with pytest.raises(MessageError, match=words) as refused:
        as_messages(conversation)
    assert isinstance(refused.value, TraceError)
    assert isinstance(refused.value, TypeError)


def test_content_that_is_neither_text_nor_parts_is_refused():
    with pytest.raises(MessageError, match="the user message holds int 5"):
        user(5)
