"""What a forgetting does in the folder of exported sets: looks who stands there, keeps exports out, deletes files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from reasongen.config import NightConfig
from reasongen.errors import LeaseError
from reasongen.pipeline.receipt import Receipt
from reasongen.serving.forgotten import Forgotten
from reasongen.serving.sets import erase_set, locked, sets_naming


@dataclass(frozen=True)
class Exports:
    """The sets below `export.dir`, and the users of one forgetting."""

    config: NightConfig
    forgotten: Forgotten

    def naming(self) -> dict[str, int]:
        """The sets in which they stand, each with the number of rows."""
        folder = self.config.export_dir
        return sets_naming(folder, self.forgotten) if folder else {}

    @contextmanager
    def held(self, receipt: Receipt) -> Iterator[None]:
        """No export works meanwhile: one that reads an older version now would name them after the last look. Where
        one does, the purge waits for it."""
        folder = self.config.export_dir
        with ExitStack() as stack:
            if folder and folder.is_dir():
                try:
                    stack.enter_context(locked(folder))
                except LeaseError:
                    receipt.wait_for("an export", receipt.at + timedelta(hours=self.config.forget.run_hours))
            yield

    def erase(self, receipt: Receipt) -> None:
        """Looks again, since an export may have begun or ended after the first look, and deletes."""
        receipt.exports = self.naming()
        for name in receipt.exports:
            assert self.config.export_dir is not None
            erase_set(self.config.export_dir, name)
            receipt.state = "purged"
