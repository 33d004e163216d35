"""Agents: the loop between a program and its tools, what it gives, and what is recorded."""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import weakref
from typing import Any

import pydantic
import pytest

import tracelib as trace
from tracelib.errors import ExecutionError, GraphError, InvalidReply, ModelCallError, TurnLimitReached
from tracelib.llm.openai import OpenAIModel, RetryPolicy
from tracelib.llm.reply import Reply, ToolCall
from tracelib.programs.agent import Conversation
from tracelib.testing import Fails, LoopbackServer, Says, ScriptedModel, calls_tool


@trace.tool
def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


@trace.tool
async def slow_add(a: int, b: int) -> int:
    """The sum of two numbers, later."""
    await asyncio.sleep(0)
    return a + b


def wants(name: str, **given: Any) -> Reply:
    return Reply("", tool_calls=(ToolCall(f"call-{name}", name, json.dumps(given)),), cost=0.25)


def agent(*replies: Any, tools: Any = (add,)) -> tuple[Any, ScriptedModel]:
    model = ScriptedModel(list(replies))

    @trace.lm(model=model, tools=list(tools))
    def assistant(messages: list[Any]) -> list[Any]:
        """You calculate."""
        return messages

    return assistant, model


def roles(conversation: Any) -> list[str]:
    return [message.role for message in conversation.messages]


def test_tools_are_called_until_no_call_is_left() -> None:
    assistant, model = agent(wants("add", a=1, b=2), wants("add", a=3, b=4), Reply("It is 7.", cost=0.5))
    done = trace.agent_loop(assistant, "What is 1 + 2 + 4?")
    assert (done.text, str(done), done.reply.text, done.cost) == ("It is 7.", "It is 7.", "It is 7.", 1.0)
    assert roles(done) == ["user", "assistant", "tool", "assistant", "tool", "assistant"]
    assert len(done.replies) == 3
    assert [message.to_dict() for message in done.messages[:-1]] == model.questions[-1][1:]
    assert model.questions[-1][-1] == {"role": "tool", "content": "7", "tool_call_id": "call-add"}
    assert model.questions[0] == [
        {"role": "system", "content": "You calculate."},
        {"role": "user", "content": "What is 1 + 2 + 4?"},
    ]


async def test_an_async_program_is_awaited() -> None:
    model = ScriptedModel([wants("slow_add", a=1, b=2), wants("add", a=3, b=4), "It is 7."])

    @trace.lm(model=model, tools=[add, slow_add])
    async def assistant(messages: list[Any]) -> list[Any]:
        return messages

    done = await trace.agent_loop(assistant, "What is 1 + 2 + 4?")
    assert (done.text, roles(done)[-2:]) == ("It is 7.", ["tool", "assistant"])
    assert [message.to_dict()["content"] for message in done.messages if message.role == "tool"] == ["3", "7"]
    assert trace.origin(done).calls[0].op.name == "agent_loop"


def test_a_conversation_goes_on() -> None:
    assistant, _ = agent(wants("add", a=1, b=2), "3", "You asked for 1 + 2.")
    first = trace.agent_loop(assistant, "1 + 2?")
    second = trace.agent_loop(assistant, [*first.messages, trace.user("What did I ask?")])
    assert second.text == "You asked for 1 + 2."
    assert roles(second) == ["user", "assistant", "tool", "assistant", "user", "assistant"]


def test_a_model_that_got_a_call_wrong_can_mend_it() -> None:
    assistant, model = agent(wants("add", a=1), wants("fly"), wants("add", a=1, b=2), "3")
    assert trace.agent_loop(assistant, "1 + 2?").text == "3"
    told = [message["content"] for message in model.questions[-1] if message["role"] == "tool"]
    assert "b is missing" in told[0]
    assert "there is no tool 'fly'" in told[1]
    assert told[2] == "3"


def test_a_call_that_is_wrong_ends_the_loop_where_that_is_wanted() -> None:
    assistant, _ = agent(wants("fly"), "never")
    with pytest.raises(InvalidReply, match="no tool 'fly'"):
        trace.agent_loop(assistant, "1 + 2?", errors="raise", parallel=True)


def test_an_agent_that_never_ends_is_stopped_and_can_be_gone_on_with() -> None:
    assistant, _ = agent(*[wants("add", a=1, b=2)] * 3, "It is 3.")
    with pytest.raises(TurnLimitReached, match=r"still calls tools \(add\) in turn 3") as stopped:
        trace.agent_loop(assistant, "1 + 2?", max_turns=3)
    assert isinstance(stopped.value, ExecutionError)
    told = stopped.value.conversation
    assert roles(told) == ["user", *["assistant", "tool"] * 3]
    assert len(told.replies) == 3
    assert trace.agent_loop(assistant, told.messages).text == "It is 3."


def test_one_turn_is_enough_for_a_reply_without_calls() -> None:
    assistant, _ = agent("Hello.")
    assert trace.agent_loop(assistant, "Hi", max_turns=1).text == "Hello."


def test_tools_may_be_given_to_the_loop_and_are_offered() -> None:
    model = ScriptedModel([wants("add", a=1, b=2), "3"])
    plain = trace.lm(model=model, raw=True)(lambda messages: messages)
    done = trace.agent_loop(plain, "1 + 2?", tools=[add])
    assert done.messages[2].content == "3"
    assert model.asked[0].params["tools"] == [add.schema]


def test_any_function_that_gives_a_reply_is_a_program() -> None:
    replies = iter([wants("add", a=1, b=2), Reply("3")])
    sizes = []

    def program(messages: list[Any], pause: float) -> Reply:
        sizes.append((len(messages), pause))
        return next(replies)

    done = trace.agent_loop(functools.partial(program, pause=0.5), [trace.user("1 + 2?")], tools=[add])
    assert (done.text, sizes) == ("3", [(1, 0.5), (3, 0.5)])
    assert done.cost is None


def test_a_recorded_function_that_gives_a_reply_is_a_program() -> None:
    replies = iter([wants("add", a=1, b=2), Reply("3")])
    program = trace.bundle(lambda messages: next(replies), name="program")
    done = trace.agent_loop(program, "1 + 2?", tools=[add])
    assert done.text == "3"
    assert trace.origin(done.messages[-1]).calls[0].op.name == "program"


def test_a_method_is_a_program() -> None:
    class Bot:
        @trace.lm(model=ScriptedModel([wants("add", a=1, b=2), "3"]), tools=[add])
        def answer(self, messages: list[Any]) -> list[Any]:
            return messages

    assert trace.agent_loop(Bot().answer, "1 + 2?").text == "3"


@pytest.mark.parametrize("trainable", [False, True])
def test_tools_that_are_given_are_offered_by_methods_and_partials_too(trainable: bool) -> None:
    model = ScriptedModel([wants("add", a=1, b=2), "3"] * 2)

    class Bot:
        @trace.lm(model=model, trainable=trainable)
        def answer(self, messages: list[Any], style: str = "brief") -> list[Any]:
            """Be nice."""
            return messages

    for program in (Bot().answer, functools.partial(Bot().answer, style="long")):
        assert trace.agent_loop(program, "1 + 2?", tools=[add]).messages[2].content == "3"
    assert [question.params["tools"] for question in model.asked] == [[add.schema]] * 4


async def test_a_part_of_an_async_program_is_awaited() -> None:
    @trace.lm(model=ScriptedModel([wants("add", a=1, b=2), "3"]), tools=[add])
    async def answer(style: str, messages: list[Any]) -> list[Any]:
        return messages

    assert (await trace.agent_loop(functools.partial(answer, "brief"), "1 + 2?")).text == "3"


def test_the_last_reply_of_an_agent_has_the_object_that_was_asked_for() -> None:
    class Sum(pydantic.BaseModel):
        total: int

    model = ScriptedModel([wants("add", a=1, b=2), '{"total": 3}'])
    answer = trace.lm(model=model, tools=[add], response_format=Sum)(lambda messages: messages)
    assert trace.agent_loop(answer, "1 + 2?").reply.parsed == Sum(total=3)


def test_each_message_knows_the_call_that_it_came_from() -> None:
    question = trace.bundle(lambda: "1 + 2?", name="ask")()
    assistant, _ = agent(Reply("Let me see.", tool_calls=wants("add", a=1, b=2).tool_calls), "3")
    done = trace.agent_loop(assistant, question)
    names = [[call.op.name for call in trace.origin(message).calls] for message in done.messages]
    assert names == [["ask"], ["assistant"], ["add"], ["assistant"]]
    assert done.text.__origin_trace__ == trace.origin(done.reply).ids


def test_all_is_one_call_with_the_turns_and_tools_in_it() -> None:
    assistant, _ = agent(wants("add", a=1, b=2), "3")
    done = trace.agent_loop(assistant, "1 + 2?")
    (whole,) = trace.origin(done).calls
    assert whole.op.name == "agent_loop"
    made = trace.bundle(lambda conversation: conversation.text, name="use")(done)
    graph = trace.Graph.behind(made)
    (loop,) = [found for found in graph.nodes if found.op == "agent_loop"]
    inside = [
        found.op.name for found in graph.nodes if graph.caller(found) is loop and found.call is not None
    ]
    assert inside == ["assistant", "add", "assistant"]
    assert made == "3"


def test_the_second_turn_is_made_from_the_first_by_way_of_the_tool() -> None:
    assistant, _ = agent(wants("add", a=1, b=2), "3")
    done = trace.agent_loop(assistant, "1 + 2?")
    behind = trace.Graph.behind(done.text).nodes
    assert [found.op.name for found in behind if found.call is not None] == ["assistant", "add", "assistant"]


def test_feedback_on_the_answer_reaches_the_prompt() -> None:
    model = ScriptedModel([wants("add", a=1, b=2), "3"])

    @trace.lm(model=model, tools=[add], trainable=True)
    def assistant(messages: list[Any]) -> list[Any]:
        """You calculate."""
        return messages

    done = trace.agent_loop(assistant, "1 + 2?")
    done.text.backward("say more")
    assert "say more" in str(assistant.system.feedback)


def test_a_store_keeps_the_tree_of_calls(tmp_path: Any) -> None:
    assistant, _ = agent(wants("add", a=1, b=2), "3")
    with trace.SQLiteStore(tmp_path) as store:
        done = trace.agent_loop(assistant, "1 + 2?")
        (whole,) = trace.origin(done).calls
    tree = store.trace(whole.id)
    assert [call.name for call in tree] == ["agent_loop", "assistant", "add", "assistant"]
    assert {call.parent for call in tree[1:]} == {whole.id}
    kept = store.call(whole.id)
    assert kept.output.replies[-1].text == "3"
    assert [message.role for message in kept.output.messages] == roles(done)
    assert (kept.inputs["program"], kept.inputs["max_turns"]) == ("assistant", 10)
    assert [message.content for message in kept.inputs["messages"]] == ["1 + 2?"]


def answers_by_question(messages: list[dict[str, Any]]) -> Reply:
    """Adds the number that was asked for to itself, then says the sum."""
    if messages[-1]["role"] == "tool":
        return Reply(messages[-1]["content"])
    number = int(messages[-1]["content"])
    return wants("slow_add", a=number, b=number)


async def test_many_loops_at_once_keep_apart() -> None:
    model = ScriptedModel(answers_by_question)

    @trace.lm(model=model, tools=[slow_add])
    async def assistant(messages: list[Any]) -> list[Any]:
        return messages

    done = await trace.gather(*(trace.agent_loop(assistant, str(number)) for number in range(20)))
    assert [one.text for one in done] == [str(2 * number) for number in range(20)]
    assert {len(one.messages) for one in done} == {4}
    assert len({call.id for one in done for call in trace.origin(one).calls}) == 20


def test_many_loops_in_threads_keep_apart() -> None:
    assistant = trace.lm(model=ScriptedModel(answers_by_question), tools=[slow_add])(
        lambda messages: messages
    )
    loops = [functools.partial(trace.agent_loop, assistant, str(number)) for number in range(10)]
    assert [one.text for one in trace.gather(*loops)] == [str(2 * number) for number in range(10)]


def test_nothing_is_left_of_a_conversation_that_is_dropped() -> None:
    assistant, _ = agent(wants("add", a=1, b=2), "3")
    done = trace.agent_loop(assistant, "1 + 2?")
    gone = weakref.ref(done), weakref.ref(done.text)
    gc.disable()
    try:
        del done
        assert [one() for one in gone] == [None, None]
    finally:
        gc.enable()


def test_nothing_is_recorded_where_recording_is_stopped() -> None:
    assistant, _ = agent(wants("add", a=1, b=2), "3")
    with trace.stop_tracing():
        done = trace.agent_loop(assistant, "1 + 2?")
    assert isinstance(done, Conversation)
    assert (done.text, type(done.text)) == ("3", str)
    assert not trace.origin(done)


@pytest.mark.parametrize(
    ("program", "options", "words"),
    [
        (lambda messages: "text", {}, "gave str 'text', and agent_loop needs a Reply"),
        (lambda messages: asyncio.sleep(0), {}, "the program is async, and does not say so"),
        (lambda messages: Reply("x"), {"max_turns": 0}, "max_turns is how often the program is asked"),
        (lambda messages: Reply("x"), {"errors": "rase"}, "errors is one of tell, raise, not 'rase'"),
        (lambda messages: Reply("x"), {"tools": add}, r"write tools=\[...\]"),
    ],
)
def test_what_is_no_agent_is_refused_in_words(program: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(GraphError, match=words):
        trace.agent_loop(program, "Hi", **options)


def test_over_a_connection_the_loop_and_its_end_are_the_same() -> None:
    answers = [calls_tool("add", a=1, b=2), Says("It is 3."), Fails(400)]
    with LoopbackServer(answers) as server:
        model = OpenAIModel("small", base_url=server.base_url, retry=RetryPolicy(attempts=1))
        assistant = trace.lm(model=model, tools=[add])(lambda messages: messages)
        assert trace.agent_loop(assistant, "1 + 2?").text == "It is 3."
        with pytest.raises(ModelCallError):
            trace.agent_loop(assistant, "again")
        model.close()
        sent = server.requests[1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool"]
    assert sent[1]["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a": 1, "b": 2}'}
    assert sent[2] == {"role": "tool", "content": "3", "tool_call_id": "call_0"}


def test_a_program_and_its_tools_are_an_agent_that_takes_messages() -> None:
    model = ScriptedModel([wants("add", a=1, b=2), "3", wants("add", a=2, b=2), wants("add", a=2, b=2)])

    @trace.lm(model=model, raw=True)
    def assistant(messages: list[Any]) -> list[Any]:
        return messages

    calculator = trace.agent_loop(assistant, [add], max_turns=2)
    assert calculator("What is 1 + 2?").text == "3"
    with pytest.raises(TurnLimitReached):
        calculator([trace.user("What is 2 + 2?")])
