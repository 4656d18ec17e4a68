"""What writes the texts: prompts in Arrow batches in, samples in Arrow batches out.

    door.py      the Engine protocol, the two schemas, one engine per process, the digests that key `generations`
    scripted.py  a member without weights: valid texts by hash, faults on request
    hf.py        transformers' own batched generate, made independent of neighbours
    intake.py    Arrow batches to rows of token ids and back, for every member with weights
    torch_engine.py  our own continuous batching, of the parts below
      scheduler.py   which row stands in which slot, without a tensor
      prefix.py      what prompts share at their beginning, without a tensor
      families.py    the weights of Llama, Qwen2, Qwen3 and GPT-2, fused
      cache.py       keys and values, one slot a row
      decoder.py     the model step
      lane.py        one core's loop over all these
    load.py      a local Hugging Face directory to model and tokenizer: safetensors only, no remote code
    adapter.py   a PEFT adapter put onto the base that it was made for
    sampling.py  the choice of a token, seeded by (prompt_hash, sample, step), never by position
    mask.py      what a text may not hold, given with its prompt
    guard.py     whether a token keeps a row within its mask

Nothing here may import pyspark or anything that does: the engine runs on a machine without Spark or Java.
Importing this package imports no torch: `door` does so only when an engine of that kind is built.
"""

from reasongen.engine.door import INPUT, MASK, OUTPUT, Engine, decode_hash, engine_here, model_version
from reasongen.engine.mask import MASK_VERSION, Mask

__all__ = ["INPUT", "MASK", "MASK_VERSION", "OUTPUT", "Engine", "Mask", "decode_hash", "engine_here", "model_version"]
