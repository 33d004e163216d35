"""TextGrad: critics carry the feedback back along the graph, then each variable is rewritten from theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from optimizers.candidate import Proposal
from optimizers.conversation import asked, together
from optimizers.effects import Propose
from optimizers.evidence.excerpt import Excerpt
from optimizers.proposers.cases import case_sections
from optimizers.proposers.critics import Critics
from optimizers.proposers.gradients import Gradient, noted_in, reason_of
from optimizers.proposers.prompt import Prompt
from optimizers.proposers.runs import LONG, feedback_text
from optimizers.proposers.sections import Entry, Section, cut_mark
from optimizers.proposers.suggestion import SuggestionPrompt
from optimizers.proposers.texts import prompt_file, standing_text, version_of
from optimizers.roles import Check, Talk
from optimizers.rollout import Rollout


@dataclass(frozen=True)
class DescentPrompt(SuggestionPrompt):
    """The question of the descent: a new value for one variable, from the `gradients` it heard.

    `earlier` are its gradients of earlier steps, oldest first.
    """

    gradients: tuple[Gradient, ...] = ()
    earlier: tuple[Gradient, ...] = ()

    tag: ClassVar[str] = "textgrad"

    def sections(self, request: Propose) -> Iterable[Section]:
        """What the variable is, the examples, the gradients, earlier attempts."""
        record = self.record(request)
        yield from record.variables()
        yield from record.constraints()
        yield from case_sections(record, judged=False)
        yield from self._said("gradient", self.gradients, self.ceilings.feedback)
        yield from self._said("earlier gradient", self.earlier, self.ceilings.advice)
        yield from record.earlier()

    def _said(self, title: str, gradients: Sequence[Gradient], ceiling: int) -> Iterable[Section]:
        entries = [
            Entry("", Excerpt.of(one.text.strip(), LONG), (len(gradients) - place,))
            for place, one in enumerate(gradients)
        ]
        texts = self.ceilings.fit(entries, ceiling)
        for number, (one, text) in enumerate(zip(gradients, texts, strict=True), 1):
            of = f" from example {one.example}" if one.example else ""
            if text is not None:
                yield Section(f"{title} {number}{of}", text)
        if None in texts:
            yield Section(f"more {title}s", cut_mark(texts.count(None), f"{title}s"))


@dataclass(frozen=True)
class TextGradPrompt(Prompt):
    """Textual gradient descent, Yuksekgonul et al. 2024 (arXiv 2406.07496).

    A critic is asked about each recorded edge that leads to a trainable variable, those of one depth at the
    same time; then each variable that heard something is rewritten by a question of its own. Edges to
    constants are not asked about.

    The question of a variable shows its last `momentum` gradients of earlier steps, None for all there are.
    They are read from the request's `notes`: the reasons of earlier proposals, oldest first, each of which
    holds the gradients it was made from. `critic` takes the place of what critics are told.
    """

    momentum: int | None = None
    critic: str | None = None

    tag: ClassVar[str] = "textgrad"

    @property
    def version(self) -> str:
        """As of every prompt; what critics are told counts too."""
        return version_of(self, self.standing, self._told, prompt_file("repair.md"))

    def converse(self, request: Propose, check: Check) -> Talk[Proposal]:
        """The proposal for all variables that heard something and whose new value can be used."""
        names = self.offered(request)
        heard = yield from together([self._criticised(one, names) for one in request.evidence])
        gradients = {
            name: tuple(
                Gradient(name, text, number)
                for number, said in enumerate(heard, 1)
                for text in said.get(name, ())
            )
            for name in names
        }
        moved = [name for name in names if gradients[name]]
        if not moved:
            return Proposal({}, problem="no critic said anything that could be used")
        earlier = noted_in(request.notes)
        proposals = yield from together(
            [
                asked(self._descent(name, gradients[name], earlier), replace(request, names=(name,)), check)
                for name in moved
            ]
        )
        return _joined(dict(zip(moved, proposals, strict=True)), gradients)

    def _criticised(self, rollout: Rollout, names: tuple[str, ...]) -> Talk[Mapping[str, list[str]]]:
        if rollout.evidence is None:
            return {}
        critics = Critics(rollout.evidence, names, self._told, self.ceilings)
        return (yield from critics.gradients(feedback_text(rollout.feedback)))

    @property
    def _told(self) -> str:
        told = self.critic if self.critic is not None else standing_text("textgrad_critic")
        return f"{told}\n\n# The objective\n\n{self.objective or self.goal}"

    def _descent(
        self, name: str, gradients: tuple[Gradient, ...], earlier: Sequence[Gradient]
    ) -> DescentPrompt:
        kept = [one for one in earlier if one.variable == name]
        most = len(kept) if self.momentum is None else self.momentum
        last = tuple(kept[max(0, len(kept) - most) :])
        return DescentPrompt(
            self.parameters, self.objective, self.instruction, self.ceilings, gradients, last
        )


def _joined(proposals: Mapping[str, Proposal], gradients: Mapping[str, Sequence[Gradient]]) -> Proposal:
    """All that can be used in one proposal; a problem where nothing can."""
    usable = {name: one for name, one in proposals.items() if one.problem is None}
    reply = "\n\n".join(one.reply for one in proposals.values())
    problems = [f"{name}: {one.problem}" for name, one in proposals.items() if one.problem is not None]
    reasons = [(name, one.reason) for name, one in usable.items()]
    reasons += [
        (name, f"kept, since its new value could not be used: {proposals[name].problem}")
        for name in proposals
        if name not in usable
    ]
    said = [one for name in proposals for one in gradients[name]]
    values = {name: value for one in usable.values() for name, value in one.values.items()}
    return Proposal(values, reason_of(reasons, said), reply, "\n".join(problems) if not usable else None)
