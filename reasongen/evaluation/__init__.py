"""Is one model better? The corpus's grammar as data, the judge that rests on it, and how varied reasons are.

    grammar.py    conf/corpus/*.yaml: slots, conditions, verbs, paraphrases, training lexicon
    judge.py      a reason with marks against its frame: right, or every fault
    skeletons.py  distinct skeletons and openings, verbatim share, Wilson interval

Pure: imports no Spark and no torch, nothing of the engine, tables or training.
"""
