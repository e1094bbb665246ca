"""A generative evaluation up to its rows: cases, attacked and asked, journalled, scored, judged, one table.

    suite × attacks × trials ─▶ answers (journal) ─▶ scores ─▶ judges' verdicts (journal) ─▶ rows (Parquet)

Every step streams, and gives its rows in the order of the jobs, whatever order answers came in. Nothing is asked that a
journal already holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from shipworthy.api.judging import agreement_finding, position_finding
from shipworthy.api.measuring import unfilled
from shipworthy.api.pairing import beside, check_logs
from shipworthy.cases.attacks.catalogue import apply_attack, attack
from shipworthy.cases.suite import Suite, open_suite
from shipworthy.collect.asking import ask_all
from shipworthy.collect.jobs import Job
from shipworthy.collect.journal import count_finished, read_journal
from shipworthy.collect.limits import Limits
from shipworthy.collect.progress import Progress
from shipworthy.errors import Fault, PlanError, Unusable
from shipworthy.exchange import ANSWERED, Answer, Case, Exchange
from shipworthy.metrics.catalogue import lookup
from shipworthy.metrics.kinds import Metric
from shipworthy.observations.answers import (
    FAILED,
    RESERVED,
    Column,
    Version,
    assemble,
    judged_columns,
    write_rows,
    write_scores,
)
from shipworthy.observations.findings import Finding, Gravity
from shipworthy.observations.labels import Labels, read_labels
from shipworthy.plan.loading import LoadedPlan
from shipworthy.plan.models import Evaluation, Subject
from shipworthy.plan.suggestions import did_you_mean
from shipworthy.scorers.catalogue import open_scorer
from shipworthy.scorers.judge import Judge, rubric_of
from shipworthy.scorers.pairwise import Order, Pairwise
from shipworthy.scorers.protocol import AskedScorer, Range, Score, Scorer, checked, range_of
from shipworthy.subjects.asking import load_assistant
from shipworthy.subjects.recording import Recording, open_recording

Say = Callable[[str], None]
OLD_AFTER = 24  # hours: answers that a check goes on from are named as old
DEFAULT_SCORERS: tuple[str, ...] = ("refusal",)
_SLICED = ("hazard", "attack", "language")
_FIRST = 1_000  # questions to a judge, of which it is known at once whether they bring a verdict


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The rows of a generative evaluation, and what is to be said about how they came about."""

    rows: Path  # Parquet, in the order of the jobs
    source: str
    judged: frozenset[str]  # columns that hold a judge's word
    ranges: Mapping[str, Range]  # scorer -> what its numbers cannot leave
    findings: tuple[Finding, ...]
    journals: tuple[Path, ...]
    resumed: int = 0  # answers and verdicts that an earlier check had got


@dataclass(frozen=True, kw_only=True)
class BrokenOff:
    """What a check of the same plan had got when it was broken off."""

    kept: int  # answers and verdicts
    at: datetime  # when the last of them was written, in UTC

    @property
    def said(self) -> str:
        """What to say before asking goes on."""
        return f"going on from a check broken off at {self._when}: {self.kept:,} answers kept (--fresh asks anew)"

    def finding(self, evaluation: str, resumed: int, *, now: datetime) -> Finding:
        """What the run says of it. now: when the check that went on was started."""
        what = f"{resumed:,} answers were kept from a check broken off at {self._when}"
        hours = (now - self.at).total_seconds() / 3600
        if is_old := hours > OLD_AFTER:
            what += f", {hours:,.0f} hours before this one: the system may have changed since (--fresh asks anew)"
        gravity: Gravity = "warning" if is_old else "note"
        return Finding(evaluation=evaluation, check="resumed", gravity=gravity, what=what, rows=resumed)

    @property
    def _when(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} UTC"


def broken_off_at(folder: Path) -> BrokenOff | None:
    """What lies in the folder of a check that was broken off; None where nothing was answered. Raises DataError."""
    journals = sorted(folder.glob("*.jsonl"))
    kept = sum(map(count_finished, journals))
    if not kept:
        return None
    last = max(journal.stat().st_mtime for journal in journals)
    return BrokenOff(kept=kept, at=datetime.fromtimestamp(last, UTC))


@dataclass(frozen=True, kw_only=True)
class _Scoring:
    """A scorer, and what people said of the same answers."""

    scorer: Scorer | AskedScorer
    column: Column
    range: Range | None  # of its numbers
    labels: Labels | None = None

    @property
    def is_asked(self) -> bool:
        """It has to ask another subject."""
        return isinstance(self.scorer, AskedScorer)


@dataclass(frozen=True, kw_only=True)
class _Asking:
    """One evaluation on its way."""

    name: str
    model: Evaluation
    loaded: LoadedPlan
    suites: tuple[Suite, ...]
    folder: Path  # of journals and rows that are not finished
    cache: Path | None
    say: Say
    replays: bool = False  # nothing is asked: the journals hold all there is
    resumed: list[int] = field(default_factory=list)  # per journal: how many answers it held already

    def where(self, *path: str | int) -> str:
        return self.loaded.locate(("evaluations", self.name, *path))

    def subject(self, name: str) -> Subject:
        return self.loaded.plan.subjects[name]

    @property
    def plan_folder(self) -> Path:
        return self.loaded.path.parent


def ask(
    name: str,
    loaded: LoadedPlan,
    *,
    folder: Path,
    say: Say,
    replays: bool = False,
    suites: tuple[Suite, ...] | None = None,
) -> Asked:
    """Ask what an evaluation asks, score it, and write its rows into `folder`, where its journals lie too.

    replays: ask nobody anything, and score again what the journals in `folder` hold. suites: those of the evaluation,
    where they are open already.
    Raises Unusable; KeyboardInterrupt leaves the journals whole, and the same call goes on from there.
    """
    model = loaded.plan.evaluations[name]
    cache = loaded.path.parent / ".shipworthy" / "answers.sqlite" if model.cache else None
    folder.mkdir(parents=True, exist_ok=True)
    asking = _Asking(
        name=name,
        model=model,
        loaded=loaded,
        suites=suites_of(loaded, name) if suites is None else suites,
        folder=folder,
        cache=cache,
        say=say,
        replays=replays,
    )
    versions: dict[str | None, Version] = {}
    scorings: list[_Scoring] = []
    journals: list[Path] = []
    findings: list[Finding] = []
    answered = {v: _exchanges(asking, v, subject, journals) for v, subject in _versions(model).items()}
    logs = {v: recording for v, subject in _versions(model).items() if (recording := _recording(asking, subject))}
    if len(logs) > 1:
        findings += check_logs(name, logs)
    for variant, exchanges in answered.items():
        scorings = [_with_labels(scoring, exchanges) for scoring in _scorings(asking, variant)]
        others = None if variant == loaded.plan.baseline else answered.get(loaded.plan.baseline)
        versions[variant] = _scored(asking, variant, exchanges, scorings, journals, findings=findings, others=others)
        findings += _label_findings(name, scorings, variant)
    rows = folder / f"{name}.rows.parquet"
    assemble(versions, rows)
    return Asked(
        rows=rows,
        source=_source(asking),
        judged=judged_columns([scoring.column for scoring in scorings]),
        ranges={scoring.column.name: scoring.range for scoring in scorings if scoring.range is not None},
        findings=(*_suite_findings(name, asking.suites), *dict.fromkeys(findings)),
        journals=tuple(journals),
        resumed=sum(asking.resumed),
    )


def refuse_unaskable(loaded: LoadedPlan) -> None:
    """Find every suite, attack, subject and scorer that the plan names before anything is asked.

    Raises PlanError with all faults.
    """
    faults: list[Fault] = []

    def attempt(what: Callable[..., Any], *values: Any, **named: Any) -> None:
        try:
            what(*values, **named)
        except Unusable as error:
            faults.extend(error.faults)

    for name, model in loaded.plan.evaluations.items():
        if not model.is_generative:
            continue
        attempt(suites_of, loaded, name)
        for index, each in enumerate(model.attacks):
            at = loaded.locate(("evaluations", name, "attacks", index))
            attempt(attack, each, where=at)
        for subject in _versions(model).values():
            kind = loaded.plan.subjects[subject].kind if subject in loaded.plan.subjects else None
            if (kind == "log") != (model.suite is None):
                faults.append(
                    Fault(
                        code="PLAN080",
                        what=f"{subject!r} is a recorded log, and a log is not asked a suite"
                        if kind == "log"
                        else f"{subject!r} has to be asked something",
                        where=loaded.locate(("evaluations", name, "subject")),
                        mend="leave suite: out" if kind == "log" else "add suite:",
                    )
                )
        asking = _Asking(
            name=name, model=model, loaded=loaded, suites=(), folder=Path(), cache=None, say=lambda _: None
        )
        attempt(_refuse_unfilled, asking)
    if faults:
        raise PlanError(dict.fromkeys(faults))


def _refuse_unfilled(asking: _Asking) -> None:
    """Open the scorers, and find a metric that none of them fills before anything is paid for. Raises Unusable."""
    if not asking.model.scorers:  # then those of the suites are meant
        asking = replace(asking, suites=suites_of(asking.loaded, asking.name))
    columns = [scoring.column for scoring in _scorings(asking, None)]
    filled = {f"outcome.{column.measures}" for column in columns} | {column.name for column in columns} | RESERVED
    if {"outcome.leak", "outcome.refusal"} & filled:  # each can be a violation
        filled |= {"outcome.violation"}
    plan = asking.loaded.plan
    named = [(name, asking.where("metrics", n)) for n, name in enumerate(asking.model.metrics) if isinstance(name, str)]
    for n, requirement in enumerate(plan.requirements):
        if (requirement.evaluation or next(iter(plan.evaluations))) == asking.name:
            named.append((requirement.metric, asking.loaded.locate(("requirements", n, "metric"))))
    faults = []
    for name, where in named:
        metric = lookup(name, "generative")
        if isinstance(metric, Metric) and "generative" in metric.tasks and (missing := metric.needs - filled):
            faults.append(unfilled(metric, missing, where))
    if faults:
        raise PlanError(faults)


def _versions(model: Evaluation) -> dict[str | None, str]:
    """Which subject is asked for the evaluation itself, and for each of its variants."""
    found: dict[str | None, str] = {None: str(model.subject)}
    return found | {name: variant.subject for name, variant in model.variants.items() if variant.subject}


def scorers_of(loaded: LoadedPlan, name: str) -> dict[str, Scorer | AskedScorer]:
    """The scorers of a generative evaluation by their columns. Raises Unusable."""
    model = loaded.plan.evaluations[name]
    suites = suites_of(loaded, name)
    asking = _Asking(
        name=name, model=model, loaded=loaded, suites=suites, folder=Path(), cache=None, say=lambda _: None
    )
    return {scoring.column.name: scoring.scorer for scoring in _scorings(asking, None)}


def suites_of(loaded: LoadedPlan, name: str) -> tuple[Suite, ...]:
    """The suites of a generative evaluation. Raises Unusable."""
    model = loaded.plan.evaluations[name]
    named = model.suite if isinstance(model.suite, tuple) else (model.suite,) if model.suite else ()
    where = loaded.locate(("evaluations", name, "suite"))
    return tuple(open_suite(each, folder=loaded.path.parent, where=where) for each in named)


def _source(asking: _Asking) -> str:
    subject = asking.subject(str(asking.model.subject))
    asked = " + ".join(f"{suite.name} {suite.version}" for suite in asking.suites)
    return f"{asked}, asked of {asking.model.subject}" if asked else f"{Path(str(subject.log)).name}, recorded"


def cases_of(asking_seed: int, model: Evaluation, suites: Sequence[Suite]) -> Iterator[Case]:
    """The cases that an evaluation is about: those of its suites that `only:` leaves, and a sample of these."""

    def wanted() -> Iterator[Case]:
        for suite in suites:
            for case in suite:
                if all(_level(case, key) in values for key, values in model.only.items()):
                    yield case

    if model.sample is None:
        yield from wanted()
        return
    families = list(dict.fromkeys(case.family for case in wanted()))  # whole families, so that twins stay together
    sizes: dict[str, int] = {}
    for case in wanted():
        sizes[case.family] = sizes.get(case.family, 0) + 1
    chosen, count = set(), 0
    for index in np.random.default_rng(asking_seed).permutation(len(families)):
        if count >= model.sample:
            break
        chosen.add(families[index])
        count += sizes[families[index]]
    yield from (case for case in wanted() if case.family in chosen)


def _level(case: Case, key: str) -> str | None:
    return case.tags.get(key) if key in case.tags else getattr(case, key, None)


def _only_mend(model: Evaluation, suites: Sequence[Suite]) -> str:
    """Which key or value of `only:` no case has, and what the cases have instead."""
    cases = [case for suite in suites for case in suite]
    for key, wanted in model.only.items():
        values = frozenset(value for case in cases if isinstance(value := _level(case, key), str))
        if not values:
            keys = {tag for case in cases for tag in case.tags}
            keys |= {name for name in ("hazard", "language", "expect") if any(_level(c, name) for c in cases)}
            return f"no case has {key[:80]!r}; {did_you_mean(key, keys)}"
        if not values & set(wanted):
            return f"{key}: {did_you_mean(str(next(iter(wanted))), values)}"
    return "no case has all of these values at once: leave one out"


def jobs_of(seed: int, model: Evaluation, suites: Sequence[Suite]) -> Iterator[Job]:
    """Every case under every attack in every trial, numbered."""
    seq = 0
    for case in cases_of(seed, model, suites):
        for name in model.attacks:
            for drawn in apply_attack(name, case, seed=seed):
                for trial in range(model.trials):
                    yield Job(seq=seq, case=drawn, trial=trial)
                    seq += 1


def _exchanges(
    asking: _Asking, variant: str | None, name: str, journals: list[Path]
) -> Callable[[], Iterable[Exchange]]:
    """What was asked of a version and what came back, as often as it is wanted."""
    recording = _recording(asking, name)
    if recording is not None:
        return recording.exchanges
    model, seed = asking.model, asking.loaded.plan.seed

    def jobs() -> Iterator[Job]:
        return jobs_of(seed, model, asking.suites)

    total = sum(1 for _ in jobs())
    if total == 0:
        raise PlanError(
            Fault(
                code="PLAN081",
                what=f"{asking.name!r} asks nothing: no case fulfils only:",
                where=asking.where("only"),
                mend=_only_mend(model, asking.suites),
            )
        )
    journal = asking.folder / f"{_file_name(asking.name, variant)}.jsonl"
    journals.append(journal)
    _ask(asking, name, jobs, total=total, journal=journal, what=f"asking {name}")
    return lambda: (
        Exchange(case=job.case, answer=answer, trial=job.trial)
        for job, answer in zip(jobs(), read_journal(journal), strict=True)
    )


def _recording(asking: _Asking, name: str) -> Recording | None:
    subject = asking.subject(name)
    if subject.log is None:
        return None
    path = Path(asking.loaded.resolve(subject.log))
    return open_recording(path, fields=subject.fields, where=asking.loaded.locate(("subjects", name, "log")))


def _ask(
    asking: _Asking,
    name: str,
    jobs: Callable[[], Iterable[Job]],
    *,
    total: int,
    journal: Path,
    what: str,
    unusable: Callable[[Job, Answer], str | None] = lambda _, __: None,
) -> None:
    if asking.replays:
        return
    subject = asking.subject(name)
    collected = ask_all(
        load_assistant(name, subject, folder=asking.plan_folder),
        jobs,
        total=total,
        journal=journal,
        limits=Limits(
            max_concurrency=subject.limits.max_concurrency,
            requests_per_minute=subject.limits.requests_per_minute,
            tokens_per_minute=subject.limits.tokens_per_minute,
            max_cost=subject.limits.max_cost,
            retries=subject.limits.retries,
            timeout=subject.timeout,
        ),
        cache=asking.cache,
        unusable=unusable,
        progress=lambda progress: asking.say(f"{what}: {told(progress)}"),
    )
    asking.resumed.append(collected.resumed)


def told(progress: Progress) -> str:
    """How far asking is, in one line."""
    of = f" of {progress.total:,}" if progress.total is not None else ""
    said = [f"{progress.finished:,}{of}", f"{progress.per_second:,.0f} a second"]
    if progress.failed:
        said.append(f"{progress.failed:,} failed")
    if progress.spent:
        said.append(f"cost {progress.spent:,.2f}")
    if progress.seconds_left is not None:
        minutes, seconds = divmod(int(progress.seconds_left), 60)
        said.append(f"{minutes}:{seconds:02d} left")
    return ", ".join(said)


def _file_name(name: str, variant: str | None, scorer: str | None = None) -> str:
    parts = [name, *(f"@{variant}" for _ in range(variant is not None)), *(f".{scorer}" for _ in range(bool(scorer)))]
    return "".join(char if char.isalnum() or char in "@._-" else "_" for char in "".join(parts))


def _scorings(asking: _Asking, variant: str | None) -> list[_Scoring]:
    """The scorers of an evaluation: those that it names, else those of its suites, else the refusal scorer."""
    specs: list[tuple[Any, str]] = [
        (spec, asking.where("scorers", index)) for index, spec in enumerate(asking.model.scorers)
    ]
    if not specs:
        named = [spec for suite in asking.suites for spec in suite.scorers] or list(DEFAULT_SCORERS)
        specs = [(spec, asking.where("suite")) for spec in named]
    found: dict[str, _Scoring] = {}
    for spec, where in specs:
        scoring = _scoring(asking, spec, variant, where)
        name = scoring.column.name
        if name in RESERVED or "@" in name or name.endswith(("_why", ".human")):
            raise PlanError(
                Fault(code="PLAN082", what=f"no scorer can be called {name!r}", where=where, mend="give it a name:")
            )
        if name in found and asking.model.scorers:
            raise PlanError(
                Fault(code="PLAN082", what=f"two scorers are called {name!r}", where=where, mend="give one a name:")
            )
        found.setdefault(name, scoring)
    return list(found.values())


def _scoring(asking: _Asking, spec: Any, variant: str | None, where: str) -> _Scoring:
    path = None
    if isinstance(spec, Mapping) and "human_labels" in spec:
        path = Path(asking.loaded.resolve(str(spec["human_labels"])))
        spec = {key: value for key, value in spec.items() if key != "human_labels"}
    scorer: Scorer | AskedScorer = open_scorer(spec, folder=asking.plan_folder, where=where)
    if isinstance(scorer, AskedScorer) and scorer.subject not in asking.loaded.plan.subjects:
        raise PlanError(
            Fault(
                code="PLAN083",
                what=f"the judge asks {scorer.subject!r}, which is not declared",
                where=where,
                mend=f"declare it under subjects; there are {', '.join(asking.loaded.plan.subjects) or 'none'}",
            )
        )
    if isinstance(scorer, Pairwise) and scorer.against == "baseline" and not _has_baseline(asking):
        raise PlanError(
            Fault(
                code="PLAN084",
                what=f"{scorer.name!r} compares with the baseline, and no variant here is one",
                where=where,
                mend="set baseline: to a variant of this evaluation, or write against: reference",
            )
        )
    labels = None
    if path is not None:
        rubric = rubric_of(scorer)
        labels = read_labels(
            path, scorer.measures, variant=variant, where=where, own=rubric.labels if rubric is not None else None
        )
    try:
        bounds = range_of(scorer)
    except ValueError as error:
        mend = "declare bounds = (least, greatest) on the scorer, or nothing"
        raise Unusable(
            Fault(code="SCORE005", what=f"scorer {scorer.name!r}: {error}", where=where, mend=mend)
        ) from error
    return _Scoring(
        scorer=scorer,
        labels=labels,
        range=bounds,
        column=Column(
            name=scorer.name,
            measures=scorer.measures,
            judged=isinstance(scorer, AskedScorer) or labels is not None,
            human=labels.of if labels is not None else None,
        ),
    )


def _with_labels(scoring: _Scoring, exchanges: Callable[[], Iterable[Exchange]]) -> _Scoring:
    """See which of a version's answers the labels are about. Where some are about others, none of them corrects it."""
    labels = scoring.labels
    if labels is None:
        return scoring
    labels.take(exchanges())
    return replace(scoring, column=replace(scoring.column, human=None)) if labels.stale else scoring


def _has_baseline(asking: _Asking) -> bool:
    baseline = asking.loaded.plan.baseline
    return baseline is not None and baseline in _versions(asking.model)


def _scored(
    asking: _Asking,
    variant: str | None,
    exchanges: Callable[[], Iterable[Exchange]],
    scorings: Sequence[_Scoring],
    journals: list[Path],
    *,
    findings: list[Finding],
    others: Callable[[], Iterable[Exchange]] | None,
) -> Version:
    """Score a version's answers, first by what needs nobody, then by what asks a judge.

    others: the baseline's exchanges, for judges that compare with them.
    """
    own = [scoring for scoring in scorings if not scoring.is_asked]
    asking.say(f"scoring {asking.name}")
    files = [asking.folder / f"{_file_name(asking.name, variant)}.scores.parquet"]
    rows = ((exchange, _scores(exchange, own)) for exchange in exchanges())
    write_rows(rows, [scoring.column for scoring in own], files[0])
    columns = [scoring.column for scoring in own]
    for scoring in scorings:
        if scoring.is_asked:
            shown = exchanges
            if isinstance(scoring.scorer, Pairwise) and scoring.scorer.against == "baseline":
                shown = partial(beside, exchanges, others)
            files.append(_judged(asking, variant, shown, scoring, journals, findings=findings))
            columns.append(scoring.column)
    return Version(files=tuple(files), columns=tuple(columns))


def _scores(exchange: Exchange, scorings: Sequence[_Scoring]) -> dict[str, Score]:
    if exchange.answer.status not in ANSWERED:
        return {}
    return {scoring.column.name: _score(scoring, exchange) for scoring in scorings}


def _score(scoring: _Scoring, exchange: Exchange) -> Score:
    scorer: Any = scoring.scorer
    try:
        return _sound(scorer.score(exchange), scoring)
    except Exception as error:  # a stranger's scorer may raise anything, and one answer must not stop the others
        return Score(value=None, why=f"{FAILED}{type(error).__name__}: {error}"[:300])


def _sound(score: Score, scoring: _Scoring) -> Score:
    """The score; where it says what its scorer cannot say, a failure."""
    found = checked(score, scoring.column.measures, scoring.range)
    return found if found is score else replace(found, why=f"{FAILED}{found.why}")


def _judged(
    asking: _Asking,
    variant: str | None,
    exchanges: Callable[[], Iterable[Exchange]],
    scoring: _Scoring,
    journals: list[Path],
    *,
    findings: list[Finding],
) -> Path:
    """Ask a judge about every answer; its own journal resumes as the subject's does."""
    judge = scoring.scorer
    assert isinstance(judge, AskedScorer)

    def asked(exchange: Exchange) -> tuple[Case, ...]:
        return judge.questions(exchange) if exchange.answer.status in ANSWERED else ()

    first: dict[int, Exchange] = {}  # by the number of the question

    def jobs() -> Iterator[Job]:
        seq = 0
        for exchange in exchanges():
            for case in asked(exchange):
                if len(first) < _FIRST:
                    first[seq] = exchange
                yield Job(seq=seq, case=case)
                seq += 1

    def unusable(job: Job, answer: Answer) -> str | None:
        """Why one of the first questions brought no verdict."""
        if not isinstance(judge, Judge) or job.seq not in first:
            return None
        score = judge.read(first[job.seq], [answer])
        return score.why if score.value is None else None

    journal = asking.folder / f"{_file_name(asking.name, variant, judge.name)}.jsonl"
    total = sum(1 for _ in jobs())
    path = asking.folder / f"{_file_name(asking.name, variant, judge.name)}.parquet"
    if total:
        journals.append(journal)
        what = f"judging by {judge.name}"
        _ask(asking, judge.subject, jobs, total=total, journal=journal, what=what, unusable=unusable)
    answers = read_journal(journal) if total else iter(())

    orders: list[tuple[Order, Order]] = []
    families: list[str] = []

    def verdicts() -> Iterator[tuple[Exchange, Score]]:
        for exchange in exchanges():
            questions = asked(exchange)
            if not questions:
                yield exchange, Score(value=None)
                continue
            said = [next(answers) for _ in questions]
            score = _sound(judge.read(exchange, said), scoring)
            if isinstance(judge, Pairwise) and (won := judge.orders(exchange, said)) is not None:
                orders.append(won)
                families.append(exchange.case.family)
            if score.value is None and not score.why.startswith(FAILED):
                score = replace(score, why=f"{FAILED}{score.why}")
            yield exchange, score

    write_scores(verdicts(), scoring.column, path)
    if orders:
        findings.append(position_finding(asking.name, judge.name, variant, orders, families))
    return path


def _suite_findings(name: str, suites: Sequence[Suite]) -> Iterator[Finding]:
    for suite in suites:
        what = f"{suite.title} {suite.version}, {suite.digest()[:19]}"
        if suite.limits:
            what += f"; it cannot show everything: {suite.limits}"
        yield Finding(evaluation=name, check="suite", gravity="note", what=what)


def _label_findings(name: str, scorings: Sequence[_Scoring], variant: str | None) -> Iterator[Finding]:
    for scoring in scorings:
        labels = scoring.labels
        if labels is None:
            if scoring.is_asked:
                what = f"{scoring.column.name} is a judge without human labels: its numbers are uncorrected"
                yield Finding(evaluation=name, check="judge", gravity="warning", what=what)
            continue
        unseen = len(labels.words) - len(labels.seen)
        left = [
            f"{count:,} {why}"
            for count, why in (
                (labels.stale, "are about another answer than this run's"),
                (unseen, "are about cases that were not asked"),
            )
            if count
        ]
        what = f"{scoring.column.name}: {labels.used:,} answers labelled by people"
        what += f"; left out: {', '.join(left)}" if left else ""
        gravity: Gravity = "warning" if left or not labels.used else "ok"
        yield Finding(evaluation=name, check="human labels", gravity=gravity, what=what, rows=labels.used)
        on = scoring.column.name + (f" on {variant}" if variant else "")
        if labels.stale:
            what = (
                f"{on}: labels that last are those of answers that stayed the same, which is no random sample: its "
                "numbers are uncorrected; draw labels from this run, with `shipworthy label RUN --out` and a new file"
            )
            yield Finding(evaluation=name, check="stale labels", gravity="warning", what=what, rows=labels.stale)
        if labels.unnamed:
            what = f"{on}: {labels.unnamed:,} labels name no answer: they are taken to be about this run's answers"
            yield Finding(evaluation=name, check="unnamed labels", gravity="warning", what=what, rows=labels.unnamed)
        if labels.rated:
            yield agreement_finding(name, scoring.column.name, labels.rated)


def default_slices(present: Mapping[str, int]) -> tuple[str | tuple[str, ...], ...]:
    """Axes of an evaluation that names none: those of the usual ones that have more than one level.

    present: column -> distinct values.
    """
    found = [axis for axis in _SLICED if present.get(axis, 0) > 1]
    both = ("hazard", "attack")
    return (*found, both) if set(both) <= set(found) else tuple(found)


__all__ = [
    "Asked",
    "ask",
    "cases_of",
    "default_slices",
    "jobs_of",
    "refuse_unaskable",
    "scorers_of",
    "suites_of",
]
