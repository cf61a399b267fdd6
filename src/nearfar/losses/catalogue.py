"""What there is to know of each loss, read from its signature and docstring: one source for `nearfar losses` and docs."""

import difflib
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_args

from .. import losses
from .formulas import plain

__all__ = ["Entry", "Training", "entries", "entry"]

FAMILIES = {
    "Triplets": ("triplet", "centroid", "tuplet", "angular", "dynamic_margin", "pnp"),
    "Softmax over the batch": ("softmax", "cross_modal"),
    "Ranking": ("ranking", "recall", "average_precision", "fastap", "smoothap"),
    "Proxies and classes": (
        "proxy",
        "classification",
        "angular_margin",
        "multiplied_margin",
        "quality_margin",
    ),
    "Self-supervised": ("self_supervised",),
}
_OF_PAIRS = "Pairs"  #: all other modules
ORDER = (_OF_PAIRS, *FAMILIES)


class Training(NamedTuple):
    """What a loss wants of a run that trains with it, where nobody says otherwise."""

    normalized: bool = True  #: whether the model should scale embeddings to length 1
    options: Mapping[str, Any] = {}  #: in place of the function's own defaults
    added_to: str = ""  #: the loss that its paper adds it to, as it does not train alone


class Entry(NamedTuple):
    """One loss."""

    name: str  #: of the function in `nearfar.losses`
    family: str
    summary: str  #: what it is, in a sentence
    formula: str  #: LaTeX
    plain_formula: str  #: for a terminal
    authors: str
    title: str  #: of the paper
    year: int
    url: str  #: empty where the paper has none
    inputs: tuple[str, ...]  #: positional tensors
    learnt: dict[str, str]  #: required keyword tensors and their shapes
    options: dict[str, Any]  #: and their defaults
    good_for: str

    @property
    def paper(self) -> str:
        """Title, authors and year in a line."""
        return f"{self.authors}, “{self.title}”, {self.year}"

    @property
    def training(self) -> Training:
        """What `nearfar train` sets for it."""
        return _TRAINING.get(self.name, Training())


def entries() -> list[Entry]:
    """Every loss of the catalogue, family by family, each family by name."""
    found = [_read(name, getattr(losses, name)) for name in losses.__all__]
    return sorted(found, key=lambda one: (ORDER.index(one.family), one.name))


def entry(name: str) -> Entry:
    """One loss; `triplet` is `triplet_loss`.

    Raises:
        ValueError: a name that is not known.

    Example:
        >>> entry("arcface").year
        2019
    """
    for full in (name, f"{name}_loss"):
        if full in losses.__all__:
            return _read(full, getattr(losses, full))
    close = difflib.get_close_matches(name, [n.removesuffix("_loss") for n in losses.__all__], n=1)
    hint = f"did you mean {close[0]}?" if close else "`nearfar losses` lists them."
    raise ValueError(f"loss {name!r} is not known; {hint}")


def _read(name: str, function: Callable[..., Any]) -> Entry:
    doc = inspect.getdoc(function) or ""
    head, _, rest = doc.partition("\nArgs:\n")
    formula = _paragraph(head, r"\.\. math::")
    signature = inspect.signature(function).parameters
    keywords = {n: p for n, p in signature.items() if p.kind is p.KEYWORD_ONLY}
    authors, title, year, url = _paper(rest.partition("\nReferences:\n")[2])
    return Entry(
        name,
        _family(function),
        " ".join(head.split("\n\n")[0].split()),
        formula,
        plain(formula),
        authors,
        title,
        year,
        url,
        tuple(n for n, p in signature.items() if p.kind is p.POSITIONAL_OR_KEYWORD),
        {n: _shape(rest, n) for n, p in keywords.items() if p.default is p.empty},
        {n: p.default for n, p in keywords.items() if p.default is not p.empty and not _is_tensor(p)},
        _paragraph(head, "Good for:").rstrip(".") or _GOOD_FOR.get(name, ""),
    )


def _is_tensor(parameter: inspect.Parameter) -> bool:
    """Tensor is Any: one that may be None belongs to a call and is no option."""
    return parameter.default is None and set(get_args(parameter.annotation)) == {Any, type(None)}


def _family(function: Callable[..., Any]) -> str:
    module = inspect.unwrap(function).__module__.rpartition(".")[2]
    return next((family for family, modules in FAMILIES.items() if module in modules), _OF_PAIRS)


def _paragraph(text: str, start: str) -> str:
    found = re.search(rf"^{start}(.*?)(?:\n\s*\n|\Z)", text, re.MULTILINE | re.DOTALL)
    return " ".join(found.group(1).split()) if found else ""


def _shape(args: str, name: str) -> str:
    found = re.search(rf"^\s*{name}: `(\([^`]*\))`", args, re.MULTILINE)
    return found.group(1) if found else ""


def _paper(references: str) -> tuple[str, str, int, str]:
    """The first work of a section of references."""
    text = " ".join(references.split())
    found = re.match(r'(.+?), "(.+?)",?\s*(?:[^"]*?)\b((?:19|20)\d\d)\b', text)
    if not found:
        return "", "", 0, ""
    link = re.match(r"[^.\"]*?(https?://\S+?)[.,;]?(?:\s|$)", text[found.end() :])
    return found.group(1), found.group(2), int(found.group(3)), link.group(1) if link else ""


#: for losses whose docstring has no "Good for:"
_GOOD_FOR = {
    "angular_loss": "classes of differing spread, as an addition to N-pairs",
    "centroid_triplet_loss": "retrieval against one prototype per class",
    "circle_loss": "faces and re-identification; one loss for labels and for pairs",
    "contrastive_loss": "verification and thresholds on distance; a simple, strong baseline",
    "cosent_loss": "sentence pairs with graded scores; only the order of similarities matters",
    "dynamic_soft_margin_loss": "local descriptors; no margin to choose",
    "fast_ap_loss": "retrieval judged by average precision; one number of bins to choose",
    "generalized_lifted_structure_loss": "re-identification batches of several samples per class",
    "histogram_loss": "few settings: no margin; wants large batches",
    "intra_pair_variance_loss": "an addition to tuplet margin or another loss of pairs",
    "lifted_structure_loss": "small batches, of which it uses every negative",
    "margin_loss": "with distance-weighted mining; a boundary learned per class",
    "multi_similarity_loss": "retrieval of fine classes; a strong default among losses of pairs",
    "n_pairs_loss": "many classes with two samples each",
    "online_contrastive_loss": "sentence pairs, most of which are easy",
    "pair_contrastive_loss": "data that come as pairs with same or different",
    "pnp_loss": "retrieval in which only the negatives before a positive matter, not the positives' order",
    "ranked_list_loss": "classes that should keep their inner spread",
    "recall_at_k_surrogate_loss": "retrieval judged by its first k results; batches as large as they come",
    "signal_to_noise_contrastive_loss": "embeddings that are not normalised",
    "smooth_ap_loss": "retrieval judged by average precision; several samples per class in a batch",
    "threshold_consistent_margin_loss": "an addition where one threshold must serve all classes",
    "triplet_loss": "the standard: faces, re-identification, retrieval; choose the mining",
    "triplet_margin_loss": "data that come as triplets",
    "tuplet_margin_loss": "large batches of fine classes",
}

#: for losses that want something else than the rest
_TRAINING = {
    "adaface_loss": Training(normalized=False),
    "barlow_twins_loss": Training(normalized=False, options={"redundancy": 0.05}),
    "contrastive_loss": Training(options={"squared": False, "reduction": "active_mean"}),
    "generalized_lifted_structure_loss": Training(normalized=False),
    "intra_pair_variance_loss": Training(added_to="tuplet_margin_loss"),
    "large_margin_softmax_loss": Training(options={"easing": 5.0, "scale": 30.0}),
    "lifted_structure_loss": Training(normalized=False),
    "magface_loss": Training(normalized=False),
    "n_pairs_loss": Training(normalized=False),
    "signal_to_noise_contrastive_loss": Training(
        options={"positive_margin": 0.0, "negative_margin": 1.0, "reduction": "active_mean"}
    ),
    "sphereface_loss": Training(options={"easing": 5.0, "scale": 30.0}),
    "threshold_consistent_margin_loss": Training(added_to="smooth_ap_loss"),
    "triplet_margin_loss": Training(normalized=False),
    "vicreg_loss": Training(normalized=False),
}
