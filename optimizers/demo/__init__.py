"""The main job on real input: a retrieval agent learns to find the module a docstring comes from."""
