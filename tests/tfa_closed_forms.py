"""The published formulas of TensorFlow Addons 0.23 and of Moindrot's code in plain NumPy, one row at a time.

`python tests/tfa_closed_forms.py`, where TensorFlow Addons is installed (tensorflow-cpu 2.15 on Python 3.11), compares
them with the real library: value and finite gradient on every batch below.
"""

import numpy as np

METRICS = ("L2", "squared-L2", "angular")


def distances(x, metric="L2"):
    x = np.asarray(x, np.float64)
    out = np.zeros((len(x), len(x)))
    for i, a in enumerate(x):
        for j, b in enumerate(x):
            if metric == "angular":
                out[i, j] = max(0.0, 1 - a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-30))
            else:
                out[i, j] = ((a - b) ** 2).sum() ** (1.0 if metric == "squared-L2" else 0.5)
    return out


def semihard(labels, x, margin=1.0, metric="L2"):
    d = distances(x, metric) if isinstance(metric, str) else metric(x)
    terms = []
    for a in range(len(x)):
        negatives = [d[a, n] for n in range(len(x)) if labels[n] != labels[a]]
        for p in range(len(x)):
            if p == a or labels[p] != labels[a]:
                continue
            beyond = [value for value in negatives if value > d[a, p]]
            chosen = min(beyond) if beyond else max(negatives) if negatives else d[a].min()
            terms.append(max(0.0, margin + d[a, p] - chosen))
    return np.mean(terms) if terms else 0.0  # there NaN


def hard(labels, x, margin=1.0, soft=False, metric="L2"):
    d = distances(x, metric) if isinstance(metric, str) else metric(x)
    terms = []
    for a in range(len(x)):
        positives = [d[a, p] for p in range(len(x)) if p != a and labels[p] == labels[a]]
        negatives = [d[a, n] for n in range(len(x)) if labels[n] != labels[a]]
        gap = (max(positives) if positives else d[a].min()) - (min(negatives) if negatives else d[a].max())
        terms.append(np.logaddexp(0, gap) if soft else max(0.0, gap + margin))
    return np.mean(terms)


def lifted(labels, x, margin=1.0):
    d = distances(x)
    total, pairs = 0.0, 0
    for i in range(len(x)):
        for j in range(len(x)):
            if i == j or labels[i] != labels[j]:
                continue
            terms = [margin - d[i, k] for k in range(len(x)) if labels[k] != labels[i]]
            terms += [margin - d[j, k] for k in range(len(x)) if labels[k] != labels[j]]
            pairs += 1
            if terms:
                total += max(0.0, np.log(np.exp(terms).sum()) + d[i, j]) ** 2
    return total / (2 * pairs) if pairs else 0.0  # there NaN


def contrastive(y, d, margin=1.0):
    return np.array([a**2 if same else max(margin - a, 0) ** 2 for same, a in zip(y, d, strict=True)])


def npairs(shared, similarities):
    terms = []
    for row, logits in zip(np.asarray(shared, float), np.asarray(similarities, float), strict=True):
        likely = logits - np.log(np.exp(logits).sum())
        terms.append(-(row / row.sum() * likely).sum() if row.sum() else 0.0)  # there NaN
    return np.mean(terms)


def batch_all(labels, x, margin, squared=False):
    """Moindrot's batch_all_triplet_loss: the loss, and the fraction of positive triplets."""
    d, n = distances(x, "squared-L2" if squared else "L2"), range(len(x))
    terms = [
        max(0.0, margin + d[a, p] - d[a, k])
        for a in n
        for p in n
        for k in n
        if a != p and labels[a] == labels[p] and labels[a] != labels[k]
    ]
    positive = [term for term in terms if term > 1e-16]
    return (np.mean(positive) if positive else 0.0), (len(positive) / len(terms) if terms else 0.0)


def batch_hard(labels, x, margin, squared=False):
    """Moindrot's batch_hard_triplet_loss."""
    d, terms = distances(x, "squared-L2" if squared else "L2"), []
    for a in range(len(x)):
        positives = [d[a, p] for p in range(len(x)) if p != a and labels[p] == labels[a]]
        negatives = [d[a, k] for k in range(len(x)) if labels[k] != labels[a]]
        farthest, nearest = max(positives, default=0.0), min(negatives, default=d[a].max())
        terms.append(max(0.0, farthest - nearest + margin))
    return np.mean(terms)


def batches():
    """Name -> labels and embeddings, with every edge the library has."""
    generator = np.random.default_rng(7)
    x = generator.normal(size=(10, 5)).astype(np.float32)
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
    line = np.array([[0.0], [1.0], [2.0], [3.0], [10.0], [11.0]], np.float32)
    return {
        "plain": (labels, x),
        "unit norm": (labels, x / np.linalg.norm(x, axis=1, keepdims=True)),
        "singletons": (np.array([0, 0, 1, 1, 2, 3, 4, 5, 6, 6]), x),
        "one class": (np.zeros(10, int), x),
        "all classes differ": (np.arange(10), x),
        "two rows": (np.array([0, 0]), x[:2]),
        "exact tie": (np.array([0, 0, 1, 1, 2, 2]), line),
        "none semi-hard": (np.array([0, 1, 1, 0, 1, 0]), line),
        "collapsed": (labels, np.ones((10, 5), np.float32)),
    }


def compare_with_the_library():
    """Largest difference between the closed forms and TensorFlow Addons, printed for each loss and batch."""
    import tensorflow as tf
    import tensorflow_addons as tfa

    def slope(function, x):
        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return float(value), bool(np.isfinite(tape.gradient(value, x)).all())

    print("tensorflow", tf.__version__, "tensorflow-addons", tfa.__version__)
    worst = 0.0
    for name, (labels, x) in batches().items():
        forms = {"lifted": (lifted(labels, x), lambda x, y=labels: tfa.losses.lifted_struct_loss(y, x))}
        for metric in METRICS:
            for margin in (1.0, 0.3):
                options = {"margin": margin, "distance_metric": metric}
                forms[f"semihard {metric} {margin}"] = (
                    semihard(labels, x, margin, metric),
                    lambda x, y=labels, o=options: tfa.losses.triplet_semihard_loss(y, x, **o),
                )
                for soft in (False, True):
                    forms[f"hard {metric} {margin} soft={soft}"] = (
                        hard(labels, x, margin, soft, metric),
                        lambda x, y=labels, o=options, s=soft: tfa.losses.triplet_hard_loss(
                            y, x, soft=s, **o
                        ),
                    )
        for form, (expected, function) in forms.items():
            value, finite = slope(function, x)
            difference = abs(value - expected)
            if not difference < 2e-4 or not finite:
                print(f"  {name}, {form}: {value} (finite gradient: {finite}), closed form {expected}")
            else:
                worst = max(worst, difference)
    same = np.equal.outer(np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 2, 2]))
    logits = np.random.default_rng(8).normal(size=(6, 6)).astype(np.float32)
    hot = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 0, 0], [0, 1, 1]])
    gaps = [
        npairs(same, logits) - float(tfa.losses.npairs_loss(np.array([0, 0, 1, 1, 2, 2]), logits)),
        npairs(hot @ hot.T, logits) - float(tfa.losses.npairs_multilabel_loss(hot, logits)),
        np.abs(
            contrastive([1, 0, 0], [0.5, 0.2, 2.0]) - tfa.losses.contrastive_loss([1, 0, 0], [0.5, 0.2, 2.0])
        ).max(),
    ]
    print("largest difference of the others", max(worst, *map(abs, gaps)))


if __name__ == "__main__":
    compare_with_the_library()
