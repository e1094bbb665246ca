import numpy as np
import pytest
from sklearn.metrics import ndcg_score

METRICS = ["ndcg", "ndcg@3", "map", "mrr", "recall@2", "precision@3", "exposure"]


def lists(seed, *, ties):
    rng = np.random.default_rng(seed)
    rows = []
    for query in range(60):
        for _ in range(rng.integers(2, 9)):
            score = float(rng.integers(0, 4)) if ties else float(rng.normal())
            rows.append(
                (f"q{query}", int(rng.integers(0, 4)) if rng.random() < 0.6 else 0, score, rng.choice(["x", "y"]))
            )
    query, label, score, group = (list(column) for column in zip(*rows, strict=True))
    return {"query": query, "label": label, "score": score, "group": group}


def slow(rows, kind, depth=None):
    """Straight from the definitions, one list at a time; of tied items the less relevant comes first."""
    values = []
    for query in dict.fromkeys(rows["query"]):
        items = [(s, y) for q, y, s in zip(rows["query"], rows["label"], rows["score"], strict=True) if q == query]
        if not any(y > 0 for _, y in items):
            continue
        ranked = [y > 0 for _, y in sorted(items, key=lambda item: (-item[0], item[1]))]
        hits = [k for k, relevant in enumerate(ranked) if relevant]
        if kind == "map":
            values.append(sum(sum(ranked[: k + 1]) / (k + 1) for k in hits) / len(hits))
        elif kind == "mrr":
            values.append(1 / (hits[0] + 1))
        elif kind == "recall":
            values.append(sum(ranked[:depth]) / len(hits))
        elif kind == "precision":
            values.append(sum(ranked[:depth]) / depth)
    return np.mean(values)


def ndcg(rows, depth=None):
    values = []
    for query in dict.fromkeys(rows["query"]):
        chosen = [k for k, q in enumerate(rows["query"]) if q == query]
        y = np.array([[rows["label"][k] for k in chosen]])
        if y.any():
            values.append(ndcg_score(y, np.array([[rows["score"][k] for k in chosen]]), k=depth))
    return np.mean(values)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_ranking_against_reference(evaluate, seed, ties):
    rows = lists(seed, ties=ties)
    found = evaluate(rows, label="label", score="score", query="query", metrics=METRICS, slices=["group"])
    assert found("ndcg").value == pytest.approx(ndcg(rows), abs=1e-12)
    assert found("ndcg@3").value == pytest.approx(ndcg(rows, 3), abs=1e-12)
    for name, kind, depth in (("map", "map", None), ("mrr", "mrr", None), ("recall@2", "recall", 2),
                              ("precision@3", "precision", 3)):  # fmt: skip
        assert found(name).value == pytest.approx(slow(rows, kind, depth), abs=1e-12), name
        assert 0 <= found(name).low < found(name).value < found(name).high <= 1
    assert found("ndcg").n == sum(
        any(y for q, y in zip(rows["query"], rows["label"], strict=True) if q == query) for query in set(rows["query"])
    )


def test_exposure_by_group_against_theory(evaluate):
    """Two items a list, the first always of group x: its exposure is 1, the other's 1 / log2(3)."""
    rows = {
        "query": [f"q{k // 2}" for k in range(40)], "label": [0, 1] * 20, "score": [2.0, 1.0] * 20, "group": ["x", "y"] * 20,
    }  # fmt: skip
    found = evaluate(rows, label="label", score="score", query="query", metrics=["exposure"], slices=["group"])
    values = found.values("exposure", "group")
    assert values["x"] == pytest.approx(1)
    assert values["y"] == pytest.approx(1 / np.log2(3))


def test_query_is_the_unit(evaluate):
    """Long lists are no more evidence than short ones: the interval follows the number of lists."""
    rows = lists(3, ties=False)
    longer = {
        "query": rows["query"] + rows["query"], "label": rows["label"] + [0] * len(rows["label"]),
        "score": rows["score"] + [-9.0] * len(rows["score"]),
    }  # fmt: skip
    a = evaluate(rows, label="label", score="score", query="query", metrics=["mrr"])("mrr")
    b = evaluate(longer, label="label", score="score", query="query", metrics=["mrr"])("mrr")
    assert (a.value, a.low, a.high, a.n) == (b.value, b.low, b.high, b.n)


def test_all_lists_perfect_is_not_certainty(evaluate):
    """Twenty perfect lists bound the mean from below by .05 ** (1 / 20) one-sided, as Clopper-Pearson does."""
    rows = {"query": [f"q{k // 2}" for k in range(40)], "label": [1, 0] * 20, "score": [2.0, 1.0] * 20}
    found = evaluate(rows, label="label", score="score", query="query", metrics=["mrr"])
    estimate = found("mrr", at=0.9)
    assert (estimate.value, estimate.high) == (1, 1)
    assert estimate.low == pytest.approx(0.05 ** (1 / 20))


def test_negative_relevance_has_no_value(evaluate):
    rows = {"query": ["a", "a", "b", "b"] * 5, "label": [1, -1, 1, 0] * 5, "score": [1.0, 2.0, 1.0, 2.0] * 5}
    estimate = evaluate(rows, label="label", score="score", query="query", metrics=["ndcg"])("ndcg")
    assert estimate.value is None
    assert "below 0" in estimate.reason
