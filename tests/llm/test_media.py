"""Images, sounds and files: what becomes of them in a message, and what is refused."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tracelib as trace
from tracelib.errors import MessageError
from tracelib.graph.node import node
from tracelib.llm.media import LARGEST
from tracelib.llm.message import as_messages, user
from tracelib.llm.openai import OpenAIModel
from tracelib.testing import LoopbackServer


def png(width: int = 1, height: int = 1) -> bytes:
    """A grey image."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\x00" + b"\x80" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


WAV = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00"
MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x00"
PDF = b"%PDF-1.4\n%%EOF\n"
PNG = png()


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Picture:
    """An image that knows how to save itself, as those of pillow do."""

    mode, size, format = "L", (1, 1), None

    def save(self, out: Any, format: str) -> None:
        if self.mode == "strange":
            raise OSError("cannot write mode strange as PNG")
        assert format == "PNG"
        out.write(PNG)


@pytest.mark.parametrize(
    "given", [PNG, bytearray(PNG), memoryview(PNG), Picture()], ids=lambda v: type(v).__name__
)
def test_an_image_is_sent_as_a_data_url(given: Any) -> None:
    expected = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{in_base64(PNG)}"}}
    assert trace.image(given) == expected
    assert user(given).content == [expected]
    assert user(["Look:", given]).content == [{"type": "text", "text": "Look:"}, expected]


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.png", PNG, "image/png"),
        ("unnamed", PNG, "image/png"),
        ("a.jpg", b"\xff\xd8\xff\xe0 and so on", "image/jpeg"),
        ("a.gif", b"GIF89a and so on", "image/gif"),
        ("a.webp", b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        ("a.bmp", b"BM and so on", "image/bmp"),
    ],
)
def test_an_image_has_the_type_of_its_bytes_or_else_of_its_name(
    tmp_path: Path, name: str, data: bytes, kind: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    for given in (path, str(path)):
        assert trace.image(given)["image_url"]["url"].startswith(f"data:{kind};base64,")


@pytest.mark.parametrize(
    "url", ["https://example.org/a.png", "http://localhost/a", "data:image/png;base64,AAAA"]
)
def test_an_address_of_an_image_is_sent_as_it_is(url: str) -> None:
    assert trace.image(url, detail="high") == {
        "type": "image_url",
        "image_url": {"url": url, "detail": "high"},
    }


@pytest.mark.parametrize(("data", "format"), [(WAV, "wav"), (MP3, "mp3"), (b"fLaC\x00", "flac")])
def test_a_sound_is_sent_with_its_format(tmp_path: Path, data: bytes, format: str) -> None:
    expected = {"type": "input_audio", "input_audio": {"data": in_base64(data), "format": format}}
    path = tmp_path / "sound"
    path.write_bytes(data)
    assert trace.audio(data) == trace.audio(path) == trace.audio(str(path)) == expected
    assert user([path]).content == [expected]


def test_what_is_said_of_bytes_wins() -> None:
    assert trace.audio(b"raw", format="pcm16")["input_audio"]["format"] == "pcm16"
    assert trace.image(b"raw", type="image/x")["image_url"]["url"].startswith("data:image/x;")
    told = trace.file(b"raw", type="text/plain", name="notes")["file"]
    assert told == {"filename": "notes", "file_data": f"data:text/plain;base64,{in_base64(b'raw')}"}


def test_a_file_is_sent_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(PDF)
    told = {"filename": "report.pdf", "file_data": f"data:application/pdf;base64,{in_base64(PDF)}"}
    assert trace.file(path) == {"type": "file", "file": told}
    assert user([path]).content == [trace.file(path)]
    assert trace.file(PDF)["file"]["filename"] == "file.pdf"
    assert trace.file(b"a,b", name="t.csv")["file"]["file_data"].startswith("data:text/csv;")
    assert trace.file(id="file-1") == {"type": "file", "file": {"file_id": "file-1"}}


def test_a_file_is_read_when_the_message_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    message = user(path)
    path.unlink()
    assert in_base64(PNG) in message.to_dict()["content"][0]["image_url"]["url"]


def wrong(name: str, data: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def too_large(folder: Path) -> Path:
    path = folder / "huge.png"
    with path.open("wb") as out:
        out.truncate(LARGEST + 1)
    return path


@pytest.mark.parametrize(
    ("make", "given", "words"),
    [
        (trace.image, lambda at: at / "none.png", "none.png' cannot be read: No such file"),
        (trace.image, lambda at: at, "cannot be read: Is a directory"),
        (trace.image, lambda at: "a\0b.png", "cannot be read"),
        (trace.image, too_large, "'huge.png' has 50,000,001 bytes, and 50,000,000 is the most"),
        (trace.image, lambda at: b"x" * (LARGEST + 1), "given as bytes has 50,000,001 bytes"),
        (trace.image, wrong("empty.png", b""), "'empty.png' is empty"),
        (trace.image, wrong("page.png", b"<html>"), "is named as image/png, and is none inside"),
        (trace.image, wrong("notes.txt", b"hello"), "cannot be sent as image: it is text/plain"),
        (trace.image, lambda at: b"hello", "its type is not known. Say its type, as in trace.image"),
        (trace.image, lambda at: "ftp://example.org/a.png", "is an address"),
        (trace.image, lambda at: 7, "int is no image: give a path or bytes, a PIL image or a URL"),
        (trace.audio, lambda at: "https://example.org/a.wav", "is an address"),
        (trace.audio, lambda at: PNG, "cannot be sent as audio: it is image/png"),
        (trace.audio, lambda at: Picture(), "Picture is no audio"),
        (trace.audio, lambda at: b"hello", "Say its format"),
        (trace.file, lambda at: b"hello", "Say what it is"),
        (trace.file, lambda at: None, "NoneType is no file: give a path or bytes, or id= of an upload"),
        (user, lambda at: b"hello", "Say what it is"),
        (user, lambda at: at / "none.png", "cannot be read: No such file"),
    ],
)
def test_what_cannot_be_sent_is_refused_in_words(
    tmp_path: Path, make: Callable[[Any], Any], given: Callable[[Path], Any], words: str
) -> None:
    with pytest.raises(MessageError, match=words.replace("(", r"\(")):
        make(given(tmp_path))


def test_a_picture_that_cannot_be_saved_is_refused_in_words() -> None:
    picture = Picture()
    picture.mode = "strange"
    with pytest.raises(MessageError, match="cannot be written as PNG: cannot write mode strange"):
        trace.image(picture)


def test_a_message_with_media_survives_json() -> None:
    message = user(["Look:", PNG, trace.audio(WAV), trace.file(PDF)])
    (read,) = as_messages(json.loads(json.dumps(message.to_dict())))
    assert read == message


@pytest.mark.parametrize(
    "make", [trace.image, user, lambda made: user([made]), lambda made: user(trace.image(made))]
)
def test_an_image_that_a_call_made_keeps_its_origin(make: Callable[[Any], Any]) -> None:
    drawn = trace.bundle(png, name="draw")(2, 2)
    assert trace.origin(make(drawn)).ids == {drawn.call.id}
    look = trace.bundle(lambda message: "grey", name="look")
    assert drawn in trace.Graph.behind(look(make(drawn))).nodes


def test_the_bytes_of_media_are_left_out_where_a_message_is_shown() -> None:
    shown = repr(user(["Look:", png(100, 100) + bytes(5000)]))
    assert len(shown) < 300
    assert "data:image/png;base64,iVBORw0KGgoAAAANSUhE... (" in shown
    assert shown.startswith("Message(role='user', content=[{'type': 'text', 'text': 'Look:'}, ")


def test_an_address_that_a_call_found_keeps_its_origin_and_is_sent_as_plain_text() -> None:
    found = trace.bundle(lambda: "https://example.org/a.png", name="find")()
    message = user(trace.image(found))
    assert trace.origin(message).ids == {found.call.id}
    assert type(message.to_dict()["content"][0]["image_url"]["url"]) is str


def test_a_recorded_path_is_read() -> None:
    with pytest.raises(MessageError, match="cannot be read"):
        user(node(Path("none.png")))


def test_the_endpoint_gets_the_parts() -> None:
    with LoopbackServer(["a grey dot"]) as server:
        model = OpenAIModel("small", base_url=server.base_url)
        assert model.ask(user(["What is this?", PNG])).text == "a grey dot"
        model.close()
        (sent,) = server.requests[0].body["messages"]
    assert [part["type"] for part in sent["content"]] == ["text", "image_url"]
    assert sent["content"][1]["image_url"]["url"].endswith(in_base64(PNG))


def test_a_store_keeps_big_media_once_beside_its_rows_and_gives_it_back(tmp_path: Path) -> None:
    picture = png(200, 200) + bytes(range(256)) * 400
    look = trace.bundle(lambda messages: len(messages), name="look")
    with trace.SQLiteStore(tmp_path) as store:
        look([user(["Look:", picture])])
        once = size_of(tmp_path)
        look([user(["Look again:", picture])])
        assert size_of(tmp_path) - once < len(picture) / 2
    kept = store.call(store.calls()[0].id).inputs["messages"][0]
    url = kept.content[1]["image_url"]["url"]
    assert base64.b64decode(url.partition(",")[2]) == picture


def size_of(folder: Path) -> int:
    """Bytes of the files that big values are kept in."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and "blob" in str(path))
