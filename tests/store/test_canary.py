"""Secrets planted everywhere a program can hold them are found in nothing that a store writes or shows."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from started import run_program

from tracelib.cli.main import run
from tracelib.store import schema
from tracelib.store.store import Store, open_store

ENVIRONMENT = {
    "PAYMENT_API_KEY": "canary-env-key-4f9a2c77",
    "SERVICE_TOKEN": "canary env token: 'quoted' \"twice\" é 81d0",
    "DATABASE_SECRET": "canary/env/secret\\back 5510",
    "MAIL_PASSWORD": "canary-env-password-90ab",
}
"""Values of variables that are named like secrets."""

SHAPES = {
    "openai": "sk-proj-" + "Canary7Xy" * 6,
    "anthropic": "sk-ant-api03-" + "CanaryQ9w" * 9,
    "github": "ghp_" + "CanaryZ8" * 5,
    "aws": "AKIA" + "CANARYQ7XMPLE234"[:16],
    "google": "AIza" + "CanarySy7" * 4,
    "slack": "xoxb-" + "2719283746-canaryAbCdEf",
    "huggingface": "hf_" + "CanaryTok" * 4,
    "gitlab": "glpat-" + "CanaryAbc123" * 2,
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOiJ5ZXMifQ.c2lnbmF0dXJlLWNhbmFyeQ",
    "url": "canary-pw-in-url-77",
    "bearer": "canary0bearer1token2abcdef",
    "query": "canary-in-a-query-31",
    "basic": base64.b64encode(b"canary:basic-password-8").decode(),
}
"""Keys as vendors make them; the last four are known by what stands before them."""

NAMED = {
    "argument": "canary named argument",
    "member": "canary member of a dict",
    "deep": "canary deep in objects",
    "attribute": "canary attribute of an object",
    "global": "canary in a global dict",
    "constant": "canary in a constant of the source",
    "header": "canary in a header",
}
"""Ordinary words, secret by the name they stand under."""

PROGRAM = '''
    import dataclasses, json, os, sys, time, warnings
    import tracelib as trace
    from tracelib.graph.tracing import annotate
    from tracelib.testing import ScriptedModel

    def planted(*path):
        """What is planted, which no function holds in a global."""
        found = json.loads(sys.argv[1])
        for name in path:
            found = found[name]
        return found

    told = []
    warnings.simplefilter("always")
    warnings.showwarning = lambda message, *rest, **more: told.append(str(message))

    API_KEY = "canary in a constant of the source"
    VENDOR = "%(openai)s"
    SETTINGS = {
        "password": planted("named", "global"),
        "list": [planted("shapes", "github")],
        "env": planted("env", "PAYMENT_API_KEY"),
    }
    PLACE = "postgresql://user:%(url)s@host/name"

    @dataclasses.dataclass
    class Client:
        url: str
        api_key: str
        inner: dict

    class Custom:
        def __init__(self, token):
            self.token = token
        def __repr__(self):
            return f"Custom(token={self.token!r})"

    class BadError(Exception):
        pass

    @trace.bundle
    def login(user, password, settings=None, *rest, **headers):
        """Log in with %(anthropic)s."""
        return f"{user} got in, {SETTINGS['list']}"

    @trace.bundle
    def keyed(value):
        return [value, len(API_KEY), VENDOR, PLACE]

    @trace.bundle
    def failing(value):
        raise BadError(f"could not log in with {value} at postgresql://me:%(url)s@host/db"
                       " after https://host/login?user=me&access_token=%(query)s")

    @trace.bundle
    def ask(question):
        env, shapes, named = planted("env"), planted("shapes"), planted("named")
        annotate(model=f"tiny {shapes['jwt']}", provider=f"at {shapes['aws']}", request={
            "messages": [{"role": "user", "content": f"keys: {shapes['openai']}, {env['SERVICE_TOKEN']}"}],
            "headers": {"Authorization": "Bearer " + shapes["bearer"], "x-api-key": named["header"]},
        })
        return {"choices": [{"text": f"keep {shapes['slack']} safe"}]}

    @trace.bundle
    def speak(word, tone):
        return f"{tone} {word}"

    @trace.bundle(trainable=True)
    def code(x):
        """Has a key."""
        key = "%(gitlab)s"
        return len(key) + x

    @trace.model
    class Agent:
        def __init__(self):
            said = f"speak like {planted('shapes', 'anthropic')}"
            about = f"said by {planted('shapes', 'jwt')}"
            self.tone = trace.node(said, trainable=True, description=about)
        def __call__(self, word):
            return speak(word, self.tone)

    def answer(messages):
        with open("asked.txt", "a") as file:
            file.write(json.dumps(messages, ensure_ascii=False))
        return "Change the key"

    trace.init(store=sys.argv[2], autocommit=ScriptedModel(answer))
    env, shapes, named = planted("env"), planted("shapes"), planted("named")
    big = "words " * 3_000
    whole = [v for k, v in shapes.items() if k not in ("url", "bearer", "query", "basic")]
    for value in [*env.values(), *whole]:
        keyed(value)
        keyed({value: [value, (value, {value})], "nested": {"a": {"b": value}}})
        keyed(f"{big} {value} {big}")
        keyed(f"{big} {json.dumps(value)} {big}")
        keyed(value.encode())
        keyed(Client("http://host", "x", {"k": value}))
    login("ann", named["argument"], {"secret": named["member"], "deep": [{"access_token": named["deep"]}]},
          authorization=named["header"], x=shapes["github"])
    client = Client("http://h/?k=" + shapes["aws"], named["attribute"], {})
    login("ann", password=named["argument"], settings=client)
    keyed(Custom(named["attribute"]))
    keyed({"curl": f"-H 'authorization: Basic {shapes['basic']}' https://h/?sig={shapes['query']}"})
    keyed([f"Authorization: Bearer {shapes['bearer']}", PLACE, "https://u:" + shapes["url"] + "@host"])
    for value in (shapes["openai"], env["SERVICE_TOKEN"], shapes["jwt"]):
        try:
            failing(value)
        except Exception:
            pass
    ask("why")
    agent = Agent()
    made = agent("hello")
    made.backward(f"do not say {shapes['openai']} or {env['MAIL_PASSWORD']}")
    because = f"they leaked {shapes['aws']} {env['DATABASE_SECRET']}"
    agent.tone.update(f"now {shapes['slack']}", because=because, by=f"me {shapes['github']}")
    agent("again")
    code(1)

    @trace.bundle
    def changing(x):
        key = "%(google)s"
        return x + 1

    changing(1)

    @trace.bundle
    def changing(x):
        key = "%(huggingface)s"
        return x + 2

    changing(1)
    trace.flush()
    for _ in range(100):
        if os.path.exists("asked.txt"):
            break
        time.sleep(0.1)
    about = f"of {shapes['huggingface']}"
    keyed(keyed(trace.node("plain", name=f"node {shapes['gitlab']}", description=about)))
    store = trace.SQLiteStore(sys.argv[2])
    with store, store.run(f"run {shapes['google']}", {"key": shapes["aws"]}):
        call = keyed(1).call.id
    store.comment(call, f"it showed {shapes['github']} and {env['PAYMENT_API_KEY']}")
    store.tag(call, f"has {shapes['gitlab']}")
    made = keyed(speak(shapes["openai"], agent.tone))
    open("graph.dot", "w").write(trace.Graph.behind(made).to_dot().source)
    open("warned.txt", "w").write("\\n".join(told))
    if sys.argv[3:] == ["drained"]:
        trace.flush()
    elif sys.argv[3:] == ["killed"]:
        os._exit(1)
'''


def secrets() -> list[str]:
    return [*ENVIRONMENT.values(), *SHAPES.values(), *NAMED.values()]


def leaks(data: bytes) -> list[str]:
    """The secrets that stand in some bytes: as they are, as JSON writes them, as hexadecimal or base64."""
    found = []
    for secret in secrets():
        raw = secret.encode()
        forms = {
            raw,
            json.dumps(secret)[1:-1].encode(),
            json.dumps(secret, ensure_ascii=False)[1:-1].encode(),
            json.dumps(json.dumps(secret))[3:-3].encode(),
            repr(secret)[1:-1].encode(),
            raw.hex().encode(),
            base64.b64encode(raw)[:-4],
        }
        found += [secret for form in forms if form in data][:1]
    return found


def inflated(data: bytes) -> bytes:
    try:
        return zlib.decompress(data)
    except zlib.error:
        return data


def record(folder: Path, where: str, how: str) -> None:
    planted = json.dumps({"env": ENVIRONMENT, "shapes": SHAPES, "named": NAMED})
    run_program(folder, PROGRAM % SHAPES, planted, where, how, check=how != "killed", **ENVIRONMENT)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the program ran: `store`, and what it wrote beside it."""
    folder = tmp_path_factory.mktemp("canary")
    record(folder, "store", "drained")
    return folder


@pytest.fixture
def store(planted: Path) -> Store:
    return open_store(planted / "store")


@pytest.fixture(autouse=True)
def _without_the_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Readers do not know the secrets: what they show must be clean already."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    return


def test_the_secrets_would_be_found() -> None:
    for secret in secrets():
        assert leaks(f"x{json.dumps(secret)}y".encode()) == [secret]
        assert leaks(json.dumps({"k": json.dumps({"s": secret})}).encode()) == [secret]


def test_the_journal_of_a_killed_program_has_none(tmp_path: Path) -> None:
    record(tmp_path, "store", "killed")
    files = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert any(path.suffix == ".journal" for path in files)
    for path in files:
        with contextlib.suppress(FileNotFoundError):  # the drainer is at work
            assert leaks(path.read_bytes()) == [], path


def test_no_file_of_the_store_has_any(planted: Path, store: Store) -> None:
    files = [path for path in (planted / "store").rglob("*") if path.is_file()]
    assert any(path.name == "tracelib.db" for path in files)
    for path in files:
        assert leaks(path.read_bytes()) == [], path
        assert leaks(inflated(path.read_bytes())) == [], path
    with store.ready().reading() as connection:
        for row in connection.execute(select(schema.blob)).all():
            assert leaks(store.blobs.get(connection, row.hash)) == []


def test_no_table_has_any(blank: str, tmp_path: Path) -> None:
    """On PostgreSQL too, column by column, so that it is said where one stands."""
    state = tmp_path / "state"
    os.environ["XDG_STATE_HOME"] = str(state)
    try:
        record(tmp_path, blank, "drained")
        store = open_store(blank)
        found = []
        with store.ready().reading() as connection:
            for table in schema.metadata.sorted_tables:
                for row in connection.execute(select(table)).mappings():
                    for column, value in row.items():
                        data = inflated(value) if isinstance(value, bytes) else str(value).encode()
                        found += [(table.name, str(column), secret) for secret in leaks(data)]
    finally:
        del os.environ["XDG_STATE_HOME"]
    assert sorted(set(found)) == []
    for path in state.rglob("*"):
        assert path.is_dir() or leaks(path.read_bytes()) == [], path


def test_an_export_has_none(store: Store, tmp_path: Path) -> None:
    store.export(tmp_path / "export.jsonl")
    data = (tmp_path / "export.jsonl").read_bytes()
    assert data
    assert leaks(data) == []
    again = open_store(tmp_path / "again")
    again.import_(tmp_path / "export.jsonl")
    assert len(again.calls(limit=None)) == len(store.calls(limit=None)) > 50


def test_no_command_shows_any(planted: Path, store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    where = ["--store", str(planted / "store")]
    calls = [call.id for call in store.calls(limit=None)]
    names = [function.key for function in store.functions()]
    commands = [
        ["log", "--json"],
        ["log"],
        ["calls", "--json", "--limit", "1000"],
        ["calls", "--limit", "1000"],
        ["status", "--json"],
        *(["log", name, "--json"] for name in names),
        *(["show", name, "--json"] for name in names),
        *(["show", name] for name in names),
        *(["show", call, "--json"] for call in calls[-8:] + calls[:12]),
        *(["show", call] for call in calls[-4:] + calls[:12]),
        *(["graph", call] for call in calls[:6]),
    ]
    for command in commands:
        code = run([command[0], *where, *command[1:]])
        out, errors = capfd.readouterr()
        assert code == 0, (command, errors)
        assert out
        assert leaks(out.encode()) == [], command
        assert leaks(errors.encode()) == [], command


def test_a_state_file_has_none(planted: Path, store: Store, tmp_path: Path) -> None:
    program = next(name for name in store.programs() if name.endswith(":Agent"))
    out = tmp_path / "agent.json"
    where = ["--store", str(planted / "store")]
    assert run(["checkout", *where, program, "--out", str(out)]) == 0
    assert "now [redacted " in out.read_text()
    assert leaks(out.read_bytes()) == []


def test_the_model_that_writes_messages_is_told_none(planted: Path) -> None:
    asked = (planted / "asked.txt").read_bytes()
    assert b"key =" in asked
    assert leaks(asked) == []


def test_no_warning_says_any(planted: Path) -> None:
    assert leaks((planted / "warned.txt").read_bytes()) == []


def test_what_is_rebuilt_and_drawn_has_none(store: Store) -> None:
    for call in store.calls(limit=30):
        if call.status == "returned":
            assert leaks(store.graph(call.id).to_dot().source.encode()) == []
