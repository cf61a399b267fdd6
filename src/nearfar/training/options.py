"""The fields of `TrainConfig` as options of a command line and keys of a YAML file, through jsonargparse."""

import argparse
import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from .config import TrainConfig
from .errors import ConfigError

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

__all__ = ["from_arguments", "from_file", "parser"]


def mapping(text: Any) -> dict[str, Any]:
    """`mining=hard,margin=0.5`, or a YAML mapping, as a dict."""
    import yaml

    if isinstance(text, dict):
        return text
    text = text.strip()
    if not text.startswith("{"):
        pairs = re.split(r",(?=\s*\w+\s*=)", text) if text else []
        if not all("=" in pair for pair in pairs):
            raise ValueError("expected name=value,name=value")
        text = "{" + ", ".join(pair.replace("=", ": ", 1) for pair in pairs) + "}"
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = None
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise ValueError("expected name=value,name=value")
    return value


def parser(base: str | Path | None = None) -> "ArgumentParser":
    """The command line of `nearfar train`.

    Args:
        base: YAML file whose values are the defaults, so that options override it wherever they stand.
    """
    from jsonargparse import ActionYesNo, ArgumentParser

    found = ArgumentParser(
        prog="nearfar train",
        description="Train an embedding, measure it on held-out data, and write a run folder.",
        epilog="Example: nearfar train glyphs --loss triplet --loss-options mining=semihard,margin=0.5",
        formatter_class=argparse.HelpFormatter,
        exit_on_error=False,
        allow_abbrev=False,
        default_config_files=[str(base)] if base else [],
    )
    hints = get_type_hints(TrainConfig)
    found.add_argument("source", nargs="?", type=str, metavar="DATA", help=_help("data"))
    found.add_argument("--config", metavar="FILE", help="YAML file of these options, e.g. RUN/config.yaml")
    for one in dataclasses.fields(TrainConfig):
        flag, kind = "--" + one.name.replace("_", "-"), hints[one.name]
        if one.name == "data":
            # a positional that is left out would hide the file's value, so the file's has a place of its own
            found.add_argument(flag, default="", help=argparse.SUPPRESS)
        elif kind is bool:
            found.add_argument(
                flag, action=ActionYesNo(no_prefix="no-"), default=False, help=one.metadata["help"]
            )
        elif kind == dict[str, Any]:
            found.add_argument(
                flag, type=mapping, default={}, metavar="NAME=VALUE,...", help=one.metadata["help"]
            )
        else:
            metavar = "X" if kind in (float, float | None) else "N" if kind in (int, int | None) else "NAME"
            found.add_argument(
                flag, type=kind, default=one.default, metavar=metavar, help=one.metadata["help"]
            )
    return found


def from_arguments(argv: Sequence[str]) -> TrainConfig:
    """The configuration that a command line asks for.

    `--config FILE` gives the defaults, and so does the run folder's own file with `--resume`; options
    override them.

    Raises:
        ConfigError: an option that is unknown, of the wrong type or without a meaning.
        SystemExit: after `--help`.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for flag in ("--config", "--out"):
        first.add_argument(flag, nargs="?")
    first.add_argument("--resume", action="store_true")
    known, _ = first.parse_known_args(list(argv))
    base = known.config
    if known.resume:
        if known.out is None:
            raise ConfigError(
                "--resume came without --out; name the run folder to continue, e.g. --out runs/glyphs-1."
            )
        if base is None:
            base = Path(known.out) / "config.yaml"
            if not base.exists():
                raise ConfigError(
                    f"{known.out} holds no config.yaml, so there is no run to resume; leave --resume out."
                )
    values = _parsed(argv, base)
    source = values.pop("source")
    values["data"] = source or values["data"]
    if not values["data"]:
        raise ConfigError(
            "DATA is missing; name a built-in set (glyphs, digits) or a path, or give --config FILE."
        )
    return TrainConfig(**values)


def from_file(path: str | Path) -> dict[str, Any]:
    """The options in a YAML file, checked, with the rest at their defaults.

    Raises:
        ConfigError: no such file, not YAML, or an option that is unknown or of the wrong type.
    """
    values = _parsed([], path)
    values.pop("source")
    return values


def _parsed(argv: Sequence[str], base: str | Path | None) -> dict[str, Any]:
    from jsonargparse import ArgumentError

    if base is not None and not Path(base).is_file():
        raise ConfigError(
            f"{base} does not exist; expected a YAML file that `nearfar train` wrote, RUN/config.yaml."
        )
    try:
        values = parser(base).parse_args(list(argv)).as_dict()
    except ArgumentError as error:
        raise ConfigError(_sentence(str(error), base)) from None
    return {name: value for name, value in values.items() if name not in ("config", "__default_config__")}


_KINDS = {"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false"}


def _sentence(message: str, base: str | Path | None) -> str:
    """jsonargparse's paragraphs as one sentence."""
    key = re.search(r'Parser key "([^"]+)"', message)
    given = re.search(r"(?:Got value|Given value): (.*)", message)
    if key and given:
        kinds = [
            _KINDS[kind] for kind in re.findall(r"Expected an? <class '(\w+)'>", message) if kind in _KINDS
        ]
        expected = " or ".join(dict.fromkeys(kinds)) or "another value"
        if "name=value" in message:
            expected = "name=value,name=value"
        return f"{key.group(1)} is {given.group(1)!r}; expected {expected}."
    unknown = re.search(r"Option '([^']+)' is not accepted", message)
    if unknown:
        return f"{base}: option {unknown.group(1)!r} is not known; see `nearfar train --help`."
    options = re.search(r"argument (--[\w-]+): invalid mapping value: (.*)", message)
    if options:
        return f"{options.group(1)} is {options.group(2)}; expected name=value,name=value."
    if "parsing config" in message or "Unexpected config" in message:
        return f"{base} is not a YAML file of options: {' '.join(message.split())}."
    return f"{' '.join(message.split())}; see `nearfar train --help`."


def _help(name: str) -> str:
    return next(one.metadata["help"] for one in dataclasses.fields(TrainConfig) if one.name == name)
