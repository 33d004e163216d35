from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from optimizers.demo.corpus import Corpus, first_sentence, module_files, read_corpus, source_folder, words
from optimizers.demo.library import FIELDS, Library
from tracelib.errors import NoSourceError

GLOB = '''"""Filename globbing utility."""
def glob(pathname):
    """Return a list of paths matching a pathname pattern.

    The pattern may contain shell wildcards.
    """
def _private():
    """Nobody may ask about this one sentence."""
class Finder:
    """Finds things in many folders at once."""
    def find_all(self):
        """Return the very same sentence twice over."""
    def findAgain(self):
        """Return the very same sentence twice over."""
'''
HEAPQ = '''"""Heap queue algorithm."""
try:
    def heapify(x):
        """Transform list into a heap, in-place, in linear time."""
except ImportError:
    pass
def push():
    """Too short."""
def same():
    """Return a list of paths matching a pathname pattern."""
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "glob.py").write_text(GLOB)
    (tmp_path / "heapq.py").write_text(HEAPQ)
    (tmp_path / "bisect.py").write_text("this is not Python")
    (tmp_path / "unheard_of.py").write_text(GLOB)
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "__init__.py").write_text(GLOB)
    return tmp_path


@pytest.fixture
def corpus(folder: Path) -> Corpus:
    return read_corpus(folder)


@pytest.fixture(scope="module")
def real() -> Corpus:
    return read_corpus()


def test_only_public_modules_of_the_standard_library_are_read(corpus: Corpus) -> None:
    assert [module.name for module in corpus.modules] == ["glob", "heapq"]


def test_only_public_functions_classes_and_methods_are_named(corpus: Corpus) -> None:
    glob, heapq = corpus.modules
    assert glob.names == ("glob", "Finder", "find_all", "findAgain")
    assert heapq.names == ("heapify", "push", "same")
    assert glob.docstring == "Filename globbing utility."


def test_a_sentence_said_twice_in_a_module_is_kept_once(corpus: Corpus) -> None:
    assert corpus.modules[0].sentences.count("Return the very same sentence twice over.") == 1


def test_questions_are_sentences_that_one_module_alone_says(corpus: Corpus) -> None:
    asked = {question.sentence: answer for question, answer in corpus.questions}
    assert asked == {
        "Finds things in many folders at once.": "glob",
        "Return the very same sentence twice over.": "glob",
        "Transform list into a heap, in-place, in linear time.": "heapq",
    }


def test_reading_tells_how_far_it_is(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    read_corpus(folder, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_python_without_source_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoSourceError, match="no Python source"):
        read_corpus(tmp_path)


def test_every_python_carries_enough_to_learn_from(real: Corpus) -> None:
    assert len(real.modules) > 100
    assert len(real.questions) >= 1300
    assert len({question.number for question, _ in real.questions}) == len(real.questions)


def test_the_corpus_is_the_same_in_another_process(real: Corpus) -> None:
    code = "from optimizers.demo.corpus import read_corpus; import hashlib;"
    code += "print(hashlib.sha256(repr(read_corpus()).encode()).hexdigest())"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_reading_imports_none_of_the_modules() -> None:
    assert {name for name, _ in module_files(source_folder())} > {"turtle", "webbrowser"}
    code = "from optimizers.demo.corpus import read_corpus; import sys; read_corpus();"
    code += "print('turtle' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("docstring", "sentence"),
    [
        ("One line", "One line"),
        ("One. Two.", "One."),
        ("\n  Over\n  two lines.\n\n  Second paragraph.", "Over two lines."),
        ("Since 3.11 it works. More.", "Since 3.11 it works."),
        ("", ""),
    ],
)
def test_the_first_sentence_ends_at_its_full_stop_or_paragraph(docstring: str, sentence: str) -> None:
    assert first_sentence(docstring) == sentence


def test_identifiers_fall_into_words() -> None:
    assert words("HTTPServer.serve_forever2 isÜber") == ["httpserver", "serve", "forever2", "is", "ber"]


def test_each_field_counts_its_own_words(corpus: Corpus) -> None:
    library = Library(corpus)
    (module, *counts) = library.index["glob"][0]
    assert library.names[module] == "glob"
    assert dict(zip(FIELDS, counts, strict=True)) == {"name": 1, "docstring": 0, "names": 1, "sentences": 0}


def test_a_question_does_not_find_its_own_sentence(corpus: Corpus) -> None:
    library = Library(corpus)
    question = next(question for question, _ in corpus.questions if question.sentence.startswith("Finds"))
    assert library.places("folders", question.number) == ((0, 0, 0, 0, 0),)
    assert library.places("many", question.number + 1) == library.index["many"] == ((0, 0, 0, 0, 1),)


def test_leaving_one_sentence_out_leaves_the_others_of_its_module(real: Corpus) -> None:
    library = Library(real)
    question, answer = real.questions[0]
    own = library.names.index(answer)
    for word in words(question.sentence):
        whole = {place[0]: place for place in library.index[word]}
        left = {place[0]: place for place in library.places(word, question.number)}
        said = words(question.sentence).count(word)
        assert left.pop(own) == (*whole[own][:4], whole.pop(own)[4] - said)
        assert left == whole


def test_a_word_nobody_says_stands_nowhere(corpus: Corpus) -> None:
    library = Library(corpus)
    assert library.places("zebra", 0) == ()
    assert library.rarity("zebra") == 0.0
    assert library.rarity("heap") > library.rarity("list") > 0
