"""Every setting with its default, range and comment: the classes say the first two, the files of conf/ the last."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from words import cell, code, plain, table

_LINE = re.compile(r"^(?P<indent> *)(?P<key>[\w.]+):(?P<value>[^#]*?)(?:\s+#\s*(?P<comment>.*))?$")


def comments(text: str) -> dict[str, str]:
    """Dotted path to the comment behind it, of a YAML file; a comment that goes on below belongs to the same key."""
    found: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    last = ""
    for line in text.split("\n"):
        if (match := _LINE.match(line)) is not None:
            indent = len(match["indent"])
            path = [one for one in path if one[0] < indent] + [(indent, match["key"])]
            last = ".".join(key for _, key in path)
            if match["comment"]:
                found[last] = match["comment"].strip()
        elif (more := re.match(r"^ {12,}#\s*(.*)$", line)) and last in found:
            found[last] += " " + more[1].strip()
    return found


def class_of(annotation: object) -> type[BaseModel] | None:
    """The class of settings behind an annotation such as `X | None`, `tuple[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    parts = [class_of(part) for part in typing.get_args(annotation)]
    return next((part for part in parts if part is not None), None)


def fields(kind: type[BaseModel], above: str = "") -> Iterator[tuple[str, FieldInfo, type[BaseModel]]]:
    """Every setting below `kind`: its dotted path, its field, the class that holds it. Groups come before their own."""
    for name, field in kind.model_fields.items():
        inner = class_of(field.annotation)
        if inner is None:
            yield f"{above}{name}", field, kind
        else:
            yield from fields(inner, f"{above}{name}.")


def words_of(annotation: object) -> str:
    """A type in words: a choice as its words, else what a reader would call it."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return ", ".join(str(one) for one in inside)
    if origin in (typing.Union, types.UnionType):
        return " or ".join("null" if one is type(None) else words_of(one) for one in inside)
    if origin is typing.Annotated:
        return words_of(inside[0])
    if origin in (dict, Mapping):
        return f"map of {words_of(inside[1])}"
    if origin in (tuple, list, Sequence):
        return f"list of {words_of(inside[0])}"
    return _CALLED.get(annotation, str(getattr(annotation, "__name__", annotation)))


_CALLED: dict[object, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def range_of(field: FieldInfo) -> str:
    """What values are taken: the type, and its bounds."""
    told = [words_of(field.annotation)]
    for bound in field.metadata:
        match bound:
            case Ge():
                told.append(f"at least {bound.ge}")
            case Gt():
                told.append(f"above {bound.gt}")
            case Le():
                told.append(f"at most {bound.le}")
            case Lt():
                told.append(f"below {bound.lt}")
    return ", ".join(told)


def default_of(field: FieldInfo) -> str:
    """The default as YAML would say it."""
    value = field.default
    if value is PydanticUndefined:
        return "required" if field.default_factory is None else "none"
    plainly = value if not isinstance(value, tuple) else [*value]
    told = {None: "null", True: "true", False: "false"}.get(plainly) if isinstance(plainly, bool | None) else None
    return code(told or str(plainly).replace("'", "")) if plainly != "" else ""


def section(title: str, kind: type[BaseModel], file: Path, root: Path) -> str:
    """One file of settings: its head, then each group as a table."""
    said = comments(file.read_text(encoding="utf-8"))
    shown = file.relative_to(root)
    groups: dict[str, list[tuple[str, str, str, str]]] = {}
    about: dict[str, str] = {}
    first: dict[type[BaseModel], str] = {}
    for path, field, holder in fields(kind):
        group = path.rpartition(".")[0]
        if (other := first.setdefault(holder, group)) != group:
            about[group] = f"The same settings as `{other}`."
            groups.setdefault(group, [])
            continue
        about.setdefault(group, (holder.__doc__ or "").strip())
        row = code(path), default_of(field), cell(range_of(field)), cell(said.get(path, ""))
        groups.setdefault(group, []).append(row)
    parts = [f"## {title}", f"Defaults and comments: `{shown}`. Class: `{kind.__module__}.{kind.__name__}`."]
    for group, rows in groups.items():
        parts += [f"### {title}: {group}" if group else "", plain(about[group])]
        parts += [table(("setting", "default", "values", "what it says"), rows)] if rows else []
    return "\n\n".join(part for part in parts if part)


def page_of_the_night(root: Path) -> str:
    """Settings of `jobs/generate.py`, and of the jobs that read the same file."""
    from reasongen.config import NightConfig

    return f"{_HEAD}\n\n{section('Night', NightConfig, root / 'conf' / 'default.yaml', root)}\n"


def page_of_models(root: Path) -> str:
    """Settings of training, tuning, measuring, promoting, of experiments, and of the sample world."""
    from reasongen.experiments.settings import ExperimentSettings
    from reasongen.sample.settings import WorldSettings
    from reasongen.training.comparison import ComparisonSettings
    from reasongen.training.exam import ExamSettings
    from reasongen.training.promoting import PromoteSettings
    from reasongen.training.settings import FinetuneSettings, TrainSettings
    from reasongen.training.tune import TuneSettings

    conf = root / "conf"
    kinds: list[tuple[str, type[BaseModel], Path]] = [
        ("Fine-tuning", FinetuneSettings, conf / "finetune" / "full.yaml"),
        ("Search for settings", TuneSettings, conf / "tune.yaml"),
        ("Comparison", ComparisonSettings, conf / "evaluate_pairs.yaml"),
        ("Promotion", PromoteSettings, conf / "promote.yaml"),
        ("Training from nothing", TrainSettings, conf / "train.yaml"),
        ("Examination", ExamSettings, conf / "evaluate.yaml"),
        ("Experiment", ExperimentSettings, conf / "experiment.yaml"),
        ("Sample world", WorldSettings, conf / "world.yaml"),
    ]
    return "\n\n".join([_HEAD_OF_MODELS, *(section(title, kind, file, root) for title, kind, file in kinds)]) + "\n"


_HEAD = """# Settings of the night

A file of settings holds only what differs from `conf/default.yaml`, and says so: `extends: default.yaml`. One setting
can be given on the command line too: `--set engine.samples=2`. An unknown key stops the job and names the nearest known
one. Relative paths begin in the folder in which the job is started, the checkout.

This page is made from the code and from the comments of that file each time it is built."""

_HEAD_OF_MODELS = """# Settings of models, of experiments and of the sample world

What `jobs/train.py`, `jobs/tune.py`, `jobs/evaluate.py`, `jobs/promote.py`, `jobs/experiment.py` and
`jobs/sample_world.py` read. The
defaults are those of the classes; a file below `conf/` may say otherwise."""
