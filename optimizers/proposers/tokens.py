"""How many tokens a text may be, without a tokenizer."""

from __future__ import annotations

from math import ceil


def token_bound(text: str) -> int:
    """Tokens that a text has at the most: its UTF-8 bytes.

    It needs no tokenizer and holds for every one that is built on bytes, as those of today's models are: each
    token stands for a byte or more. English has about four bytes to a token.

    >>> token_bound("héllo")
    6
    """
    return len(text.encode("utf-8", "surrogatepass"))


def rough_tokens(text: str) -> int:
    """About how many tokens a text has: a quarter of its ASCII characters, and one for each other character.

    A rule of thumb for prose and code in English and for scripts that are written without spaces; no bound.

    >>> rough_tokens("Decide the language")
    5
    """
    plain = sum(character.isascii() for character in text)
    return ceil(plain / 4) + len(text) - plain
