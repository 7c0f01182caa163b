"""The table of the user studies (Table 3 of the paper) from a file of answers.

    python -m leed.study.table --answers answers.sqlite

An interval is Wilson's 95 % interval on the effective number of answers: the number of independent answers that would
vary as much as these, since each rater gave several. So it holds for raters like these, on these pictures. Where all
answers agree, each rater counts as one.
"""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.api import OLS
from statsmodels.stats.proportion import proportion_confint

from leed.commands import command_line, exit_on
from leed.evaluation.metrics import UNKNOWN, Estimate
from leed.evaluation.tables import NOT_MEASURED, markdown_table, show_estimate
from leed.study.answers import AnswersError
from leed.study.pictures import REAL
from leed.study.questions import MORE_REAL, REAL_OR_FAKE

PROGRAM = "python -m leed.study.table"
RULE = "A rater's answers count if the rater answered an attention check and answered none of them wrongly."


@dataclass(frozen=True)
class Counted:
    """Answers of the raters that count, without attention checks; and the numbers of other raters, by reason."""

    answers: pd.DataFrame  # rater, task, name, shown, answer
    left_out: dict[str, int]

    @property
    def num_raters(self) -> int:
        """The number of raters that count."""
        return self.answers["rater"].nunique()


def read_answers(path: Path) -> Counted:
    """The answers in a file that count by RULE. Raises `AnswersError` if it is not a file of a study."""
    if not path.is_file():
        raise AnswersError(f"There is no file {path}.")
    try:
        with closing(sqlite3.connect(path)) as file:
            raters = pd.read_sql("SELECT rater FROM raters", file)["rater"]
            answers = pd.read_sql("SELECT * FROM answers", file)
    except (sqlite3.DatabaseError, pd.errors.DatabaseError) as error:
        raise AnswersError(f"{path} holds no answers of a study.") from error
    checks = answers[answers["expected"].notna()]
    checked = raters.isin(checks["rater"])
    failed = raters.isin(checks["rater"][checks["answer"] != checks["expected"]])
    left_out = {"failed an attention check": int(failed.sum()), "answered none": int((~checked).sum())}
    answers["shown"] = answers["shown"].map(json.loads)
    kept = answers["rater"].isin(raters[checked & ~failed]) & answers["expected"].isna()
    return Counted(answers[kept], left_out)


def share(yes: np.ndarray, raters: np.ndarray) -> Estimate:
    """The share of answers (N,) that are yes, with its 95 % interval; answers of one rater may be alike.

    NaN without answers; an interval needs two raters.
    """
    if not len(yes):
        return UNKNOWN
    value, num_raters = float(yes.mean()), len(np.unique(raters))
    if num_raters < 2:
        return Estimate(value, np.nan, np.nan)
    effective = effective_answers(yes.astype(float), raters) if 0 < value < 1 else num_raters
    # The variance between few raters is itself uncertain: the t distribution's answer, which Wilson's interval lacks.
    effective *= (stats.norm.ppf(0.975) / stats.t.ppf(0.975, num_raters - 1)) ** 2
    low, high = proportion_confint(value * effective, effective, method="wilson")
    return Estimate(value, float(low), float(high))


def effective_answers(yes: np.ndarray, raters: np.ndarray) -> float:
    """The number of independent answers whose mean would vary as that of these (N,), with raters as clusters."""
    groups = np.unique(raters, return_inverse=True)[1]
    fit = OLS(yes, np.ones(len(yes))).fit(cov_type="cluster", cov_kwds={"groups": groups})
    independent, clustered = yes.mean() * (1 - yes.mean()), fit.cov_params().item()
    return min(len(yes), independent / clustered) if clustered else len(yes)


def judged_real(answers: pd.DataFrame) -> dict[str, Estimate]:
    """By source: the share of its pictures that were judged real."""
    single = answers[answers["task"] == REAL_OR_FAKE]
    groups = dict(list(single.groupby(single["shown"].str[0])))
    return {
        source: share((group["answer"] == REAL).to_numpy(), group["rater"].to_numpy())
        for source, group in groups.items()
    }


def chosen(answers: pd.DataFrame) -> dict[str, Estimate]:
    """By method: the share of comparisons in which its picture was chosen as the most real."""
    compared = answers[answers["task"] == MORE_REAL]
    raters = compared["rater"].to_numpy()
    return {method: share((compared["answer"] == method).to_numpy(), raters) for method in methods(compared)}


def preferred(answers: pd.DataFrame) -> dict[tuple[str, str], Estimate]:
    """By pair of methods, the better one first: its share of the choices that fell on one of the two."""
    compared = answers[answers["task"] == MORE_REAL]
    wins = compared["answer"].value_counts()
    result = {}
    for pair in combinations(methods(compared), 2):
        better, worse = sorted(pair, key=lambda method: -wins.get(method, 0))
        either = compared[compared["answer"].isin(pair)]
        result[better, worse] = share((either["answer"] == better).to_numpy(), either["rater"].to_numpy())
    return result


def methods(compared: pd.DataFrame) -> list[str]:
    """The methods among the compared pictures."""
    return sorted(set(compared["shown"].explode().dropna()))


def in_percent(estimate: Estimate | None) -> str:
    """An estimate in percent; a dash for None."""
    if estimate is None:
        return NOT_MEASURED
    return show_estimate(Estimate(*(100 * value for value in estimate)), digits=1)


def markdown(path: Path) -> str:
    """Table 3 as Markdown. Raises `AnswersError` if the file holds no answers of a study."""
    counted = read_answers(path)
    answers = counted.answers
    real, most_real = judged_real(answers), chosen(answers)
    sources = sorted({*real, *most_real}, key=lambda source: (source != REAL, source))
    num_answers = answers["task"].value_counts()
    rows = [[source, in_percent(real.get(source)), in_percent(most_real.get(source))] for source in sources]
    rows.append(["answers", *(str(num_answers.get(task, 0)) for task in (REAL_OR_FAKE, MORE_REAL))])
    pairs = [[f"{better} over {worse}", in_percent(value)] for (better, worse), value in preferred(answers).items()]
    reasons = ", ".join(f"{number} {reason}" for reason, number in counted.left_out.items())
    return "\n\n".join(
        [
            markdown_table(["%", "judged real", "chosen as most real"], rows),
            markdown_table(["where one of the two was chosen, %", "share"], pairs),
            f"Raters: {counted.num_raters}; left out: {reasons}. {RULE} In brackets: 95 % intervals (Wilson's, on the "
            "effective number of answers with raters as clusters).",
        ]
    )


@exit_on(PROGRAM)
def main(arguments: list[str] | None = None) -> None:
    parser = command_line(PROGRAM, __doc__)
    parser.add_argument("--answers", type=Path, required=True, metavar="FILE", help="what leed.study wrote")
    print(markdown(parser.parse_args(arguments).answers))


if __name__ == "__main__":
    main()
