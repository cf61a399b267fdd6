"""Formulas of docstrings, written in LaTeX, as plain text for a terminal."""

import re

__all__ = ["plain"]

_NAMES = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "theta": "θ", "lambda": "λ", "mu": "μ",
    "nu": "ν", "psi": "ψ", "sigma": "σ", "tau": "τ", "sum": "Σ", "in": " ∈ ", "ne": " ≠ ", "le": " ≤ ", "ge": " ≥ ",
    "cup": " ∪ ", "cap": " ∩ ", "setminus": "∖", "cdot": " · ", "angle": "∠", "quad": "\0", "|": "‖", "{": "{",
    "}": "}", ",": " ", " ": " ", "!": "", "left": "", "right": "", "Big": "", "big": "", "Bigg": "", "bigg": "",
}  # fmt: skip
_TAKE_ONE = {"mathrm": "{}", "text": "{}", "bar": "mean {}", "sqrt": "√({})", "hat": "{}"}
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}^_]|\s+|.")


def plain(latex: str) -> str:
    r"""A formula in one line of text.

    Args:
        latex: what stands after `.. math::`.

    Returns:
        The formula with Greek letters, fractions as `a/b`, sums as `Σ[...]` and powers of e as `exp(...)`.

    Example:
        >>> plain(r"\frac{1}{|A|} \sum_{a \in A} \max(0, m - e^{2 x_{ap}})^2")
        '1/|A| Σ[a ∈ A] max(0, m - exp(2 x_ap))²'
    """
    text, _ = _group(_TOKEN.findall(" ".join(latex.split())), 0)
    text = re.sub(r" ?\0 ?", "   ", re.sub(r" +", " ", text))
    return re.sub(r"\( ", "(", re.sub(r" ([,)])", r"\1", text)).strip()


def _group(tokens: list[str], at: int) -> tuple[str, int]:
    """Text up to the brace that closes this group, and where it goes on."""
    out = ""
    while at < len(tokens) and tokens[at] != "}":
        token = tokens[at]
        if token == "e" and tokens[at + 1 : at + 3] == ["^", "{"]:
            inner, at = _argument(tokens, at + 2)
            out += f"exp({inner})"
            continue
        if token == r"\frac":
            top, at = _argument(tokens, at + 1)
            bottom, at = _argument(tokens, at)
            ratio = f"{_wrapped(top)}/{_wrapped(bottom)}"
            logarithm = out.endswith(("log", "log "))
            out = f"{out.rstrip()}({ratio})" if logarithm else out + ratio
            continue
        if token[1:] in _TAKE_ONE and token[0] == "\\":
            inner, at = _argument(tokens, at + 1)
            out += _TAKE_ONE[token[1:]].format(inner)
            continue
        if token in ("_", "^"):
            inner, at = _argument(tokens, at + 1)
            out += _lowered(inner, out) if token == "_" else _raised(inner)
            continue
        if token == "{":
            inner, at = _argument(tokens, at)
            out += inner
            continue
        out += _NAMES.get(token[1:], token[1:]) if token[0] == "\\" and len(token) > 1 else token
        at += 1
    return out, at + 1


def _argument(tokens: list[str], at: int) -> tuple[str, int]:
    """The group in braces, or the one token, that a command takes."""
    while tokens[at].isspace():
        at += 1
    if tokens[at] == "{":
        return _group(tokens, at + 1)
    if tokens[at] in (r"\bar", r"\mathrm", r"\text"):
        inner, after = _argument(tokens, at + 1)
        return _TAKE_ONE[tokens[at][1:]].format(inner), after
    return _group([tokens[at]], 0)[0], at + 1


def _lowered(inner: str, before: str) -> str:
    if before.endswith(("Σ", "max", "min")):
        return f"[{inner}]"
    return f"_{inner}" if re.fullmatch(r"[A-Za-z0-9]+|[+*-]", inner) else f"_({inner})"


def _raised(inner: str) -> str:
    return {"2": "²", "3": "³", "T": "ᵀ", "+": "⁺", "-": "⁻", "*": "*"}.get(
        inner, f"^{inner}" if len(inner) == 1 else f"^({inner})"
    )


def _wrapped(part: str) -> str:
    """In brackets unless it is one factor: a name, a length, a call."""
    if re.fullmatch(r"-?\d+|[^\W\d]\w*|\|[^|]+\||‖[^‖]+‖", part) or _is_call(part):
        return part
    return f"({part})"


def _is_call(part: str) -> bool:
    """`name(...)` whose bracket closes at the very end."""
    opened = re.match(r"\w+\(", part)
    if not opened:
        return False
    depth = 1
    for position in range(opened.end(), len(part)):
        depth += {"(": 1, ")": -1}.get(part[position], 0)
        if depth == 0:
            return position == len(part) - 1
    return False
