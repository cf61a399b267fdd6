"""What the shells of torch, Keras and JAX make of a loss function: tensors, options, documentation."""

import difflib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, get_args

import numpy as np

from . import distances, losses, mining, pair_mining
from .reduction import check_reduction

__all__ = [
    "Loss",
    "class_name",
    "documentation",
    "loss_of",
    "losses_by_class",
    "representation",
    "required",
    "signature",
]

#: sizes as docstrings write them in shapes, and what the constructors call them
_SIZES = {"classes": "num_classes", "c": "num_classes", "k": "centers_per_class", "d": "embedding_size"}
_SIZE_ENTRIES = {
    "num_classes": "num_classes: how many classes; labels are 0 ... num_classes - 1.\n",
    "centers_per_class": "centers_per_class: `k`, how many rows stand for a class.\n",
    "embedding_size": "embedding_size: `d`, the length of a row.\n",
    "learn": "learn: names of options, such as {}, that are learnt with the model from their value on.\n",
}
_WORDS = {
    "adaface": "AdaFace",
    "ap": "AP",
    "arcface": "ArcFace",
    "cosent": "CoSENT",
    "cosface": "CosFace",
    "fastap": "FastAP",
    "magface": "MagFace",
    "nca": "NCA",
    "nt": "NT",
    "p2sgrad": "P2SGrad",
    "pnp": "PNP",
    "siglip": "SigLIP",
    "smoothap": "SmoothAP",
    "snr": "SNR",
    "sphereface": "SphereFace",
    "supcon": "SupCon",
    "vicreg": "VICReg",
}


class Loss(NamedTuple):
    """A loss function taken apart."""

    name: str  #: of the class made of it, such as TripletLoss
    function: Callable[..., Any]
    inputs: tuple[str, ...]  #: positional tensors, such as embeddings and labels
    tensors: tuple[str, ...]  #: optional tensors of a call, such as references
    shapes: Mapping[str, tuple[str, ...]]  #: keyword tensors that are always learnt, and their sizes by name
    learnable: tuple[str, ...]  #: options that may be numbers or learnt tensors
    options: Mapping[str, inspect.Parameter]  #: all that are not tensors
    settings: Mapping[str, inspect.Parameter]  #: what a class's constructor takes

    def check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Every setting's value, given or default.

        Raises:
            TypeError: a setting that the loss does not have, or one that it must be given.
            ValueError: a reduction, mining or distance that is not known, or a size that is no positive
                number.
        """
        for name in given:
            if name not in self.settings:
                raise TypeError(_unknown(self.name, "option", name, self.settings))
        missing = [name for name, p in self.settings.items() if p.default is p.empty and name not in given]
        if missing:
            expected = f"{self.name}({', '.join(f'{name}=...' for name in missing)})"
            raise TypeError(f"{self.name} came without {' and '.join(missing)}; expected {expected}.")
        values = {name: given.get(name, p.default) for name, p in self.settings.items()}
        for name in self.settings:
            value = values[name]
            if name in _SIZES.values() and (type(value) is not int or value < 1):
                raise ValueError(f"{name} is {value!r}; expected a positive whole number.")
            if name in _CHECKS and isinstance(value, str):
                _CHECKS[name](value)
            if name == "mining" and isinstance(value, str):
                of_triplets = self.settings[name].default in mining.MININGS
                mining.resolve(value) if of_triplets else pair_mining.resolve(value, None)
        for name in values.get("learn", ()):
            if name not in self.learnable:
                raise ValueError(_unknown(self.name, "learnable option", name, self.learnable))
        return values

    def starts(self, values: Mapping[str, Any], normal: Callable[[tuple[int, ...]], Any]) -> dict[str, Any]:
        """First values of what is learnt: as given, else rows of about length 1 drawn from a normal
        distribution.

        Args:
            values: what `check` returned.
            normal: draws standard normal numbers of a shape.

        Raises:
            ValueError: a value of another shape.
        """
        found = {name: np.asarray(values[name], np.float32) for name in values.get("learn", ())}
        for name, sizes in self.shapes.items():
            shape, given = tuple(values[size] for size in sizes), values[name]
            start = (
                normal(shape) / values["embedding_size"] ** 0.5
                if given is None
                else np.asarray(given, np.float32)
            )
            if tuple(start.shape) != shape:
                raise ValueError(f"{name} has shape {tuple(start.shape)}; expected {shape}.")
            found[name] = start
        return found


_CHECKS: dict[str, Callable[[str], Any]] = {
    "reduction": check_reduction,
    "distance": distances.resolve,
    "positive_distance": distances.resolve,
    "negative_distance": distances.resolve,
}


def _unknown(class_name: str, kind: str, name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"expected {', '.join(known) or 'none'}."
    return f"{class_name} has no {kind} {name!r}; {hint}"


def loss_of(function: Callable[..., Any]) -> Loss:
    """A function of `nearfar.losses`, or one written like them, taken apart by its signature."""
    parameters = inspect.signature(function).parameters
    keywords = {name: p for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
    # Tensor is Any: a bare one is learnt, one that may be None belongs to the call, one that may be a number
    # is an option
    learnt = [name for name, p in keywords.items() if p.annotation is Any and p.default is p.empty]
    tensors = [
        n
        for n, p in keywords.items()
        if p.default is None and set(get_args(p.annotation)) == {Any, type(None)}
    ]
    options = {name: p for name, p in keywords.items() if name not in (*learnt, *tensors)}
    entries = _entries(_sections(inspect.getdoc(function) or "").get("Args", ""))
    shapes = {name: _shape(entries.get(name, "")) for name in learnt}
    learnable = tuple(
        n for n, p in options.items() if Any in get_args(p.annotation) and p.default is not None
    )
    return Loss(
        class_name(function.__name__),
        function,
        tuple(name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD),
        tuple(tensors),
        shapes,
        learnable,
        options,
        _settings(shapes, options, learnable, entries),
    )


def _shape(entry: str) -> tuple[str, ...]:
    """Names of sizes, read off the documentation: "`(c, d)`"."""
    found = re.search(r"`\(([\w, ]*)\)`", entry)
    sizes: list[str] = re.findall(r"\w+", found.group(1) if found else "")
    return tuple(_SIZES.get(size, size) for size in sizes)


def _settings(
    shapes: Mapping[str, tuple[str, ...]],
    options: Mapping[str, inspect.Parameter],
    learnable: tuple[str, ...],
    entries: Mapping[str, str],
) -> dict[str, inspect.Parameter]:
    keyword, empty = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty
    used = {size: name for name, shape in shapes.items() for size in shape}
    settings = {}
    for size in dict.fromkeys(_SIZES.values()):
        if size in used:
            in_paper = (
                re.search(r"(\d+) in the paper", entries[used[size]]) if size == "centers_per_class" else None
            )
            default = int(in_paper.group(1)) if in_paper else empty
            settings[size] = inspect.Parameter(size, keyword, annotation=int, default=default)
    settings |= options
    for name in shapes:
        settings[name] = inspect.Parameter(name, keyword, annotation=Any, default=None)
    if learnable:
        settings["learn"] = inspect.Parameter("learn", keyword, annotation=tuple[str, ...], default=())
    return settings


def class_name(name: str) -> str:
    """`triplet_loss` -> `TripletLoss`."""
    return "".join(_WORDS.get(word, word.capitalize()) for word in name.split("_"))


def losses_by_class() -> dict[str, Loss]:
    """Every loss of the catalogue under the name of its class."""
    found = (loss_of(getattr(losses, name)) for name in losses.__all__)
    return {loss.name: loss for loss in found}


def representation(loss: Loss, values: Mapping[str, Any]) -> str:
    """`margin=0.2, mining='semihard'`: all but the tensors that are learnt."""
    hidden = {*loss.shapes, *values.get("learn", ())} | (set() if values.get("learn") else {"learn"})
    shown = {name: values[name] for name in loss.settings if name not in hidden}
    return ", ".join(f"{k}={getattr(v, '__name__', None) or repr(v)}" for k, v in shown.items())


def signature(loss: Loss, more: Iterable[inspect.Parameter] = ()) -> inspect.Signature:
    """The constructor's: the settings, and what the shell adds."""
    return inspect.Signature([*loss.settings.values(), *more])


def documentation(loss: Loss, call: str, *, more: str = "", example: str = "") -> str:
    """A class's docstring: the function's, with the arguments of the constructor and of the call apart.

    Args:
        loss: the loss.
        call: how an instance is called, such as `loss(embeddings, labels)`.
        more: entries for the constructor's arguments that the shell adds.
        example: lines of a runnable example.
    """
    sections = _sections(inspect.getdoc(loss.function) or "")
    entries = _entries(sections.get("Args", "")) | _SIZE_ENTRIES
    entries["learn"] = entries["learn"].format(" and ".join(f'`"{name}"`' for name in loss.learnable))
    learnt = "".join(entries.get(name, "") for name in loss.shapes)
    entries |= {name: f"{name}: values to start from; drawn when left out.\n" for name in loss.shapes}
    settings = "".join(entries.get(name, "") for name in loss.settings) + more
    called = "".join(entries.get(name, "") for name in (*loss.inputs, *loss.tensors))
    parts = [
        sections[""],
        f"`nearfar.losses.{loss.function.__name__}` as a class; the function's help has a worked example.",
        _section("Args", settings),
        _section("Learnt with the model", learnt),
        _section(f"Call, {call}", called),
        *(_section(name, sections.get(name, "")) for name in ("Returns", "Raises")),
        _section("Example", example),
        _section("References", sections.get("References", "")),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def required(loss: Loss) -> str:
    """Arguments that a constructor must be given, for an example of two classes and 8 numbers a row."""
    values = {"num_classes": 2, "embedding_size": 8}
    return ", ".join(f"{n}={values.get(n, 1)}" for n, p in loss.settings.items() if p.default is p.empty)


def _section(title: str, body: str) -> str:
    return f"{title}:\n{textwrap.indent(body.strip(), '    ')}" if body.strip() else ""


def _sections(doc: str) -> dict[str, str]:
    """Google-style sections by title; what comes before them under the empty title."""
    pieces = re.split(r"^(Args|Returns|Raises|Example|References):\n", doc, flags=re.MULTILINE)
    sections = {"": pieces[0].strip()}
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        sections[title] = textwrap.dedent(body)
    return sections


def _entries(body: str) -> dict[str, str]:
    """Argument name -> its entry, name included."""
    pieces = re.split(r"^(?=\w+:)", body, flags=re.MULTILINE)
    return {piece.split(":", 1)[0]: piece.rstrip() + "\n" for piece in pieces if piece.strip()}
