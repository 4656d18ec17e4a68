"""The state of an input table, as a word: two runs that find equal states read equal rows. Reads no row.

Delta has versions. A table of files has its files' names, sizes and times. Where neither can tell, the state is one
that no other equals, so that nothing is taken for unchanged which may have changed.
"""

from __future__ import annotations

import hashlib
import re
import uuid

from pyspark.sql import DataFrame

from reasongen.config import SourceSettings

MOST_FILES = 1000
"""To ask for more files' times, one by one, would cost more than it may save."""

_MOVING = re.compile(r"\b(?:current_\w+|now|rand\w*|uuid|localtimestamp|curdate|user|session_user)\b", re.IGNORECASE)


def state_of(rows: DataFrame | None, source: SourceSettings, version: int | None) -> str:
    """The Delta version, or the format and a digest of the files; `~…` added where it cannot be compared.

    `rows`: the table as it is read, None where it cannot be.
    """
    told = str(version) if version is not None else _files(rows, source)
    asked = " ".join(filter(None, (source.partition, source.filter, *source.columns.values())))
    return f"{told}~{uuid.uuid4().hex[:8]}" if _MOVING.search(asked) and "~" not in told else told


def _files(rows: DataFrame | None, source: SourceSettings) -> str:
    names = [] if rows is None else sorted(rows.inputFiles())
    if not 0 < len(names) <= MOST_FILES or rows is None:
        return f"{source.format}~{uuid.uuid4().hex[:8]}"
    jvm = rows.sparkSession._jvm  # type: ignore[attr-defined]
    digest = hashlib.sha256()
    first = jvm.org.apache.hadoop.fs.Path(jvm.java.net.URI(names[0]))
    system = first.getFileSystem(rows.sparkSession._jsparkSession.sessionState().newHadoopConf())  # type: ignore[attr-defined]
    for name in names:
        found = system.getFileStatus(jvm.org.apache.hadoop.fs.Path(jvm.java.net.URI(name)))
        digest.update(f"{name}\0{found.getLen()}\0{found.getModificationTime()}\n".encode())
    return f"{source.format}:{digest.hexdigest()[:12]}"
