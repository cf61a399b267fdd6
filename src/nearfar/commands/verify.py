"""Tell whether two images are of the same class, by a threshold with known error rates."""

import json

from . import UsageError
from ._common import Parser, add_distance, one_embedding, saved

__all__ = ["main"]


def main(argv: list[str]) -> int | None:
    """`nearfar verify RUN A B [options]`."""
    parser = Parser("verify", __doc__ or "", "Example: nearfar verify runs/glyphs-1 a.png b.png --far 0.01")
    parser.add_argument("run", metavar="RUN", help="folder that `nearfar train` wrote")
    parser.add_argument("a", metavar="A", help="an image file")
    parser.add_argument("b", metavar="B", help="another")
    parser.add_argument(
        "--far",
        type=float,
        default=0.01,
        metavar="X",
        help="wanted share of different pairs taken for the same, which sets the threshold (%(default)s)",
    )
    parser.add_argument(
        "--threshold", type=float, metavar="X", help="largest distance of the same class, instead"
    )
    parser.add_argument(
        "--split",
        choices=("test", "train", "all"),
        default="test",
        help="samples that tell the rates (%(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--backend", choices=("torch", "jax", "tensorflow"), help="framework to run the model on"
    )
    add_distance(parser)
    given = parser.parse_args(argv)
    if not 0 <= given.far <= 1:
        raise UsageError(f"--far is {given.far:g}; expected a share between 0 and 1.")

    from ..evaluation import verification
    from ..evaluation.distances import distances_of_pairs

    known = saved(given.run, given.split)
    measured = verification(known.embeddings, known.labels, distance=given.distance, far=(given.far,))
    if not measured.positives or not measured.negatives:
        raise UsageError(f"the {given.split} part has no pair of each kind; choose another --split.")
    threshold = measured.threshold_at_far[given.far] if given.threshold is None else given.threshold
    wrongly, rejected = measured.error_rates(threshold)
    from ..training import load_run

    run = load_run(given.run, backend=given.backend)
    (left, _), (right, _) = one_embedding(run, given.a), one_embedding(run, given.b)
    distance = float(distances_of_pairs(left, right, [0], [0], given.distance)[0])  # type: ignore[arg-type]
    same = distance <= threshold
    if given.json:
        answer = {"same": same, "distance": distance, "threshold": threshold}
        rates = {"false_accept_rate": wrongly, "false_reject_rate": rejected, "pairs": measured.pairs}
        print(json.dumps(answer | rates, indent=2))
        return 0
    print(f"{'same' if same else 'different'}: distance {distance:.4f}, threshold {threshold:.4f}")
    counts = f"{measured.negatives:,} and {measured.positives:,} pairs of {len(known.labels):,} samples"
    print(
        f"At this threshold {wrongly:.2%} of different pairs are taken for the same and {rejected:.2%} of same "
        f"pairs for\ndifferent ({counts} of the {given.split} part)."
    )
    if measured.unresolved_far and given.threshold is None:
        print(
            f"--far {given.far:g} is below 1 / {measured.negatives:,}: the threshold accepts none of those."
        )
    return 0
