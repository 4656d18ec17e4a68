"""From a grammar to weights, and from labelled pairs to better ones.

    corpus.py     frames and reasons, seeded; a tenth of everything is held out
    tokenizer.py  byte-level BPE, each mark one token
    train.py      the loop that trains the default model from nothing
    exam.py       a model's share of right reasons on held-out frames
    finetune.py   from a model and labelled pairs to a model or an adapter, of the parts below
      pairs.py        labelled pairs as token rows and batches
      methods.py      which weights learn: all, the last layers, LoRA, virtual tokens, a prefix
      loop.py         transformers' Trainer with our order, loss and measure
      checkpoints.py  the folder of a run that is not finished
    tune.py       which settings of it are better
    asking.py     frames in, texts out, through the engine's door
    comparison.py models on labelled pairs, before and after fine-tuning
    likelihood.py perplexity of the targets
    promoting.py  whether a candidate takes the place of the model that nights load
    registry.py   the models that nights may load: folders, what was decided, and `current`
    directory.py  what a run leaves behind: weights or adapter, tokenizer, template, recipe
    opinion.py    the second opinion of validation, from texts with labels to weights; thresholds.py: when it speaks
    settings.py   conf/train.yaml and conf/finetune/*.yaml

Imports torch where it trains, never Spark. `corpus` and `opinion` need neither.
"""
