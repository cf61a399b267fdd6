"""What stops a run: both are one sentence of what came, what was expected and what to do."""

__all__ = ["ConfigError", "TrainingError"]


class ConfigError(ValueError):
    """A configuration that cannot be run."""


class TrainingError(RuntimeError):
    """A training that cannot go on."""
