"""List the losses: formula, paper, options, and what each is good for."""

import json
import shutil
import textwrap
from typing import TYPE_CHECKING, Any

from . import UsageError
from ._common import Parser

if TYPE_CHECKING:
    from ..losses.catalogue import Entry

__all__ = ["main"]

_INDENT = " " * 12


def main(argv: list[str]) -> int | None:
    """`nearfar losses [NAME ...] [options]`."""
    from ..losses.catalogue import ORDER, entries, entry

    parser = Parser("losses", __doc__ or "", "Example: nearfar losses arcface supcon")
    parser.add_argument("names", nargs="*", metavar="NAME", help="these alone, e.g. arcface")
    parser.add_argument("--family", choices=ORDER, metavar="FAMILY", help=f"one of: {'; '.join(ORDER)}")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--short", action="store_true", help="a line each")
    form.add_argument("--json", action="store_true", help="everything, for programs")
    given = parser.parse_args(argv)
    try:
        found = [entry(name) for name in given.names] if given.names else entries()
    except ValueError as error:
        raise UsageError(str(error)) from None
    found = [one for one in found if given.family in (None, one.family)]
    if given.json:
        print(json.dumps([one._asdict() for one in found], indent=2, ensure_ascii=False))
        return 0
    width = max(60, shutil.get_terminal_size((110, 24)).columns)
    family = None
    for one in found:
        if one.family != family and not given.names:
            print(f"{one.family}\n{'-' * len(one.family)}")
        family = one.family
        print(_short(one, width) if given.short else _full(one, width) + "\n")
    return 0


def _short(one: "Entry", width: int) -> str:
    start = f"{one.name:<34}{one.year}  "
    return start + textwrap.shorten(one.good_for or one.summary, width - len(start), placeholder=" ...")


def _full(one: "Entry", width: int) -> str:
    options = ", ".join(f"{name}={_value(value)}" for name, value in one.options.items())
    learnt = ", ".join(f"{name} {shape}".rstrip() for name, shape in one.learnt.items())
    fields = {
        "formula": one.plain_formula,
        "paper": f"{one.paper}{' ' + one.url if one.url else ''}",
        "call": f"{one.name}({', '.join(one.inputs)})",
        "learns": learnt,
        "options": options,
        "good for": one.good_for,
    }
    lines = [one.name, *textwrap.wrap(one.summary, width, initial_indent="  ", subsequent_indent="  ")]
    for name, text in fields.items():
        lines += textwrap.wrap(
            text,
            width,
            initial_indent=f"  {name:<{len(_INDENT) - 2}}",
            subsequent_indent=_INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else repr(value)
