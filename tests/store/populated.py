"""Stores with some of everything, the same for the same seed; ids and times can be moved apart."""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select

from tracelib.store import schema
from tracelib.store.database import Database
from tracelib.store.values.blobs import Blobs, outsourced

SECOND = 10**9
DAY = 86_400 * SECOND
BEGIN = 1_790_000_000 * SECOND
WORDS = ["refund", "naïve", "日本", "line\nbreak", "nul \x00", "quote \" '", "half \ud83d", "%_\\", "", "🙂"]


def id_at(nanoseconds: int, serial: int) -> uuid.UUID:
    """A UUIDv7 of that time."""
    return uuid.UUID(int=(nanoseconds // 10**6) << 80 | 7 << 76 | 2 << 62 | serial)


@dataclass(frozen=True)
class Spec:
    """What to put in: `owner` makes ids and names its own; `begin` and `step` are nanoseconds."""

    seed: int = 0
    traces: int = 10
    owner: int = 0
    begin: int = BEGIN
    step: int = SECOND
    big: int = 6000
    marked: bool = True
    versions: tuple[str, ...] = ("aa", "bb")


def populate(database: Database, blobs: Blobs, spec: Spec | None = None) -> list[str]:
    """The ids of the calls, in hexadecimal, in order."""
    with database.writing() as connection:
        return _Writer(connection, blobs, spec or Spec()).write()


class _Writer:
    def __init__(self, connection: Connection, blobs: Blobs, spec: Spec) -> None:
        self.connection = connection
        self.blobs = blobs
        self.spec = spec
        self.random = random.Random(spec.seed)
        self.serial = spec.owner * 100_000
        self.number = connection.execute(select(func.max(schema.call.c.n))).scalar() or 0
        self.history: list[dict[str, str]] = []
        self.calls: list[bytes] = []

    def write(self) -> list[str]:
        begin = self.spec.begin
        self.session = self.add(schema.session, id=self.id(begin), started_ns=begin, pid=7,
                                host="häst", python="3.11.9", tracelib="0.1.0")  # fmt: skip
        self.functions = [
            self.add(schema.function, key=f"app{self.spec.owner}:{name}", name=name, kind=kind)
            for name, kind in (("greet", "bundle"), ("ask", "lm"))
        ]
        self.versions = [n for function in self.functions for n in self.write_versions(function)]
        self.runs = [self.run(n) for n in range(2)]
        for nth in range(self.spec.traces):
            self.trace(self.spec.begin + nth * self.spec.step)
        self.parameters()
        if self.spec.marked:
            self.marks()
        return [id.hex() for id in self.calls]

    def add(self, table: Any, **values: Any) -> int:
        return int(self.connection.execute(insert(table).values(values)).inserted_primary_key[0])

    def id(self, at: int) -> bytes:
        self.serial += 1
        return id_at(at, self.serial).bytes

    def word(self) -> str:
        return self.random.choice(WORDS)

    def plain(self) -> str:
        return self.word().replace("\0", "").replace("\ud83d", "")

    def value(self) -> Any:
        kind = self.random.randrange(6)
        if kind == 0:
            return [self.word(), self.random.random(), None, 2**60]
        if kind == 1:
            return {"deep": {"x": self.word()}, "n": self.random.randrange(10), "f": 1.0}
        if kind == 2:
            return self.random.choice("abc") * self.spec.big
        if kind == 3:
            self.history = [*self.history[-9:], {"role": "user", "content": self.word() * 100}]
            return list(self.history)
        return self.word()

    def write_versions(self, function: int) -> list[int]:
        found: list[int] = []
        for number, name in enumerate(self.spec.versions, 1):
            closure = {
                "name": f"f{function}",
                "source": f"def f(): return {name!r}",
                "hash": f"v1:{function}{name}",
            }
            found.append(
                self.add(
                    schema.version, function=function, number=number, hash=closure["hash"],
                    parent=found[-1] if found else None, source=closure["source"], dependencies="import os",
                    closure=json.dumps(closure), api_params='{"model": "m"}', free_values="{}",
                    global_values=json.dumps({"x": [1, 2.5]}), partial=number == 2,
                    created_ns=self.spec.begin + number, message=f"change {name}", message_by="difference",
                )
            )  # fmt: skip
            used = {"used_key": "app:other", "used_hash": "v1:ff"}
            self.connection.execute(insert(schema.use).values(version=found[-1], **used))
        return found

    def run(self, nth: int) -> int:
        ended = {"end_ns": self.spec.begin + DAY, "status": "finished"} if nth else {"status": "running"}
        return self.add(schema.run, id=self.id(self.spec.begin), name=f"run {nth}", config='{"lr": 0.5}',
                        start_ns=self.spec.begin, **ended)  # fmt: skip

    def trace(self, at: int) -> None:
        ids = [self.id(at + n) for n in range(self.random.randint(1, 4))]
        for nth, id in reversed(list(enumerate(ids))):
            self.call(id, ids[0], ids[0] if nth else None, at + nth)

    def call(self, id: bytes, trace: bytes, parent: bytes | None, at: int) -> None:
        chosen = self.random
        which = chosen.randrange(len(self.versions))
        failed = chosen.random() < 0.2
        self.number += 1
        number = self.add(
            schema.call, n=self.number, id=id, trace=trace, parent=parent,
            function=self.functions[which // len(self.spec.versions)],
            version=chosen.choice([None, self.versions[which]]), session=self.session,
            run=chosen.choice([None, *self.runs]), status=int(failed),
            error_type="ValueError" if failed else None, start_ns=at, duration_ns=chosen.randrange(SECOND),
            place=len(self.calls), model=chosen.choice([None, "gpt"]), cost_nano=chosen.choice([None, 0, 12]),
        )  # fmt: skip
        self.payload(number, failed)
        for source in {*chosen.sample(self.calls, min(2, len(self.calls)))}:
            self.connection.execute(insert(schema.edge).values(target=number, source=source, slot="x"))
        self.calls.append(id)

    def payload(self, number: int, failed: bool) -> None:
        hashes: list[str] = []
        sections: dict[str, str | None] = {
            "inputs": self.section({"q": self.value(), "n": self.value()}, hashes)
        }
        if failed:
            sections["error"] = self.section({"type": "ValueError", "message": self.word()}, hashes)
        else:
            sections["output"] = self.section(self.value(), hashes)
        self.connection.execute(insert(schema.payload).values(call=number, **sections))
        for hash in set(hashes):
            self.connection.execute(insert(schema.blob_use).values(call=number, hash=hash))

    def section(self, value: Any, hashes: list[str]) -> str:
        text, used = outsourced(json.dumps(value), lambda data: self.blobs.put(self.connection, data))
        hashes += used
        return text

    def parameters(self) -> None:
        program = f"app{self.spec.owner}:Agent"
        number = self.add(schema.parameter, program=program, path="prompt", is_code=False, description="d")
        for nth in range(3):
            values = {"old": json.dumps(f"v{nth}") if nth else None, "new": json.dumps(f"v{nth + 1}")}
            self.add(schema.update, parameter=number, time_ns=self.spec.begin + nth, session=self.session,
                     run=self.runs[0], **values,
                     because=self.plain(), by="OptoPrime", score=0.1 * nth)  # fmt: skip
        for nth in range(3):
            self.add(schema.event, session=self.session, run=None, time_ns=self.spec.begin + nth // 2,
                     name="candidate", data='{"score":0.5}')  # fmt: skip

    def marks(self) -> None:
        chosen = self.random
        targets = [("call", id.hex()) for id in chosen.sample(self.calls, min(3, len(self.calls)))]
        for kind, target in [*targets, ("version", f"v1:{self.functions[0]}aa")]:
            word = {"target_kind": kind, "target": target, "time_ns": self.spec.begin}
            self.connection.execute(insert(schema.tag).values(**word, tag=f"tag {self.spec.owner}"))
            said = {"name": "comment", "text": self.plain() or "x", "score": chosen.choice([None, 0.25])}
            self.add(schema.feedback, **word, **said, source="human", by="ann")
        for number in ("1", "2", "1")[: len(self.spec.versions) + 1]:
            move = {"alias": "production", "version": number, "time_ns": self.spec.begin, "by": "ann"}
            self.add(schema.alias, name=f"app{self.spec.owner}:greet", **move)
