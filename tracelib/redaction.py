"""Secrets in text and under names: found by shape, by environment variable and by the user's own hook.

A secret is replaced by a mark that says nothing of it, but is the same for the same secret.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote, quote_plus

DOMAIN = "tracelib redaction 1\n"
"""Hashed before a secret, so that its mark is found in no table of digests made for something else."""

MARK = re.compile(r"(\[redacted [0-9a-f]{8}\])")

ENCODED = re.compile(r"(;base64,[A-Za-z0-9+/]{400,}={0,2})")
"""What a data: URL holds, such as an image: chance writes letters there that look like a key's beginning."""

SHORTEST = 8
"""Characters that an environment variable's value needs to count as a secret."""

SECRET_VARIABLE = ("_KEY", "_TOKEN", "_SECRET", "PASSWORD", "_PASS")

LOOPS = 8
"""Passes over one text; a pass can uncover a secret that had stood against another one."""


def mark(secret: str) -> str:
    """What stands in the record instead of a secret: `[redacted 1a2b3c4d]`, equal for equal secrets."""
    digest = hashlib.sha256((DOMAIN + secret).encode("utf-8", "surrogatepass")).hexdigest()
    return f"[redacted {digest[:8]}]"


class Redactor:
    """Takes the secrets out of text.

    `hook` is the user's own rule and gets each text after ours. When it fails, or gives no string, the
    whole text is replaced by a mark and the reason kept in `failure`: what it would have removed is
    not known. The environment is read on first use, when its size has changed and on `refresh()`.
    """

    def __init__(
        self, hook: Callable[[str], str] | None = None, environ: Mapping[str, str] = os.environ
    ) -> None:
        self.failure: str | None = None
        self._hook = hook
        self._environ = environ
        self._size = -1
        self._values: tuple[str, ...] = ()
        self._needles: tuple[str, ...] = ()
        self._marks: dict[str, str] = {}

    def refresh(self) -> None:
        """Read the environment again."""
        self._size = len(self._environ)
        found = {value for value in secret_values(self._environ) if len(value) >= SHORTEST}
        self._values = tuple(sorted(found, key=lambda value: (-len(value), value)))
        marks = {form: mark(value) for value in reversed(self._values) for form in _written(value)}
        self._marks = dict(sorted(marks.items(), key=lambda pair: (-len(pair[0]), pair[0])))
        self._needles = tuple(self._marks)

    def suspicious(self, text: str) -> bool:
        """Whether `text` would change it, or a string it holds as JSON; sometimes true for neither."""
        if self._hook is not None:
            return True
        if len(self._environ) != self._size:
            self.refresh()
        for needle in self._needles:
            if needle in text:
                return True
        return telltale(text)

    def text(self, text: str) -> str:
        """The text with a mark in the place of each secret; the same when it is done again."""
        if not self.suspicious(text):
            return text
        parts = ENCODED.split(text) if ";base64," in text else [text]
        text = "".join(part if part.startswith(";base64,") else self._cleaned(part) for part in parts)
        return text if self._hook is None else self._hooked(self._hook, text)

    def shown(self, text: str) -> str:
        """Like `text`, for what an object says of itself: also what follows `password=` and its like."""
        return self.text(ASSIGNMENT.sub(_hide_assigned, text))

    @staticmethod
    def is_secret_name(name: str) -> bool:
        """Whether a field of this name holds a secret: `api_key`, `X-Api-Key`, `accessToken`, ..."""
        return is_secret_name(name)

    def mark(self, secret: str) -> str:
        """What stands in the place of `secret`."""
        return mark(secret)

    def _cleaned(self, text: str) -> str:
        for _ in range(LOOPS):
            cleaned = "".join(map(self._between_marks, MARK.split(text)))
            if cleaned == text:
                break
            text = cleaned
        return text

    def _between_marks(self, piece: str) -> str:
        if MARK.fullmatch(piece):
            return piece
        for form, shown in self._marks.items():
            piece = piece.replace(form, shown)
        return without_shapes(piece) if telltale(piece) else piece

    def _hooked(self, hook: Callable[[str], str], text: str) -> str:
        try:
            made = hook(text)
        except Exception as error:  # the user's rule may fail in any way, and his program must go on
            self.failure = f"the redaction hook raised {type(error).__name__}"
            return mark(text)
        if type(made) is not str:
            self.failure = f"the redaction hook gave {type(made).__name__}, not str"
            return mark(text)
        return made


def secret_values(environ: Mapping[str, str]) -> Iterator[str]:
    """The values of the variables that are named like secrets."""
    for name in list(environ):
        if name.upper().endswith(SECRET_VARIABLE):
            value = environ.get(name)
            # A variable taken away by another thread meanwhile is None.
            if value is not None and value not in "[redacted ]":
                yield value


def _written(value: str) -> set[str]:
    """A value as it stands in text, in a URL, in JSON and in JSON within JSON, and so that it is ASCII."""
    raw = value.encode("utf-8", "surrogatepass")
    in_url = {quote(raw), quote(raw, safe=""), quote_plus(raw)}
    once = {json.dumps(value, ensure_ascii=False)[1:-1], json.dumps(value)[1:-1]}
    return {value, *in_url, *once, *(json.dumps(text, ensure_ascii=False)[1:-1] for text in once)}


WORD = "[A-Za-z0-9_-]"
PLAIN = "[A-Za-z0-9]"
KINDS = "proj|ant|or|svcacct|admin|lf|live|test"

TOKENS = {
    "sk-": (
        f"(?:(?:{KINDS})-{WORD}{{12,}}|{WORD}{{0,200}}?{PLAIN}{{20}}{WORD}*"
        f"|(?={WORD}{{0,200}}?[0-9]){WORD}{{0,200}}?{PLAIN}{{16}}{WORD}*)"
    ),
    **dict.fromkeys(("sk-proj-", "sk-ant-"), f"{WORD}{{20,}}"),
    **dict.fromkeys(("sk_live_", "rk_live_", "sk_test_", "rk_test_"), f"{PLAIN}{{16,}}"),
    **dict.fromkeys(("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"), "[A-Za-z0-9_]{20,}"),
    **dict.fromkeys(("AKIA", "ASIA"), f"[A-Z0-9]{{16}}(?!{PLAIN})"),
    "AIza": f"{WORD}{{30,}}",
    "GOCSPX-": f"{WORD}{{20,}}",
    **dict.fromkeys((f"xox{kind}-" for kind in "abcdeoprs"), "[A-Za-z0-9%-]{10,}"),
    "xapp-": "[A-Za-z0-9-]{20,}",
    "hf_": f"{PLAIN}{{20,}}",
    "glpat-": f"{WORD}{{20,}}",
    "npm_": f"{PLAIN}{{30,}}",
    "pypi-": f"{WORD}{{50,}}",
    "SG.": rf"{WORD}{{16,}}\.{WORD}{{16,}}",
    "eyJ": rf"{WORD}{{8,2000}}+\.{WORD}{{8,}}(?:\.{WORD}*)+",
    **dict.fromkeys(("gsk_", "r8_", "whsec_", "ntn_", "lin_api_"), f"{PLAIN}{{20,}}"),
    **dict.fromkeys(("xai-", "pplx-"), f"{PLAIN}{{20,}}"),
    **dict.fromkeys(("nvapi-", "tvly-"), f"{WORD}{{20,}}"),
    **dict.fromkeys(("dop_v1_", "shpat_"), "[0-9a-f]{32,}"),
    **dict.fromkeys(("dckr_pat_", "lsv2_"), f"{WORD}{{20,}}"),
    "AccountKey=": "[A-Za-z0-9+/]{40,}=*",
}
"""How the tokens of the usual vendors begin, and what must follow.

An OpenAI-like key needs a long run without separators, else CSS classes such as `sk-toggleable__label`
would be keys.
"""

AWS_SECRET = "(?=[a-z0-9/+]{0,39}[A-Z])(?=[A-Z0-9/+]{0,39}[a-z])([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"

PHRASES = (
    (("AKIA", "ASIA"), f"A[KS]IA[A-Z0-9]{{16}}(?!{PLAIN})(?s:.{{0,200}}?)(?<![A-Za-z0-9/+]){AWS_SECRET}"),
    (
        ("ccess", "ACCESS"),
        f"(?:[Ss]ecret[_-]access[_-]key|SECRET_ACCESS_KEY|[Ss]ecretAccessKey)[\"'\\\\]*\\s*[:=]\\s*[\"'\\\\]*{AWS_SECRET}",
    ),
    (("Bearer ",), "Bearer +((?=[A-Za-z._~+/=-]*[0-9])[A-Za-z0-9._~+/=-]{8,}|[A-Za-z0-9._~+/=-]{20,})"),
    (
        ("uthorization",),
        r"(?i:authorization)[\"'\\]{0,4}\s{0,3}[:=,]\s{0,3}b?[\"'\\]{0,4}"
        r"(?i:bearer|basic|token|api-?key|key|digest)\s{1,3}((?=[a-z._~+/-]*[A-Z0-9=])[A-Za-z0-9._~+/=-]{6,})",
    ),
    (("@",), r":/{1,2}[^\s/@:?#\"'<>]{0,200}:([^\s/?#\"'<>]{1,500})@"),
    (
        ("@",),
        r":/{1,2}((?=[A-Za-z_.~-]{0,99}[0-9])[A-Za-z0-9_.~-]{20,200})(?::[^\s/@]{0,20} ?[^\s/@]{0,20})?@",
    ),
    (
        ("=",),
        r"[?&][A-Za-z0-9_.-]{0,40}?(?<!page)(?<!page[_-])(?<!next[_-])"
        r"(?i:api[_-]?key|token|secret|password|passwd|pwd|sig|signature)=([^\s&#\"'<>\\]{6,2000})",
    ),
    (("hooks.slack.com/",), r"hooks\.slack\.com/[a-z]{1,20}/([A-Za-z0-9/_-]{20,})"),
    (
        ("PRIVATE KEY",),
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
        r"((?:[^-]|-(?!----)){0,20000}-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
        r"|(?:\s|\\[nr]){0,9}(?:[A-Z][A-Za-z-]{2,20}: [^\n\\]{0,80}(?:\s|\\[nr])*){0,4}"
        r"(?:[A-Za-z0-9+/=]{20,}(?:\s|\\[nr])*){0,400})",
    ),
)
"""Secrets known by what stands before them: words of which the text has one, and the secret as group."""

ASSIGNMENT = re.compile(
    r"""(?<![A-Za-z0-9_-])(?P<name>[A-Za-z_][A-Za-z0-9_-]{1,60}+)(?P<sign>["']?\s{0,3}[=:]\s{0,3})"""
    r"""(?P<value>b?(?P<quote>["'])(?:\\.|(?!(?P=quote)).){1,2000}(?P=quote)"""
    r"""|(?!(?:None|True|False)\b)[^\s"'()\[\]{},;<>=]{1,500}+(?![("'\[{]))"""
)

SEPARATED = re.compile(
    r"-(?:BEGIN|(?=[A-Za-z0-9%-]{10})(?:(?<=[sr]k-)|(?<=gh[opsru]-)|(?<=pat-)|(?<=xox[a-z]-)|(?<=hf-)"
    r"|(?<=npm-)|(?<=xapp-)|(?<=pypi-)|(?<=r8-)|(?<=hsec-)|(?<=ntn-)|(?<=n-api-)|(?<=xai-)|(?<=plx-)|(?<=SPX-)"
    r"|(?<=p-v1-)|(?<=sv2-)|(?<=vapi-)|(?<=vly-)|(?<=[tT]-)[aA]ccess|(?<=[tT]-)ACCESS))"
)
QUERY = re.compile(
    r"=(?:(?<=[kK]ey=)|(?<=[tT]oken=)|(?<=ecret=)|(?<=assword=)|(?<=asswd=)|(?<=[pP]wd=)|(?<=[sS]ig=)"
    r"|(?<=ignature=))"
)
CAPITALS = re.compile(
    r"J(?:A(?<=A[JS]JA)|a(?<=AJJa)|\.(?<=SJ\.)|e(?:arer |y(?:=|(?<=ccessJey)))|(?<=eyJ)"
    r"|ation(?<=thoriJation)|(?<=/J)[A-Z0-9]{7,12}/)"
)


def telltale(text: str) -> bool:
    """Whether the beginning of any known shape is in the text; about a microsecond and a half per KB.

    A search costs less the rarer the character it starts with: `_` is read as `-`, and the rare
    capitals as `J`, so that two searches serve for all shapes. Two dozen `in` tests took ten times as long.
    """
    if SEPARATED.search(text.replace("_", "-")):
        return True
    if "@" in text and ":/" in text:
        return True
    if "?" in text and QUERY.search(text):
        return True
    rare = text.replace("I", "J").replace("z", "J").replace("G", "J").replace("K", "J").replace("B", "J")
    return CAPITALS.search(rare) is not None


def without_shapes(text: str) -> str:
    """The text with marks for all secrets whose shape is known."""
    for words, pattern in PHRASES:
        if any(word in text for word in words):
            text = _compiled(pattern).sub(_hide, text)
    for start, rest in TOKENS.items():
        if start in text:
            text = _compiled(_at_word(start, rest)).sub(_hide, text)
    return text


def _at_word(start: str, rest: str) -> str:
    """A pattern for `start` where a word begins; a long one may stand behind `-` or `_` as well.

    The literal comes before the look back at what precedes it: a search for a literal is much faster.
    """
    literal = re.escape(start)
    before = PLAIN if len(start) > 4 else WORD
    escaped = "".join(f"|(?<={each}{literal})" for each in ESCAPES)
    return f"{literal}(?:(?<!{before}{literal}){escaped}){rest}"


ESCAPES = (r"\\[nrtbf]", "%[0-9A-Fa-f]{2}", r"\\u00[0-9A-Fa-f]{2}", r"[0-9\[]m")
"""What ends with a letter or a digit and is no part of a word: in JSON, in URLs, in colours of a terminal."""

_compiled = functools.cache(re.compile)
"""Patterns are compiled when a text first needs them: an import should not pay for them."""


def _hide(found: re.Match[str]) -> str:
    """The match with its group, or all of it, marked."""
    group = found.lastindex or 0
    whole, offset = found[0], found.start()
    secret_at, secret_end = found.start(group) - offset, found.end(group) - offset
    return whole[:secret_at] + mark(found[group]) + whole[secret_end:] if found[group] else whole


def _hide_assigned(found: re.Match[str]) -> str:
    if not is_secret_name(found["name"]) or MARK.search(found["value"]):
        return found[0]
    return f"{found['name']}{found['sign']}{mark(found['value'])}"


WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SECRETS = _words(
    "password passwords passwd passphrase passcode pwd secret secrets credential credentials authorization "
    "cookie cookies setcookie apikey apikeys apitoken authtoken accesstoken refreshtoken idtoken bearertoken "
    "sessionkey sessiontoken privatekey secretkey accesskey clientsecret appsecret masterkey encryptionkey "
    "signingkey authkey pgpassword bearer jwt"
)
"""Words that name a secret wherever they stand in a name."""

KEYS = _words(
    "api access private secret session encryption signing auth master service account ssh deploy license "
    "subscription shared consumer hmac client webhook admin openai anthropic google gemini aws azure stripe "
    "github gitlab slack huggingface hf mistral cohere groq deepseek twilio sendgrid openrouter "
    "storage tls rsa"
)
"""Words that make the word `key` after them a secret."""

OWNERS = _words("access refresh auth api bearer session id oauth csrf client user service")
"""Words that make even the plural `tokens` after them secrets."""

LOGINS = _words("db database user smtp mail email ftp root admin pg postgres mysql redis proxy ssh sudo")
"""Words that make the word `pass` after them a password."""

NO_SECRET_TOKEN = _words(
    "per next page continuation eos bos pad unk sep mask cls stop special first last new input output prompt "
    "completion text end start"
)
"""Words that make the word `token` after them a piece of text, or a place in a list."""

ABOUT = _words(
    "url uri name names id ids type file path count length len limit policy hint field endpoint expiry "
    "expires expiration at algorithm version format scheme size usage status class kind required"
)
"""Last words of names that speak about a secret."""


@functools.lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret, in snake_case, camelCase or kebab-case.

    >>> is_secret_name("OPENAI_API_KEY"), is_secret_name("accessToken"), is_secret_name("max_tokens")
    (True, True, False)
    """
    words = [word.lower() for word in WORDS.findall(name)]
    if not words or words[-1] in ABOUT:
        return False
    before = words[-2] if len(words) > 1 else ""
    match words[-1]:
        case "key" | "keys":
            return before in KEYS or not SECRETS.isdisjoint(words)
        case "token":
            return before not in NO_SECRET_TOKEN
        case "tokens":
            return before in OWNERS
        case "pass":
            return before in LOGINS
        case "auth":
            return True
    return not SECRETS.isdisjoint(words)


DEFAULT = Redactor()
"""The redactor without a hook."""
