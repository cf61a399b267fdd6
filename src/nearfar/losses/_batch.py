"""What the losses over labelled batches share: how they pass their arguments on."""

from typing import Any

from ..backends import Tensor
from ..pairs import Pairs
from ..rows import RowTerms, row_loss

__all__ = ["over_batch"]


def over_batch(
    terms: RowTerms,
    embeddings: Tensor,
    labels: Tensor | Pairs,
    references: Tensor | None,
    reference_labels: Tensor | None,
    weights: Tensor | None,
    reduction: str,
    block: int | str | None,
    **options: Any,
) -> Tensor:
    """`nearfar.rows.row_loss`, which has no positional options, in a line."""
    return row_loss(
        terms,
        embeddings,
        labels,
        references=references,
        reference_labels=reference_labels,
        weights=weights,
        reduction=reduction,
        block=block,
        **options,
    )
