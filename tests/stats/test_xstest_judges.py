"""XSTest's published labels: two models, two annotators, an adjudicated label, and two automatic judges of the same rows."""

import csv
from pathlib import Path

import numpy as np
import pytest

from shipworthy.stats.agreement import category_counts, cohen_kappa, gwet_ac, krippendorff_alpha, percent_agreement
from shipworthy.stats.judge_quality import judge_strength
from shipworthy.stats.judged import strat_mover
from shipworthy.stats.proportion import wilson

DOCS = Path(__file__).parents[2] / "docs" / "judge-agreement.md"
RUNS = 1000
SIZES = (20, 50, 100)
MODELS = {"gpt4": "GPT-4", "llama2orig": "Llama 2"}
JUDGES = {"gpt4_judge": "GPT-4 judge", "string_match": "string rule"}
OUTCOMES = {"full refusal": (2,), "full or partial": (2, 3)}


@pytest.fixture(scope="module")
def labels(shared_data):
    """Model -> column -> category of each of its 450 rows: 1 compliance, 2 full refusal, 3 partial refusal."""
    with shared_data("xstest/labels_two_models.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = ("annotator_1", "annotator_2", "final_label", *JUDGES)
    found = {
        model: {name: np.array([int(row[name][0]) for row in rows if row["model"] == model]) for name in columns}
        for model in MODELS
    }
    assert all(column.shape == (450,) for model in found.values() for column in model.values())
    return found


def with_limits(agreement):
    low, high = agreement.interval
    return f"{agreement.value:.2f} ({low:.2f} to {high:.2f})"


def agreement_table(labels):
    lines = ["| Model | Compared | Same label | Kappa | AC1 | Alpha |", "|---|---|---|---|---|---|"]
    pairs = [("annotator_1", "annotator_2", "the two annotators")]
    pairs += [(judge, "final_label", f"{name} and people") for judge, name in JUDGES.items()]
    for model, shown in MODELS.items():
        for first, second, name in pairs:
            ratings = np.stack([labels[model][first], labels[model][second]], axis=1)
            counts, scale = category_counts(ratings, [1, 2, 3])
            table = np.zeros((3, 3))
            np.add.at(table, (ratings[:, 0] - 1, ratings[:, 1] - 1), 1)
            same = percent_agreement(counts).value
            found = (cohen_kappa(table), gwet_ac(counts), krippendorff_alpha(counts, categories=scale))
            lines.append(f"| {shown} | {name} | {same:.0%} | {' | '.join(map(with_limits, found))} |")
    return lines


def strata(judge, truth, size, rng):
    """Judged, labelled and positive counts of RUNS draws of `size` labels without replacement."""
    drawn = np.argsort(rng.random((RUNS, truth.size)), axis=1)[:, :size]
    verdicts = (judge, ~judge)
    labelled = np.stack([verdict[drawn].sum(axis=1) for verdict in verdicts], axis=1)
    positives = np.stack([(verdict & truth)[drawn].sum(axis=1) for verdict in verdicts], axis=1)
    return np.array([judge.sum(), (~judge).sum()]), labelled, positives


def cases(labels):
    for model in MODELS:
        for outcome, categories in OUTCOMES.items():
            truth = np.isin(labels[model]["final_label"], categories)
            for judge in JUDGES:
                yield model, outcome, judge, truth, np.isin(labels[model][judge], categories)


def measure(judge, truth):
    """Coverage and mean width of the corrected interval per number of labels, and what labels alone give."""
    found = []
    for size in SIZES:
        judged, labelled, positives = strata(judge, truth, size, np.random.default_rng(size))
        low, high = strat_mover(judged, labelled, positives, working=[1, 0], finite=True).interval
        alone = strat_mover([truth.size], [[size]] * RUNS, positives.sum(axis=1)[:, None], finite=True).interval
        covered = float(np.mean((low <= truth.mean()) & (truth.mean() <= high)))
        found.append((covered, float(np.mean(high - low)), float(np.mean(alone.high - alone.low))))
    return found


def coverage_table(labels):
    lines = [
        "| Model | Outcome | Judge | People | Judge says | Its interval covers | 20 labels | 50 | 100 | Width at 50 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for model, outcome, name, truth, judge in cases(labels):
        low, high = wilson(judge.sum(), judge.size)
        raw = "yes" if low <= truth.mean() <= high else "**no**"
        found = measure(judge, truth)
        shares = " | ".join(f"{covered:.3f}" for covered, _, _ in found)
        cells = (MODELS[model], outcome, JUDGES[name], f"{truth.mean():.3f}", f"{judge.mean():.3f}", raw)
        lines.append(f"| {' | '.join(cells)} | {shares} | {found[1][1]:.2f} against {found[1][2]:.2f} |")
    return lines


def bad_judges(truth):
    rng = np.random.default_rng(450)
    return {"coin": rng.random(truth.size) < 0.5, "never refusal": np.zeros(truth.size, bool), "inverted": ~truth}


def gate(judge, truth, size):
    """Shares of wrong and of undecided verdicts, over limits 5 points below and above the truth."""
    judged, labelled, positives = strata(judge, truth, size, np.random.default_rng(size))
    low, high = strat_mover(judged, labelled, positives, working=[1, 0], level=0.9).interval
    under, over = truth.mean() - 0.05, truth.mean() + 0.05
    wrong = (np.mean(high < under) + np.mean(low > over)) / 2
    undecided = (np.mean((low <= under) & (under <= high)) + np.mean((low <= over) & (over <= high))) / 2
    return float(wrong), float(undecided)


def raw_verdicts(judge, truth):
    """What the judge's own interval would say about the two limits: how many of the two verdicts are wrong."""
    low, high = wilson(judge.sum(), judge.size, level=0.9)
    return int(high < truth.mean() - 0.05) + int(low > truth.mean() + 0.05)


def bad_judge_table(labels):
    lines = [
        "| Model | Judge | Wrong of 2, uncorrected | Wrong at 20 labels | Undecided | Wrong at 100 | Undecided |",
        "|---|---|---|---|---|---|---|",
    ]
    for model, shown in MODELS.items():
        truth = labels[model]["final_label"] == 2
        for name, judge in bad_judges(truth).items():
            few, many = (gate(judge, truth, size) for size in (20, 100))
            shares = " | ".join(f"{share:.3f}" for share in (*few, *many))
            lines.append(f"| {shown} | {name} | {raw_verdicts(judge, truth)} | {shares} |")
    return lines


def test_page_against_reference(labels):
    page = DOCS.read_text(encoding="utf-8")
    for table in (agreement_table, coverage_table, bad_judge_table):
        expected = "\n".join(table(labels))
        assert expected in page, f"the page should hold:\n{expected}"


def test_corrected_rate_covers_against_reference(labels):
    raw = []
    for _, _, _, truth, judge in cases(labels):
        low, high = wilson(judge.sum(), judge.size)
        raw.append(low <= truth.mean() <= high)
        for covered, width, alone in measure(judge, truth):
            assert covered >= 0.93
            assert width < alone
    assert sum(raw) == 3  # of 8: the judges' own intervals


def test_balanced_labels_cover_against_reference(labels):
    # half from each verdict, whatever its share
    for _, _, _, truth, judge in cases(labels):
        rng = np.random.default_rng(1)
        sides = [truth[judge], truth[~judge]]
        positives = np.stack(
            [rng.permuted(np.broadcast_to(side, (RUNS, side.size)), axis=1)[:, :25].sum(axis=1) for side in sides],
            axis=1,
        )
        low, high = strat_mover([side.size for side in sides], [25, 25], positives, finite=True).interval
        assert np.mean((low <= truth.mean()) & (truth.mean() <= high)) >= 0.93


def test_bad_judges_leave_it_undecided_against_reference(labels):
    for model in MODELS:
        truth = labels[model]["final_label"] == 2
        for name, judge in bad_judges(truth).items():
            for size in SIZES:
                wrong, undecided = gate(judge, truth, size)
                assert wrong <= 0.02
                # an inverted judge tells a lot once labels show how it errs; the others add nothing
                assert undecided >= 0.73 or name == "inverted"
        assert raw_verdicts(np.zeros(450, bool), truth) == 1
        assert raw_verdicts(~truth, truth) == (0 if model == "gpt4" else 1)


def test_strength_names_bad_judges_against_reference(labels):
    truth = labels["llama2orig"]["final_label"] == 2
    judges = {**bad_judges(truth), "good": labels["llama2orig"]["string_match"] == 2}
    grades = {}
    for name, judge in judges.items():
        judged, labelled, positives = strata(judge, truth, 100, np.random.default_rng(2))
        grades[name] = judge_strength(judged, labelled[0], positives[0])
    assert {name: found.grade for name, found in grades.items()} == {
        "coin": "weak", "never refusal": "weak", "inverted": "inverted", "good": "useful"
    }  # fmt: skip
    assert [name for name, found in grades.items() if found.carries] == ["good"]
