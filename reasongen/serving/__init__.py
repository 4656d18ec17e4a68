"""From the lake to a store that serves: what changed in `reasons`, as sets of files, and a loader. No Spark, no torch.

lake       versions of the table: their files, rows and publishers
changes    what differs between two of them, on disk
export     the set of it, below `export.dir`
sets       a folder of sets: names, manifests, verification, the lock, what forgetting does there
forgotten  who enters no set
store      how reasons stand in a Redis, and how a recommender reads them there
loading    sets into that Redis, in order and once each
"""

from reasongen.serving.export import Exported, export_changes
from reasongen.serving.loading import Loaded, load_sets
from reasongen.serving.store import connect, read_reasons

__all__ = ["Exported", "Loaded", "connect", "export_changes", "load_sets", "read_reasons"]
