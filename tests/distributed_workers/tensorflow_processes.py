"""tensorflow_processes.py RANK PROCESSES ADDRESSES OUT: losses on a MultiWorkerMirroredStrategy, a replica a process."""

import json
import os
import sys

RANK, ADDRESSES, OUT = int(sys.argv[1]), sys.argv[3].split(","), sys.argv[4]
TASK = {"type": "worker", "index": RANK}
os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": ADDRESSES}, "task": TASK})

import tensorflow as tf  # noqa: E402  it reads TF_CONFIG
from common import CUTS, cases, named, write  # noqa: E402
from tensorflow_replicas import compare  # noqa: E402

LOSSES = ("supcon_loss", "triplet_loss", "proxy_anchor_loss")


def main():
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    first = {loss: next(case for case in cases() if case.loss == loss) for loss in LOSSES}
    write(
        OUT,
        {named(case): compare(strategy, case, CUTS[2]["uneven"], compiled=True) for case in first.values()},
    )


if __name__ == "__main__":
    main()
