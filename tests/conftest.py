"""One fixture runs a test in every framework; another runs it compiled."""

import importlib.util
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import pytest

NAMES = [name for name in ("numpy", "torch", "tensorflow", "jax") if importlib.util.find_spec(name)]


class Framework:
    """Calls functions of tensors with NumPy arrays in and out."""

    def __init__(self, name: str, compiled: bool = False):
        self.name, self.compiled = name, compiled

    def tensor(self, x):
        """One NumPy array as this framework's tensor; JAX keeps 64-bit labels as NumPy, since it would cut them."""
        if self.name == "numpy" or x is None:
            return x
        if self.name == "torch":
            import torch

            return torch.as_tensor(np.array(x))
        if self.name == "tensorflow":
            import tensorflow as tf

            return tf.constant(x)
        import jax.numpy as jnp

        x = np.asarray(x)
        wide = x.dtype == np.int64 and x.size and np.abs(x).max() > 2**31 - 1
        return x if wide or x.dtype.kind == "U" else jnp.asarray(x)

    def __call__(self, function, *arrays):
        """`function(*tensors)` as NumPy, in as many outputs as it has."""
        out = self._compile(function)(*[self.tensor(x) for x in arrays])
        return tuple(map(to_numpy, out)) if isinstance(out, tuple) else to_numpy(out)

    def value_and_gradients(self, function, *arrays):
        """Value and gradients with respect to every array of floats, in NumPy."""
        arrays = [self.tensor(x) for x in arrays]
        if self.name == "numpy":
            raise NotImplementedError("NumPy has no gradients")
        return getattr(self, f"_{self.name}")(function, arrays)

    def _compile(self, function):
        if not self.compiled:
            return function
        if self.name == "torch":
            import torch

            torch.compiler.reset()
            return torch.compile(function, fullgraph=True, backend="aot_eager")
        if self.name == "tensorflow":
            import tensorflow as tf

            return tf.function(function, jit_compile=True)
        import jax

        return jax.jit(function)

    def _torch(self, function, arrays):
        arrays = [x.requires_grad_() if x.is_floating_point() else x for x in arrays]
        value = self._compile(function)(*arrays)
        value.backward()
        floats = [x for x in arrays if x.is_floating_point()]
        return to_numpy(value), [np.zeros(x.shape) if x.grad is None else to_numpy(x.grad) for x in floats]

    def _tensorflow(self, function, arrays):
        import tensorflow as tf

        floats = [i for i, x in enumerate(arrays) if x.dtype.is_floating]

        def both(*arrays):
            with tf.GradientTape() as tape:
                tape.watch([arrays[i] for i in floats])
                value = function(*arrays)
            return value, tape.gradient(value, [arrays[i] for i in floats], unconnected_gradients="zero")

        value, gradients = self._compile(both)(*arrays)
        return to_numpy(value), [to_numpy(g) for g in gradients]

    def _jax(self, function, arrays):
        import jax
        import jax.numpy as jnp

        floats = tuple(i for i, x in enumerate(arrays) if jnp.issubdtype(x.dtype, jnp.floating))
        both = jax.value_and_grad(function, argnums=floats)
        value, gradients = (jax.jit(both) if self.compiled else both)(*arrays)
        return to_numpy(value), [to_numpy(g) for g in gradients]


def to_numpy(x):
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        x = x.float() if str(x.dtype) == "torch.bfloat16" else x
    return np.asarray(x)


@pytest.fixture(scope="session", autouse=True)
def _settings():
    if "torch" in NAMES:
        import torch

        torch.set_num_threads(1)
    if "jax" in NAMES:
        import jax

        jax.config.update("jax_enable_x64", True)  # float64 gradients; labels keep 64 bits too


@pytest.fixture(params=NAMES)
def framework(request):
    """Every framework, eager."""
    return Framework(request.param)


@pytest.fixture(params=[n for n in NAMES if n != "numpy"])
def differentiable(request):
    """Every framework that has gradients, eager."""
    return Framework(request.param)


@pytest.fixture(params=[n for n in NAMES if n != "numpy"])
def compiled(request):
    """torch.compile(fullgraph=True), tf.function under XLA, and jax.jit."""
    return Framework(request.param, compiled=True)
