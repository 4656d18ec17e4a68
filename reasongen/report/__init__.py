"""Pages for people, above all the night's: read from the written tables, without Spark. Knows no torch either.

lake        the tables through deltalake and DuckDB, within a bounded memory
nights      rows of `runs` → which run, funnel, changes, drift
readings    reasons to read, variety, lengths, openings: nothing about one person
refusals    what the rules refused
collect     all of it for one night
lead        the line at the head
words       the interface in both languages (words.yaml)
pictures    figures → SVG
page        facts → HTML (templates/)
writing     the files: a page for each night, an index
compared    the page of an evaluation: models on labelled pairs
"""

from reasongen.report.writing import Written, write_report

__all__ = ["Written", "write_report"]
