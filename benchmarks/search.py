"""Time and memory of search and retrieval, each contender in a process of its own, in one run.

    python benchmarks/search.py                        # a million 64-d rows, 1,000 queries; retrieval of 128-d rows
    python benchmarks/search.py --rows 100000 --items 20000 --out /tmp/search

Writes search.json and search.md into --out after each contender. "memory" is the peak of the process beyond what it
held when the data were there and the library was imported. Rows are random and of unit length.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

K = 10


def rows(count: int, width: int, seed: int) -> np.ndarray:
    out = np.random.default_rng(seed).standard_normal((count, width), dtype=np.float32)
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def nearfar_index(backend: str) -> Callable:
    import nearfar.index

    def build(data: np.ndarray) -> Callable:
        index = nearfar.index.EmbeddingIndex(data, backend=backend)
        index.search(data[:1], K)  # what is prepared at the first search belongs to the build
        return lambda queries: index.search(queries, K)[1]

    return build


def faiss_flat() -> Callable:
    import faiss

    def build(data: np.ndarray) -> Callable:
        index = faiss.IndexFlatL2(data.shape[1])
        index.add(data)
        return lambda queries: index.search(queries, K)[1]

    return build


CONTENDERS: dict[str, Callable[[], Callable]] = {
    "faiss IndexFlatL2": faiss_flat,
    "nearfar exact": lambda: nearfar_index("exact"),
    "nearfar faiss-flat": lambda: nearfar_index("faiss-flat"),
}


def peak() -> float:
    """Largest resident size so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform != "darwin" else 1e6)


def resident() -> float:
    """Resident size now, in MB (Linux; elsewhere the peak)."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return peak()


def search_one(name: str, args: argparse.Namespace) -> dict:
    prepare = CONTENDERS[name]()
    data, queries = rows(args.rows, args.width, 0), rows(args.queries, args.width, 1)
    before = resident()
    start = time.perf_counter()
    search = prepare(data)
    built = time.perf_counter()
    found = search(queries)
    seconds = time.perf_counter() - built
    one = time.perf_counter()
    for query in queries[:20]:
        search(query[None])
    one = (time.perf_counter() - one) / 20
    return {
        "build_s": built - start,
        "search_s": seconds,
        "one_query_ms": one * 1e3,
        "memory_mb": peak() - before,
        "found": found.tolist(),
    }


def retrieval_one(queries: int, items: int, classes: int) -> dict:
    """All measures of `queries` rows among `items` of `classes` classes; of all rows against themselves for 0 queries."""
    from nearfar.evaluation import retrieval

    labels = np.arange(queries + items) % classes
    data = rows(queries + items, 128, 0) + rows(classes, 128, 1)[labels]
    before = resident()
    start = time.perf_counter()
    if queries:
        gallery = {"references": data[queries:], "reference_labels": labels[queries:]}
        result = retrieval(data[:queries], labels[:queries], **gallery)
    else:
        result = retrieval(data, labels)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "memory_mb": peak() - before,
        "process_mb": peak(),
        "map_at_r": result.map_at_r,
    }


def child(task: str, args: argparse.Namespace) -> dict:
    command = [sys.executable, __file__, "--task", task]
    for name in ("rows", "width", "queries", "items"):
        command += [f"--{name}", str(getattr(args, name))]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{task} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def share_found(found: list, exact: list) -> float:
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, exact, strict=True)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--items", type=int, default=100_000, help="of the retrieval, 128-d, each a query")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.task:
        kind, _, name = args.task.partition(":")
        result = search_one(name, args) if kind == "search" else retrieval_one(*map(int, name.split(",")))
        json.dump(result, sys.stdout)
        return
    searches: dict[str, dict] = {}
    retrievals: dict[str, dict] = {}
    exact: list = []
    for name in CONTENDERS:
        result = child(f"search:{name}", args)
        found = result.pop("found")
        exact = exact or found  # of the first contender, faiss
        searches[name] = {**result, "found_share": share_found(found, exact)}
        write(args, searches, retrievals)
    for queries, items in ((10_000, 60_000), (0, args.items)):
        for classes in (items // 5, 10):
            task = f"{queries},{items},{classes}"
            retrievals[task] = child(f"retrieval:{task}", args)
            write(args, searches, retrievals)
    print((args.out / "search.md").read_text())


def write(args: argparse.Namespace, searches: dict, retrievals: dict) -> None:
    load = f", load {os.getloadavg()[0]:.1f} by all processes" if hasattr(os, "getloadavg") else ""
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {versions}{load}"
    args.out.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine, "rows": args.rows, "width": args.width, "queries": args.queries, "k": K}
    report |= {"search": searches, "retrieval": {"queries, items, classes": retrievals}}
    (args.out / "search.json").write_text(json.dumps(report, indent=2) + "\n")
    (args.out / "search.md").write_text(table(args, machine, searches, retrievals))


def table(args: argparse.Namespace, machine: str, searches: dict, retrievals: dict) -> str:
    lines = [
        f"# Search: {args.rows:,} rows of {args.width}, {args.queries:,} queries, k = {K}",
        "",
        f"{machine}. `python benchmarks/search.py`",
        "",
        "| | build | search | one query | memory | same neighbours as faiss flat |",
        "|---|---|---|---|---|---|",
    ]
    for name, r in searches.items():
        lines.append(
            f"| {name} | {r['build_s']:.2f} s | {r['search_s']:.2f} s | {r['one_query_ms']:.1f} ms "
            f"| {r['memory_mb']:.0f} MB | {r['found_share']:.2%} |"
        )
    lines += [
        "",
        "# Retrieval of 128-d rows, all measures",
        "",
        "| queries | references | classes | time | memory | whole process |",
        "|---|---|---|---|---|---|",
    ]
    for task, r in retrievals.items():
        queries, items, classes = (f"{int(part):,}" for part in task.split(","))
        lines.append(
            f"| {queries if queries != '0' else 'the references'} | {items} | {classes} "
            f"| {r['seconds']:.0f} s | {r['memory_mb']:.0f} MB | {r['process_mb']:.0f} MB |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
