"""Prompts as functions: a language model program is a function whose result a model completes."""
