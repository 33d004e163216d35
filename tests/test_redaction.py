"""Secrets leave the record, and nothing else does."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import string
import subprocess
import sys
import uuid
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracelib.redaction import MARK, Redactor, is_secret_name, mark

ALNUM = string.ascii_letters + string.digits


def run_of(length: int, alphabet: str = ALNUM) -> str:
    """A run that looks random, has a digit and is the same each time; assembled so that no scanner cries."""
    return ("a1B" + "".join(random.Random(length).choices(alphabet, k=length)))[:length]


SECRETS = {
    "openai": "sk-" + run_of(48),
    "openai project": "sk-proj-" + run_of(40, ALNUM + "-_") + "T3BlbkFJ" + run_of(40, ALNUM + "-_"),
    "openai, hexadecimal": "sk-" + run_of(32, "0123456789abcdef").lower(),
    "openai, letters only": "sk-" + "abcdefghij" * 3,
    "anthropic": "sk-ant-api03-" + run_of(93, ALNUM + "-_") + "AA",
    "openrouter": "sk-or-v1-" + run_of(64, "0123456789abcdef").lower(),
    "langfuse": "sk-lf-" + str(uuid.UUID(int=77 << 90)),
    "groq": "gsk_" + run_of(52),
    "github": "ghp_" + run_of(36),
    "github app": "ghs_" + run_of(36),
    "github oauth": "gho_" + run_of(36),
    "github fine-grained": "github_pat_" + run_of(22) + "_" + run_of(59),
    "aws id": "AKIA" + "IOSFODNN7EXAMPLE",
    "aws temporary id": "ASIA" + "Y34FZKBOKMUTVV7A",
    "google": "AIza" + run_of(35, ALNUM + "-_"),
    "slack bot": "xoxb-" + "123456789012-1234567890123-" + run_of(24),
    "slack app": "xapp-" + "1-A0123456789-1234567890123-" + run_of(64),
    "stripe": "sk_live_" + run_of(24),
    "stripe restricted": "rk_live_" + run_of(24),
    "hugging face": "hf_" + run_of(34),
    "gitlab": "glpat-" + run_of(20, ALNUM + "-_"),
    "npm": "npm_" + run_of(36),
    "pypi": "pypi-" + "AgEIcHlwaS5vcmc" + run_of(80, ALNUM + "-_"),
    "sendgrid": "SG." + run_of(22) + "." + run_of(43, ALNUM + "-_"),
    "jwt": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0In0." + run_of(43, ALNUM + "-_"),
    "replicate": "r8_" + run_of(37),
    "xai": "xai-" + run_of(80),
    "azure": "AccountKey=" + run_of(86) + "==",
    "perplexity": "pplx-" + run_of(48),
    "webhook": "whsec_" + run_of(32),
    "digital ocean": "dop_v1_" + run_of(64, "0123456789abcdef").lower(),
    "docker": "dckr_pat_" + run_of(27, ALNUM + "-_"),
    "langsmith": "lsv2_pt_" + run_of(32) + "_" + run_of(10),
    "linear": "lin_api_" + run_of(40),
    "google client": "GOCSPX-" + run_of(28, ALNUM + "-_"),
    "nvidia": "nvapi-" + run_of(64, ALNUM + "-_"),
    "tavily": "tvly-dev-" + run_of(32),
}
"""Whole strings that must go."""

AWS_SECRET = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"
PEM_HEAD = "-----BEGIN RSA " + "PRIVATE KEY-----"
PEM_BODY = f"{run_of(64)}\n{run_of(60)}==\n-----END RSA PRIVATE KEY-----"

PHRASES = {
    "bearer": ("Authorization: Bearer {}", "abcDEF0123456789"),
    "bearer without digits": ("Bearer {} is sent", "abcdefghijklmnopqrstuvwx"),
    "basic": ("headers: {{'authorization': 'Basic {}'}}", base64.b64encode(b"bob:hunter2-word").decode()),
    "bearer in small letters": ("authorization: bearer {}\n", "abcDEF0123456789"),
    "query": ("GET https://h.org/a?x=1&api_key={}&y=2 failed", "hunter2-canary"),
    "query in camel case": ('"https://h.org/a?accessToken={}"', "hunter2-canary"),
    "signed url": ("https://h.org/a?sv=2&sig={}", "a%2Bb%3D0123"),
    "token in the place of a user": ("git clone https://{}@example.org/x.git", run_of(40)),
    "token before a word": ("https://{}:x-oauth-basic@example.org/x", run_of(40)),
    "slack webhook": ("post to https://hooks.slack.com/services/{} now", f"T0123ABCD/B0123ABCD/{run_of(24)}"),
    "pem with headers, cut short": (
        f"{PEM_HEAD}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES,AB\n\n{{}}",
        run_of(64),
    ),
    "url": ("postgresql://bob:{}@db.example.org:5432/x", "hunter2"),
    "url with @ in the password": ("see redis://:{}@cache", "p@ss@word"),
    "aws secret by name": ("aws_secret_access_key = {}", AWS_SECRET),
    "aws secret in camel case": ('"SecretAccessKey": "{}"', AWS_SECRET),
    "aws secret in capitals": ("export AWS_SECRET_ACCESS_KEY={}", AWS_SECRET),
    "aws secret after an id": ("AKIA" + "IOSFODNN7EXAMPLE and then {} end", AWS_SECRET),
    "pem": (f"key: {PEM_HEAD}\n{{}}\nend", PEM_BODY),
    "pem, escaped": (f"key: {PEM_HEAD}\\n{{}}\\nend", PEM_BODY.replace("\n", "\\n")),
    "pem cut short": ("-----BEGIN PRIVATE KEY-----\n{}", run_of(64)),
}
"""Texts with a place in them, and what must not be left there."""

HARMLESS = [
    "Ask the task-runner for risk-weighted-assets-2024-report and disk-encryption-key-rotation-policy-12.",
    "sk-learn, sk-toggleable__label-arrow, sk-estimator-doc-link-container, css: #sk-container-id-12",
    "The secretary of the token ring keeps keys for the keyboard; Bearer of bad news, Bearer tokens.",
    "https://example.org/a@b http://localhost:8080/x?email=me@example.org mailto:me@example.org",
    "npm_config_registry npm_package_dependencies_left_pad hf_hub_download hf_transformers",
    hashlib.sha256(b"x").hexdigest() + " " + hashlib.sha1(b"y").hexdigest(),
    str(uuid.UUID(int=99 << 80)),
    "commit 6c5441f0d3a7b2c4e5f60718293a4b5c6d7e8f90 by AKIAsomething, ASIAN markets, AIza",
    "-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----",
    "xoxo-hugs eyJust.kidding SG.1 ghp_short glpat-short",
    "a = x[1:2] @ y; z = 'http://' + user + ':' + password",
    "Authorization: who may do what. authorization: basic rules apply; Basic Income; AUTHORIZATION: token",
    "https://example.org/?page=2&page_token=abcdefgh&sort_key=name&x=1 what?token=",
    "https://jane.doe@example.org/x https://example.org/services/A/B0123ABCD/c",
]


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize(
    "place",
    [
        "{}",
        "x={} y",
        '"{}"',
        "see\n{}\nthere",
        "(größer: {}, ok)",
        "to=https%3A%2F%2Fh%2F%3Fx%3D{}",
        r"{{\u0022x\u0022:\u0022{}\u0022}}",
        "\x1b[1;31m{}\x1b[0m",
    ],
)
def test_a_secret_of_known_shape_is_replaced_by_its_mark(secret: str, place: str) -> None:
    assert Redactor(environ={}).text(place.format(secret)) == place.format(mark(secret))


@pytest.mark.parametrize("kind", ["openai project", "anthropic", "github fine-grained", "gitlab", "stripe"])
def test_an_unmistakable_key_is_found_behind_another_word(kind: str) -> None:
    secret = SECRETS[kind]
    assert (
        Redactor(environ={}).text(f"cache_{secret} user-{secret}")
        == f"cache_{mark(secret)} user-{mark(secret)}"
    )


@pytest.mark.parametrize(("place", "secret"), PHRASES.values(), ids=PHRASES)
def test_a_secret_known_by_what_stands_before_it_goes(place: str, secret: str) -> None:
    made = Redactor(environ={}).text(place.format(secret))
    assert secret not in made
    assert len(MARK.findall(made)) >= 1


@pytest.mark.parametrize("text", HARMLESS, ids=range(len(HARMLESS)))
def test_ordinary_text_stays(text: str) -> None:
    assert Redactor(environ={}).text(text) == text


def test_a_picture_in_base64_stays() -> None:
    data = random.Random(5).randbytes(2_000_000)
    for text in (base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()):
        assert Redactor(environ={}).text(text) == text


@pytest.mark.parametrize("secret", [*SECRETS.values(), *(p.format(s) for p, s in PHRASES.values())])
def test_whatever_would_be_redacted_is_suspicious_also_inside_json(secret: str) -> None:
    redactor = Redactor(environ={})
    for text in (secret, f"line\n{secret}", f'\t"{secret}"'):
        once = json.dumps({"k": [text]}, ensure_ascii=False)
        assert redactor.suspicious(text)
        assert redactor.suspicious(once)
        assert redactor.suspicious(json.dumps({"arguments": once}))
        assert redactor.text(once) != once
        assert secret not in redactor.text(json.dumps({"arguments": once}))


def test_the_values_of_secret_variables_go() -> None:
    environ = {
        "MY_KEY": "quite-plain",
        "db_password": 'a"b\\c\nd-é-ef',
        "PATH": "/usr/bin",
        "C_TOKEN": "short",
    }
    redactor = Redactor(environ=environ)
    assert redactor.text("a quite-plain b") == f"a {mark('quite-plain')} b"
    assert redactor.text("/usr/bin is short") == "/usr/bin is short"
    value = environ["db_password"]
    assert redactor.suspicious(json.dumps([value]))
    assert redactor.suspicious(json.dumps([value], ensure_ascii=False))
    assert redactor.text(value) == mark(value)


def test_the_value_of_a_variable_goes_from_a_url_too() -> None:
    redactor = Redactor(environ={"PGPASSWORD": "p/s & w+rd é", "MAIL_PASS": "another-one"})
    value = "p/s & w+rd é"
    for shown in (quote(value), quote(value, safe=""), quote_plus(value), "another-one"):
        assert shown not in redactor.text(f"connect to x?p={shown}&y")


def test_the_longer_of_two_values_goes_first() -> None:
    redactor = Redactor(environ={"A_KEY": "12345678", "B_KEY": "123456789"})
    assert redactor.text("123456789") == mark("123456789")


def test_a_variable_that_appears_later_is_noticed_and_a_changed_one_after_refresh() -> None:
    environ = {"A_KEY": "first-value"}
    redactor = Redactor(environ=environ)
    assert redactor.text("second-value") == "second-value"
    environ["B_SECRET"] = "second-value"
    assert redactor.text("second-value") == mark("second-value")
    environ["A_KEY"] = "other-value"
    redactor.refresh()
    assert redactor.text("other-value") == mark("other-value")


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = Redactor()
    monkeypatch.setenv("SOME_VENDOR_TOKEN", "canary-in-the-mine")
    assert redactor.text("a canary-in-the-mine sings") == f"a {mark('canary-in-the-mine')} sings"


def test_the_users_hook_comes_last_and_makes_every_text_suspicious() -> None:
    redactor = Redactor(lambda text: text.replace("Alice", "somebody"), environ={})
    assert redactor.suspicious("nothing")
    key = SECRETS["github"]
    assert redactor.text(f"Alice has {key}") == f"somebody has {mark(key)}"


def test_what_a_failing_hook_was_given_is_not_kept() -> None:
    def fail(text: str) -> str:
        raise ValueError(text)

    redactor = Redactor(fail, environ={})
    assert redactor.text("Alice") == mark("Alice")
    assert redactor.failure == "the redaction hook raised ValueError"
    nothing = Redactor(lambda text: None, environ={})  # type: ignore[arg-type,return-value]
    assert nothing.text("Alice") == mark("Alice")
    assert nothing.failure == "the redaction hook gave NoneType, not str"


def test_a_mark_is_equal_for_equal_secrets_and_shows_nothing_of_them() -> None:
    assert mark("hunter2") == mark("hunter2") != mark("hunter3")
    assert MARK.fullmatch(mark("hunter2"))
    assert hashlib.sha256(b"hunter2").hexdigest()[:8] not in mark("hunter2")
    assert MARK.fullmatch(mark("\ud800"))


pieces = st.sampled_from(
    [
        *SECRETS.values(),
        *(p.format(s) for p, s in PHRASES.values()),
        "://u:",
        "@h",
        "Bearer ",
        "12345678",
        " ",
        "x",
        "-",
    ]
)


@given(st.lists(pieces | st.text(max_size=5), max_size=6).map("".join))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    redactor = Redactor(environ={"A_KEY": "12345678", "B_KEY": "redacted", "C_KEY": "[redacted "})
    once = redactor.text(text)
    assert redactor.text(once) == once


@given(st.text())
def test_text_without_secrets_stays(text: str) -> None:
    assert Redactor(environ={}).text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE KEY-----" * 20_000,
        "sk-" * 200_000,
        "sk-" + "a-" * 200_000,
        "://a:" * 100_000 + "@",
        "eyJ" + "a." * 200_000,
        "AKIAIOSFODNN7EXAMPLE " * 20_000,
        "Bearer " * 80_000,
        "password='" * 50_000,
        "password=x" * 50_000,
        "authorization: bearer " + "a" * 500_000,
        "?token" * 50_000 + "=",
        "://" + "a" * 500_000 + "1@",
        "-----BEGIN PRIVATE KEY-----\nA-b: c" + "\n" * 200_000,
    ],
    ids=range(13),
)
def test_no_text_takes_long(text: str) -> None:
    redactor = Redactor(environ={})
    redactor.text(text)
    redactor.shown(text)


def test_what_an_object_says_of_itself_is_read_for_assignments() -> None:
    redactor = Redactor(environ={})
    said = redactor.shown("Client(api_key='abc', name='bob', password=b\"x'y\", headers={'x-api-key': 'q'})")
    assert "abc" not in said
    assert "x'y" not in said
    assert "'q'" not in said
    assert "name='bob'" in said
    assert redactor.shown(said) == said
    said = redactor.shown("<Client token=hunter2 auth=None secret=Kept('x') max_tokens=5, api_key: abc/d>")
    assert said == (
        f"<Client token={mark('hunter2')} auth=None secret=Kept('x') max_tokens=5, api_key: {mark('abc/d')}>"
    )


SECRET_NAMES = """
    api_key apikey api-key apiKey APIKey API_KEY openai_api_key OPENAI_API_KEY authorization
    Authorization password passwd db_password userPassword token access_token refresh_token
    accessToken id_token authToken auth_token secret client_secret clientSecret private_key
    privateKey credential credentials cookie set-cookie Set-Cookie x-api-key X-Api-Key session_key
    sessionKey signing-key aws_secret_access_key openai_key pwd passphrase proxy-authorization
    access_tokens secrets PGPASSWORD DB_PASS smtp_pass masterKey ENCRYPTIONKEY storage_key bearer
""".split()

OTHER_NAMES = """
    max_tokens prompt_tokens completion_tokens total_tokens tokens token_count token_ids tokenizer
    key keys keyboard author authors secretary cost_per_token primary_key cache_key keyword
    public_key monkey turkey next_token next_page_token eos_token authority cookiecutter
    passwords_file token_url password_length secret_name api_key_id tokenize name text key_id
    compass pass first_pass
""".split()


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_of_a_secret_is_known(name: str) -> None:
    assert is_secret_name(name)
    assert Redactor(environ={}).is_secret_name(name)


@pytest.mark.parametrize("name", [*OTHER_NAMES, "", "_", "x" * 100_000])
def test_other_names_are_no_secrets(name: str) -> None:
    assert not is_secret_name(name)


def test_importing_reads_no_environment_and_compiles_little() -> None:
    code = (
        "import os, collections\n"
        "class Watched(collections.UserDict):\n"
        "    def __getitem__(self, name): raise AssertionError(name)\n"
        "    __iter__ = keys = items = __getitem__\n"
        "os.environ = Watched()\n"
        "import tracelib.redaction as r\n"
        "assert r._compiled.cache_info().currsize == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ), timeout=60)


def test_what_a_data_url_holds_is_no_secret_and_what_stands_beside_it_is() -> None:
    payload = run_of(3_000) + "AIza" + run_of(40) + run_of(400)
    url = f"data:image/png;base64,{payload}=="
    key = SECRETS["openai project"]
    found = Redactor(environ={}).text(f"{key} {url} {key}")
    assert found == f"{mark(key)} {url} {mark(key)}"
