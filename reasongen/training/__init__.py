"""From a grammar to weights: corpus, tokenizer, the loop, and the examination of what came out.

    corpus.py     frames and reasons, seeded; a tenth of everything is held out
    tokenizer.py  byte-level BPE, each mark one token
    train.py      the loop
    directory.py  what a run leaves behind: weights, tokenizer, template, recipe
    asking.py     frames in, texts out, through the engine's door
    exam.py       a model's share of right reasons on held-out frames
    comparison.py models on labelled pairs, before and after fine-tuning
    likelihood.py perplexity of the targets
    settings.py   conf/train.yaml

Imports torch where it trains, never Spark. `corpus` needs neither.
"""
