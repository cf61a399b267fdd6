"""Retrieval: do the nearest references of a query have its label?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import as_codes, as_embeddings, as_labels
from .bootstrap import intervals_of_means
from .distances import check_distance
from .progress import Progress, progress_bar
from .ranks import Ranks, Task, positive_ranks
from .space import Distance

__all__ = ["Retrieval", "retrieval"]


@dataclass(frozen=True)
class Retrieval:
    """Retrieval measures, means over the queries that have a positive; 0 where no query has one.

    `recall_at` is the hit rate of the metric-learning literature: the share of queries with at least one
    positive among the k nearest. (Information retrieval calls another thing recall: the share of positives
    that are found.)
    """

    precision_at_1: float  #: share of queries whose nearest reference has their label
    recall_at: dict[int, float]  #: hit rate: share of queries with a positive among the k nearest
    r_precision: float  #: share of positives among the R nearest, R the number of positives of the query
    map_at_r: float  #: mean average precision at R (Musgrave et al. 2020)
    mrr: float  #: mean of 1 / rank of the nearest positive
    ndcg_at: dict[int, float]  #: normalised discounted cumulative gain of the k nearest
    queries: int  #: queries that have a positive; the means are over these
    queries_without_positive: int  #: left out of every mean
    references: int  #: how many references there are
    per_query: dict[str, NDArray[np.float64]] = field(
        repr=False, compare=False
    )  #: (queries,) values by flat name
    query_labels: list[Any] = field(repr=False, compare=False)  #: label of each counted query
    query_rows: NDArray[np.int64] = field(repr=False, compare=False)  #: row of each counted query

    def to_dict(self) -> dict[str, Any]:
        """The means and counts as plain Python numbers; `recall_at` and `ndcg_at` keep their integer keys."""
        return {
            "precision_at_1": self.precision_at_1,
            "recall_at": dict(self.recall_at),
            "r_precision": self.r_precision,
            "map_at_r": self.map_at_r,
            "mrr": self.mrr,
            "ndcg_at": dict(self.ndcg_at),
            "queries": self.queries,
            "queries_without_positive": self.queries_without_positive,
            "references": self.references,
        }

    def per_class(self) -> dict[Any, dict[str, float]]:
        """For each label with a counted query, the means over its queries by flat name, and `queries`.

        Returns:
            `{label: {"precision_at_1": ..., "recall_at_5": ..., ..., "queries": n}}` in the order of the
            labels.
        """
        if not self.queries:
            return {}
        names, (codes,) = as_codes(_object_array(self.query_labels))
        counts = np.bincount(codes)
        means = {key: np.bincount(codes, values) / counts for key, values in self.per_query.items()}
        return {
            name: {**{key: float(values[i]) for key, values in means.items()}, "queries": int(counts[i])}
            for i, name in enumerate(names)
        }

    def intervals(
        self, *, confidence: float = 0.95, resamples: int = 1000, seed: int = 0, by: str = "query"
    ) -> dict[str, tuple[float, float]]:
        """Bootstrap percentile intervals of the means.

        Queries of one class share references and resemble each other, so they are not independent draws.
        `by="class"` draws whole classes instead (cluster bootstrap): wider, and the right one where the
        question is how the model does on classes that it has not seen.

        Args:
            confidence: how often such an interval covers the true mean, 0 ... 1.
            resamples: how many bootstrap samples.
            seed: of the resampling.
            by: `"query"` draws queries, `"class"` draws classes with all their queries.

        Returns:
            `{"precision_at_1": (low, high), "recall_at_5": ..., ...}`; (0, 0) where no query counts.

        Raises:
            ValueError: another `by`, or a confidence outside 0 ... 1.
        """
        return intervals_of_means(
            self.per_query, self.groups(by), confidence=confidence, resamples=resamples, seed=seed
        )

    def groups(self, by: str) -> NDArray[np.int64] | None:
        """What a bootstrap draws together: the class number of each counted query, or None for queries one by
        one."""
        if by not in ("query", "class"):
            raise ValueError(f"by is {by!r}; expected 'query' or 'class'.")
        return as_codes(_object_array(self.query_labels))[1][0] if by == "class" and self.queries else None

    def means(self) -> dict[str, float]:
        """The means by flat name, such as `recall_at_5`; 0 where no query has a positive."""
        return {name: float(values.mean()) if len(values) else 0.0 for name, values in self.per_query.items()}


def retrieval(
    embeddings: Any,
    labels: Any,
    *,
    references: Any = None,
    reference_labels: Any = None,
    ks: Sequence[int] = (1, 5, 10),
    distance: Distance = "euclidean",
    progress: Progress = False,
) -> Retrieval:
    """Rank all references for every query, exactly, and measure where those with the query's label come.

    Without references every embedding queries all others; it leaves itself out by its position, so a
    duplicate of it still counts. With references given, every (query, reference) pair counts. References at
    equal distance rank in the order of their position. Queries without a positive are left out of every mean,
    and counted.

    With `R` positives and `rel(i)` = 1 where the i-th nearest reference is one of them, 0 else:

    - precision at 1: `rel(1)`
    - recall at k: 1 if any of `rel(1) ... rel(k)`, else 0 (hit rate; see `Retrieval`)
    - R-precision: `sum_{i <= R} rel(i) / R`
    - MAP@R: `sum_{i <= R} rel(i) precision(i) / R`, `precision(i)` the share of positives among the first i
    - MRR: `1 / (smallest i with rel(i) = 1)`, over all references
    - nDCG at k: `sum_{i <= k} rel(i) / log2(i + 1)`, divided by its largest possible value

    Args:
        embeddings: (q, d) floats of any framework: the queries.
        labels: (q,) integers of any width, bool or strings.
        references: (r, d); the queries themselves when left out.
        reference_labels: (r,), given if and only if references are.
        ks: the ks of `recall_at` and `ndcg_at`; one larger than the number of references means all of them.
        distance: `"euclidean"`, `"squared_euclidean"`, `"cosine"` (1 - cosine), `"manhattan"`, `"chebyshev"`,
            `"dot"` (minus the inner product), or a function of (a, d), (r, d) arrays to (a, r) distances.
        progress: whether to show a bar (where tqdm is installed), or a function of (queries done, queries).

    Returns:
        The measures; all 0 with `queries` 0 where no query has a positive.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity in a row, a k below 1, an unknown distance.
        TypeError: labels that are floats.

    Example:
        >>> result = retrieval([[0.0], [1.0], [1.5], [5.0]], [0, 1, 0, 1], ks=(1, 2))
        >>> result.precision_at_1, result.recall_at[2]
        (0.0, 0.75)

    References:
        Musgrave, Belongie, Lim, "A Metric Learning Reality Check", 2020, https://arxiv.org/abs/2003.08505
        (MAP@R); Järvelin, Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002 (nDCG).
    """
    check_distance(distance)
    ks = _checked(ks)
    queries = as_embeddings(embeddings)
    query_labels = as_labels(labels, len(queries))
    itself = references is None
    if itself != (reference_labels is None):
        missing = "reference_labels" if reference_labels is None else "references"
        raise ValueError(f"{missing} is missing; expected references and reference_labels, both or neither.")
    if itself:
        names, (codes,) = as_codes(query_labels)
        task = Task(queries, codes, queries, codes, True, distance)
    else:
        others = as_embeddings(references, "references")
        if others.shape[1] != queries.shape[1]:
            raise ValueError(
                f"references has {others.shape[1]} columns but embeddings {queries.shape[1]}; "
                "expected as many."
            )
        other_labels = as_labels(reference_labels, len(others), "reference_labels", "references")
        names, (codes, other_codes) = as_codes(query_labels, other_labels)
        task = Task(queries, codes, others, other_codes, False, distance)
    values = {key: np.zeros(len(queries)) for key in _keys(ks)}
    counted = np.zeros(len(queries), bool)
    with progress_bar(progress, len(queries), "retrieval") as advance:
        for block in positive_ranks(task, max(ks)):
            counted[block.queries] = True
            for key, value in _measure(block, ks).items():
                values[key][block.queries] = value
            advance(len(block.queries))
    rows = np.flatnonzero(counted)
    values = {key: value[rows] for key, value in values.items()}
    mean = {key: float(value.mean()) if len(rows) else 0.0 for key, value in values.items()}
    return Retrieval(
        precision_at_1=mean["precision_at_1"],
        recall_at={k: mean[f"recall_at_{k}"] for k in ks},
        r_precision=mean["r_precision"],
        map_at_r=mean["map_at_r"],
        mrr=mean["mrr"],
        ndcg_at={k: mean[f"ndcg_at_{k}"] for k in ks},
        queries=len(rows),
        queries_without_positive=len(queries) - len(rows),
        references=len(task.references),
        per_query=values,
        query_labels=[names[code] for code in codes[rows]],
        query_rows=rows,
    )


def _keys(ks: tuple[int, ...]) -> list[str]:
    fixed = ["precision_at_1", "r_precision", "map_at_r", "mrr"]
    return fixed + [f"recall_at_{k}" for k in ks] + [f"ndcg_at_{k}" for k in ks]


def _measure(block: Ranks, ks: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    """Each query's values from the ranks of its positives."""
    counts, ranks = block.counts, block.ranks
    starts = np.cumsum(counts) - counts
    first = ranks[starts]
    nth = np.arange(1, len(ranks) + 1) - np.repeat(starts, counts)  # 1 for the nearest positive
    within = ranks <= np.repeat(counts, counts)
    precision = nth / ranks  # at the rank of each positive
    precision[~within] = 0
    out: dict[str, NDArray[Any]] = {
        "precision_at_1": first == 1,
        "r_precision": np.add.reduceat(within, starts, dtype=np.int64) / counts,
        "map_at_r": np.add.reduceat(precision, starts) / counts,
        "mrr": 1 / first,
    }
    most = max(int(counts.max()), 1)
    # gain of the first 1, 2, ... references, all positive
    best = np.cumsum(1 / np.log2(np.arange(2, most + 2)))
    near = np.flatnonzero(ranks <= max(ks))
    query, near = np.searchsorted(starts, near, side="right") - 1, ranks[near]
    gain = 1 / np.log2(near + 1.0)
    for k in ks:
        out[f"recall_at_{k}"] = first <= k
        found = np.bincount(query, np.where(near <= k, gain, 0), minlength=len(counts))
        out[f"ndcg_at_{k}"] = found / best[np.minimum(counts, k) - 1]
    return out


def _checked(ks: Sequence[int]) -> tuple[int, ...]:
    out = tuple(dict.fromkeys(int(k) for k in ks))
    if not out or min(out) < 1 or any(int(k) != k for k in ks):
        raise ValueError(f"ks is {tuple(ks)}; expected at least one whole number, each 1 or more.")
    return out


def _object_array(values: list[Any]) -> NDArray[Any]:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out
