"""The direction of imports, read from the sources with `ast`: nothing is imported to find out."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SPARK = {"pyspark", "delta", "great_expectations"}
TORCH = {"torch", "transformers", "peft", "safetensors", "tokenizers"}
PURE = {"errors", "schema", "settings", "config", "secret", "prompts", "validation", "evaluation"}

# Layer → (what of reasongen it may import beside itself, what of others it may not).
LAYERS: dict[str, tuple[set[str], set[str]]] = {
    "errors": (set(), SPARK | TORCH),
    "schema": (set(), SPARK | TORCH),
    "settings": ({"errors"}, SPARK | TORCH),
    "config": ({"errors", "schema", "settings"}, SPARK | TORCH),
    "secret": ({"errors", "config"}, SPARK | TORCH),
    "prompts": (PURE, SPARK | TORCH),
    "validation": (PURE, SPARK | TORCH),
    "evaluation": (PURE, SPARK | TORCH),
    "sample": (PURE, SPARK | TORCH),
    "report": (PURE, SPARK | TORCH),
    "experiments": (PURE | {"serving"}, SPARK | TORCH),
    "review": (PURE, SPARK | TORCH),
    "engine": (PURE, SPARK),
    "serving": (PURE, SPARK | TORCH),
    "tables": (PURE, TORCH),
    "evidence": (PURE | {"tables"}, TORCH),
    "quality": (PURE | {"tables"}, TORCH),
    "training": (PURE | {"engine"}, SPARK),
    "pipeline": (PURE | {"engine", "serving", "review", "tables", "evidence", "quality"}, TORCH),
}
MODULES = sorted((ROOT / "reasongen").rglob("*.py"))
JOBS = sorted((ROOT / "jobs").glob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in MODULES]


def layer_of(path: Path) -> str:
    """The package or module directly below reasongen/."""
    return path.relative_to(ROOT / "reasongen").parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Every imported module by its whole name, inside functions too; `from a import b` gives a and a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides its layer"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_module_has_its_layer() -> None:
    assert {layer_of(path) for path in MODULES} - {"__init__"} == set(LAYERS)


@pytest.mark.parametrize("path", [path for path in MODULES if layer_of(path) != "__init__"], ids=str)
def test_a_module_imports_only_what_stands_below_it(path: Path) -> None:
    layer = layer_of(path)
    below, forbidden = LAYERS[layer]
    found = set(imports(path))
    ours = {name.split(".")[1] for name in found if name.startswith("reasongen.")}
    assert ours - below - {layer} == set(), "layers that stand above or beside"
    assert {name.split(".")[0] for name in found} & forbidden == set(), "libraries of another side"


def test_the_package_itself_imports_nothing() -> None:
    assert set(imports(ROOT / "reasongen" / "__init__.py")) <= {"__future__", "__future__.annotations"}


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.name)
def test_a_job_imports_reasongen_and_the_standard_library_alone(path: Path) -> None:
    assert {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) == {"reasongen"}


@pytest.mark.parametrize("path", [*MODULES, *JOBS], ids=str)
def test_a_module_says_what_it_does_and_stays_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "wanted a docstring at the head"
    assert text.count("\n") <= 300


@pytest.mark.parametrize("path", [*MODULES, *JOBS], ids=str)
def test_every_function_of_ours_can_be_read_at_a_glance(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {node.name: (node.end_lineno or node.lineno) - node.lineno + 1 for node in functions}
    assert {name: lines for name, lines in lengths.items() if lines > 70} == {}


def test_no_file_is_a_drawer() -> None:
    drawers = {"utils", "util", "common", "helpers", "helper", "misc", "base", "manager"}
    assert [name for name in NAMES if set(Path(name).with_suffix("").parts) & drawers] == []


@pytest.mark.parametrize("path", [*MODULES, *JOBS], ids=str)
def test_nothing_runs_code_that_a_model_brings(path: Path) -> None:
    """Read as calls and imports: a text may well say that pickled weights are refused."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    trusting = [one for call in calls for one in call.keywords if one.arg == "trust_remote_code"]
    assert all(isinstance(one.value, ast.Constant) and one.value.value is False for one in trusting)
    assert not {ast.unparse(call.func) for call in calls} & {
        "torch.load",
        "eval",
        "exec",
        "yaml.load",
        "yaml.unsafe_load",
    }
    assert not {name.split(".")[0] for name in imports(path)} & {"pickle", "cloudpickle", "dill", "joblib", "marshal"}
