"""Comparison: which of several runs is better, on the same queries and pairs, and is the difference more than
chance?"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import comparison_output as output
from .bootstrap import intervals_of_means, spread
from .retrieval import Retrieval
from .verification import Verification

__all__ = ["Comparison", "Entry", "compare"]

_TWICE = ("recall_at_1", "ndcg_at_1")  # both are the precision at 1


@dataclass(frozen=True)
class Entry:
    """One measure of one run."""

    value: float
    interval: tuple[float, float]  #: bootstrap interval of the value
    difference: float  #: from the baseline; 0 for the baseline itself
    difference_interval: tuple[float, float]  #: paired: both runs on the same draws

    @property
    def differs(self) -> bool:
        """Whether the interval of the difference leaves 0 out."""
        return self.difference_interval[0] > 0 or self.difference_interval[1] < 0


@dataclass(frozen=True)
class Comparison:
    """A table of runs and measures."""

    baseline: str  #: the run that the others are compared with
    entries: dict[str, dict[str, Entry]]  #: by run, then by measure such as `map_at_r` or `recall_at_5`
    confidence: float  #: of all intervals
    by: str  #: what the bootstrap draws, `"query"` or `"class"` (verification: `"item"` or `"class"`)
    counts: dict[str, int]  #: how many queries, or pairs, the measures are taken over

    def to_dict(self) -> dict[str, Any]:
        """As plain Python numbers, for JSON."""
        runs = {
            run: {
                name: {
                    "value": entry.value,
                    "interval": list(entry.interval),
                    "difference": entry.difference,
                    "difference_interval": list(entry.difference_interval),
                }
                for name, entry in measures.items()
            }
            for run, measures in self.entries.items()
        }
        return {
            "baseline": self.baseline,
            "confidence": self.confidence,
            "bootstrap_over": self.by,
            **self.counts,
            "runs": runs,
        }

    def to_markdown(self) -> str:
        """A table: measures down, runs across; values with intervals, below them paired differences."""
        return output.markdown(self)

    def to_text(self) -> str:
        """The same for a terminal: a line a measure, and under it the differences."""
        return output.text(self)

    def plot(self, path: str | os.PathLike[str], *, dpi: int = 160) -> None:
        """Draw values and paired differences with their intervals.

        Args:
            path: the file to write; its ending names the format.
            dpi: pixels an inch.

        Raises:
            ImportError: where matplotlib is not installed.
        """
        output.plot(self, path, dpi)

    def write(self, folder: str | os.PathLike[str], *, picture: bool = True) -> list[Path]:
        """Write `comparison.md`, `comparison.json` and `comparison.png` in a folder, each whole or not at
        all.

        Returns:
            The files that were written.
        """
        from ..visualize.files import written_whole

        texts = {
            "comparison.md": self.to_markdown(),
            "comparison.json": json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n",
        }
        for name, text in texts.items():
            with written_whole(Path(folder) / name) as beside:
                beside.write_text(text, encoding="utf-8")
        files = [Path(folder) / name for name in texts]
        if picture:
            files.append(Path(folder) / "comparison.png")
            self.plot(files[-1])
        return files


def compare(
    retrievals: Mapping[str, Retrieval],
    verifications: Mapping[str, Verification] | None = None,
    *,
    baseline: str | None = None,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    by: str = "query",
) -> Comparison:
    """Compare runs on the same queries by paired bootstrap: every draw serves all runs, and differences are
    taken in it.

    Runs that were measured on the same items go up and down together, so the interval of the difference is
    much narrower than those of the values suggest.

    Args:
        retrievals: result of `retrieval` by name of the run, all of the same queries and labels.
        verifications: result of `verification` by name of the run, all of the same pairs; the same names.
        baseline: the run that the others are compared with; the first when left out.
        confidence: of the intervals, 0 ... 1.
        resamples: bootstrap samples of the queries; of the pairs a fifth, since each takes much longer.
        seed: of the resampling.
        by: `"query"`, or `"class"` to draw whole classes (see `Retrieval.intervals`).

    Returns:
        Values, differences and their intervals.

    Raises:
        ValueError: no run, an unknown baseline, or runs of other queries or pairs.

    Example:
        >>> from nearfar.evaluation import retrieval
        >>> labels = [0, 0, 1, 1]
        >>> before = retrieval([[0.0], [8.0], [1.0], [9.0]], labels)
        >>> after = retrieval([[0.0], [1.0], [8.0], [9.0]], labels)
        >>> compare({"before": before, "after": after}).entries["after"]["precision_at_1"].difference
        1.0
    """
    if not retrievals:
        raise ValueError("retrievals is empty; expected at least one run.")
    baseline = next(iter(retrievals)) if baseline is None else baseline
    if baseline not in retrievals:
        raise ValueError(
            f"baseline {baseline!r} is not among the runs; expected one of {', '.join(retrievals)}."
        )
    first = retrievals[baseline]
    for run, result in retrievals.items():
        same = (
            np.array_equal(result.query_rows, first.query_rows) and result.query_labels == first.query_labels
        )
        if not same or list(result.per_query) != list(first.per_query):
            raise ValueError(f"{run} and {baseline} are of other queries, labels or ks; expected the same.")
    settings: dict[str, Any] = {"confidence": confidence, "seed": seed}
    entries: dict[str, dict[str, Entry]] = {}
    for run, result in retrievals.items():
        kept = {name: values for name, values in result.per_query.items() if name not in _TWICE}
        gains = {name: values - first.per_query[name] for name, values in kept.items()}
        own = result.intervals(by=by, resamples=resamples, **settings)
        paired = intervals_of_means(gains, first.groups(by), resamples=resamples, **settings)
        means = result.means()
        entries[run] = {
            name: Entry(means[name], own[name], means[name] - first.means()[name], paired[name])
            for name in gains
        }
    counts = {"queries": first.queries}
    if verifications:
        if set(verifications) != set(retrievals):
            raise ValueError("verifications has other runs than retrievals; expected the same names.")
        _add_verifications(entries, verifications, baseline, confidence, max(2, resamples // 5), seed, by)
        counts["pairs"] = verifications[baseline].pairs
    return Comparison(baseline, entries, confidence, by, counts)


def _add_verifications(
    entries: dict[str, dict[str, Entry]],
    verifications: Mapping[str, Verification],
    baseline: str,
    confidence: float,
    resamples: int,
    seed: int,
    by: str,
) -> None:
    first = verifications[baseline]
    drawn = "class" if by == "class" else "item"
    base = first.resampled(resamples=resamples, seed=seed, by=drawn)
    for run, result in verifications.items():
        if not all(
            np.array_equal(getattr(result, key), getattr(first, key)) for key in ("left", "right", "same")
        ):
            raise ValueError(f"{run} and {baseline} are of other pairs; expected the same.")
        samples = base if run == baseline else result.resampled(resamples=resamples, seed=seed, by=drawn)
        values, others = result.means(), first.means()
        for i, name in enumerate(values):
            entries[run][name] = Entry(
                values[name],
                spread(samples[:, i], confidence),
                values[name] - others[name],
                spread(samples[:, i] - base[:, i], confidence),
            )
