"""The text of a closure: flat source in the order in which the program itself ran it."""

from __future__ import annotations

from dataclasses import dataclass

from tracelib.redaction import DEFAULT as REDACTOR
from tracelib.versioning.lines import Item
from tracelib.versioning.pieces import CONSTANT
from tracelib.versioning.running import Running, paragraphs
from tracelib.versioning.secrets import may_name_a_secret, redacted


@dataclass(frozen=True)
class Text:
    """A closure's text in three: what runs before the function, its own source, what runs after."""

    before: str
    source: str
    after: str

    @property
    def whole(self) -> str:
        return "\n\n".join(part for part in (self.before, self.source, self.after) if part) + "\n"


class Emission(Running):
    """The text of one closure."""

    def text(self) -> Text:
        self.claim_names()
        for piece in self.walk.pieces:
            self.write(piece)
        self.write_aliases()
        self.write_attributes()
        self.redact()
        return self.joined()

    def redact(self) -> None:
        """Take the secrets out; a plain constant under a secret name was marked before."""
        code = "\n".join([item.text for item in self.items if not item.literal])
        literals = "\n".join([item.text for item in self.items if item.literal])
        told = may_name_a_secret(code) or REDACTOR.suspicious(code)
        if told or (literals and REDACTOR.suspicious(literals)):
            for item in self.items:
                item.text = REDACTOR.text(item.text) if item.literal else redacted(item.text)
            for index, texts in self.texts.items():
                literal = self.walk.pieces[index].kind == CONSTANT
                self.texts[index] = [REDACTOR.text(t) if literal else redacted(t) for t in texts]

    def joined(self) -> Text:
        by_space: dict[int, list[Item]] = {}
        for item in self.items:
            by_space.setdefault(id(item.space), []).append(item)
        ordered: list[Item] = []
        for some in self.running_order(by_space):
            ordered += some
        lines = self.future() + self.module_lines()
        at = next((i for i, item in enumerate(ordered) if item.root), len(ordered))
        before = [Item(self.walk.pieces[0].space, (0, 0, 0), line) for line in lines] + ordered[:at]
        source = ordered[at].text if at < len(ordered) else ""
        return Text(paragraphs(before), source, paragraphs(ordered[at + 1 :]))

    def future(self) -> list[str]:
        chunks = {id(s.chunk): s.chunk for p in self.walk.pieces for s in p.statements}
        chunks.update({id(p.chunk): p.chunk for p in self.walk.pieces if p.chunk is not None})
        return ["from __future__ import annotations"] if any(c.future for c in chunks.values()) else []
