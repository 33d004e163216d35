"""A reply on its way: pieces of the text as they come, and the whole Reply once they ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from tracelib.errors import ModelError
from tracelib.llm.guard import AsyncPieces, Pieces
from tracelib.llm.reply import Reply


class Told:
    """What both streams hold: the reply, once it is whole."""

    _reply: Reply | None = None

    @property
    def reply(self) -> Reply:
        """The whole reply. Raises ModelError while pieces are still to come."""
        if self._reply is None:
            raise ModelError("the stream has not ended: read it to its end before asking for the reply")
        return self._reply


class TextStream(Told, Iterator[str]):
    """Pieces of a text; nothing is asked before the first is read. `with` closes it early."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces

    def __next__(self) -> str:
        for piece in self._pieces:
            if isinstance(piece, str):
                return piece
            self._reply = piece
        raise StopIteration

    def close(self) -> None:
        """Stop reading and let go of the connection."""
        self._pieces.close()

    def __enter__(self) -> TextStream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class AsyncTextStream(Told, AsyncIterator[str]):
    """`TextStream` to be read by `async for` and closed by `async with`."""

    def __init__(self, pieces: AsyncPieces) -> None:
        self._pieces = pieces

    async def __anext__(self) -> str:
        async for piece in self._pieces:
            if isinstance(piece, str):
                return piece
            self._reply = piece
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop reading and let go of the connection."""
        await self._pieces.aclose()

    async def __aenter__(self) -> AsyncTextStream:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()
