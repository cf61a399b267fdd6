"""Loops of the losses over classes: proxies, centres, and softmax with margins."""

import numpy as np

from . import Case, mean


def normal(generator, classes, dimension):
    return generator.normal(size=(classes, dimension))


def centres(generator, classes, dimension):
    return generator.normal(size=(classes, 3, dimension))


def cosine(x, w):
    return (x @ w) / (np.linalg.norm(x) * np.linalg.norm(w))


def softmax_loss(logits, own):
    """Minus the log of the own class's share."""
    return -np.log(np.exp(logits[own]) / sum(np.exp(z) for z in logits))


def chord(x, w):
    """Squared distance of two rows brought to length 1."""
    return ((x / np.linalg.norm(x) - w / np.linalg.norm(w)) ** 2).sum()


def proxy_nca(x, labels, proxies, temperature=1.0):
    terms = []
    for row, own in zip(x, labels, strict=True):
        e = [np.exp(-chord(row, p) / temperature) for p in proxies]
        terms.append(-np.log(e[own] / sum(e[z] for z in range(len(proxies)) if z != own)))
    return mean(terms)


def proxy_nca_plus_plus(x, labels, proxies, temperature=1 / 9):
    rows = zip(x, labels, strict=True)
    return mean([softmax_loss([-chord(row, p) / temperature for p in proxies], own) for row, own in rows])


def proxy_anchor(x, labels, proxies, margin=0.1, alpha=32.0):
    pull, push = [], []
    for c, p in enumerate(proxies):
        near = [
            np.exp(-alpha * (cosine(row, p) - margin)) for row, own in zip(x, labels, strict=True) if own == c
        ]
        far = [
            np.exp(alpha * (cosine(row, p) + margin)) for row, own in zip(x, labels, strict=True) if own != c
        ]
        push.append(np.log(1 + sum(far)))
        if near:
            pull.append(np.log(1 + sum(near)))
    return mean(pull) + mean(push)


def soft_triple(x, labels, proxies, scale=20.0, gamma=0.1, margin=0.01):
    terms = []
    for row, own in zip(x, labels, strict=True):
        similarities = []
        for centres_of_class in proxies:
            s = [cosine(row, w) for w in centres_of_class]
            e = [np.exp(v / gamma) for v in s]
            similarities.append(sum(a / sum(e) * v for a, v in zip(e, s, strict=True)))
        similarities[own] -= margin
        terms.append(softmax_loss([scale * v for v in similarities], own))
    return mean(terms)


def normalized_softmax(x, labels, proxies, temperature=0.05):
    rows = zip(x, labels, strict=True)
    return mean([softmax_loss([cosine(row, w) / temperature for w in proxies], own) for row, own in rows])


def instance(x, labels, proxies, scale=1.0):
    rows = zip(x, labels, strict=True)
    return mean([softmax_loss([scale * (row @ w) for w in proxies], own) for row, own in rows])


def p2sgrad(x, labels, proxies):
    rows = zip(x, labels, strict=True)
    return mean(
        [0.5 * sum((cosine(r, w) - (c == own)) ** 2 for c, w in enumerate(proxies)) for r, own in rows]
    )


def cosface(x, labels, proxies, margin=0.35, scale=64.0):
    rows = zip(x, labels, strict=True)
    return mean(
        [
            softmax_loss([scale * (cosine(row, w) - margin * (c == own)) for c, w in enumerate(proxies)], own)
            for row, own in rows
        ]
    )


def turned(c, margin):
    """cos(theta + m), and past pi what the ArcFace authors' code has."""
    theta = np.arccos(c)
    return np.cos(theta + margin) if theta + margin < np.pi else c - margin * np.sin(margin)


def arcface(x, labels, proxies, margin=0.5, scale=64.0):
    return sub_center_arcface(x, labels, proxies[:, None, :], margin, scale)


def sub_center_arcface(x, labels, proxies, margin=0.5, scale=64.0):
    terms = []
    for row, own in zip(x, labels, strict=True):
        cosines = [max(cosine(row, w) for w in centres_of_class) for centres_of_class in proxies]
        cosines[own] = turned(cosines[own], margin)
        # large scales underflow exp: the largest logit is taken out first
        logits = [scale * (c - max(cosines)) for c in cosines]
        terms.append(softmax_loss(logits, own))
    return mean(terms)


def psi(theta, margin):
    """The papers' case distinction: [k pi / m, (k + 1) pi / m]."""
    for k in range(margin):
        if k * np.pi / margin <= theta <= (k + 1) * np.pi / margin:
            return (-1) ** k * np.cos(margin * theta) - 2 * k
    raise AssertionError(theta)


def large_margin_softmax(x, labels, proxies, margin=4, scale=1.0, easing=0.0):
    terms = []
    for row, own in zip(x, labels, strict=True):
        logits = []
        for c, w in enumerate(proxies):
            value = cosine(row, w)
            if c == own:
                value = (easing * value + psi(np.arccos(value), margin)) / (1 + easing)
            logits.append(scale * np.linalg.norm(row) * np.linalg.norm(w) * value)
        terms.append(softmax_loss(logits, own))
    return mean(terms)


def sphereface(x, labels, proxies, margin=4, scale=1.0, easing=0.0):
    unit = proxies / np.linalg.norm(proxies, axis=1, keepdims=True)
    return large_margin_softmax(x, labels, unit, margin, scale, easing)


def adaface(x, labels, proxies, margin=0.4, concentration=0.333, scale=64.0):
    lengths = np.clip(np.linalg.norm(x, axis=1), 0.001, 100)
    terms = []
    for row, own, length in zip(x, labels, lengths, strict=True):
        q = np.clip((length - lengths.mean()) / (lengths.std() + 0.001) * concentration, -1, 1)
        cosines = [cosine(row, w) for w in proxies]
        theta = np.clip(np.arccos(cosines[own]) - margin * q, 0, np.pi)
        cosines[own] = np.cos(theta) - (margin + margin * q)
        terms.append(softmax_loss([scale * (c - max(cosines)) for c in cosines], own))
    return mean(terms)


def magface(x, labels, proxies, lengths=(10, 110), margins=(0.45, 0.8), length_weight=35.0, scale=64.0):
    terms = []
    for row, own in zip(x, labels, strict=True):
        a = min(max(np.linalg.norm(row), lengths[0]), lengths[1])
        margin = margins[0] + (margins[1] - margins[0]) * (a - lengths[0]) / (lengths[1] - lengths[0])
        cosines = [cosine(row, w) for w in proxies]
        cosines[own] = turned(cosines[own], margin)
        loss = softmax_loss([scale * (c - max(cosines)) for c in cosines], own)
        terms.append(loss + length_weight * (1 / a + a / lengths[1] ** 2))
    return mean(terms)


def case(loss, loop, options=None, draw=normal, **more):
    return Case(loss, loop, options or {}, parameters={"proxies": draw}, invalid_is_zero=False, **more)


CASES = [
    case("proxy_anchor_loss", proxy_anchor),
    case("proxy_anchor_loss", proxy_anchor, {"margin": 0.3, "alpha": 4.0}),
    case("arcface_loss", arcface),
    case("arcface_loss", arcface, {"margin": 1.5, "scale": 8.0}),
    case("cosface_loss", cosface),
    case("cosface_loss", cosface, {"margin": 0.1, "scale": 10.0}),
    case("normalized_softmax_loss", normalized_softmax),
    case("proxy_nca_loss", proxy_nca),
    case("proxy_nca_loss", proxy_nca, {"temperature": 0.2}),
    case("proxy_nca_plus_plus_loss", proxy_nca_plus_plus),
    case("soft_triple_loss", soft_triple, draw=centres),
    case("soft_triple_loss", soft_triple, {"scale": 5.0, "gamma": 0.5, "margin": 0.2}, draw=centres),
    case("sub_center_arcface_loss", sub_center_arcface, draw=centres),
    case("sub_center_arcface_loss", sub_center_arcface, {"margin": 1.5, "scale": 8.0}, draw=centres),
    # lengths beyond the clip hold the quality constant; within it the paper does, and slopes do not agree
    case("adaface_loss", adaface, {"concentration": 100.0}),
    case("adaface_loss", adaface, slope=False),
    case("adaface_loss", adaface, {"margin": 1.5, "scale": 8.0}, slope=False),
    case("magface_loss", magface),
    case(
        "magface_loss",
        magface,
        {"lengths": (0.5, 4.0), "margins": (0.2, 1.5), "length_weight": 2.0, "scale": 8.0},
    ),
    case("instance_loss", instance),
    case("instance_loss", instance, {"scale": 2.0}),
    case("p2sgrad_loss", p2sgrad),
    *[
        case(name, loop, options)
        for name, loop in [
            ("large_margin_softmax_loss", large_margin_softmax),
            ("sphereface_loss", sphereface),
        ]
        for options in [{}, {"margin": 1}, {"margin": 3, "scale": 4.0}, {"margin": 4, "easing": 5.0}]
    ],
]
