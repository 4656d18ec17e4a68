"""What each package offers, from its sources by `ast`: nothing is imported to find out."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

from words import plain, prose

Definition = ast.FunctionDef | ast.ClassDef


def page(root: Path) -> str:
    """The drawing of the road, then each package with what its `__all__` names."""
    package = root / "reasongen"
    parts = [_HEAD, prose(_docstring(package / "__init__.py"))]
    for module in sorted([*package.glob("*.py"), *package.glob("*/__init__.py")]):
        if module.parent != package or module.name != "__init__.py":
            parts += _section(module, root)
    return "\n\n".join(part for part in parts if part) + "\n"


def _docstring(module: Path) -> str:
    return inspect.cleandoc(ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or "")


def _section(module: Path, root: Path) -> Iterator[str]:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    place = module.parent if module.name == "__init__.py" else module.with_suffix("")
    yield f"## {'.'.join(place.relative_to(root).parts)}"
    yield prose(_docstring(module))
    names = _named(tree)
    if names is None:
        found = [one for one in tree.body if isinstance(one, Definition) and not one.name.startswith("_")]
    else:
        homes = {
            alias.name: root / Path(*str(one.module).split(".")).with_suffix(".py")
            for one in tree.body
            if isinstance(one, ast.ImportFrom)
            for alias in one.names
        }
        found = [one for name in names if name in homes and (one := _definition(homes[name], name)) is not None]
    for one in found:
        yield from _told(one)


def _named(tree: ast.Module) -> list[str] | None:
    """`__all__` of a module, in order; None where it has none."""
    for one in tree.body:
        if isinstance(one, ast.Assign) and [ast.unparse(target) for target in one.targets] == ["__all__"]:
            return list(ast.literal_eval(one.value))
    return None


def _definition(module: Path, name: str) -> Definition | None:
    if not module.is_file():
        return None
    tree = ast.parse(module.read_text(encoding="utf-8"))
    return next((one for one in tree.body if isinstance(one, Definition) and one.name == name), None)


def _told(one: Definition) -> Iterator[str]:
    yield f"### {plain(one.name)}"
    yield f"```python\n{_signature(one)}\n```"
    yield prose(inspect.cleandoc(ast.get_docstring(one) or ""))
    if isinstance(one, ast.ClassDef):
        shown = [part for part in one.body if isinstance(part, ast.FunctionDef) and not part.name.startswith("_")]
        told = [f"- `{_signature(part)}`: {plain(' '.join((ast.get_docstring(part) or '').split()))}" for part in shown]
        yield "\n".join(told)


def _signature(one: Definition) -> str:
    if isinstance(one, ast.FunctionDef):
        returns = f" -> {ast.unparse(one.returns)}" if one.returns else ""
        return f"def {one.name}({ast.unparse(one.args)}){returns}"
    bases = ", ".join(ast.unparse(base) for base in one.bases)
    fields = [f"    {ast.unparse(part)}" for part in one.body if isinstance(part, ast.AnnAssign)]
    return "\n".join([f"class {one.name}({bases}):" if bases else f"class {one.name}:", *fields])


_HEAD = """# Python

What the packages of reasongen offer to each other and to a notebook. The jobs are the way in for everybody else. This
page is made from the docstrings each time it is built."""
