"""What writes the texts: prompts in Arrow batches in, samples in Arrow batches out.

    door.py      the Engine protocol, the two schemas, one engine per process, the digests that key `generations`
    scripted.py  a member without weights: valid texts by hash, faults on request
    hf.py        transformers' own batched generate, made independent of neighbours
    load.py      a local Hugging Face directory to model and tokenizer: safetensors only, no remote code
    adapter.py   a PEFT adapter put onto the base that it was made for
    sampling.py  the choice of a token, seeded by (prompt_hash, sample, step), never by position

Nothing here may import pyspark or anything that does: the engine runs on a machine without Spark or Java.
Importing this package imports no torch: `door` does so only when an engine of that kind is built.
"""

from reasongen.engine.door import INPUT, OUTPUT, Engine, decode_hash, engine_here, model_version

__all__ = ["INPUT", "OUTPUT", "Engine", "decode_hash", "engine_here", "model_version"]
