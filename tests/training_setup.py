"""Keras on a backend, and the smallest run; imported before what imports Keras."""
# ruff: noqa: E402  Keras binds its backend when it is imported

import importlib.util

import pytest

if not importlib.util.find_spec("keras"):
    pytest.skip("Keras is not installed", allow_module_level=True)

from nearfar.training.backend import select_backend

BACKEND = select_backend()
if BACKEND == "torch":
    import torch

    torch.set_num_threads(1)

import keras  # noqa: F401  for the tests

SMALL = {
    "data": "digits",
    "limit": 120,
    "model": "mlp",
    "model_options": {"width": 32},
    "embedding_dim": 8,
    "classes_per_batch": 5,
    "samples_per_class": 4,
    "epochs": 2,
    "batches_per_epoch": 4,
    "seed": 1,
}
