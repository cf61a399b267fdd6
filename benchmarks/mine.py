"""Time and memory of mining triplets over a whole data set.

    python benchmarks/mine.py [--rows 60000] [--dimensions 128] [--classes 10] [--mining hard]

Prints one line a mining: triplets, seconds on the clock and of processor time, and the peak memory of the
process, which holds the embeddings too. Each mining runs in a process of its own, so the peak is its own.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import time

import numpy as np

from nearfar.samplers import mine_triplets
from nearfar.samplers.mined import MININGS


def measure(mining: str, rows: int, dimensions: int, classes: int) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(classes, size=rows)
    # half signal, half noise: some positives are farther than some negatives
    centres = rng.normal(size=(classes, dimensions)).astype(np.float32)
    embeddings = centres[labels] + rng.normal(size=(rows, dimensions)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    start, cpu = time.perf_counter(), time.process_time()
    count = len(mine_triplets(embeddings, labels, mining=mining).anchor)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(
        f"{mining:24} {count:8,} triplets {seconds:6.1f} s, cpu {cpu:6.1f} s {peak / 2**20:6.0f} MB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory of mining triplets over a whole data set.")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--dimensions", type=int, default=128)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--mining", choices=MININGS, action="append", help="again for several; default: all")
    options = parser.parse_args()
    shape = f"{options.rows:,} x {options.dimensions}, {options.classes} classes"
    print(f"{shape}, {os.cpu_count()} cores, NumPy {np.__version__}")
    spawn = multiprocessing.get_context("spawn")
    for mining in options.mining or MININGS:
        worker = spawn.Process(
            target=measure, args=(mining, options.rows, options.dimensions, options.classes)
        )
        worker.start()
        worker.join()
        if worker.exitcode:
            sys.exit(worker.exitcode)


if __name__ == "__main__":
    main()
