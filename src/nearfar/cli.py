"""The command line: `nearfar COMMAND ...` runs `nearfar.commands.COMMAND`."""

import ast
import importlib
import importlib.util
import os
import pkgutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from . import __version__, commands

__all__ = ["main"]

_WRONG_INPUT, _FAILURE, _INTERRUPTED = 2, 1, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Wrong input, whatever raises it, is one line on standard error and exit code 2; an error of nearfar's own,
    or of a model or loss that somebody brought along, is one line and 1, with the traceback if
    NEARFAR_TRACEBACK is set.

    Args:
        argv: the arguments; those of the process when left out.

    Returns:
        The exit code.
    """
    # Keras imports TensorFlow where it is, which talks at length
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    arguments = list(sys.argv[1:] if argv is None else argv)
    names = _names()
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help(names))
        return 0 if arguments else _WRONG_INPUT
    if arguments[0] == "--version":
        print(f"nearfar {__version__}")
        return 0
    if arguments[0] not in names:
        return _said(
            f"command {arguments[0]!r} is not known; expected one of {', '.join(names)}.", _WRONG_INPUT
        )
    try:
        return importlib.import_module(f"nearfar.commands.{arguments[0]}").main(arguments[1:]) or 0
    except SystemExit as error:  # --help
        return error.code if isinstance(error.code, int) else 0
    except KeyboardInterrupt as error:
        return _said(str(error) or "interrupted.", _INTERRUPTED)
    except BrokenPipeError:  # the reader, e.g. `| head`, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:
        if os.environ.get("NEARFAR_TRACEBACK"):
            raise
        return _said(*_explained(error))


def _explained(error: Exception) -> tuple[str, int]:
    text = " ".join(str(error).split())
    if type(error).__module__.startswith("nearfar."):
        return text, _WRONG_INPUT if isinstance(error, ValueError) else _FAILURE
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'file'}: {error.strerror}.", _WRONG_INPUT
    if isinstance(error, ModuleNotFoundError):
        return f"{text}; install what is missing: pip install 'nearfar[train]'.", _WRONG_INPUT
    return f"{type(error).__name__}: {text} (set NEARFAR_TRACEBACK=1 to see where).", _FAILURE


def _said(line: str, code: int) -> int:
    sys.stdout.flush()
    print(f"nearfar: {line}", file=sys.stderr)
    return code


def _names() -> list[str]:
    return sorted(one.name for one in pkgutil.iter_modules(commands.__path__) if not one.name.startswith("_"))


def _help(names: Sequence[str]) -> str:
    lines = [f"  {name:<12}{_summary(name)}" for name in names]
    return "\n".join(
        [
            "usage: nearfar COMMAND ...",
            "",
            "Deep metric learning: pull the same near, push the different far.",
            "",
            "commands:",
            *lines,
            "",
            "`nearfar COMMAND --help` tells the options. Example: nearfar train glyphs",
        ]
    )


def _summary(name: str) -> str:
    # read, not imported: a command's imports may be slow
    spec = importlib.util.find_spec(f"nearfar.commands.{name}")
    text = Path(str(spec.origin)).read_text(encoding="utf-8") if spec else ""
    return (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
