"""Every question passes the guards of its context, whichever way it is asked."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tracelib.errors import BudgetExhausted, ModelError
from tracelib.llm.guard import Post, guarded
from tracelib.llm.model import Reply, Usage
from tracelib.testing import ScriptedModel


async def by_ask(model):
    return model.ask("Hi").text


async def by_aask(model):
    return (await model.aask("Hi")).text


async def by_stream(model):
    return "".join(model.stream("Hi"))


async def by_astream(model):
    return "".join([piece async for piece in model.astream("Hi")])


WAYS = [by_ask, by_aask, by_stream, by_astream]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def way(request):
    return request.param


async def test_a_guard_sees_the_question_and_the_reply(way):
    seen = []

    def watch(question):
        reply = yield question
        seen.append((question.model, question.messages[0]["content"], reply.text, reply.cost))
        return reply

    script = [Reply("yes", Usage(1_000_000, 0, 1_000_000))]
    model = ScriptedModel(script, prices={"scripted": {"input": 2, "output": 3}})
    with guarded(watch):
        assert await way(model) == "yes"
    assert seen == [("scripted", "Hi", "yes", 2.0)]


async def test_a_guard_refuses_before_anything_is_asked(way):
    def refuse(question):
        raise BudgetExhausted("no")
        yield

    model = ScriptedModel(["paid"])
    with guarded(refuse), pytest.raises(BudgetExhausted):
        await way(model)
    assert model.questions == []


async def test_a_guard_answers_from_what_it_kept(way):
    def keep(question):
        return Reply("kept")
        yield

    model = ScriptedModel(["paid"])
    with guarded(keep):
        assert await way(model) == "kept"
    assert model.questions == []


async def test_a_guard_hears_of_errors_and_lets_them_through(way):
    heard = []

    def settle(question):
        try:
            return (yield question)
        except ZeroDivisionError as error:
            heard.append(error)
            raise

    trouble = ZeroDivisionError("mine")
    with guarded(settle), pytest.raises(ZeroDivisionError) as error:
        await way(ScriptedModel([trouble]))
    assert heard == [trouble] == [error.value]


async def test_a_guard_may_ask_again(way):
    def insist(question):
        try:
            return (yield question)
        except ZeroDivisionError:
            return (yield question)

    with guarded(insist):
        assert await way(ScriptedModel([ZeroDivisionError(), "second"])) == "second"


async def test_guards_nest_the_outer_one_first(way):
    order = []

    def named(name):
        def guard(question):
            order.append(f"{name} asks")
            reply = yield question
            order.append(f"{name} hears")
            return reply

        return guard

    with guarded(named("outer")), guarded(named("inner")):
        await way(ScriptedModel(["yes"]))
    assert order == ["outer asks", "inner asks", "inner hears", "outer hears"]


async def test_what_an_outer_guard_took_is_given_back_when_an_inner_one_refuses(way):
    taken = []

    def reserve(question):
        taken.append(1)
        try:
            return (yield question)
        except BaseException:
            taken.pop()
            raise

    def refuse(question):
        raise BudgetExhausted("no")
        yield

    with guarded(reserve), guarded(refuse), pytest.raises(BudgetExhausted):
        await way(ScriptedModel(["paid"]))
    assert taken == []


async def test_a_guard_that_loses_the_reply_is_told_so(way):
    def forgetful(question):
        yield question

    with guarded(forgetful), pytest.raises(ModelError, match="a guard returned None"):
        await way(ScriptedModel(["yes"]))


async def test_guards_end_with_their_block_and_stay_in_their_context(way):
    counts = {"a": 0, "b": 0}

    def counting(name):
        def guard(question):
            counts[name] += 1
            return (yield question)

        return guard

    async def task(name):
        with guarded(counting(name)):
            await asyncio.sleep(0)
            await way(model)
        await way(model)

    model = ScriptedModel(lambda messages: "yes")
    await asyncio.gather(task("a"), task("b"))
    assert counts == {"a": 1, "b": 1}


async def test_a_cancelled_question_is_settled():
    ended = []

    def settle(question):
        try:
            return (yield question)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def forever(messages):
        await asyncio.sleep(60)

    from tracelib.llm.model import as_model

    with guarded(settle):
        task = asyncio.create_task(as_model(forever).aask("x"))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["cancelled"]


def test_a_stream_closed_early_is_settled():
    ended = []

    def settle(question):
        try:
            return (yield question)
        except GeneratorExit:
            ended.append("closed")
            raise

    class Slowly(ScriptedModel):
        def pieces(self, question):
            yield "one"
            yield "two"
            yield Reply("onetwo")

    with guarded(settle), Slowly([]).stream("x") as stream:
        assert next(stream) == "one"
    assert ended == ["closed"]
    with pytest.raises(ModelError, match="has not ended"):
        _ = stream.reply


def test_a_post_is_held_by_the_block_in_its_context_and_by_the_last_set_elsewhere():
    post = Post("test")

    def one(question):
        return (yield question)

    def other(question):
        return (yield question)

    def elsewhere():
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(post.guards).result()

    assert post.guards() == ()
    post.set(one)
    assert post.guards() == elsewhere() == (one,)
    post.begin_block(other)
    assert post.guards() == elsewhere() == (other,)
    post.set(one)
    assert post.guards() == (other,)
    assert elsewhere() == (one,)
    post.end_block(other)
    assert post.guards() == elsewhere() == (one,)
    post.end(one)
    assert post.guards() == elsewhere() == ()


def test_a_guard_stands_until_the_last_of_its_blocks_ends_in_whatever_context_that_is():
    post, begun = Post("test"), contextvars.copy_context()

    def one(question):
        return (yield question)

    begun.run(post.begin_block, one)
    post.begin_block(one)
    post.begin_block(one)
    post.end_block(one)
    post.end_block(one)
    assert post.guards() == begun.run(post.guards) == (one,)
    post.end_block(one)  # that of the other context
    assert post.guards() == begun.run(post.guards) == ()


def test_a_guard_that_is_ended_stands_in_no_block_and_the_one_around_it_does():
    post = Post("test")

    def one(question):
        return (yield question)

    def other(question):
        return (yield question)

    post.begin_block(one)
    post.begin_block(other)
    post.end(other)
    assert post.guards() == (one,)
    post.end_block(other)
    assert post.guards() == (one,)
    post.end_block(one)


async def test_a_guard_may_wait_for_another_thread_or_task(way):
    ready = Future()

    def patient(question):
        yield ready
        return (yield question)

    timer = threading.Timer(0.02, ready.set_result, (None,))
    timer.start()
    with guarded(patient):
        assert await way(ScriptedModel(["yes"])) == "yes"
    timer.join()
