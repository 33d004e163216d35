"""Prices by the package genai-prices, which the extra `cost` brings: its own data, nothing is downloaded."""

from __future__ import annotations

import genai_prices

from tracelib.llm.reply import Usage

SOURCE = f"genai-prices {genai_prices.__version__}"


def known_cost(usage: Usage, model: str, provider: str) -> tuple[float | None, str | None]:
    """Dollars for the usage, and the list they are from; None when tokens, model or provider are not known.

    `provider` is "openai" or a host; no provider is guessed from a model's name.
    """
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return None, None
    used = genai_prices.Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cache_read_tokens=usage.cached_tokens or 0,
        cache_write_tokens=usage.cache_write_tokens or 0,
    )
    host = "api.openai.com" if provider == "openai" else provider
    try:
        found = genai_prices.calc_price(used, model, provider_api_url=f"https://{host}/v1")
    except (LookupError, ValueError):  # not in the list, or counts that do not add up
        return None, None
    return float(found.total_price), SOURCE
