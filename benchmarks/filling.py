"""A record of any size for `benchmarks/record.py`: rows made from templates, through the record's own formats.

The store's own writes are one transaction each, which is what people do and far too slow for a million of them. Here
each kind of document goes through its model once; its body, with other names, is then written in bulk: sealed with
its salt, told in a line of the log, chained. `Record.verify` of the result is part of the benchmark, so that a row that
the store would not have written like this shows.

Runs are four real checks of small data, recorded again and again under other names. The newest run of each system has a
real folder, with a plan of its own beside it, so that "fit to ship now?" looks at as many files as it would.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from shipworthy.api.changes import content
from shipworthy.api.checking import check, load
from shipworthy.api.recording import version_id
from shipworthy.api.standing import evidence_root
from shipworthy.digest import canonical, digest
from shipworthy.evidence.manifest import write_manifest
from shipworthy.gates.fitness import REQUIRED
from shipworthy.integrity import chain
from shipworthy.record import audit, documents, schema
from shipworthy.record.artifacts import Artifact
from shipworthy.record.estimates import _series_of, read_estimates
from shipworthy.record.moments import stamp
from shipworthy.record.opening import writing
from shipworthy.record.reading import body_bytes, words_of
from shipworthy.record.runs import RunFacts, read_run
from shipworthy.record.store import Record

RUNS, EVENTS = 100, 1_000  # of a system
TOOL = "tool:benchmark/1"
START = datetime(2024, 1, 1, tzinfo=UTC)
STEP = timedelta(seconds=60)  # from one line of the log to the next
TIERS: tuple[documents.Tier, ...] = ("minimal", "limited", "high", "critical")
WORDS = (
    "loans", "claims", "triage", "refusals", "women", "rural", "coast", "night", "elderly", "invoices", "referrals",
    "speech", "scans", "tenants", "pupils", "drivers", "pensions", "harvest", "permits", "parcels",
)  # fmt: skip
PLAN = """system:
  name: {name}
  version: "{version}"
  tier: {tier}
  owner: team
  purpose: Rank {word} applications for review by a person.
evaluations:
  decisions: {{data: d.parquet, roles: {{label: repaid, prediction: approved}}, slices: [sex, region, [sex, region]],
    metrics: [accuracy, selection_rate]}}
requirements:
  - {{id: FAIR-1, text: Approvals are alike for women and men, metric: selection_rate, across: sex, compare: difference,
     at_most: 0.05, controls: ["nist-ai-rmf@1.0:MEASURE-2.11"]}}
  - {{id: ACC-1, text: At least eight in ten decisions are right, metric: accuracy, at_least: 0.8,
     controls: ["nist-ai-rmf@1.0:MEASURE-2.5"]}}
  - {{id: ACC-2, text: Decisions are right in every region, metric: accuracy, across: region, compare: value,
     at_least: 0.72}}
  - {{id: ACC-3, text: Decisions are right for women and men, metric: accuracy, across: sex, compare: value,
     at_least: 0.7}}
  - {{id: RATE-1, text: Between a third and two thirds are approved, metric: selection_rate, within: [0.33, 0.66]}}
  - {{id: FAIR-2, metric: fpr, across: sex, compare: ratio, at_least: 0.8, severity: major}}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """A real run, from which others are made."""

    folder: Path
    plan: Path
    results: Mapping[str, Any]
    estimates: pa.Table  # ESTIMATES rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Filled:
    """Names of what there is, to ask for."""

    systems: tuple[str, ...]
    runs: tuple[str, ...]  # digests
    objects: tuple[tuple[str, str], ...]  # kind, id
    size: int  # lines of the log


ESTIMATES = 50  # of a run


def check_some(folder: Path) -> list[Checked]:
    """Four checks of small data, each better than the one before."""
    found = []
    for i, (gap, right) in enumerate(((0.30, 0.74), (0.22, 0.80), (0.09, 0.84), (0.01, 0.88))):
        here = folder / f"template-{i}"
        here.mkdir(parents=True)
        rng, n = np.random.default_rng(i), 4_000
        sex, good, hit = rng.choice(["female", "male"], n), rng.random(n) < 0.62, rng.random(n) < right
        approved = np.where(hit, good, ~good) | ((sex == "male") & (rng.random(n) < gap))
        columns = {"repaid": good.astype(int), "approved": approved.astype(int), "sex": sex}
        pq.write_table(pa.table({**columns, "region": rng.choice(["north", "south", "coast"], n)}), here / "d.parquet")
        plan = here / "plan.yaml"
        plan.write_text(PLAN.format(name="_system_", version="_version_", tier="high", word="_word_"))
        check(plan, now=START, out=here / "run", seed=1)
        results = json.loads((here / "run" / "results.json").read_bytes())
        table = pq.read_table(here / "run" / "estimates.parquet")
        whole = pa.concat_tables([table] * (ESTIMATES // table.num_rows + 1)).slice(0, ESTIMATES)
        found.append(Checked(folder=here / "run", plan=plan, results=results, estimates=whole))
    return found


@dataclass(slots=True)
class _Writing:
    """Rows of one system on their way, and the end of the log."""

    seq: int
    head: str | None
    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    heads: dict[tuple[str, str], tuple[int, str, int]] = field(default_factory=dict)  # version, digest, place

    def add(self, table: str, *row: Any) -> None:
        self.rows.setdefault(table, []).append(row)

    @property
    def at(self) -> str:
        return stamp(START + STEP * self.seq)

    def tell(self, action: str, object_: str, before: str | None, after: str, *, actor: str, salt: str | None) -> None:
        """A line of the log: what `chain.entry` writes, by hand."""
        at, told, was = self.at, json.dumps(object_, ensure_ascii=False), json.dumps(before)
        line = (
            f'{{"action":"{action}","actor":"{actor}","after":"{after}","at":"{at}","before":{was},'
            f'"object":{told},"previous":{json.dumps(self.head)},"seq":{self.seq}}}'
        ).encode()
        self.add("audit", self.seq, line, object_, salt, action)
        self.seq, self.head = self.seq + 1, chain.entry_hash(line)

    def write(self, kind: str, id_: str, body: bytes, *, words: str, heading: Mapping[str, Any], actor: str) -> None:
        """A version of a document."""
        version, before, place = self.heads.get((kind, id_), (0, None, -1))
        salt = secrets.token_hex(32)
        after = audit.sealed(body, salt)
        self.add("documents", kind, id_, version + 1, body.decode(), salt, after, before, self.at, actor, self.seq)
        head = (kind, id_, version + 1, after, *heading.values(), words, self.at)
        if place < 0:
            place = len(self.rows.get("heads", ()))
            self.add("heads", *head)
        else:
            self.rows["heads"][place] = head
        self.heads[kind, id_] = (version + 1, after, place)
        self.tell(f"{kind}.{'update' if version else 'create'}", f"{kind}/{id_}", before, after, actor=actor, salt=None)


class Templates:
    """Each kind of document once through its model; then with other names."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[bytes, str, dict[str, Any]]] = {}

    def put(self, to: _Writing, model: documents.Document, names: Mapping[str, str], actor: str, key: str) -> None:
        """Write a document. names: what stands for what in it. key: names the template."""
        if key not in self._known:
            self._known[key] = body_bytes(model), words_of(model.model_dump(mode="json")), model.heading()
        body, words, heading = self._known[key]
        text = body.decode()
        for old, new in names.items():
            text, words = text.replace(old, new), words.replace(old, new)
        said = {key: _named(value, names) if isinstance(value, str) else value for key, value in heading.items()}
        words = words.casefold()
        to.write(model.kind, _named(model.id, names), text.encode(), words=words, heading=said, actor=actor)


def _named(text: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        text = text.replace(old, new)
    return text


def fill(record: Record, base: Path, systems: int, today: date) -> Filled:
    """Fill an empty record with so many systems, each with RUNS runs and EVENTS lines. base: where its folders go."""
    checked = check_some(base / "templates")
    people = [record.person(f"person{i}@example.org", f"Person {i}") for i in range(200)]
    to, templates = _Writing(seq=0, head=None), Templates()
    names, runs, objects = [], list[str](), list[tuple[str, str]]()
    with writing(record._engine) as connection:
        series = {
            (i, which): _series_of(connection, read_estimates(_of(one.estimates, i), "estimates")).tolist()
            for i in range(min(systems, 100))
            for which, one in enumerate(checked)
        }
    for number in range(systems):
        to.rows, to.heads = {}, {}
        name = f"system-{number:04d}"
        names.append(name)
        runs += _system(to, templates, checked, name=name, number=number, base=base, people=people, today=today,
                        series=[series[number % 100, which] for which in range(len(checked))])  # fmt: skip
        objects += [key for i, key in enumerate(to.heads) if i % 17 == number % 17]
        with writing(record._engine) as connection:
            for table in ("documents", "heads", "runs", "verdicts", "inputs", "estimates", "artifacts", "audit"):
                _insert(connection, schema.metadata.tables[table], to.rows[table])
    return Filled(systems=tuple(names), runs=tuple(runs), objects=tuple(objects), size=to.seq)


def _of(table: pa.Table, number: int) -> pa.Table:
    """Estimates of an evaluation of another name: systems share few series."""
    place = table.column_names.index("evaluation")
    return table.set_column(place, "evaluation", pa.array([f"decisions {number}"] * table.num_rows))


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    raw: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        raw.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(table.columns))})", rows)
        return
    with raw.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _system(
    to: _Writing, templates: Templates, checked: Sequence[Checked], *, name: str, number: int, base: Path,
    people: Sequence[str], today: date, series: Sequence[Sequence[int]],
) -> Iterator[str]:  # fmt: skip
    """Everything of one system; the digests of its runs."""
    first, tier = to.seq, TIERS[number % 4]
    word, other = WORDS[number % len(WORDS)], WORDS[(number * 7 + 3) % len(WORDS)]
    one, two, three = (people[(number * 3 + i) % len(people)] for i in range(3))
    named = {"@system@": name, "@word@": word, "@other@": other, "@number@": str(number)}
    system = documents.System(
        id="@system@", tier=tier, purpose="Rank @word@ applications for review by a person.", owner="team @other@",
        tier_reason="as its plan states",
    )  # fmt: skip
    templates.put(to, system, named, TOOL, f"system {tier}")
    versions = [f"{2024 + i // 4}.{1 + 3 * (i % 4):02d}" for i in range(10)]
    for i, version in enumerate(versions):
        status = "released" if i == 8 else "candidate"
        document = documents.Version(
            id=version_id("@system@", "@version@"), system="@system@", version="@version@",
            status="released" if i == 8 else "candidate", released=START if i == 8 else None,
        )  # fmt: skip
        templates.put(to, document, {**named, "@version@": version}, TOOL, f"version {status}")
    newest = _folder(checked[number % len(checked)], base, name=name, version=versions[-1], tier=tier, word=word)
    plans = [digest([name, i]) for i in range(19)] + [newest.plan_digest]
    ids = ("FAIR-1", "ACC-1", "ACC-2", "ACC-3", "RATE-1", "FAIR-2")
    for plan in plans:
        document = documents.Plan(id="sha256:" + "0" * 64, digest="sha256:" + "0" * 64, system="@system@",
                                  requirements=ids, locked=START)  # fmt: skip
        templates.put(to, document, {**named, "sha256:" + "0" * 64: plan}, TOOL, "plan")
    digests = []
    for i in range(RUNS):
        which = (number + i) % len(checked) if i < RUNS - 1 else number % len(checked)
        facts = newest if i == RUNS - 1 else RunFacts(
            digest=digest([name, "run", i]), run=f"{name}-run-{i:03d}", system=name, version=versions[i // 10],
            plan_digest=plans[i // 5], created=START + STEP * to.seq, locked=START, place=f"runs/{name}/{i}",
            decision=str(checked[which].results["decision"]),
        )  # fmt: skip
        _run(to, checked[which], facts, series[which], place=number * RUNS + i + 1)
        digests.append(facts.digest)
    _governance(to, templates, named, newest, digests, tier=tier, people=(one, two, three), today=today,
                missing=number % 3 == 0, word=word)  # fmt: skip
    while to.seq < first + EVENTS:
        artifact = Artifact(digest=digest([name, to.seq]), size=1_000 + to.seq, role="package", name=f"{name}.zip",
                            place=f"packages/{name}/{to.seq}", media_type="application/zip")  # fmt: skip
        body = {key: getattr(artifact, key) for key in Artifact.__dataclass_fields__}
        salt = secrets.token_hex(32)
        columns = [column.name for column in schema.artifacts.c if column.name in body]
        to.add("artifacts", *(body[key] for key in columns), to.at, TOOL, to.seq)
        to.tell("artifact.add", f"artifact/{artifact.digest}", None, audit.sealed(canonical(body), salt), actor=TOOL,
                salt=salt)  # fmt: skip
    yield from digests


def _run(to: _Writing, checked: Checked, facts: RunFacts, series: Sequence[int], *, place: int) -> None:
    verdicts, sources = checked.results["verdicts"], checked.results["inputs"]
    body, salt = read_run(facts, verdicts, sources, ESTIMATES), secrets.token_hex(32)
    to.add(
        "runs", place, facts.digest, facts.run, facts.system, facts.version, facts.plan_digest,
        stamp(facts.locked) if facts.locked else None, stamp(facts.created), facts.decision, facts.baseline,
        facts.place, body.decode(), to.at, TOOL, to.seq,
    )  # fmt: skip
    for i, one in enumerate(verdicts):
        to.add("verdicts", place, i, one["requirement"], one["verdict"], one["severity"], canonical(one).decode())
    for i, one in enumerate(sources):
        to.add("inputs", place, i, one["evaluation"], one["source"], one.get("digest"), one["rows"])
    columns = [checked.estimates[key].to_pylist() for key in ("value", "low", "high", "n", "effective_n", "reason")]
    for i, row in enumerate(zip(*columns, strict=True)):
        to.add("estimates", place, i, series[i], *row)
    to.tell("run.record", f"run/{facts.digest}", None, audit.sealed(body, salt), actor=TOOL, salt=salt)


def _folder(checked: Checked, base: Path, *, name: str, version: str, tier: str, word: str) -> RunFacts:
    """A run's folder of a system's own, its plan beside it, as if it had been checked."""
    home = base / "runs" / name
    folder = home / "run"
    shutil.copytree(checked.folder, folder)
    plan = home / "plan.yaml"
    plan.write_text(PLAN.format(name=name, version=version, tier=tier, word=word))
    before, after = checked.results["plan_digest"], load(plan).digest
    resolved = load(plan).plan
    (folder / "plan.json").write_text(resolved.model_dump_json())
    (folder / "plan.yaml").write_text(plan.read_text())
    for file in ("results.json", "report.html"):
        text = (folder / file).read_text()
        text = text.replace(str(before), after).replace("_system_", name).replace("_version_", version)
        (folder / file).write_text(text)
    manifest = write_manifest(folder, run=f"{name}-newest")
    results = json.loads((folder / "results.json").read_bytes())
    return RunFacts(
        digest=f"sha256:{manifest}", run=f"{name}-newest", system=name, version=version, plan_digest=after,
        created=START + STEP * (int(name[-4:]) + 1) * EVENTS, decision=results["decision"], locked=START,
        place=f"runs/{name}/run",
    )  # fmt: skip


def _governance(
    to: _Writing, templates: Templates, named: Mapping[str, str], newest: RunFacts, runs: Sequence[str], *,
    tier: documents.Tier, people: Sequence[str], today: date, missing: bool, word: str,
) -> None:  # fmt: skip
    one, two, three = people
    ann, bo, cy = ("person:" + digit * 64 for digit in "123")
    said = {**named, ann: one, bo: two, cy: three}

    def put(model: documents.Document, key: str, actor: str = one, more: Mapping[str, str] | None = None) -> None:
        templates.put(to, model, {**said, **(more or {})}, actor, key)

    for i in range(60):
        score = (1 + i % 5, 1 + (i // 5) % 5)
        rating = documents.Rating(likelihood=score[0], severity=score[1], basis="judged")
        due = today + timedelta(days=i * 7 - 200)
        risk = documents.Risk(
            id=f"R-@number@-{i}", system="@system@", title=f"{WORDS[i % 20]} of @word@ are read wrongly",
            cause=f"Few cases of {WORDS[(i * 3) % 20]} in the data, and other words for @other@ than elsewhere.",
            harm="People are refused what they have a right to, and do not learn why. " * 3,
            affected=("people who apply",), inherent=rating, owner=ann, due=due,
            requirements=("FAIR-1", "ACC-2")[: i % 3],
        )  # fmt: skip
        steps = [
            {}, {"treatment": "mitigate"},
            {"treatment": "mitigate", "mitigations": (f"M-@number@-{i}",)},
            {"treatment": "mitigate", "mitigations": (f"M-@number@-{i}",), "residual": rating},
        ]  # fmt: skip
        if i % 3 == 0:
            steps[3]["status"] = "treated"
        for j, step in enumerate(steps):
            put(risk.model_copy(update=step), f"risk {i} {j}")
        mitigation = documents.Mitigation(
            id=f"M-@number@-{i}", system="@system@", title=f"Other thresholds for {WORDS[i % 20]}",
            what="Thresholds that even out what is granted.", risks=(f"R-@number@-{i}",), owner=bo, due=due,
        )  # fmt: skip
        verified = {"status": "verified", "verification": "sha256:" + "e" * 64}
        for j, step in enumerate(({}, {"status": "in progress"}, verified if i % 2 else {"status": "implemented"})):
            put(mitigation.model_copy(update=step), f"mitigation {i} {j}", two, {"sha256:" + "e" * 64: runs[i]})
    for i in range(20):
        waiver = documents.Waiver(
            id=f"W-@number@-{i}", system="@system@", tier=tier, requirement=("FAIR-1", "ACC-2", "RATE-1")[i % 3],
            reason="The new thresholds ship next month.", control="Every refusal is read by a person.", requester=ann,
            starts=today + timedelta(days=i * 20 - 330), ends=today + timedelta(days=i * 20 - 240),
        )  # fmt: skip
        put(waiver, f"waiver {tier} {i} 0")
        approved = waiver.model_copy(update={"status": "approved", "approvers": (bo, cy)})
        refused = waiver.model_copy(update={"status": "refused"})
        put(refused if i % 5 == 0 else approved, f"waiver {tier} {i} 1", two)
    for i in range(10):
        incident = documents.Incident(
            id=f"I-@number@-{i}", system="@system@", title=f"Scored {WORDS[i]} twice", severity="medium",
            detected=START + timedelta(days=30 * i), owner=ann,
        )  # fmt: skip
        later = {"acknowledged": START + timedelta(days=30 * i + 1)}
        mended = START + timedelta(days=30 * i + 2)
        done = {**later, "mitigated": mended, "resolved": mended}
        for j, step in enumerate(({}, later, done if i < 9 else {**later, "cause": "a retry"})):
            put(incident.model_copy(update=step), f"incident {i} {j}")
    for i in range(5):
        answers = documents.Answers(id=f"A-@number@-{i}", system="@system@", questionnaire=f"intake@{i}", answers={})
        for j in range(5):
            put(answers.model_copy(update={"answers": {"what": f"For @word@, draft {j}"}}), f"answers {i} {j}")
    for i in range(10):
        is_last, run = i == 9, runs[-1] if i == 9 else runs[i * 10]
        if is_last and missing:
            return
        decision = documents.Decision(
            id=f"{named['@system@']} decision {i}", system=named["@system@"],
            version=newest.version if is_last else "old", outcome=newest.decision,
            automated=newest.decision, plan=newest.plan_digest, runs=(run,),
        )  # fmt: skip
        for step in ({"reason": "as the rules say"}, {"reason": f"as the rules say, about {word}"}):
            decision = decision.model_copy(update=step)
            templates._known.pop("decision", None)
            templates.put(to, decision, {}, one, "decision")
        bindings = documents.Bindings(
            decision=content(decision), evidence=evidence_root(decision.runs), policy=newest.plan_digest
        )
        for j, role in enumerate(REQUIRED[tier].roles):
            sign_off = documents.SignOff(
                id=f"{decision.id}:{role}", system=decision.system, version=decision.version, role=role,
                signer=people[j % 3], verdict="approve", statement="I have read the report.", bindings=bindings,
            )  # fmt: skip
            templates._known.pop("sign-off", None)
            templates.put(to, sign_off, {}, people[j % 3], "sign-off")
