"""What every backend offers: the same functions for NumPy, PyTorch, JAX and TensorFlow.

A backend is a plain module whose functions have these names, signatures and meanings. Names are those of the
Python array API standard where it has one. Arithmetic, comparison, `&`, `|`, `~`, `@` and `x[:, None]` are operators.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

Tensor = Any  #: a numpy.ndarray, torch.Tensor, jax.Array (or tracer) or tensorflow.Tensor


class Backend(Protocol):
    """One framework's arrays; reductions and orderings are along `axis` 1 where a row is meant."""

    name: str

    def block_elements(self) -> int:
        """Distances per block of anchors, found by timing; a batch of up to twice as many runs dense."""
        ...

    # -- shape and type -----------------------------------------------------------------------------------
    def shape(self, x: Tensor, /) -> tuple[Any, ...]:
        """Sizes as ints; a TensorFlow graph gives a scalar tensor where a size is not known."""
        ...

    def is_floating(self, x: Tensor, /) -> bool:
        """Whether the values are floats of any width."""
        ...

    def asfloat(self, x: Tensor, /) -> Tensor:
        """Floats of at least 32 bits: half precision and integers become float32, float64 stays.

        Counts in float16 overflow at 65,504 and in bfloat16 stick at 256, hence the distance functions start here.
        """
        ...

    def astype(self, x: Tensor, like: Tensor, /) -> Tensor:
        """`x` in the dtype of `like`."""
        ...

    def as_labels(self, *labels: Tensor) -> tuple[Tensor, ...]:
        """Labels as this framework's arrays of one dtype, equal only where they were equal: 64 bits are kept."""
        ...

    def arange(self, stop: Any, like: Tensor, /) -> Tensor:
        """Row numbers 0 ... stop - 1 in the index dtype, on the device of `like`."""
        ...

    def zeros_like(self, x: Tensor, /) -> Tensor:
        """Zeros of the shape and dtype of `x`."""
        ...

    def full_like(self, x: Tensor, value: float, /) -> Tensor:
        """`value` in the shape and dtype of `x`."""
        ...

    def concat(self, tensors: Sequence[Tensor], *, axis: int = 0) -> Tensor:
        """Joins tensors along an axis."""
        ...

    def reshape(self, x: Tensor, shape: tuple[Any, ...], /) -> Tensor:
        """The same values in another shape."""
        ...

    def matrix_transpose(self, x: Tensor, /) -> Tensor:
        """The last two axes exchanged."""
        ...

    def full_precision(self, like: Tensor, /) -> AbstractContextManager[Any]:
        """While entered, nothing is computed in less than the precision of its inputs; torch's autocast would."""
        ...

    # -- elementwise --------------------------------------------------------------------------------------
    def abs(self, x: Tensor, /) -> Tensor:
        """Absolute value, slope 0 at 0."""
        ...

    def exp(self, x: Tensor, /) -> Tensor:
        """Exponential."""
        ...

    def log(self, x: Tensor, /) -> Tensor:
        """Natural logarithm."""
        ...

    def sqrt(self, x: Tensor, /) -> Tensor:
        """Square root, 0 with slope 0 where `x` is 0 or (by rounding) below: equal rows then have no NaN gradient."""
        ...

    def sign(self, x: Tensor, /) -> Tensor:
        """-1, 0 or 1. Of what is never negative it is a float mask; in eager torch 7 times quicker than a bool one."""
        ...

    def relu(self, x: Tensor, /) -> Tensor:
        """max(x, 0) with slope 0 at 0; `maximum` has other slopes there, framework by framework."""
        ...

    def softplus(self, x: Tensor, /) -> Tensor:
        """log(1 + exp(x)) without overflow."""
        ...

    def sigmoid(self, x: Tensor, /) -> Tensor:
        """1 / (1 + exp(-x)) without overflow."""
        ...

    def cos(self, x: Tensor, /) -> Tensor:
        """Cosine of radians."""
        ...

    def where(self, condition: Tensor, x: Any, y: Any, /) -> Tensor:
        """`x` where the condition holds, else `y`; one of the two may be a Python number."""
        ...

    def threshold(self, x: Tensor, otherwise: float, /) -> Tensor:
        """`x` where it is above 0, else the number; slope 1 and 0. In eager torch one pass where `where` takes five."""
        ...

    def minimum(self, x: Tensor, y: Tensor, /) -> Tensor:
        """The smaller of two tensors; at a tie the slope is `x`'s."""
        ...

    # -- reductions; where= leaves the rest out ------------------------------------------------------------
    def sum(self, x: Tensor, /, *, axis: int | None = None, where: Tensor | None = None) -> Tensor:
        """Sum of numbers; 0 of nothing."""
        ...

    def count(self, x: Tensor, like: Tensor, /) -> Tensor:
        """(a, r) bool -> (a,): how many hold in each row, in the dtype of `like` so that it joins the arithmetic."""
        ...

    def mean(self, x: Tensor, /, *, axis: int | None = None) -> Tensor:
        """Mean of floats."""
        ...

    def any(self, x: Tensor, /, *, axis: int | None = None) -> Tensor:
        """Whether one of them holds."""
        ...

    def max(self, x: Tensor, /, *, axis: int | None = None, where: Tensor | None = None) -> Tensor:
        """Largest value; -inf of nothing. Ties share the slope."""
        ...

    def min(self, x: Tensor, /, *, axis: int | None = None, where: Tensor | None = None) -> Tensor:
        """Smallest value; inf of nothing. Ties share the slope."""
        ...

    def logsumexp(self, x: Tensor, /, *, axis: int | None = None, where: Tensor | None = None) -> Tensor:
        """log(sum(exp(x))) without overflow; -inf with slope 0 of nothing."""
        ...

    # -- order --------------------------------------------------------------------------------------------
    def argmin(self, x: Tensor, /) -> Tensor:
        """(a, r) -> (a,): column of each row's smallest value, the first of equal ones."""
        ...

    def sort(self, x: Tensor, /) -> Tensor:
        """Each row ascending."""
        ...

    def argsort(self, x: Tensor, /) -> Tensor:
        """Columns that sort each row, stable (but TensorFlow under XLA may exchange equal values)."""
        ...

    def smallest(self, x: Tensor, k: int, /) -> tuple[Tensor, Tensor]:
        """(a, r) -> values and columns (a, k) of each row's k smallest, ascending."""
        ...

    def cumulative_sum(self, x: Tensor, /) -> Tensor:
        """Running sums along each row."""
        ...

    def searchsorted(self, rows: Tensor, values: Tensor, /, *, side: str = "left") -> Tensor:
        """Row by row: how many of the sorted `rows` (a, n) are < (left) or <= (right) each of `values` (a, m)."""
        ...

    def take(self, x: Tensor, index: Tensor, /) -> Tensor:
        """Rows `index` (k,) of `x`."""
        ...

    def repeat(self, x: Tensor, times: int, /) -> Tensor:
        """Each row `times` times in a row: `(a, ...)` -> `(a * times, ...)`."""
        ...

    def take_along_rows(self, x: Tensor, index: Tensor, /) -> Tensor:
        """(a, r), (a, k) -> (a, k): each row at its own columns."""
        ...

    def clear_along_rows(self, mask: Tensor, columns: Tensor, /) -> Tensor:
        """(a, r) bool, (a,) -> (a, r): the mask, False at one column of each row."""
        ...

    def add_along_rows(self, x: Tensor, index: Tensor, values: Tensor, /) -> Tensor:
        """`x` (a, r) with `values` (a, k) added at each row's columns `index` (a, k); repeated columns add up.

        `x` itself may be overwritten: pass one that nobody else holds.
        """
        ...

    # -- derivatives and control --------------------------------------------------------------------------
    def stop_gradient(self, x: Tensor, /) -> Tensor:
        """The same values, constant to differentiation."""
        ...

    def attach_slope(self, value: Tensor, slope: Tensor, at: Tensor, /) -> Tensor:
        """`value` (a,) as a function of `at` (a, r) whose derivative is `slope` (a, r).

        For losses whose slope is found by counting instead of by differentiating.
        """
        ...

    def custom_vjp(
        self, forward: Callable[..., Tensor], backward: Callable[..., tuple], /
    ) -> Callable[..., Tensor]:
        """`forward(*tensors)` whose gradients are `backward(upstream, *tensors)`, None for those that have none."""
        ...

    def readable(self, x: Tensor, /) -> bool:
        """Whether the values can be read at no cost: not in a compiled function, nor from an accelerator."""
        ...

    def while_loop(
        self, condition: Callable[..., Tensor], body: Callable[..., tuple], state: tuple, /
    ) -> tuple:
        """`state = body(*state)` while `condition(*state)`; shapes stay, nothing is differentiated."""
        ...

    def cond(
        self, predicate: Tensor, true: Callable[..., tuple], false: Callable[..., tuple], *operands: Any
    ) -> tuple:
        """`true(*operands)` or `false(*operands)`, both of the same shapes; only the chosen one is run."""
        ...

    def map_rows(
        self,
        function: Callable[..., tuple[Tensor, ...]],
        rows: Sequence[Tensor],
        shared: Sequence[Tensor],
        /,
        *,
        block: Any,
        summed: bool,
    ) -> tuple[Tensor, ...]:
        """`function(*rows, *shared)`, run in blocks of rows so that memory is that of one block.

        `rows` have equal first sizes; the function returns tensors with one value a row. `summed` gives each one's sum.
        Differentiable in `rows` and `shared`; a block is recomputed in the backward pass, or its gradient kept.
        """
        ...
