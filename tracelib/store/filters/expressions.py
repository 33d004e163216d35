"""Reads a filter: Python's syntax, parsed and never evaluated, and what each part asks of which field."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from tracelib.errors import FilterError
from tracelib.store.filters.conditions import Condition, Negation, all_of, any_of
from tracelib.store.filters.operands import Misuse, Number, Operand, Text
from tracelib.store.filters.references import Remarks, score
from tracelib.store.filters.searched import Value, input_named

LONGEST = 10_000  # characters
DEEPEST = 50
MOST = 500
"""Comparisons in an expression, values of lists counted too; SQLite allows a depth of 1,000."""

LINE_END = re.compile(r"\r\n|\r|\n")
"""What else `splitlines` takes for one may stand in a text that is looked for."""
LITERALS = (ast.Constant, ast.UnaryOp, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.JoinedStr)
TURNED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
ORDERS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


def read(expression: str, fields: Mapping[str, Operand]) -> Condition:
    """The conditions that an expression asks of the fields; raises FilterError with the place marked."""
    text = LINE_END.sub(" ", expression).strip()
    if len(text) > LONGEST:
        raise FilterError(f"a filter has at most {LONGEST:,} characters, this one has {len(text):,}")
    return _Reader(text, fields).condition(_tree(text))


def _tree(text: str) -> ast.expr:
    if not text:
        raise FilterError('a filter says what to select, such as: name == "greet" and duration > 2')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unknown escape in a text is a text all the same
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        at = max(0, (error.offset or 1) - 1)
        raise FilterError(shown(f"the filter is no expression: {error.msg}", text, at, at + 1)) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise FilterError(shown(f"the filter cannot be read: {error}", text, 0, len(text))) from error


def shown(message: str, text: str, start: int, end: int) -> str:
    """A message with the expression below it, and the part it is about marked."""
    marks = "^" * max(1, min(end, len(text)) - start)
    return f"{message}\n    {text}\n    {' ' * start}{marks}"


class _Reader:
    """Reads one expression."""

    def __init__(self, text: str, fields: Mapping[str, Operand]) -> None:
        self._text = text
        self._fields = fields
        self._count = 0
        self._depth = 0

    def condition(self, node: ast.expr) -> Condition:
        """The condition that a part of the expression is."""
        self._depth += 1
        with self._marked(node):
            if self._depth > DEEPEST:
                raise Misuse(f"a filter is nested at most {DEEPEST} deep")
            found = self._condition(node)
        self._depth -= 1
        return found

    def _condition(self, node: ast.expr) -> Condition:
        match node:
            case ast.BoolOp(op=ast.And()):
                return all_of([self.condition(part) for part in node.values])
            case ast.BoolOp():
                return any_of([self.condition(part) for part in node.values])
            case ast.UnaryOp(op=ast.Not()):
                return Negation(self.condition(node.operand))
            case ast.Compare():
                return self._comparisons(node)
            case ast.Call(func=ast.Attribute(attr="startswith" | "endswith") as method):
                return self._method(node, method)
            case ast.Name() | ast.Attribute() | ast.Subscript() | ast.Call():
                self._counted(1)
                return self._operand(node).known()
        raise Misuse('this is no condition: compare something, as in name == "greet"')

    def _comparisons(self, node: ast.Compare) -> Condition:
        sides = [node.left, *node.comparators]
        pairs = zip(sides, node.ops, sides[1:], strict=False)
        return all_of([self._comparison(left, operator, right) for left, operator, right in pairs])

    def _comparison(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Condition:
        self._counted(1)
        match operator:
            case ast.In():
                return self._within(left, right)
            case ast.NotIn():
                return Negation(self._within(left, right))
            case ast.Is():
                return self._none(left, right)
            case ast.IsNot():
                return Negation(self._none(left, right))
        return self._ordered(left, ORDERS[type(operator)], right)

    def _ordered(self, left: ast.expr, operator: str, right: ast.expr) -> Condition:
        if isinstance(left, LITERALS):
            if isinstance(right, LITERALS):
                raise Misuse("two values are compared here, and no field of a call")
            left, operator, right = right, TURNED[operator], left
        if operator == "!=":
            return Negation(self._ordered(left, "==", right))
        if isinstance(right, LITERALS):
            return self._with_value(self._operand(left), operator, self._value(right))
        first, second = self._operand(left), self._operand(right)
        if not (isinstance(first, Number) and isinstance(second, Number)):
            raise Misuse("two fields can be compared with each other where both are numbers")
        return first.compared(operator, second)

    def _with_value(self, operand: Operand, operator: str, value: Any) -> Condition:
        if value is None and operator == "==":
            return Negation(operand.known())
        if value is None:
            raise Misuse("None has no order")
        return operand.compared(operator, value)

    def _within(self, left: ast.expr, right: ast.expr) -> Condition:
        """`left in right`: a value in a list, or a text in a text."""
        if isinstance(right, (ast.List, ast.Tuple, ast.Set)):
            return self._among(self._operand(left), right.elts)
        if isinstance(right, LITERALS):
            raise Misuse('after `in` stands a list, or the field to search: "gpt" in model')
        needle = self._value(left)
        with self._marked(left):
            if not isinstance(needle, str):
                raise Misuse('a text is looked for: "..." in output')
        return self._operand(right).holds(needle)

    def _among(self, operand: Operand, values: list[ast.expr]) -> Condition:
        self._counted(len(values))
        found = [self._value(value) for value in values]
        if not found or None in found:
            raise Misuse("a list holds values; None is asked for by `is None`")
        if isinstance(operand, (Text, Value)):
            return operand.among(found)
        return any_of([operand.compared("==", value) for value in found])

    def _none(self, left: ast.expr, right: ast.expr) -> Condition:
        if not (isinstance(right, ast.Constant) and right.value is None):
            raise Misuse("`is` asks for None; compare everything else with ==")
        return Negation(self._operand(left).known())

    def _method(self, node: ast.Call, method: ast.Attribute) -> Condition:
        """.startswith("...") or .endswith("...")"""
        self._counted(1)
        operand = self._operand(method.value)
        if not isinstance(operand, (Text, Value)):
            raise Misuse("this is no text that begins or ends")
        words = self._argument(node)
        return operand.starts(words) if method.attr == "startswith" else operand.ends(words)

    def _argument(self, node: ast.Call) -> str:
        found = self._value(node.args[0]) if len(node.args) == 1 and not node.keywords else None
        if not isinstance(found, str):
            raise Misuse("one text belongs between the parentheses")
        return found

    def _operand(self, node: ast.expr) -> Operand:
        """The field that a part of the expression names."""
        with self._marked(node):
            match node:
                case ast.Name():
                    return self._field(node.id)
                case ast.Subscript(value=ast.Name(id="inputs" | "input")):
                    return self._input(node.slice)
                case ast.Attribute(value=ast.Name(id="score")):
                    return score(node.attr)
                case ast.Call(func=ast.Name(id="score")):
                    return score(self._argument(node))
                case ast.Call(func=ast.Attribute(attr="lower") as method, args=[], keywords=[]):
                    return self._lowered(method)
            raise Misuse(_advice(node))

    def _lowered(self, method: ast.Attribute) -> Operand:
        if _is_lower(method.value):
            raise Misuse(".lower() is written once")
        operand = self._operand(method.value)
        if not isinstance(operand, (Text, Value, Remarks)):
            raise Misuse("this has no letters to make small")
        return operand.lower()

    def _input(self, name: ast.expr) -> Operand:
        found = self._value(name)
        if not isinstance(found, str):
            raise Misuse('an input is named in quotes: inputs["question"]')
        return input_named(found)

    def _field(self, name: str) -> Operand:
        if name not in self._fields:
            near = get_close_matches(name, self._fields, 1)
            hint = f": did you mean {near[0]}?" if near else ""
            raise Misuse(f"there is no field {name}{hint} (known are {', '.join(sorted(self._fields))})")
        return self._fields[name]

    def _value(self, node: ast.expr) -> Any:
        """A value as it is written."""
        with self._marked(node):
            match node:
                case ast.Constant(value=str() | bool() | int() | float() | None):
                    return node.value
                case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                    return -number
            raise Misuse("a text in quotes, a number, True, False or None belongs here")

    def _counted(self, more: int) -> None:
        self._count += more
        if self._count > MOST:
            raise Misuse(f"a filter has at most {MOST} comparisons and values in lists")

    @contextmanager
    def _marked(self, node: ast.expr) -> Iterator[None]:
        """Errors inside show this part of the expression, unless a smaller part was shown."""
        try:
            yield
        except Misuse as error:
            raise FilterError(shown(str(error), self._text, *self._columns(node))) from None

    def _columns(self, node: ast.expr) -> tuple[int, int]:
        """In characters; ast counts the bytes of UTF-8."""
        encoded = self._text.encode()
        end = node.end_col_offset if node.end_col_offset is not None else node.col_offset + 1
        return len(encoded[: node.col_offset].decode()), len(encoded[:end].decode())


def _is_lower(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "lower"


def _advice(node: ast.expr) -> str:
    match node:
        case ast.Call(func=ast.Attribute(attr="contains")):
            return 'write "..." in output to search a text'
        case ast.Call(func=ast.Attribute(attr=attribute)):
            return f".{attribute}() is not known: there are .lower(), .startswith(...) and .endswith(...)"
        case ast.Call(func=ast.Name(id=name)):
            return f'{name}() is not known: there is score("name")'
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return f'{name}.{attribute} is not known; an input is inputs["{attribute}"]'
    return "a field of a call belongs here"
