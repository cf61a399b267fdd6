"""Checks that run once on each of Keras' backends, in a process of their own: Keras binds one per process.

`KERAS_BACKEND=torch python -m keras_checks OUT.json` (in tests/) runs every function `check_*` of the modules
here; `results("torch")` does so and tells what failed.
"""

import functools
import importlib
import importlib.util
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BACKENDS = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]
if not importlib.util.find_spec("keras"):
    BACKENDS = []


def names(module: str) -> list[str]:
    """The checks of a module, found without importing it (it imports Keras)."""
    source = (Path(__file__).parent / f"{module}.py").read_text()
    lines = [line for line in source.splitlines() if line.startswith("def check_")]
    return [line.removeprefix("def ").split("(")[0] for line in lines]


@functools.cache
def results(backend: str) -> dict[str, str]:
    """Name of each check -> what went wrong, empty where nothing did."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "results.json"
        settings = {
            "KERAS_BACKEND": backend,
            "KERAS_HOME": folder,  # whatever the user has configured
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "JAX_PLATFORMS": "cpu",
            "CUDA_VISIBLE_DEVICES": "-1",
            # what is compiled here runs once or twice
            "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
        }
        done = subprocess.run(
            [sys.executable, "-m", "keras_checks", str(out)],
            cwd=Path(__file__).parents[1],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=False,
        )
        if not out.exists():
            raise RuntimeError(
                f"the checks under {backend} did not end:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
            )
        return json.loads(out.read_text())


def run_all() -> dict[str, str]:
    """Runs every check in this process."""
    import traceback

    found = {}
    for one in pkgutil.iter_modules(__path__):
        if one.name == "__main__":
            continue
        module = importlib.import_module(f"{__name__}.{one.name}")
        for name in names(one.name):
            started = time.perf_counter()
            try:
                getattr(module, name)()
                found[name] = ""
            except Exception:
                found[name] = traceback.format_exc()
            print(f"{time.perf_counter() - started:6.1f} s {name}")
    return found
