"""Look at a run: viewer, projector files and pictures of its embeddings, in as many layouts as wanted."""

from pathlib import Path
from typing import Any

import numpy as np

from . import UsageError
from ._common import Parser, Saved, add_distance, saved

__all__ = ["main"]


def main(argv: list[str]) -> int | None:
    """`nearfar project RUN [options]`."""
    from ..visualize.projections import FEWEST, available_projections, check_methods

    parser = Parser("project", __doc__ or "", "Example: nearfar project runs/glyphs-1 --methods pca,umap")
    parser.add_argument("run", metavar="RUN", help="folder that `nearfar train` wrote")
    parser.add_argument(
        "--methods", metavar="NAME,...",
        help="layouts, of pca, umap and pacmap; else all that are installed, pca first",
    )  # fmt: skip
    parser.add_argument(
        "--split", choices=("test", "train", "all"), default="test", help="which samples (%(default)s)"
    )
    parser.add_argument(
        "--limit", type=int, default=20_000, metavar="N", help="samples at most (%(default)s)"
    )
    parser.add_argument("-k", type=int, default=10, metavar="N", help="neighbours to list (%(default)s)")
    parser.add_argument("--no-untrained", action="store_true", help="leave out the model before training")
    parser.add_argument("--no-pictures", action="store_true", help="write viewer and projector files only")
    parser.add_argument("--out", metavar="FOLDER", help="where to write; else RUN")
    parser.add_argument("--seed", type=int, default=0, help="of layouts and samples (%(default)s)")
    add_distance(parser)
    given = parser.parse_args(argv)
    for name, value in (("--limit", given.limit), ("-k", given.k)):
        if value < 1:
            raise UsageError(f"{name} is {value}; expected 1 or more.")
    try:
        methods = check_methods(given.methods.split(",")) if given.methods else available_projections()
    except (ValueError, ImportError) as error:
        raise UsageError(f"--methods {given.methods}: {error}") from None
    found = _sampled(saved(given.run, given.split), given.limit, given.seed)
    given.methods = methods if given.methods or len(found.ids) >= FEWEST else ["pca"]
    untrained = None if given.no_untrained else _untrained(given.run, found)
    out = Path(given.out) if given.out else Path(given.run)
    _write(out, found, untrained, given)
    return 0


def _sampled(found: Saved, limit: int, seed: int) -> Saved:
    if len(found.embeddings) <= limit:
        return found
    kept = np.sort(np.random.default_rng(seed).choice(len(found.embeddings), limit, replace=False))
    images = None if found.images is None else [found.images[row] for row in kept]
    return Saved(found.embeddings[kept], found.labels[kept], [found.ids[row] for row in kept], images)


def _untrained(run: str, found: Saved) -> np.ndarray | None:
    """Embeddings of the same samples by the model as it was made, before it learned: its seed brings it back.

    None, with a line that says why, where the data or the model are no longer at hand.
    """
    from ..training.config import TrainConfig
    from ..training.run import load_data, load_run

    try:
        opened = load_run(run)
        config = TrainConfig.load(Path(run) / "config.yaml")
        data = load_data(config)
        import keras

        from ..training.embedding import embed
        from ..training.models import build_model

        keras.utils.set_random_seed(config.seed)
        shape = opened.preparation.shape
        model = build_model(str(config.model), shape, config.model_options, config.embedding_dim)
        out = np.empty((len(found.ids), model.output_shape[-1]), np.float32)
        left = np.ones(len(found.ids), bool)
        for samples in (data.test, data.train):
            where = {str(name): row for row, name in enumerate(samples.ids)}
            mine = np.array([at for at, name in enumerate(found.ids) if left[at] and name in where], int)
            out[mine] = embed(model, samples, np.array([where[found.ids[at]] for at in mine], int))
            left[mine] = False
    except (OSError, ValueError, ImportError) as error:
        print(f"The untrained model is left out: {' '.join(str(error).split())}")
        return None
    if left.any():
        print(f"The untrained model is left out: the data no longer hold {found.ids[int(left.argmax())]}.")
        return None
    measured = opened.report["run"]["measured_samples"]
    tested = np.isin(found.ids, [str(name) for name in data.test.ids])
    if tested.sum() == measured:  # then the run's own figure tells whether it is the same model
        from ..evaluation import retrieval

        expected = opened.report["untrained"]["retrieval"]["map_at_r"]
        if abs(retrieval(out[tested], found.labels[tested]).map_at_r - expected) > 0.002:
            print("The untrained model is left out: this version starts from other weights than the run did.")
            return None
    return out


def _write(out: Path, found: Saved, untrained: np.ndarray | None, given: Any) -> None:
    from .. import visualize

    embeddings, labels, ids, images = found
    both: Any = {"untrained": untrained, "seed": given.seed}
    visualize.write_html(
        out / "viewer.html", embeddings, labels, metadata={"id": ids}, images=images, methods=given.methods,
        k=given.k, distance=given.distance, title=f"nearfar: {Path(given.run).resolve().name}", **both,
    )  # fmt: skip
    visualize.write_projector(out / "projector", embeddings, labels, metadata={"id": ids}, images=images)
    written = ["viewer.html", "projector/"]
    if not given.no_pictures:
        written += _pictures(out, found, both, given)
    print("\n".join(f"{out / name}" for name in written))
    table = Path(given.run) / "embeddings.parquet"
    print(f"embedding-atlas shows them too: uvx embedding-atlas {table} --vector embedding --text label")


def _pictures(out: Path, found: Saved, both: dict[str, Any], given: Any) -> list[str]:
    from .. import visualize

    embeddings, labels, _, images = found
    distance: Any = {"distance": given.distance}
    visualize.plot(out / "embedding.png", embeddings, labels, images=images, method=given.methods[-1], **both)
    written = ["embedding.png"]
    several = np.unique(labels, return_counts=True)[1]
    if len(several) > 1 and several.max() > 1:
        visualize.plot_roc(out / "roc.png", embeddings, labels, **distance, **both)
        visualize.plot_histogram(out / "histogram.png", embeddings, labels, **distance, **both)
        visualize.plot_neighbors(
            out / "neighbors.png", embeddings, labels, images=images, seed=given.seed, k=given.k, **distance
        )
        visualize.plot_confusions(out / "confusions.png", embeddings, labels, images=images, **distance)
        written += ["roc.png", "histogram.png", "neighbors.png", "confusions.png"]
    metrics = Path(given.run) / "metrics.csv"
    if metrics.is_file():
        visualize.plot_curves(out / "curves.png", metrics)
        written.append("curves.png")
    return written
