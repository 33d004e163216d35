"""The language that selects calls: Python's expressions over the fields of a call, compiled to SQL.

Nothing is evaluated: an expression is parsed, its names and operators are looked up here, and every
value in it becomes a bound parameter. It means the same on SQLite and PostgreSQL.

| name | is | compares with |
|---|---|---|
| `id`, `trace`, `parent` | the call, the outermost call it is within, the call it is within | an id or its first digits; `parent is None` at the top |
| `name`, `function` | what the function is called; `module:qualname` | text |
| `kind` | bundle, lm, prompt, tool | text |
| `version` | the version of the function | a number, a hash or its beginning, `"greet@3"`, `"greet@production"` |
| `status` | returned, failed, interrupted | text |
| `error` | the type of the exception | text; `error is None`, `not error` |
| `model`, `provider` | what was asked | text; None for plain calls |
| `start` | when it started | `"2026-11-01"`, `"2026-11-01T14:30"` (UTC unless it says otherwise), ages `"-2h"`, `"-7d"` (s, m, h, d, w) |
| `duration`, `first_token` | seconds | a number |
| `tokens_in`, `tokens_out`, `tokens` | tokens, and their sum | a number |
| `cost` | dollars | a number |
| `attempts` | of asking the model | a number |
| `sandbox` | where code that a model wrote ran | text; None for your own code |
| `run` | the run it belongs to | a name or an id |
| `tags` | its tags | `"good" in tags` |
| `score`, `score("accuracy")`, `score.accuracy` | its newest score, of any name or of one | a number |
| `feedback` | what was said about it, each remark | `"wrong" in feedback`, `feedback is None` |
| `input`, `inputs` | all its inputs | `"refund" in input` |
| `inputs["question"]` | one input | text, number, True, False; None |
| `output` | what it returned | text, number, True, False; None |

Operators: `==`, `!=`, `<`, `<=`, `>`, `>=` (also chained), `in` and `not in` (a text in a text, a value in a
list), `is None`, `is not None`, `and`, `or`, `not`, parentheses; `.startswith("...")`, `.endswith("...")`;
`.lower()`, which makes A to Z small, before any of them. Case matters everywhere else.

What is unknown (a cost without a price, a model where none was asked, an output that was not captured)
is neither equal nor unequal to anything: the comparison selects nothing, and its `not` selects nothing
either. Only `is None` finds it.

Values are searched as they are stored: a string as it is, anything else as JSON with `,` and `:` and no
spaces. Of a rare control character the last two digits of its escape are searched too, the `1b` of
`\\x1b`. A value of more than 2 KB is kept elsewhere; its first 200 characters are searched, and all of it
where whole values are asked for.
"""  # noqa: E501

from __future__ import annotations

import time

from tracelib.store.filters.conditions import Clause, Condition
from tracelib.store.filters.expressions import read
from tracelib.store.filters.operands import Identity, Number, Operand, Start, Status, Text
from tracelib.store.filters.references import OfRun, OfVersion, Remarks, Tags, score
from tracelib.store.filters.searched import inputs, output
from tracelib.store.schema import call, function

FIELDS: dict[str, Operand] = {
    "id": Identity("id", call.c.id),
    "trace": Identity("trace", call.c.trace),
    "parent": Identity("parent", call.c.parent, nullable=True),
    "name": Text("name", function.c.name, of_function=True),
    "function": Text("function", function.c.key, of_function=True),
    "kind": Text("kind", function.c.kind, of_function=True),
    "version": OfVersion(),
    "status": Status(),
    "error": Text("error", call.c.error_type, nullable=True),
    "model": Text("model", call.c.model, nullable=True),
    "provider": Text("provider", call.c.provider, nullable=True),
    "duration": Number("duration", call.c.duration_ns, 10**9, nullable=False),
    "first_token": Number("first_token", call.c.first_token_ns, 10**9),
    "tokens_in": Number("tokens_in", call.c.tokens_in),
    "tokens_out": Number("tokens_out", call.c.tokens_out),
    "tokens": Number("tokens", call.c.tokens_in + call.c.tokens_out),
    "cost": Number("cost", call.c.cost_nano, 10**9),
    "attempts": Number("attempts", call.c.attempts),
    "sandbox": Text("sandbox", call.c.sandbox, nullable=True),
    "run": OfRun(),
    "tags": Tags(),
    "score": score(None),
    "feedback": Remarks(),
    "input": inputs(),
    "inputs": inputs(),
    "output": output(),
}


def compiled(expression: str, now_ns: int | None = None) -> Clause:
    """The expression as a condition on rows of `call`.

    Raises FilterError, which shows what is not understood. `now_ns` (unix nanoseconds) is the moment that
    ages such as "-2h" are counted from.
    """
    return parsed(expression, now_ns).sql(positive=True)


def parsed(expression: str, now_ns: int | None = None) -> Condition:
    """The expression as a tree of conditions; raises FilterError."""
    return read(expression, {**FIELDS, "start": Start(time.time_ns() if now_ns is None else now_ns)})
