"""The tables of docs/losses.md: what the tests show of each loss, and how each trains."""

import importlib
import inspect
import json
import re
import statistics
import sys
from pathlib import Path
from typing import Any

from nearfar import losses
from nearfar._shells import class_name
from nearfar.losses.catalogue import Entry

TESTS = Path(__file__).parent.parent / "tests"
RESULTS = Path(__file__).parent / "losses.json"
CLAIMS = ("loop", "slope", "compiled", "degenerate", "any order", "in blocks")

#: where a peer has another value, or has it in part of the settings alone, and the tests say so
DIFFERENT = {
    "adaface_loss": "no peer has it; on rows of one length equal to pytorch-metric-learning's CosFace",
    "barlow_twins_loss": "no peer has it; equal to the authors' lines on torch's `BatchNorm1d`",
    "centroid_triplet_loss": "no peer has it; equal to pytorch-metric-learning's triplet hinge on the same centroids",
    "instance_loss": "pytorch-metric-learning's depends on the order of the batch; the paper's does not",
    "magface_loss": (
        "no peer has it; with one margin and no reward of length equal to pytorch-metric-learning's ArcFace"
    ),
    "p2sgrad_loss": "equal but for a constant factor: theirs is a mean over samples and classes",
    "pair_contrastive_loss": "equal to sentence-transformers', whose distance adds 1e-6 to each difference",
    "proxy_nca_loss": (
        "equal once their own proxy is taken out of the denominator, which the paper leaves out"
    ),
    "recall_at_k_surrogate_loss": "no peer has it",
    "siglip_loss": "equal to transformers'",
    "vicreg_loss": "equal with twice their variance term, which the paper does not halve",
}

_LONG_PROXIES = (
    "theirs starts with proxies about 11 long (normal numbers in 128 columns), ours with proxies about 1 long: "
    "the same steps of Adam turn theirs more slowly"
)

#: reasons of failures of a peer, and of differences over two standard deviations between a loss and its peer
WHY: dict[str, str] = {
    "angular_loss": "ours takes an angle of 45 degrees, theirs of 40.",
    "arcface_loss": f"{_LONG_PROXIES}.",
    "circle_loss": "theirs averages over the anchors whose loss is positive, ours over all.",
    "contrastive_loss": "the same formula with the same margins.",
    "cosface_loss": f"{_LONG_PROXIES}.",
    "dynamic_soft_margin_loss": "theirs cannot take a second step: its moving histogram keeps the graph of the first.",
    "generalized_lifted_structure_loss": "theirs normalises the embeddings, ours leaves their length free.",
    "histogram_loss": "the same formula; theirs finds the bins in float32.",
    "instance_loss": "theirs takes the rows of the batch for classes and depends on their order; ours learns proxies.",
    "intra_pair_variance_loss": (
        "the same formulas; the tuplet margin loss that each is added to has a slack angle of 5.73 degrees there, "
        "of 0.1 radians here."
    ),
    "large_margin_softmax_loss": (
        "ours eases the margin in (easing 5) and has logits of scale 30 on embeddings of length 1; theirs has "
        "neither."
    ),
    "lifted_structure_loss": "theirs normalises the embeddings, ours leaves their length free, as the paper does.",
    "margin_loss": "theirs sums over triplets, ours over positive pairs and over negative pairs.",
    "multi_similarity_loss": "ours mines as the paper's first step does; theirs leaves that to a miner.",
    "n_pairs_loss": (
        "theirs normalises, so that its logits are between -1 and 1, and takes one pair of each class; ours "
        "leaves the length free, as the paper does, and takes all positive pairs."
    ),
    "nca_loss": "the same formula on rows of length 1.",
    "normalized_softmax_loss": f"{_LONG_PROXIES}.",
    "nt_xent_loss": "ours has a temperature of 0.1, theirs of 0.07.",
    "p2sgrad_loss": "the same but for a constant factor; the proxies start at random, 1 long in both.",
    "pnp_loss": "ours has the authors' best variant, Dq, theirs O.",
    "proxy_anchor_loss": "the same formula; the proxies start at random, about 1 long in both.",
    "proxy_nca_loss": f"theirs has the own proxy in the denominator, which the paper leaves out; and {_LONG_PROXIES}.",
    "ranked_list_loss": "theirs lets the gradient through the weights, which the authors hold constant.",
    "signal_to_noise_contrastive_loss": "margins: ours 0.01 and 0.2 as in the paper, theirs 0 and 1.",
    "smooth_ap_loss": (
        "theirs is wrong unless there are as many classes as samples of each: it mistakes which columns are "
        "positives."
    ),
    "soft_triple_loss": (
        "theirs starts with centres about 0.13 long, ours with centres about 1 long: the same steps of Adam turn "
        "theirs faster."
    ),
    "sphereface_loss": (
        "ours eases the margin in (easing 5) and has logits of scale 30 on embeddings of length 1; theirs has "
        "neither."
    ),
    "sub_center_arcface_loss": f"{_LONG_PROXIES}.",
    "supcon_loss": "theirs averages over the anchors whose loss is positive, ours over all.",
    "threshold_consistent_margin_loss": "each is added to its library's Smooth-AP; see there.",
    "triplet_loss": "ours mines semi-hard triplets with a margin of 0.2, theirs takes all with a margin of 0.05.",
    "tuplet_margin_loss": "the same formula; the slack angle is 5.73 degrees there, 0.1 radians here.",
    "vicreg_loss": "theirs halves the variance term, which the paper does not.",
}

#: what the tests of explicit rows call what the tests of batches do by case
_WORDS = {
    "loop": r"value_is|equals|known_values",
    "slope": r"gradient_is_the_slope",
    "compiled": r"compile",
    "degenerate": r"equal_rows|give_zero|degenerate",
    "any order": r"order",
    "in blocks": r"in_blocks",
}


def tests_of(name: str) -> dict[str, str]:
    """What is tested of a loss, read from the tests' own tables: a word for each of `CLAIMS`."""
    if str(TESTS) not in sys.path:
        sys.path.insert(0, str(TESTS))
    batches, views, pairs, *explicit = (
        importlib.import_module(f"test_{part}")
        for part in ("losses", "two_views", "pair_losses", "explicit", "explicit_pairs")
    )
    cases = [case for case in batches.CASES if case.loss == name]
    found: dict[str, str] = dict.fromkeys(CLAIMS, "")
    blocks = "block" in inspect.signature(getattr(losses, name)).parameters
    own = f"test_{name.removesuffix('_loss')}_in_blocks"
    if cases:
        settings = len(cases)
        found |= {
            "loop": _settings(settings),
            "slope": "yes" if any(case.slope for case in cases) else "held constant",
            "compiled": "yes",
            "degenerate": "yes",
            "any order": "yes" if any(case.permutable for case in cases) else "depends on it",
            "in blocks": "yes" if any(case.blocks for case in cases) or own in vars(pairs) else "",
        }
    elif settings := sum(f"{case[0]}_loss" == name for case in views.CASES):
        short = name.removesuffix("_loss").split("_")[-1]
        claims = [claim for claim in vars(views) if claim.startswith("test_")]
        for word in CLAIMS:
            about = [one for one in claims if re.search(_WORDS[word], one)]
            general = [one for one in about if "name" in inspect.signature(getattr(views, one)).parameters]
            found[word] = "yes" if general or any(short in one for one in about) else ""
        found["loop"] = _settings(settings)
    else:
        (own_tests,) = (
            vars(part)[f"Test{class_name(name)}"]
            for part in explicit
            if f"Test{class_name(name)}" in vars(part)
        )
        claims = [claim for claim in vars(own_tests) if claim.startswith("test_")]
        for word in CLAIMS:
            found[word] = "yes" if any(re.search(_WORDS[word], claim) for claim in claims) else ""
    found["in blocks"] = found["in blocks"] if blocks else "dense"
    return found


def _settings(number: int) -> str:
    return f"{number} setting{'s' * (number > 1)}"


def peers_of(name: str) -> str:
    """What the tests against other libraries show of a loss."""
    if name in DIFFERENT:
        return DIFFERENT[name]
    texts = [path.read_text(encoding="utf-8") for path in sorted(TESTS.glob("test_peers_*.py"))]
    if any(re.search(rf"\b{name}\b", text) for text in texts):
        return "equal"
    explicit = (TESTS / "test_explicit.py").read_text(encoding="utf-8")
    return "equal to torch's" if f"equals_torchs_{name}(" in explicit else ""


def tested(entries: list[Entry]) -> str:
    """The table of tests."""
    lines = [
        f"| loss | {' | '.join(CLAIMS)} | beside a peer |",
        "|---" * (len(CLAIMS) + 2) + "|",
    ]
    for entry in entries:
        marks = tests_of(entry.name)
        lines.append(f"| `{entry.name}` | {' | '.join(marks.values())} | {peers_of(entry.name)} |")
    return "\n".join(lines)


def trained(entries: list[Entry]) -> str:
    """The table of runs on the glyphs, and a sentence for each difference from the peer.

    Raises:
        ValueError: a difference over two standard deviations without a reason in `WHY`.
    """
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    runs, about = found["runs"], found["about"]
    head = "| | precision@1 | MAP@R | pytorch-metric-learning: precision@1 | MAP@R |"
    lines = [head, "|---|---|---|---|---|"]
    for name in ("raw pixels", "untrained"):
        lines.append(f"| {name} | {' | '.join(_cells(runs[name]))} | | |")
    reasons = []
    for entry in entries:
        own, peer = (runs.get(name, {}) for name in (entry.name, f"peer:{entry.name}"))
        cells = [cell for one in (own, peer) for cell in (_cells(one) if one else ("", ""))]
        lines.append(f"| `{entry.name}` | {' | '.join(cells)} |")
        failed = peer and not _values(peer, "map_at_r")
        if peer and (failed or _apart(own, peer)):
            if entry.name not in WHY:
                raise ValueError(
                    f"{entry.name} is over two standard deviations from its peer; say why in WHY."
                )
            reasons.append(f"- `{entry.name}`: {WHY[entry.name]}")
    seeds = sorted({len(_values(one, "map_at_r")) for one in runs.values()} - {0})
    seconds = statistics.median(
        one.get("seconds", 0) for runs_of in runs.values() for one in runs_of.values()
    )
    text = [_conditions(about, seeds, seconds), "", *lines, "", *_longer(found.get("longer", {}))]
    return "\n".join([*text, *_reasons(reasons)])


def _conditions(about: dict[str, Any], seeds: list[int], seconds: float) -> str:
    classes, samples = about["batch"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return (
        f"`python benchmarks/catalogue.py`, {about['date']}; {about['machine']}; Python {about['python']}, "
        f"{versions}. Each run: {about['steps']} steps of {classes} classes x {samples} images, "
        f"the same network (resnet of width {about['width']}), optimiser and augmentation, from the same weights and "
        f"batches for the same seed, in {seconds:.0f} s of one thread. "
        f"Mean and standard deviation over {' to '.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))} seeds, in "
        f"percent, of {about['queries']} images of characters that are not trained on. In so few steps the proxy of "
        f"a class meets some thirty batches with samples of it, so that losses of classes have not come far; "
        f"`nearfar train glyphs` takes a larger network and more steps."
    )


def _longer(runs: dict[str, dict[str, float]]) -> list[str]:
    """What losses that are low in the table reach with the budget that `nearfar train` has of itself."""
    reached = [
        f"`{name}` {100 * one['precision_at_1']:.1f} and {100 * one['map_at_r']:.1f}"
        for name, one in runs.items()
    ]
    if not reached:
        return []
    sentence = (
        f"With the whole budget of `nearfar train glyphs --backend torch --loss NAME`: {', '.join(reached)}."
    )
    return [f"{sentence} (One run each.)", ""]


def _reasons(reasons: list[str]) -> list[str]:
    if not reasons:
        return ["No loss is over two standard deviations of MAP@R from its peer."]
    return [
        "What differs where the two are over two standard deviations of MAP@R apart, or the peer fails:",
        "",
        *reasons,
    ]


def _values(by_seed: dict[str, dict], measure: str) -> list[float]:
    return [100 * one[measure] for one in by_seed.values() if "error" not in one]


def _cells(by_seed: dict[str, dict]) -> tuple[str, ...]:
    cells = []
    for measure in ("precision_at_1", "map_at_r"):
        values = _values(by_seed, measure)
        spread = f" ± {statistics.stdev(values):.1f}" if len(set(values)) > 1 else ""
        cells.append(f"{statistics.mean(values):.1f}{spread}" if values else "fails")
    return tuple(cells)


def _apart(own: dict[str, dict], peer: dict[str, dict]) -> bool:
    """Whether means are over two standard deviations apart, the larger of the two."""
    ours, theirs = _values(own, "map_at_r"), _values(peer, "map_at_r")
    if min(len(ours), len(theirs)) < 2:
        return False
    spread = max(statistics.stdev(ours), statistics.stdev(theirs))
    return abs(statistics.mean(ours) - statistics.mean(theirs)) > 2 * spread
