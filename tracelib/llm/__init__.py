"""Asking a language model: messages, the one door `Model`, the OpenAI client, retries and cost.

Knows no graph and no store. Nothing here loads openai, tenacity or pydantic but `tracelib.llm.openai`.
"""
