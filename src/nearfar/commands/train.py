"""Train an embedding, measure it on held-out data, and write a run folder."""

__all__ = ["main"]


def main(argv: list[str]) -> int | None:
    """`nearfar train DATA [options]`."""
    from nearfar.training.options import from_arguments
    from nearfar.training.trainer import train

    train(from_arguments(argv))
    return 0
