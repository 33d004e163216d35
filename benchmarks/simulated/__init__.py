"""Optimizers beside a simulated model: what they ask, spend and withstand, not how well they write."""

from __future__ import annotations

CAVEATS = """\
The model of the rows named "simulated" is simulated. It mends only what the feedback in a question names, and
guesses where there is none. So they measure plumbing: whether feedback reaches the proposer, whether a run
keeps its gains, calls, tokens, time, and what malformed replies do. They say nothing about the quality of
prompts, and the order of the strategies is that of this simulated proposer. Strategies are matched on
rollouts, not on tokens, and one that ends early has used fewer; loops, ours and the peers', are matched on
steps. Five seeds cannot tell 0.85 from 0.90, nor twenty 0.85 from 0.88. A token is four characters of text
here, for all alike."""
"""What has to be read with every table of these figures."""
