"""The methods that a run used, said for a reader who wants to check them: what is done, and where it comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shipworthy.evidence.run import Run
from shipworthy.present.safe import shorten


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """One method: its name, what it does in a sentence or two, and its source."""

    name: str
    text: str
    source: str


_REGISTRY: tuple[tuple[str, Method], ...] = tuple(
    (pattern, Method(name=name, text=text, source=source))
    for pattern, name, text, source in (
        (
            r"wilson",
            "Wilson score interval",
            "Interval of a proportion by inverting the score test. With clusters or weights the count is "
            "divided by the design effect first.",
            "Wilson (1927), J. Am. Stat. Assoc. 22, 209–212; Korn and Graubard (1998), Surv. Methodol. "
            "24, 193–201 (clusters)",
        ),
        (
            r"clopper|exact",
            "Clopper–Pearson interval",
            "Exact binomial interval: never covers less than it says, and is wide for it.",
            "Clopper and Pearson (1934), Biometrika 26, 404–413",
        ),
        (
            r"newcombe|mover(?!.*ratio)|hybrid",
            "Hybrid interval (MOVER, Newcombe)",
            "Interval of a sum or difference of independent quantities, put together from the interval of each.",
            "Newcombe (1998), Stat. Med. 17, 873–890; Zou and Donner (2008), Stat. Med. 27, 1693–1702",
        ),
        (
            r"mover.*ratio|ratio.*mover|mover-r\b|koopman",
            "Interval of a ratio",
            "Interval of a ratio of two independent quantities by Koopman's score test, or from the two "
            "separate intervals (MOVER-R).",
            "Koopman (1984), Biometrics 40, 513–517; Donner and Zou (2012), Stat. Methods Med. Res. 21, 347–359",
        ),
        (
            r"tango|paired",
            "Paired comparison",
            "Both versions were asked the same cases; only the cases on which they differ carry "
            "information about the change.",
            "Tango (1998), Stat. Med. 17, 891–908; Newcombe (1998), Stat. Med. 17, 2635–2650",
        ),
        (
            r"delong|obuchowski",
            "DeLong's variance, logit scale",
            "Interval of the area under the ROC curve from its placement values, computed on the logit "
            "scale so that it stays below 1.",
            "DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44, 837–845; Sun and Xu (2014), IEEE "
            "Signal Process. Lett. 21, 1389–1393",
        ),
        (
            r"(?<!corrected )bootstrap|bca",
            "Bootstrap",
            "Interval from recomputing the quantity on data drawn again from the data, by cluster where "
            "there are clusters.",
            "Efron (1987), J. Am. Stat. Assoc. 82, 171–185",
        ),
        (
            r"jackknife|delta|wald",
            "Linearised standard error",
            "Normal interval around a smooth function of means, with its standard error from the delta "
            "method or from leaving clusters out.",
            "Efron and Stein (1981), Ann. Stat. 9, 586–596",
        ),
        (
            r"\bt\b(?! ?test)|student|welch|cluster-t|t-interval",
            "Student's t interval",
            "Interval of a mean; of cluster means where rows come in clusters.",
            "Student (1908), Biometrika 6, 1–25; Miller (2024), arXiv:2411.00640 (clusters)",
        ),
        (
            r"betting|hoeffding|bernstein",
            "Interval of a bounded mean",
            "Interval with guaranteed coverage for scores that lie between known ends.",
            "Waudby-Smith and Ramdas (2024), J. R. Stat. Soc. B 86, 1–27",
        ),
        (
            r"logit-binomial",
            "Average precision, logit scale",
            "Interval of the area under the precision-recall curve from its binomial variance, on the logit scale.",
            "Boyd, Eng and Page (2013), ECML PKDD, 451–466",
        ),
        (
            r"order.statistic",
            "Order-statistic interval",
            "Interval of a quantile between two of the sorted values; it has no upper end when there are too few.",
            "Hahn and Meeker (1991), Statistical Intervals, Wiley",
        ),
        (
            r"debias|\bece\b",
            "Debiased calibration error",
            "Calibration error with the part removed that even a perfect score would show at this sample size.",
            "Kumar, Liang and Ma (2019), arXiv:1909.10155",
        ),
        (
            r"double-corrected|between",
            "Spread between slices",
            "Standard deviation of the true values of the slices: what is left of their variance after "
            "sampling noise is taken off.",
            "Lum, Zhang and Bower (2022), arXiv:2205.05770",
        ),
        (
            r"counted either way",
            "Missing outcomes counted either way",
            "A request that failed, timed out or got no verdict has an outcome that nobody knows. The limits are those "
            "with all such outcomes bad and with all good, so the interval holds whatever they were; the value is the "
            "share among the known ones.",
            "Horowitz and Manski (2000), J. Am. Stat. Assoc. 95, 77–84",
        ),
        (
            r"strat-mover",
            "Judge corrected with labels of people",
            "The share that a judge finds is corrected, within each of its verdicts, by what people said of the same "
            "answers; the interval holds the chance in both. A change takes each version's own labels, so that a judge "
            "that errs more on one of them invents no difference.",
            "Zou and Donner (2008), Stat. Med. 27, 1693–1702; Cochran (1977), Sampling Techniques, section 5A.9",
        ),
        (
            r"judge uncorrected",
            "Judge, uncorrected",
            "What a judging model said is taken as true. The interval covers the chance in which cases were asked, and "
            "nothing of the judge's mistakes, which may be larger; labels of people would correct it.",
            "Rogan and Gladen (1978), Am. J. Epidemiol. 107, 71–76 (what a test's errors do to a rate)",
        ),
        (
            r"simultaneous|tukey|studentized|max-t|holm|bonferroni",
            "Simultaneous limits",
            "Limits widened for how many slices or pairs were looked at, so that all of them hold together.",
            "Tukey (1953); Kramer (1956), Biometrics 12, 307–310; Holm (1979), Scand. J. Stat. 6, 65–70",
        ),
    )
)

THE_RULE = Method(
    name="Met, breached, undecided",
    text=(
        "Met and breached are two hypotheses, each with its own error rate. A claim is met when the limit "
        "that would hurt lies on the "
        "good side, for every slice or pair at the claim's own level; it is breached when the opposite "
        "limit, corrected for how many were "
        "looked at, lies on the bad side of the bound. Otherwise it is undecided. A point estimate never "
        "decides, and the largest gap "
        "seen is not an estimate of the largest gap."
    ),
    source=(
        "Berger (1982), Technometrics 24, 295–300; Schuirmann (1987), J. Pharmacokinet. Biopharm. 15, "
        "657–680; Holm (1979)"
    ),
)
EXACT_GATE = Method(
    name="Exact limits for claims about single slices",
    text=(
        "What is drawn is the Wilson interval; what decides a claim about a proportion is the exact "
        "limit, which never errs more often than "
        "it says (with clusters or weights, at the effective number of cases)."
    ),
    source="Clopper and Pearson (1934), Biometrika 26, 404–413; Korn and Graubard (1998), Surv. Methodol. 24, 193–201",
)
CALIBRATION = Method(
    name="Calibration curve",
    text=(
        "Cases are binned by score; in each bin the observed rate of positives is drawn with its Wilson "
        "interval against the mean score."
    ),
    source="Murphy and Winkler (1977), Appl. Stat. 26, 41–47; Wilson (1927)",
)


def used(run: Run) -> list[Method]:
    """The methods behind the numbers of a run, each once; a method that is not described here is named as it was
    recorded."""
    pieces = [p.estimate for v in run.verdicts for p in v.pieces]
    estimates = [*run.estimates, *pieces, *(v.spread for v in run.verdicts if v.spread is not None)]
    found: dict[str, Method] = {THE_RULE.name: THE_RULE} if run.verdicts else {}
    if any(e.compare == "value" and "wilson" in (e.method or "") for e in pieces):
        found[EXACT_GATE.name] = EXACT_GATE
    for recorded, compare in dict.fromkeys((e.method, e.compare) for e in estimates if e.method):
        described = _described(f"{recorded} {compare}" if compare == "ratio" else str(recorded))
        found.update((method.name, method) for method in described)
    if run.curves:
        found[CALIBRATION.name] = CALIBRATION
    return list(found.values())


def _described(recorded: str) -> list[Method]:
    described = [method for pattern, method in _REGISTRY if re.search(pattern, recorded, re.IGNORECASE)]
    return described or [Method(name=shorten(recorded), text="Recorded under this name.", source="")]
