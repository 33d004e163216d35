"""Optimizers: they read the recorded graph and what was said about it, and rewrite prompts, values and code.

    from optimizers import OptoPrime

    optimizer = OptoPrime(agent.parameters())
    optimizer.zero_feedback()
    optimizer.backward(reply, "Greet in Spanish")
    print(optimizer.step())                # what changed, and why

`Trainer(program, optimizer, metric).fit(train, validation)` runs the loop, with a budget and a gate.
Names are loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "AllAtOnce": "optimizers.policies.picking",
    "Anchored": "optimizers.policies.anchors",
    "AnyOf": "optimizers.policies.objectives",
    "Attempt": "optimizers.candidate",
    "Beam": "optimizers.strategies.beam",
    "BestOfN": "optimizers.strategies.best_of_n",
    "Bootstrap": "optimizers.strategies.bootstrap",
    "Budget": "optimizers.budget",
    "By": "optimizers.policies.objectives",
    "ByCredit": "optimizers.policies.credit",
    "Candidate": "optimizers.candidate",
    "Ceilings": "optimizers.proposers.ceilings",
    "CodePrompt": "optimizers.proposers.code",
    "Cost": "optimizers.rollout",
    "Credit": "optimizers.strategies.credit",
    "CrossoverPrompt": "optimizers.proposers.evolution",
    "DataSummary": "optimizers.proposers.instruction",
    "Demonstrations": "optimizers.proposers.demonstrations",
    "DifferencePrompt": "optimizers.proposers.evolution",
    "Driver": "optimizers.driver",
    "EditPrompt": "optimizers.proposers.protegi",
    "Evaluate": "optimizers.effects",
    "Evidence": "optimizers.evidence.evidence",
    "Evolution": "optimizers.strategies.evolution",
    "Example": "optimizers.evaluating.dataset",
    "Gated": "optimizers.strategies.gated",
    "GradientCounsel": "optimizers.proposers.protegi",
    "Halving": "optimizers.strategies.halving",
    "History": "optimizers.strategies.history",
    "InstructionPrompt": "optimizers.proposers.instruction",
    "Interval": "optimizers.evaluating.interval",
    "Journal": "optimizers.journal",
    "Keep": "optimizers.policies.keep",
    "Length": "optimizers.policies.length",
    "Lexicographic": "optimizers.policies.objectives",
    "LocalSearch": "optimizers.search",
    "Merge": "optimizers.proposers.merge",
    "Mipro": "optimizers.strategies.mipro",
    "NoCopy": "optimizers.policies.copying",
    "NonDominated": "optimizers.policies.objectives",
    "NonInferior": "optimizers.policies.gate",
    "OPRO": "optimizers.opro",
    "OproPrompt": "optimizers.proposers.opro",
    "Optimizer": "optimizers.optimizer",
    "OptoPrime": "optimizers.optoprime",
    "OptoPrimePrompt": "optimizers.proposers.optoprime",
    "Outcome": "optimizers.driving.outcome",
    "PairedBootstrap": "optimizers.policies.resampling",
    "ParaphrasePrompt": "optimizers.proposers.protegi",
    "Pareto": "optimizers.strategies.pareto",
    "Parzen": "optimizers.policies.indices",
    "Patience": "optimizers.policies.stopping",
    "Plain": "optimizers.strategies.plain",
    "Plateau": "optimizers.policies.stopping",
    "Priority": "optimizers.strategies.priority",
    "Processes": "optimizers.driving.executors",
    "ProgramDescription": "optimizers.proposers.instruction",
    "Progress": "optimizers.progress",
    "Projection": "optimizers.training.projection",
    "Proposal": "optimizers.candidate",
    "Propose": "optimizers.effects",
    "RandomSearch": "optimizers.search",
    "ReflectionPrompt": "optimizers.proposers.reflection",
    "Rejected": "optimizers.candidate",
    "Remote": "optimizers.driving.executors",
    "Replicated": "optimizers.strategies.replicated",
    "Result": "optimizers.result",
    "Rollout": "optimizers.rollout",
    "RoundRobin": "optimizers.policies.picking",
    "RulePrompt": "optimizers.proposers.rules",
    "ScoreReached": "optimizers.policies.stopping",
    "SignTest": "optimizers.policies.gate",
    "Simba": "optimizers.strategies.simba",
    "Splits": "optimizers.driving.outcome",
    "Step": "optimizers.step",
    "Strict": "optimizers.policies.gate",
    "TextGrad": "optimizers.textgrad",
    "TextGradPrompt": "optimizers.proposers.textgrad",
    "Trainer": "optimizers.trainer",
    "Weighted": "optimizers.policies.objectives",
    "bootstrap": "optimizers.evaluating.interval",
    "optimize": "optimizers.training.optimize",
}
"""Every public name and the module it lives in."""

__all__ = sorted(_PUBLIC)

if TYPE_CHECKING:
    from optimizers.budget import Budget as Budget
    from optimizers.candidate import Attempt as Attempt
    from optimizers.candidate import Candidate as Candidate
    from optimizers.candidate import Proposal as Proposal
    from optimizers.candidate import Rejected as Rejected
    from optimizers.driver import Driver as Driver
    from optimizers.driving.executors import Processes as Processes
    from optimizers.driving.executors import Remote as Remote
    from optimizers.driving.outcome import Outcome as Outcome
    from optimizers.driving.outcome import Splits as Splits
    from optimizers.effects import Evaluate as Evaluate
    from optimizers.effects import Propose as Propose
    from optimizers.evaluating.dataset import Example as Example
    from optimizers.evaluating.interval import Interval as Interval
    from optimizers.evaluating.interval import bootstrap as bootstrap
    from optimizers.evidence.evidence import Evidence as Evidence
    from optimizers.journal import Journal as Journal
    from optimizers.opro import OPRO as OPRO
    from optimizers.optimizer import Optimizer as Optimizer
    from optimizers.optoprime import OptoPrime as OptoPrime
    from optimizers.policies.anchors import Anchored as Anchored
    from optimizers.policies.copying import NoCopy as NoCopy
    from optimizers.policies.credit import ByCredit as ByCredit
    from optimizers.policies.gate import NonInferior as NonInferior
    from optimizers.policies.gate import SignTest as SignTest
    from optimizers.policies.gate import Strict as Strict
    from optimizers.policies.indices import Parzen as Parzen
    from optimizers.policies.keep import Keep as Keep
    from optimizers.policies.length import Length as Length
    from optimizers.policies.objectives import AnyOf as AnyOf
    from optimizers.policies.objectives import By as By
    from optimizers.policies.objectives import Lexicographic as Lexicographic
    from optimizers.policies.objectives import NonDominated as NonDominated
    from optimizers.policies.objectives import Weighted as Weighted
    from optimizers.policies.picking import AllAtOnce as AllAtOnce
    from optimizers.policies.picking import RoundRobin as RoundRobin
    from optimizers.policies.resampling import PairedBootstrap as PairedBootstrap
    from optimizers.policies.stopping import Patience as Patience
    from optimizers.policies.stopping import Plateau as Plateau
    from optimizers.policies.stopping import ScoreReached as ScoreReached
    from optimizers.progress import Progress as Progress
    from optimizers.proposers.ceilings import Ceilings as Ceilings
    from optimizers.proposers.code import CodePrompt as CodePrompt
    from optimizers.proposers.demonstrations import Demonstrations as Demonstrations
    from optimizers.proposers.evolution import CrossoverPrompt as CrossoverPrompt
    from optimizers.proposers.evolution import DifferencePrompt as DifferencePrompt
    from optimizers.proposers.instruction import DataSummary as DataSummary
    from optimizers.proposers.instruction import InstructionPrompt as InstructionPrompt
    from optimizers.proposers.instruction import ProgramDescription as ProgramDescription
    from optimizers.proposers.merge import Merge as Merge
    from optimizers.proposers.opro import OproPrompt as OproPrompt
    from optimizers.proposers.optoprime import OptoPrimePrompt as OptoPrimePrompt
    from optimizers.proposers.protegi import EditPrompt as EditPrompt
    from optimizers.proposers.protegi import GradientCounsel as GradientCounsel
    from optimizers.proposers.protegi import ParaphrasePrompt as ParaphrasePrompt
    from optimizers.proposers.reflection import ReflectionPrompt as ReflectionPrompt
    from optimizers.proposers.rules import RulePrompt as RulePrompt
    from optimizers.proposers.textgrad import TextGradPrompt as TextGradPrompt
    from optimizers.result import Result as Result
    from optimizers.rollout import Cost as Cost
    from optimizers.rollout import Rollout as Rollout
    from optimizers.search import LocalSearch as LocalSearch
    from optimizers.search import RandomSearch as RandomSearch
    from optimizers.step import Step as Step
    from optimizers.strategies.beam import Beam as Beam
    from optimizers.strategies.best_of_n import BestOfN as BestOfN
    from optimizers.strategies.bootstrap import Bootstrap as Bootstrap
    from optimizers.strategies.credit import Credit as Credit
    from optimizers.strategies.evolution import Evolution as Evolution
    from optimizers.strategies.gated import Gated as Gated
    from optimizers.strategies.halving import Halving as Halving
    from optimizers.strategies.history import History as History
    from optimizers.strategies.mipro import Mipro as Mipro
    from optimizers.strategies.pareto import Pareto as Pareto
    from optimizers.strategies.plain import Plain as Plain
    from optimizers.strategies.priority import Priority as Priority
    from optimizers.strategies.replicated import Replicated as Replicated
    from optimizers.strategies.simba import Simba as Simba
    from optimizers.textgrad import TextGrad as TextGrad
    from optimizers.trainer import Trainer as Trainer
    from optimizers.training.optimize import optimize as optimize
    from optimizers.training.projection import Projection as Projection


def __getattr__(name: str) -> Any:
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(module), name)
    return found


def __dir__() -> list[str]:
    return list(__all__)
