"""Objects out of a text: an order as a pydantic object, whose own check sends a wrong reply back once.

    python examples/extraction.py "Two teas at 3.20 each. Total 6.40. Anna Berg"

With TRACELIB_MODEL (and OPENAI_API_KEY, or OPENAI_BASE_URL for any other server) a real model reads.
Without it the replies are played from a script, and the output says so.
"""

import os
import sys

import pydantic

import tracelib as trace
from tracelib.llm.model import as_model
from tracelib.testing import ScriptedModel

LETTER = """\
Dear shop, please send me three notebooks at 4.50 each and a pen at 2.25,
which makes 15.75 if I am not mistaken. Kind regards, Juan Vega"""
WRONG = '{"customer": "Juan Vega", "items": [{"name": "notebook", "count": 3, "price": 4.5}], "total": 15.75}'
RIGHT = WRONG.replace("}]", '}, {"name": "pen", "count": 1, "price": 2.25}]')

if os.environ.get("TRACELIB_MODEL"):
    model = as_model()
else:
    print("No language model is asked: TRACELIB_MODEL is not set, the replies are scripted.\n")
    model = ScriptedModel([WRONG, RIGHT])


class Item(pydantic.BaseModel):
    name: str
    count: int = pydantic.Field(ge=0)
    price: float = pydantic.Field(ge=0, description="of one")


class Order(pydantic.BaseModel):
    customer: str
    items: list[Item]
    total: float

    @pydantic.model_validator(mode="after")
    def adds_up(self):
        found = sum(item.count * item.price for item in self.items)
        if abs(found - self.total) > 0.005:
            raise ValueError(f"the items come to {found:.2f} and the total is {self.total:.2f}")
        return self


@trace.lm(model=model, response_format=Order, temperature=0)
def read_order(letter):
    """Read the customer's order."""
    return letter


def main():
    order = read_order(" ".join(sys.argv[1:]) or LETTER)
    for item in order.items:
        print(f"{item.count} x {item.name:<12}{item.price:>8.2f}")
    print(f"{order.customer + ', in all':<16}{order.total:>8.2f}")
    if isinstance(model, ScriptedModel):
        print(f"\nThe first reply went back with: {model.questions[1][-1]['content'].splitlines()[0]}")


if __name__ == "__main__":
    main()
