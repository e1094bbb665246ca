"""Labelling on the pages: one answer after the other, by several raters at once, into the file that the plan reads.

The file is what `check` corrects a judge with; the record remembers each label beside it, with who gave it and when. A
rater is shown neither the judge's verdict nor what others said.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from shipworthy.api.acting import acting, everyone, said
from shipworthy.api.intact import plan_of, rows_of
from shipworthy.api.pages import Library, RunRow, absent, find, run_row
from shipworthy.api.transcripts import Key, Shelf, answer_of, turns_of
from shipworthy.errors import Fault, NotEstimable, Unusable
from shipworthy.evidence.answers import Turn
from shipworthy.integrity import persons
from shipworthy.observations.labels import SKIP, response_digest
from shipworthy.present.safe import passage, shorten
from shipworthy.record.labels import Label

if TYPE_CHECKING:
    from shipworthy.api.labelling import Question, Sitting
    from shipworthy.plan.models import Evaluation, Plan

BATCH = 12  # answers that are proposed to a rater at a time
_MOST_SITTINGS = 200
_MOST_CRITERIA = 20_000  # characters of a rubric that are shown


@dataclass(frozen=True, kw_only=True, slots=True)
class Judge:
    """A scorer whose word people check."""

    evaluation: str
    scorer: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A label, with the key that stands for it."""

    key: str
    word: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An answer to be labelled."""

    case: str
    attack: str
    trial: int
    version: str | None
    response: str  # digest of the answer
    turns: list[Turn]
    redacted: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreed:
    """How far raters agree."""

    name: str
    value: float
    low: float
    high: float
    items: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelPage:
    """The next answer for one rater, and how far labelling has come."""

    run: RunRow
    judges: list[Judge]
    judge: Judge | None  # that is meant; None where there is none
    rubric: str
    criteria: list[str]
    words: list[Word]
    answer: Answer | None  # None: nothing is left to label
    given: str | None  # what this rater said of it, where it is the one before
    second: bool
    mine: int  # answers that this rater labelled on these pages
    labelled: int  # answers that somebody labelled
    judged: int
    counted: int
    claims: list[str]
    file: str  # of the labels, from the project's folder
    is_named: bool  # the plan names the file, so a check reads it
    raters: int
    agreed: list[Agreed]
    why_unknown: str  # why agreement is not known; "" where it is, or where it is not shown yet


class Room:
    """Where raters sit: what was proposed to each, and not labelled yet."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.shelf = Shelf(library)
        self._lock = Lock()
        self._labelled: dict[tuple[str, Judge], set[Key]] = {}  # here, since the server was started
        self._judges: dict[str, list[Judge]] = {}  # of the runs that were looked at
        self._sittings: OrderedDict[tuple[str, Judge, str, bool], tuple[Sitting, list[Question]]] = OrderedDict()

    def page(
        self, digest: str, *, actor: str | None, evaluation: str | None, scorer: str | None, second: bool, back: bool
    ) -> LabelPage:
        """What a rater sees: the next answer, or with `back` the one that they labelled last.

        Raises Unusable: WEB001 no such run or judge, WEB007 what cannot be read, LABEL001 to LABEL004.
        """
        run = run_row(find(self.library.record, digest), everyone(self.library.record))
        try:
            kept, folder, plan = plan_of(self.library, digest)
            judges = self._judges_of(folder, kept.facts.digest, plan)
        except Unusable as error:
            return _nothing(run, error.faults[0].what)
        meant = [one for one in judges if evaluation in (None, one.evaluation) and scorer in (None, one.scorer)]
        if (evaluation or scorer) and not meant:
            raise absent("this run has no such judge", "choose one that the page offers")
        if not meant:
            return _nothing(run, "")
        judge = meant[0]
        file, is_named = _file(self.library, folder, plan, judge)
        person, rater = _rater(self.library, actor)
        sitting, waiting = self._sitting(folder, kept.facts.digest, judge, rater, file, second=second)
        mine = [
            one
            for one in self.library.record.labels(
                run=kept.facts.digest, evaluation=judge.evaluation, scorer=judge.scorer
            )
            if one.rater == person
        ]
        last = mine[-1] if back and mine else None
        answer = self._again(digest, judge, last) if last is not None else _shown(waiting[0]) if waiting else None
        raters, agreed, why = _agreement(file, sitting) if mine or answer is None else (0, [], "")
        return LabelPage(
            run=run, judges=judges, judge=judge, rubric=sitting.rubric or "",
            criteria=list(passage(sitting.criteria, _MOST_CRITERIA)[0]), words=_words(sitting), answer=answer,
            given=last.label if last is not None else None, second=second, mine=len(mine),
            labelled=len(sitting.known | self._labelled.get((digest, judge), set())), judged=sitting.judged,
            counted=sitting.counted, claims=list(sitting.claims),
            file=file.relative_to(self.library.root.resolve()).as_posix(), is_named=is_named, raters=raters,
            agreed=agreed, why_unknown=why,
        )  # fmt: skip

    def give(
        self, digest: str, key: Key, *, judge: Judge, response: str, label: str, actor: str | None, now: datetime,
        second: bool,
    ) -> None:  # fmt: skip
        """Write down what a rater says of an answer: into the file of labels, then into the record.

        response: digest of the answer that was read. Raises Unusable: as `page`; GOVERN001 where nobody says who
        labels; LABEL007 for a word that is no label of this judge; LABEL008 for another answer than the run's.
        """
        said(actor)
        kept, folder, plan = plan_of(self.library, digest)
        if judge not in self._judges_of(folder, kept.facts.digest, plan):
            raise absent("this run has no such judge", "choose one that the page offers")
        file, _ = _file(self.library, folder, plan, judge)
        person = acting(self.library.record, actor).person
        rater = pseudonym(person)
        sitting, waiting = self._sitting(folder, kept.facts.digest, judge, rater, file, second=second)
        if label != SKIP and label not in {one.word for one in _words(sitting)}:
            what, mend = f"{label[:40]!r} is no label of this judge", f"choose {sitting.vocabulary.told}, or skip"
            raise Unusable(Fault(code="LABEL007", what=what, where="label", mend=mend))
        if response_digest(answer_of(self.shelf, digest, judge.evaluation, key)) != response:
            what, mend = "this is not the answer that was read", "open the page anew, and label what it shows"
            raise Unusable(Fault(code="LABEL008", what=what, where="response", mend=mend))
        _write(file, key, response, label, rater)
        if label != SKIP:
            case, attack, trial, version = key
            told = Label(
                run=kept.facts.digest, evaluation=judge.evaluation, case=case, scorer=judge.scorer, label=label,
                rater=person, attack=attack, trial=trial, variant=version or "", response=response,
            )  # fmt: skip
            self.library.record.add_labels(person, now, [told])
        with self._lock:
            if label != SKIP:
                self._labelled.setdefault((digest, judge), set()).add(key)
            waiting[:] = [one for one in waiting if (one.case, one.attack, one.trial, one.variant) != key]

    def _judges_of(self, folder: Path, digest: str, plan: Plan) -> list[Judge]:
        for name, model in plan.evaluations.items():
            if model.is_generative:
                rows_of(folder, digest, name)  # still what they were
        if digest not in self._judges:
            self._judges[digest] = _judges(folder, plan)
        return self._judges[digest]

    def _sitting(
        self, folder: Path, digest: str, judge: Judge, rater: str, file: Path, *, second: bool
    ) -> tuple[Sitting, list[Question]]:
        """What was proposed to a rater, and is not labelled yet; more is proposed where nothing is left."""
        from shipworthy.api.labelling import propose

        place = (digest, judge, rater, second)
        with self._lock:
            found = self._sittings.get(place)
            if found is not None and found[1]:
                self._sittings.move_to_end(place)
                return found
        sitting = propose(
            folder, labels=file, rater=rater, count=BATCH, evaluation=judge.evaluation, scorer=judge.scorer,
            second=second,
        )  # fmt: skip
        with self._lock:
            self._sittings[place] = (sitting, list(sitting.questions))
            while len(self._sittings) > _MOST_SITTINGS:
                self._sittings.popitem(last=False)
            return self._sittings[place]

    def _again(self, digest: str, judge: Judge, last: Label) -> Answer:
        from shipworthy.api.transcripts import Place, Wanted, transcript_page

        place = Place(case=last.case, attack=last.attack, trial=last.trial)
        wanted = Wanted(evaluation=judge.evaluation, version=last.variant or None)
        page = transcript_page(self.shelf, digest, place, wanted)
        return Answer(
            case=last.case, attack=last.attack, trial=last.trial, version=last.variant or None, response=last.response,
            turns=page.turns, redacted=page.redacted,
        )  # fmt: skip


def pseudonym(person: str) -> str:
    """What stands for a person in a file of labels: the beginning of their commitment, which names nobody."""
    return person[:23]


def _nothing(run: RunRow, why: str) -> LabelPage:
    return LabelPage(
        run=run, judges=[], judge=None, rubric="", criteria=[], words=[], answer=None, given=None, second=False,
        mine=0, labelled=0, judged=0, counted=0, claims=[], file="", is_named=False, raters=0, agreed=[],
        why_unknown=why,
    )  # fmt: skip


def _rater(library: Library, actor: str | None) -> tuple[str, str]:
    """Who labels, by commitment and by what stands for them in the file; "nobody" who is not known yet."""
    if not actor:
        return "", "nobody"
    identity = persons.person(actor).identity
    found = next((one.person for one in everyone(library.record).values() if one.identity == identity), None)
    return (found, pseudonym(found)) if found else ("", "nobody")


def _judges(folder: Path, plan: Plan) -> list[Judge]:
    """The scorers of a run whose words people can check."""
    from shipworthy.api.judging import judged_scorers, own
    from shipworthy.evidence.store import reopen

    found = []
    for name, model in plan.evaluations.items():
        if not model.is_generative:
            continue
        observations, _ = reopen(folder, name, model)
        for scorer in judged_scorers(observations):
            value = own(observations, scorer, None)
            if value is not None and not value.type().is_floating():
                found.append(Judge(evaluation=name, scorer=scorer))
    return found


def _file(library: Library, folder: Path, plan: Plan, judge: Judge) -> tuple[Path, bool]:
    """The file of a judge's labels, and whether the plan names it. Raises Unusable (LABEL009) where it lies outside of
    the project's folder, which is then not written to."""
    from shipworthy.evidence.store import plan_folder

    root = library.root.resolve()
    start = plan_folder(folder)
    stated = _stated(plan.evaluations[judge.evaluation], judge.scorer)
    plain = "".join(char if char.isalnum() or char in "-_" else "_" for char in judge.scorer)[:80]
    path = (start / (stated or f"labels/{plain}.csv")).resolve()
    if not start.is_relative_to(root) or not path.is_relative_to(root) or path.suffix.lower() != ".csv":
        what = "the file of its labels would lie outside of the project's folder, or be no CSV file"
        mend = "name a CSV file inside of it as `human_labels:` of the judge, and check again"
        raise Unusable(Fault(code="LABEL009", what=what, where=shorten(stated or plain, 200), mend=mend))
    return path, stated is not None


def _stated(model: Evaluation, scorer: str) -> str | None:
    """The file of labels that the plan names for a scorer."""
    for spec in model.scorers:
        if isinstance(spec, Mapping) and isinstance(spec.get("human_labels"), str):
            kind = next((key for key in spec if key not in ("name", "measures", "human_labels", "subject")), "")
            usual = Path(str(spec["judge"])).stem if isinstance(spec.get("judge"), str) else kind
            if str(spec.get("name") or usual) == scorer:
                return str(spec["human_labels"])
    return None


def _words(sitting: Sitting) -> list[Word]:
    return [Word(key=key, word=word) for key, word in sitting.vocabulary.keys.items()]


def _shown(question: Question) -> Answer:
    turns, redacted = turns_of(question.messages, question.answer)
    return Answer(
        case=question.case, attack=question.attack, trial=question.trial, version=question.variant,
        response=question.response, turns=turns, redacted=redacted,
    )  # fmt: skip


def _write(file: Path, key: Key, response: str, label: str, rater: str) -> None:
    from shipworthy.api.labelling import Question, write_label

    case, attack, trial, version = key
    told = Question(
        case=case, attack=attack, trial=trial, variant=version, response=response, messages=(), answer=""
    )  # fmt: skip
    write_label(file, told, label, rater=rater)


def _agreement(file: Path, sitting: Sitting) -> tuple[int, list[Agreed], str]:
    """How many raters there are, and how far they agree on answers that several of them labelled."""
    from shipworthy.observations.labels import read_labels

    if not file.exists():
        return 0, [], "nobody has labelled anything yet"
    rated: list[list[Any]] = []
    raters = 0
    for version in _versions(file):
        found = read_labels(
            file, sitting.vocabulary.measures, variant=version, where=str(file), own=sitting.vocabulary.own
        )
        raters = max(raters, found.raters)
        rated += [words for by_digest in found.words.values() for words in by_digest.values() if len(words) > 1]
    if len(rated) < 2:
        return raters, [], "fewer than two answers have labels of several people"
    return raters, *_coefficients(rated)


def _versions(file: Path) -> Iterator[str | None]:
    """The versions that a file of labels speaks of."""
    import csv

    from shipworthy.observations.labels import unquoted

    with file.open(encoding="utf-8-sig", newline="") as lines:
        yield from dict.fromkeys(unquoted(row.get("variant") or "") or None for row in csv.DictReader(lines))


def _coefficients(rated: Sequence[Iterable[Any]]) -> tuple[list[Agreed], str]:
    import numpy as np

    from shipworthy.stats.agreement import fleiss_kappa, gwet_ac, krippendorff_alpha, percent_agreement

    words = sorted({word for each in rated for word in each}, key=str)
    counts = np.array([[sum(word == one for one in each) for word in words] for each in rated], dtype=float)
    if len(words) == 1:  # another word was on offer
        counts = np.column_stack([counts, np.zeros(len(rated))])
    found, reasons = [], []
    for name, measure in (
        ("Same label", percent_agreement), ("AC1", gwet_ac), ("Kappa (Fleiss)", fleiss_kappa),
        ("Alpha (Krippendorff)", krippendorff_alpha),
    ):  # fmt: skip
        try:
            one = cast("Any", measure)(counts)
        except NotEstimable as reason:
            reasons.append(f"{name}: {reason}")
            continue
        low, high = (float(limit) for limit in one.interval)
        found.append(Agreed(name=name, value=one.value, low=low, high=high, items=one.items))
    return found, shorten("; ".join(reasons), 300)
