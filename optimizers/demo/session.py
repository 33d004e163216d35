"""One run of the demonstration from the reading of the sources to the last line on the screen."""

from __future__ import annotations

import platform
import time

from optimizers.demo.agent import Librarian
from optimizers.demo.corpus import Corpus, read_corpus
from optimizers.demo.finding import Finding, Sample
from optimizers.demo.folder import Folder
from optimizers.demo.job import Settings, answers, trained
from optimizers.demo.library import Library
from optimizers.demo.screen import Bar, ModelWatch, Screen, SearchWatch
from optimizers.demo.splits import Splits
from optimizers.demo.summary import (
    files_text,
    go_on_text,
    learned_text,
    sample_text,
    scores_text,
    spent_text,
)
from optimizers.result import Result
from tracelib.graph.graph import Graph


def run(settings: Settings, folder: Folder, screen: Screen) -> None:
    """Read, train, draw, save and tell. Raises the errors of ours that training and drawing raise."""
    began = time.monotonic()
    screen.say("Which module of the standard library does a sentence come from?", "bold")
    corpus = read(screen)
    splits = Splits.of(corpus.questions, settings.seed)
    agent = Librarian(Library(corpus))
    screen.say(described(corpus, splits))
    result = train(agent, splits, settings, folder, screen)
    sample = sample_of(agent, splits, result)
    finding = Finding.of(settings, corpus, splits, result, sample, time.monotonic() - began)
    keep(agent, splits, sample, finding, folder)
    tell(finding, folder, screen)


def read(screen: Screen) -> Corpus:
    with screen.reading() as progress:
        return read_corpus(progress=progress)


def described(corpus: Corpus, splits: Splits) -> str:
    """What was read, and how it is divided."""
    sentences = sum(len(module.sentences) for module in corpus.modules)
    return (
        f"Python {platform.python_version()}: {len(corpus.modules)} modules say {sentences:,} sentences, "
        f"{len(corpus.questions):,} of them are questions.\n"
        f"{len(splits.train)} are for training, {len(splits.validation)} decide, "
        f"{len(splits.test)} are held out. A question never finds its own sentence."
    )


def train(agent: Librarian, splits: Splits, settings: Settings, folder: Folder, screen: Screen) -> Result:
    """Train with progress on the screen."""
    if settings.model is None:
        screen.say(f"\nLocalSearch tries {settings.trials} candidates, without a language model.")
        with Bar(screen.console, "Trying", "candidates") as bar:
            return trained(agent, splits, settings, folder.journal, SearchWatch(screen, bar, settings.trials))
    screen.say(f"\nOptoPrime asks {settings.model}, {settings.calls} times at most. {permission(settings)}")
    with Bar(screen.console, "Asking", "proposals") as bar:
        return trained(agent, splits, settings, folder.journal, ModelWatch(screen, bar, settings.calls))


def permission(settings: Settings) -> str:
    """Whether the model rewrites code too, and where that runs."""
    if settings.code:
        return "It may rewrite the ranking code, which then runs in a sandbox."
    return "The ranking code stays as it is: --code lets the model rewrite it too."


def sample_of(agent: Librarian, splits: Splits, result: Result) -> Sample | None:
    """The first question held out that training put right; None where there is none."""
    for question, module in splits.test:
        before, after = answers(agent, question, result.seed), answers(agent, question, result.best)
        if before != module == after:
            return Sample(question.sentence, module, before, after)
    return None


def keep(agent: Librarian, splits: Splits, sample: Sample | None, finding: Finding, folder: Folder) -> None:
    """Write the picture of one question, the learned parameters and the numbers."""
    shown = sample.sentence if sample is not None else splits.test[0][0].sentence
    question = next(question for question, _ in splits.test if question.sentence == shown)
    Graph.behind(agent(question)).render(folder.graph)
    agent.save(folder.agent)
    folder.save(finding.to_json())


def tell(finding: Finding, folder: Folder, screen: Screen) -> None:
    """The result, and how to go on."""
    held_out = finding.questions["test"]
    screen.say(f"\nRight answers on the {held_out} questions held out [95 % bootstrap interval]")
    screen.say(scores_text(finding.scores), "bold")
    if finding.result.improved:
        screen.say(f"\nWhat was learned\n{learned_text(finding.result)}")
    else:
        screen.say("\nNothing beat the values it began with, so they stay.")
    if finding.sample is not None:
        screen.say(f"\nA question that it now answers\n{sample_text(finding.sample)}")
    screen.say(f"\nWritten\n{files_text(folder)}\n\n{spent_text(finding)}")
    if finding.settings.model is None:
        screen.say(f"\nGo on with a model:\n{go_on_text()}")
