"""What MkDocs calls while it builds the site: brings the generated pages in as files that stand on no disk."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv" / "bin" / "python"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds every page that infra/docs/pages.py makes under the jobs' own Python."""
    done = subprocess.run([PYTHON, ROOT / "infra" / "docs" / "pages.py"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise PluginError(f"infra/docs/pages.py: exit {done.returncode}\n{done.stderr.decode(errors='replace')}")
    for path, text in json.loads(done.stdout).items():
        files.append(File.generated(config, path, content=text))
    return files
