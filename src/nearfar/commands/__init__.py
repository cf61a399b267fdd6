"""The subcommands of `nearfar`, one module each.

A module `nearfar.commands.NAME` is `nearfar NAME`. It has a docstring, whose first line is the help of the
command, and

    def main(argv: list[str]) -> int | None: ...

which takes the arguments after the name and returns an exit code, None for 0. Wrong input is raised as
`UsageError`, `DataError`, `ConfigError` (all ValueErrors with one sentence) or OSError; `nearfar.cli` prints
it and exits with 2. Heavy packages are imported inside functions, so that `nearfar --help` is quick.
"""

__all__ = ["UsageError"]


class UsageError(ValueError):
    """A command line that cannot be run, in one sentence: what came, what was expected, what to do."""
