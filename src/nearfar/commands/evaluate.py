"""Measure a run on held-out samples or other data; or compare runs, with paired intervals."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import UsageError
from ._common import Parser, add_distance, numbers, saved, source_options

__all__ = ["main"]


class Measured(NamedTuple):
    """One run, measured."""

    labels: np.ndarray
    embeddings: np.ndarray
    retrieval: Any
    verification: Any


def main(argv: list[str]) -> int | None:
    """`nearfar evaluate RUN [RUN ...] [options]`."""
    parser = Parser("evaluate", __doc__ or "", "Example: nearfar evaluate runs/triplet runs/supcon")
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="folder that `nearfar train` wrote; several to compare"
    )
    parser.add_argument(
        "--data", metavar="DATA", help="embed and measure other data, instead of the run's own"
    )
    parser.add_argument(
        "--split",
        choices=("test", "train", "all"),
        default="test",
        help="which of the run's samples (%(default)s)",
    )
    parser.add_argument(
        "--limit", type=int, default=10_000, metavar="N", help="samples at most (%(default)s)"
    )
    parser.add_argument(
        "--ks", type=numbers(int), default=(1, 5, 10), metavar="K,...", help="of recall and nDCG"
    )
    parser.add_argument(
        "--far", type=numbers(float), default=(0.1, 0.01, 0.001), metavar="X,...", help="false-accept rates"
    )
    parser.add_argument(
        "--by", choices=("query", "class"), default="query", help="what the intervals draw (%(default)s)"
    )
    parser.add_argument(
        "--confidence", type=float, default=0.95, metavar="X", help="of the intervals (%(default)s)"
    )
    parser.add_argument("--per-class", action="store_true", help="print the classes too, worst first")
    parser.add_argument("--out", metavar="FOLDER", help="where to write; else RUN/evaluation, or comparison")
    parser.add_argument("--seed", type=int, default=0, help="of samples, folds, k-means and intervals")
    add_distance(parser)
    source_options(parser)
    given = parser.parse_args(argv)
    if given.limit < 2:
        raise UsageError(f"--limit is {given.limit}; expected 2 or more.")
    if min(given.ks) < 1:
        raise UsageError(f"--ks names {min(given.ks)}; expected numbers of 1 or more.")
    if any(not 0 <= rate <= 1 for rate in given.far):
        raise UsageError(
            f"--far is {','.join(f'{rate:g}' for rate in given.far)}; expected rates from 0 to 1."
        )
    if not 0 < given.confidence < 1:
        raise UsageError(
            f"--confidence is {given.confidence:g}; expected a share between 0 and 1, such as 0.95."
        )
    if len(set(given.runs)) < len(given.runs):
        raise UsageError("a run is named twice; name each once.")
    names = [Path(run).name for run in given.runs]
    names = names if len(set(names)) == len(names) else [str(run) for run in given.runs]
    parts = _aligned(names, [_samples(run, given) for run in given.runs])
    measured = {name: _measured(*part, given) for name, part in zip(names, parts, strict=True)}
    if len(measured) > 1:
        return _compared(measured, given)
    return _reported(next(iter(measured.values())), given)


def _samples(run: str, given: Any) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Embeddings, labels and ids of what is to be measured."""
    if given.data is None:
        found = saved(run, given.split)
        return found.embeddings, found.labels, found.ids
    from ..training import load_run

    opened = load_run(run, backend=given.backend)
    samples = opened.read(given.data, label=given.label, skip_unreadable=given.skip_unreadable)
    if not samples.class_names:
        raise UsageError(f"{given.data} has no labels, which measuring needs; `nearfar embed` does without.")
    return (
        opened.embed(samples),
        np.array(samples.class_names)[samples.labels],
        [str(one) for one in samples.ids],
    )


def _aligned(names: list[str], parts: list[Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Embeddings and labels of the same samples in the same order, run by run."""
    first = {name: row for row, name in enumerate(parts[0][2])}
    out = []
    for name, (embeddings, labels, ids) in zip(names, parts, strict=True):
        if ids != parts[0][2]:
            if set(ids) != set(first) or len(first) < len(ids):
                raise UsageError(
                    f"{name} and {names[0]} held out other samples; compare them on the same with --data."
                )
            order = np.argsort([first[one] for one in ids], kind="stable")
            embeddings, labels = embeddings[order], labels[order]
        out.append((embeddings, labels))
    return out


def _measured(embeddings: np.ndarray, labels: np.ndarray, given: Any) -> Measured:
    from ..evaluation import retrieval, verification
    from ..training.report import chosen_rows

    rows = chosen_rows(np.unique(labels, return_inverse=True)[1], given.limit, seed=given.seed)
    embeddings, labels = embeddings[rows], labels[rows]
    found = retrieval(embeddings, labels, ks=given.ks, distance=given.distance, progress=len(rows) > 20_000)
    pairs = verification(embeddings, labels, far=given.far, distance=given.distance, seed=given.seed)
    return Measured(labels, embeddings, found, pairs)


def _compared(measured: dict[str, Measured], given: Any) -> int:
    from ..evaluation import compare

    result = compare(
        {name: one.retrieval for name, one in measured.items()},
        {name: one.verification for name, one in measured.items()},
        confidence=given.confidence,
        seed=given.seed,
        by=given.by,
    )
    files = result.write(given.out or "comparison")
    print(result.to_text() + "\n")
    print("\n".join(str(path) for path in files))
    return 0


def _reported(one: Measured, given: Any) -> int:
    from .. import visualize
    from ..evaluation import clustering, geometry
    from ..visualize.files import written_whole

    settings = {"confidence": given.confidence, "seed": given.seed}
    intervals = one.retrieval.intervals(by=given.by, **settings)
    intervals |= one.verification.intervals(by="class" if given.by == "class" else "item", **settings)
    report: dict[str, Any] = {
        "retrieval": one.retrieval.to_dict(),
        "verification": one.verification.to_dict(),
        "clustering": clustering(one.embeddings, one.labels, seed=given.seed).to_dict(),
        "geometry": geometry(one.embeddings, one.labels, seed=given.seed).to_dict(),
        "intervals": {
            "confidence": given.confidence,
            "by": given.by,
            **{k: list(v) for k, v in intervals.items()},
        },
        "per_class": one.retrieval.per_class(),
    }
    print(_table(one, report, intervals))
    if given.per_class:
        print("\n" + _classes(report["per_class"]))
    folder = Path(given.out) if given.out else Path(given.runs[0]) / "evaluation"
    with written_whole(folder / "evaluation.json") as beside:
        beside.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    files = [folder / "evaluation.json"]
    if one.verification.positives and one.verification.negatives:
        for name, draw in (("roc", visualize.plot_roc), ("histogram", visualize.plot_histogram)):
            draw(folder / f"{name}.png", one.embeddings, one.labels, distance=given.distance, seed=given.seed)
            files.append(folder / f"{name}.png")
    print("\n" + "\n".join(str(path) for path in files))
    return 0


def _table(one: Measured, report: dict[str, Any], intervals: dict[str, tuple[float, float]]) -> str:
    pairs, groups, shape = report["verification"], report["clustering"], report["geometry"]
    without = one.retrieval.queries_without_positive
    left_out = f" ({without:,} more have no positive)" if without else ""
    sampled = ", a balanced sample" if pairs["sampled"] else ""
    lines = [f"{one.retrieval.queries:,} queries{left_out}, {pairs['pairs']:,} pairs{sampled}", ""]
    for name, value in (one.retrieval.means() | one.verification.means()).items():
        low, high = intervals[name]
        lines.append(f"{name:<22}{value:>9.4f}   [{low:.4f}, {high:.4f}]")
    lines.append(f"{'accuracy':<22}{pairs['accuracy']:>9.4f}   standard error {pairs['accuracy_stderr']:.4f}")
    lines.append(f"{'balanced_accuracy':<22}{pairs['balanced_accuracy']:>9.4f}")
    for far, held in pairs["val_at_far"].items():
        note = f"standard deviation {held['val_std']:.4f}, measured FAR {held['far']:.4g}, of held-out folds"
        lines.append(f"{f'val_at_far_{far:g}':<22}{held['val']:>9.4f}   {note}")
    for far, threshold in pairs["threshold_at_far"].items():
        seen = "   below what the pairs show" if far in pairs["unresolved_far"] else ""
        lines.append(f"{f'threshold_at_far_{far:g}':<22}{threshold:>9.4f}{seen}")
    lines += [f"{name:<22}{groups[name]:>9.4f}" for name in ("nmi", "ami")]
    for name in ("alignment", "uniformity", "effective_rank", "collapsed_dimensions", "hubness"):
        lines.append(f"{name:<22}{shape[name]:>9.4f}")
    return "\n".join(lines)


def _classes(classes: dict[Any, dict[str, float]]) -> str:
    order = sorted(classes, key=lambda name: classes[name]["map_at_r"])
    lines = [f"{'class':<20}{'queries':>9}{'precision@1':>13}{'MAP@R':>9}"]
    for name in order:
        one = classes[name]
        lines.append(f"{name!s:<20}{one['queries']:>9}{one['precision_at_1']:>13.4f}{one['map_at_r']:>9.4f}")
    return "\n".join(lines)
