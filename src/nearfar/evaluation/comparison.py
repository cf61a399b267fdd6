"""Comparison: which of several runs is better, on the same queries and pairs, and is the difference more than
chance?"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
        """A table: measures down, runs across; values with intervals, and differences from the baseline below
        them."""
        runs = list(self.entries)
        lines = ["| measure | " + " | ".join(map(_cell, runs)) + " |", "|---|" + "---|" * len(runs)]
        for name in self.entries[self.baseline]:
            cells = []
            for run in runs:
                entry = self.entries[run][name]
                text = f"{entry.value:.4f} [{entry.interval[0]:.4f}, {entry.interval[1]:.4f}]"
                if run != self.baseline:
                    low, high = entry.difference_interval
                    mark = "**" if entry.differs else ""
                    text += f"<br>{mark}{entry.difference:+.4f} [{low:+.4f}, {high:+.4f}]{mark}"
                cells.append(text)
            lines.append(f"| {_spoken(name)} | " + " | ".join(cells) + " |")
        counts = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        lines += [
            "",
            f"{counts}. Brackets: {self.confidence:.0%} bootstrap intervals over {self.by}. Second lines: "
            f"paired difference from {_cell(self.baseline)}; bold where its interval leaves 0 out.",
        ]
        return "\n".join(lines) + "\n"

    def plot(self, path: str | os.PathLike[str], *, dpi: int = 160) -> None:
        """Draw values and paired differences with their intervals.

        Args:
            path: the file to write; its ending names the format.
            dpi: pixels an inch.

        Raises:
            ImportError: where matplotlib is not installed.
        """
        from ..visualize.style import COLORS, FAINT, figure, shown

        names, runs = list(self.entries[self.baseline]), list(self.entries)
        height = 0.9 + len(names) * (0.16 + 0.16 * len(runs))
        under = f"{self.confidence:.0%} bootstrap intervals over {self.by}; differences are paired"
        with figure(
            path, 10.0, height, f"Compared with {shown(self.baseline, 40)}", under, dpi=dpi
        ) as canvas:
            values, differences = canvas.subplots(1, 2, sharey=True)
            for i, run in enumerate(runs):
                at = np.arange(len(names)) + (i - (len(runs) - 1) / 2) * 0.7 / len(runs)
                found = [self.entries[run][name] for name in names]
                color = COLORS[i % len(COLORS)]
                _whiskers(
                    values, [e.value for e in found], [e.interval for e in found], at, color, shown(run, 40)
                )
                if run != self.baseline:
                    _whiskers(
                        differences,
                        [e.difference for e in found],
                        [e.difference_interval for e in found],
                        at,
                        color,
                        None,
                    )
            differences.axvline(0, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
            values.set_yticks(np.arange(len(names)), [_spoken(name) for name in names])
            values.invert_yaxis()
            values.set_xlabel("value")
            differences.set_xlabel(f"difference from {shown(self.baseline, 40)}")
            for axes in (values, differences):
                axes.grid(axis="x")
            values.legend(loc="best", fontsize=9)

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


def _whiskers(axes: Any, values: Any, intervals: Any, at: Any, color: str, label: str | None) -> None:
    low, high = np.array(intervals).T
    axes.hlines(at, low, high, color=color, linewidth=2)
    axes.plot(values, at, "o", color=color, markersize=4.5, label=label)


def _spoken(name: str) -> str:
    """`tar_at_far_0.01` as TAR@FAR 0.01, `map_at_r` as MAP@R."""
    text = (
        name.replace("tar_at_far_", "TAR@FAR ")
        .replace("_at_", "@")
        .replace("map@r", "MAP@R")
        .replace("ndcg", "nDCG")
    )
    fixed = {"r_precision": "R-precision", "mrr": "MRR", "auc": "AUC", "eer": "EER (low is good)"}
    return fixed.get(text, text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
