"""Writes docs/losses.md and its pictures from the docstrings of the losses, by `python docs/make_losses.py`.

With `--check` nothing is written, and the exit code is 1 where the text is not the one that would be.
"""

import re
import sys
from pathlib import Path

import numpy as np
import torch
from losses_tables import tested, trained

from nearfar import losses
from nearfar.combine import partners
from nearfar.losses.catalogue import ORDER, Entry, entries
from nearfar.visualize.files import written_whole

DOCS = Path(__file__).parent
LABELS = np.repeat([0, 1, 2], 4).astype(np.int32)
COLUMNS, WIDTH = 4, 3.0


def points() -> tuple[np.ndarray, np.ndarray]:
    """Three classes around a circle, one row of each astray, and a proxy near each class."""
    generator = np.random.default_rng(4)
    angles = np.radians([90, 210, 330])
    middles = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    x = middles[LABELS] + 0.28 * generator.normal(size=(12, 2))
    for row, other in ((3, 1), (7, 2), (11, 0)):
        x[row] = 0.45 * middles[LABELS[row]] + 0.5 * middles[other]
    return x, 0.95 * middles @ np.array([[np.cos(0.35), np.sin(0.35)], [-np.sin(0.35), np.cos(0.35)]])


def as_function_of_points(entry: Entry):
    """The loss as a function of rows (and proxies) alone, and the proxies that it starts from."""
    function, x_proxies, classes = getattr(losses, entry.name), points()[1], torch.as_tensor(LABELS)
    if entry.inputs == ("embeddings", "labels"):
        several = entry.learnt.get("proxies", "").count(",") == 2
        proxies = np.stack([x_proxies, 0.6 * x_proxies[:, ::-1]], axis=1) if several else x_proxies
        if entry.learnt:
            return lambda x, p: function(x, classes, proxies=p), proxies
        return lambda x, p: function(x, classes), None
    a, b = np.nonzero(~np.eye(12, dtype=bool))
    if "same" in entry.inputs:
        return lambda x, p: function(x[a], x[b], classes[a] == classes[b]), None
    if "negatives" in entry.inputs:
        same = LABELS[a] == LABELS[b]
        triplets = np.array(
            [
                (i, j, k)
                for i, j in zip(a[same], b[same], strict=True)
                for k in range(12)
                if LABELS[k] != LABELS[i]
            ]
        )
        return lambda x, p: function(*(x[triplets[:, i]] for i in range(3))), None
    other = partners(LABELS)
    return lambda x, p: function(x, x[other]), None


def slope(function, at: np.ndarray) -> np.ndarray:
    """Gradient as training takes it: what a loss holds constant, such as sampling weights, is held constant."""
    tensor = torch.tensor(at, requires_grad=True)
    function(tensor).backward()
    return np.zeros_like(at) if tensor.grad is None else tensor.grad.numpy()


def picture(family: list[Entry], path: Path) -> None:
    """One sheet: for each loss the rows of a batch and where a step of descent takes them."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.patches import Circle

    from nearfar.visualize.style import COLORS, FAINT, INK

    rows = -(-len(family) // COLUMNS)
    figure, axes = plt.subplots(
        rows, COLUMNS, figsize=(WIDTH * COLUMNS, (WIDTH + 0.25) * rows), squeeze=False, layout="constrained"
    )
    x, _ = points()
    colors = np.array([COLORS[0], COLORS[1], COLORS[2]])
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, entry in zip(axes.flat, family, strict=False):
        function, proxies = as_function_of_points(entry)
        steps = -slope(lambda at, f=function, p=proxies: f(at, p if p is None else torch.as_tensor(p)), x)
        tables = [(x, steps, np.repeat(colors, 4), "o", 34)]
        if proxies is not None:
            moved = -slope(lambda at, f=function: f(torch.as_tensor(x), at), proxies)
            flat = proxies.reshape(-1, 2)
            tables.append((flat, moved.reshape(-1, 2), np.repeat(colors, len(flat) // 3), "*", 150))
        axis.add_patch(Circle((0, 0), 1, fill=False, color=FAINT, alpha=0.3, linewidth=0.8))
        longest = max(np.linalg.norm(moves, axis=1).max() for _, moves, *_ in tables)
        for at, moves, color, marker, size in tables:
            axis.scatter(*at.T, c=color, marker=marker, s=size, edgecolors="white", linewidths=0.7, zorder=2)
            shown = np.linalg.norm(moves, axis=1) > 0.01 * longest
            axis.quiver(
                *at[shown].T,
                *(0.55 * moves[shown] / (longest or 1)).T,
                angles="xy",
                scale_units="xy",
                scale=1,
                width=0.009,
                color=INK,
                zorder=3,
            )
        axis.set(xlim=(-1.75, 1.75), ylim=(-1.75, 1.75), aspect="equal")
        axis.set_title(entry.name.removesuffix("_loss").replace("_", " "), fontsize=10)
    with written_whole(path) as beside:
        figure.savefig(beside, dpi=80)
    plt.close(figure)


def sheet(family: str) -> str:
    """File name of a family's picture."""
    return f"losses-{family.lower().replace(' ', '-')}.png"


def value(x: object) -> str:
    """A default as it is written in code, short."""
    return f"{x:.4g}" if isinstance(x, float) else repr(x)


def section(entry: Entry) -> str:
    """The text of one loss."""
    options = ", ".join(f"`{name}={value(x)}`" for name, x in entry.options.items())
    learnt = ", ".join(f"`{name}` {shape}".rstrip() for name, shape in entry.learnt.items())
    title = f"[{entry.title}]({entry.url})" if entry.url else f"“{entry.title}”"
    lines = [
        f"### `{entry.name}({', '.join(entry.inputs)})`",
        "",
        entry.summary,
        "",
        f"```math\n{entry.formula}\n```",
        "",
        f"- Paper: {entry.authors}, {title}, {entry.year}",
        f"- Good for: {entry.good_for}" if entry.good_for else "",
        f"- Learns: {learnt}" if learnt else "",
        f"- Options: {options}",
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line for i, line in enumerate(lines) if line or i < 6)) + "\n"


def _wishes(all_entries: list[Entry]) -> str:
    """What the trainer sets for some losses, in sentences."""
    free = ", ".join(f"`{one.name}`" for one in all_entries if not one.training.normalized)
    options = "; ".join(
        f"`{one.name}` {', '.join(f'`{name}={value(x)}`' for name, x in one.training.options.items())}"
        for one in all_entries
        if one.training.options
    )
    added = ", ".join(
        f"`{one.name}` to `{one.training.added_to}`" for one in all_entries if one.training.added_to
    )
    return (
        f"Embeddings are scaled to length 1, but for {free}. Options that differ from the functions' defaults: "
        f"{options}. Losses that are added to another one, as in their papers: {added}."
    )


def page(all_entries: list[Entry]) -> str:
    """The whole text."""
    parts = [
        "# The losses\n",
        "Written by `python docs/make_losses.py` from the functions' signatures and docstrings, as `nearfar losses` is.\n",
        "All are functions of `nearfar.losses` that take NumPy, PyTorch, TensorFlow and JAX tensors; "
        "`nearfar.torch`, `nearfar.keras` and `nearfar.jax` have them as classes. "
        "In the formulas `d` is the distance, `s` a similarity, `P`, `N`, `T` positive pairs, negative pairs and "
        "triplets, `A` the anchors that count.\n",
        "The pictures show a batch of three classes in two dimensions, with a sample of each astray; arrows are "
        "minus the gradient, each picture's longest of one length. Stars are proxies. Losses of cosines pull along "
        "the circle.\n",
    ]
    for family in ORDER:
        members = [entry for entry in all_entries if entry.family == family]
        if members:
            parts += [f"## {family}\n", f"![Pull and push of each loss](pictures/{sheet(family)})\n"]
            parts += [section(entry) for entry in members]
    parts += [
        "## How each trains\n",
        "`nearfar train glyphs --loss NAME` trains with every loss. What a loss takes is made of the batch: views are "
        "each row and the next of its class, towers two halves of the batch, pairs all pairs of it, triplets each row "
        "and the next of its class against all rows of other classes. "
        f"{_wishes(all_entries)}\n",
        trained(all_entries) + "\n",
        "## What the tests show\n",
        "The loop is the paper's in NumPy float64, with which every setting agrees to 1e-9 (in float32 to 2e-5) in "
        "NumPy, PyTorch, TensorFlow and JAX. The slope is that of finite differences; where the paper holds something "
        "constant that the value depends on it says so. Compiled is `torch.compile(fullgraph=True)`, "
        "`tf.function(jit_compile=True)` and `jax.jit`. Degenerate batches are those without positives, without "
        "negatives, of one row and of equal rows: all finite. Peers are compared where they have the loss: an empty "
        "cell says nothing.\n",
        tested(all_entries) + "\n",
    ]
    return "\n".join(parts)


def main() -> int:
    """Write or check."""
    all_entries = entries()
    text, path = page(all_entries), DOCS / "losses.md"
    if "--check" in sys.argv[1:]:
        current = path.exists() and path.read_text(encoding="utf-8") == text
        print(
            "docs/losses.md is current."
            if current
            else "docs/losses.md is old: run python docs/make_losses.py."
        )
        return 0 if current else 1
    for family in ORDER:
        members = [entry for entry in all_entries if entry.family == family]
        if members:
            picture(members, DOCS / "pictures" / sheet(family))
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8")
    print(f"{path.relative_to(DOCS.parent)}: {len(all_entries)} losses.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
