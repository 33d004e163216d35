"""The standard library's own source as data: what each module says of itself. Knows no agent.

Every Python carries it, so that the demonstration works without a network. Nothing is imported or
run: the files are read and parsed with `ast`.
"""

from __future__ import annotations

import ast
import re
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tracelib.errors import NoSourceError

SKIPPED = {"antigravity", "distutils", "encodings", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "test"}
SKIPPED |= {"this", "turtledemo"}
"""Modules about nothing, tests, applications and generated tables; private modules are skipped too."""

SHORTEST = 4
"""Words a first sentence needs to be a question: `Return the string.` fits anywhere."""

LONGEST = 200
"""Characters; longer ones are usage listings, not sentences."""

PER_MODULE = 40
"""Questions taken from one module at most, else a fifth of all would be about tkinter."""

NO_SOURCE = (
    "{folder} holds no Python source of a standard library: {python} keeps it compiled or in a zip file; "
    "run the demo with a Python from python.org, a package manager, conda or pyenv"
)

WORD = re.compile(r"[a-z0-9]+")
HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
SENTENCE_END = re.compile(r"(?<=[.!?])\s")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class ModuleText:
    """What one module says of itself: its name, docstring, the public names in it and what they do.

    `sentences` are the first sentences of the public docstrings, each once, in the file's order.
    """

    name: str
    docstring: str
    names: tuple[str, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """A docstring's first sentence; `number` is its place among the corpus's sentences.

    By the number the library leaves this sentence out when it searches for this question.
    """

    sentence: str
    number: int


@dataclass(frozen=True)
class Corpus:
    """All modules in alphabetical order, and the questions with the name of the module as the answer.

    The sentences are numbered through all modules, in order.
    """

    modules: tuple[ModuleText, ...]
    questions: tuple[tuple[Question, str], ...]


def source_folder() -> Path:
    """Where this Python keeps the source of its standard library."""
    return Path(sysconfig.get_path("stdlib"))


def read_corpus(folder: Path | None = None, progress: Callable[[int, int], None] | None = None) -> Corpus:
    """The corpus of this Python, or of another folder that holds a standard library.

    The same folder gives the same corpus. Files that cannot be parsed are left out. `progress` is
    called with (files read, files) after each. Raises NoSourceError where there is no source.
    """
    folder = source_folder() if folder is None else folder
    files = module_files(folder)
    modules = []
    for done, (name, path) in enumerate(files, 1):
        module = read_module(name, path)
        if module is not None and module.sentences:
            modules.append(module)
        if progress is not None:
            progress(done, len(files))
    if not modules:
        raise NoSourceError(NO_SOURCE.format(folder=folder, python=sys.executable))
    return Corpus(tuple(modules), tuple(ask(modules)))


def module_files(folder: Path) -> list[tuple[str, Path]]:
    """The public top-level modules and packages with their source files, in alphabetical order."""
    names = sorted(name for name in sys.stdlib_module_names - SKIPPED if not name.startswith("_"))
    files = [(name, folder / place) for name in names for place in (f"{name}.py", f"{name}/__init__.py")]
    return [(name, file) for name, file in files if file.is_file()]


def read_module(name: str, path: Path) -> ModuleText | None:
    """What the file says of its module; None when it is no Python of this version."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return None
    definitions = list(public_definitions(tree.body))
    said = (ast.get_docstring(definition) for definition in definitions)
    return ModuleText(
        name,
        ast.get_docstring(tree) or "",
        tuple(definition.name for definition in definitions),
        tuple(dict.fromkeys(filter(None, (first_sentence(text or "") for text in said)))),
    )


def public_definitions(body: list[ast.stmt]) -> Iterator[Definition]:
    """Functions, classes and methods whose names carry no leading underscore, in the file's order."""
    for statement in body:
        if isinstance(statement, ast.If | ast.Try):
            yield from public_definitions([*statement.body, *statement.orelse])
        elif isinstance(statement, Definition) and not statement.name.startswith("_"):
            yield statement
            if isinstance(statement, ast.ClassDef):
                yield from public_definitions(statement.body)


def first_sentence(docstring: str) -> str:
    """The first sentence of the first paragraph, on one line.

    >>> first_sentence("Return the base\\n    name.  See below.\\n\\nMore.")
    'Return the base name.'
    """
    paragraph = " ".join(docstring.strip().partition("\n\n")[0].split())
    return SENTENCE_END.split(paragraph, maxsplit=1)[0]


def words(text: str) -> list[str]:
    """The words of a text or an identifier, in lower case.

    >>> words("getSource_lines of an OrderedDict")
    ['get', 'source', 'lines', 'of', 'an', 'ordered', 'dict']
    """
    return WORD.findall(HUMP.sub(" ", text).lower())


def ask(modules: list[ModuleText]) -> Iterator[tuple[Question, str]]:
    """Sentences fit to be questions, with their answers: those that only one module says."""
    said = [(sentence, module.name) for module in modules for sentence in module.sentences]
    answers: dict[str, set[str]] = {}
    for sentence, name in said:
        answers.setdefault(sentence, set()).add(name)
    taken: dict[str, int] = {}
    for number, (sentence, name) in enumerate(said):
        if len(answers[sentence]) == 1 and is_question(sentence) and taken.get(name, 0) < PER_MODULE:
            taken[name] = taken.get(name, 0) + 1
            yield Question(sentence, number), name


def is_question(sentence: str) -> bool:
    return len(sentence) <= LONGEST and ">>>" not in sentence and len(words(sentence)) >= SHORTEST
