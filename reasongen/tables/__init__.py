"""Tables at both ends of the road: how they are read, judged, cleaned and written. No torch, no model, no evidence.

session     the Spark session, with Delta
sources     a team's table in any format → our columns, typed; nothing is judged yet
states      what a table was, as a word: equal states hold equal rows
columns     how one of their columns becomes one of ours
contract    whole-table faults: all of them at once, before a token is spent
text        what is taken out of a text before it is used
rows        row faults as codes in a column; never an exception
labels      labelled reasons, with their codes and splits
creation    our own tables as the schema says, made or brought up to it
delta       our own tables: append, merge, erase, look at the version, count with another reader
layout      how our tables lie on disk: sorted for lookups, in few files, none of them unreachable
lease       one run at a time per target and scenario, and the fence against one that wakes up late
suppression who must not come back, as keyed hashes
holdings    where people stand, below the root and in the inputs
torn        a last commit that a loss of power tore, set aside
folders     what stands below the root, on any file system
"""

from reasongen.tables.contract import ContractReport, check_contract, night_start
from reasongen.tables.creation import create_if_missing
from reasongen.tables.delta import (
    CONFLICTS,
    Txn,
    append,
    count_by_independent_reader,
    delete_rows,
    merge_changes,
    read_at,
    read_version,
    version_of_commit,
    write_was_refused,
)
from reasongen.tables.folders import children
from reasongen.tables.layout import Size, compact, remove_unreachable, rewrite_sorted, rows_version, size_of
from reasongen.tables.lease import LEASES, Lease, fence, has_ended, take_lease
from reasongen.tables.rows import (
    clean_candidates,
    clean_events,
    clean_items,
    clean_users,
    count_codes,
    count_event_codes,
    valid_events,
)
from reasongen.tables.session import open_spark
from reasongen.tables.sources import SourceFrame, only_of, read_source, read_sources, theirs_of
from reasongen.tables.suppression import Suppressed, read_suppressed, with_suppressed
from reasongen.tables.torn import set_torn_aside

__all__ = [
    "CONFLICTS",
    "LEASES",
    "ContractReport",
    "Lease",
    "Size",
    "SourceFrame",
    "Suppressed",
    "Txn",
    "append",
    "check_contract",
    "children",
    "clean_candidates",
    "clean_events",
    "clean_items",
    "clean_users",
    "compact",
    "count_by_independent_reader",
    "count_codes",
    "count_event_codes",
    "create_if_missing",
    "delete_rows",
    "fence",
    "has_ended",
    "merge_changes",
    "night_start",
    "only_of",
    "open_spark",
    "read_at",
    "read_source",
    "read_sources",
    "read_suppressed",
    "read_version",
    "remove_unreachable",
    "rewrite_sorted",
    "rows_version",
    "set_torn_aside",
    "size_of",
    "take_lease",
    "theirs_of",
    "valid_events",
    "version_of_commit",
    "with_suppressed",
    "write_was_refused",
]
