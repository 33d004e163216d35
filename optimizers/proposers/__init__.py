"""Proposers: each a prompt and a parser and nothing else. They ask no model and change no parameter."""
