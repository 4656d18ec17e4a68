"""Is one model better? On held-out frames by the corpus's grammar, and on labelled pairs by what people wrote.

    grammar.py    conf/corpus/*.yaml: slots, conditions, verbs, paraphrases, training lexicon
    judge.py      a reason with marks against its frame: right, or every fault
    skeletons.py  distinct skeletons and openings, verbatim share, Wilson interval

    labelled.py   labelled pairs, as jobs/examples.py writes them
    tokens.py     English words, Chinese characters, marks
    overlap.py    BLEU, chrF, ROUGE
    pair_lift.py  does a text fit its own pair better than another's
    features.py   FMR, FCR, DIV, USR
    truth.py      the night's verdict, and what share of the words is borne
    diversity.py  distinct-n, self-BLEU, entropy of openings, repetition
    resampling.py intervals and paired tests
    baselines.py  constant sentence, catalogue template, nearest neighbour
    scoring.py    all of these for one writer; comparing.py for two; table.py as lines

Pure: imports no Spark and no torch, nothing of the engine, tables or training.
"""
