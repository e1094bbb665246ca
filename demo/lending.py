"""A simulated lending system whose unfairness is known, because we put it there.

The people. Women are 45 % of the applicants. Ability to repay, z, is standard normal, the same for both sexes; 40 % of
its variance is shared by a household of one to three applicants. A loan is repaid with probability
sigmoid(0.9 + 1.8 z), so the base rate does not depend on sex.

The unfairness. Two things that happen to real systems:
- *Unequal noise.* The credit history measures z with an error of standard deviation 0.4 for men and 0.8 for women.
- *A proxy.* Half of the women and a tenth of the men have a gap in their career. It says nothing about z; but the past
  decisions that the model is trained on marked it down, and the model learns to.

The truth. Over the whole population (`TRUTH`, which a test computes from 400,000 simulated people), the model approves
women 0.66 times as often as men; of those who would repay it approves 49 % of the women and 74 % of the men.

What a real lender could not know. Here we see whether *everyone* would have repaid. A real one sees it for the approved
only, and an evaluation on those alone hides part of the harm.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

FEATURES = ["income", "credit_history", "career_gap", "region"]
THRESHOLD = 0.5  # approved at this score or above
TRUTH = {"selection_ratio": 0.66, "tpr_gap": 0.25}  # women over men; men less women
_REGIONS = {"urban": 0.55, "suburban": 0.37, "rural": 0.08}


def simulate(people: int, *, rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    """Return `people` applicants as columns. The past decision is what the model learns; `repaid` is the truth."""
    household = np.repeat(np.arange(people), rng.integers(1, 4, people))[:people]
    woman = rng.random(people) < 0.45
    age = np.clip(rng.gamma(6.0, 7.0, people), 18, 90).astype(int)
    region = rng.choice(list(_REGIONS), people, p=list(_REGIONS.values()))
    z = np.sqrt(0.4) * rng.normal(size=people)[household] + np.sqrt(0.6) * rng.normal(size=people)
    gap = rng.random(people) < np.where(woman, 0.5, 0.1)
    history = z + np.where(woman, 0.8, 0.4) * rng.normal(size=people)
    past = z + 0.4 * rng.normal(size=people) - 1.2 * gap > -0.3
    return {
        "application": np.array([f"A{number:06d}" for number in range(people)]),
        "household": household,
        "sex": np.where(woman, "woman", "man"),
        "age": age,
        "region": region,
        "income": np.round(np.exp(3.4 + 0.25 * z + 0.5 * rng.normal(size=people)), 1),  # thousand a year
        "credit_history": np.round(history, 3),
        "career_gap": gap,
        "repaid": rng.random(people) < 1 / (1 + np.exp(-(0.9 + 1.8 * z))),
        "past_decision": past,
    }


def train(people: int, *, rng: np.random.Generator) -> Pipeline:
    """Return a logistic regression fitted to the past decisions on `people` earlier applicants."""
    past = pa.table(simulate(people, rng=rng)).to_pandas()
    columns = make_column_transformer(
        (StandardScaler(), ["income", "credit_history"]), (OneHotEncoder(), ["career_gap", "region"])
    )
    return make_pipeline(columns, LogisticRegression()).fit(past[FEATURES], past["past_decision"])


def decide(model: Pipeline, people: int, *, rng: np.random.Generator) -> pa.Table:
    """Return `people` new applicants with the model's `score` and whether they are `approved`."""
    applicants = pa.table(simulate(people, rng=rng)).drop_columns(["past_decision"])
    score = model.predict_proba(applicants.select(FEATURES).to_pandas())[:, 1]
    return applicants.append_column("score", pa.array(score)).append_column("approved", pa.array(score >= THRESHOLD))


def main() -> None:
    """Train the model, let it decide on 4,000 applications, and write them beside this file."""
    rng = np.random.default_rng(20_250_101)
    model = train(10_000, rng=rng)
    applications = decide(model, 4_000, rng=rng)
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    pq.write_table(applications, out / "applications.parquet")
    print("Trained a scikit-learn model on 10,000 simulated past decisions; it decided on 4,000 new applications.")
    ratio, gap = TRUTH["selection_ratio"], round(100 * TRUTH["tpr_gap"])
    print(f"True in the whole simulated population: women are approved {ratio} times as often as men, and of those who")
    print(f"would repay, {gap} in 100 fewer women than men. Does the check see it?\n")


if __name__ == "__main__":
    main()
