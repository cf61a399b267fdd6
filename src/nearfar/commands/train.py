"""Train an embedding, measure it on held-out data, and write a run folder."""

__all__ = ["main"]


def main(argv: list[str]) -> int | None:
    """`nearfar train DATA [options]`."""
    from nearfar.training.options import from_arguments
    from nearfar.training.trainer import train

    config = from_arguments(argv)
    try:
        train(config)
    except KeyboardInterrupt:
        from nearfar.training.outputs import interrupted

        raise KeyboardInterrupt(interrupted(config.out)) from None
    return 0
