"""The sample world: made-up tables that look like a real team's, dirt included. Knows no Spark, no torch, no clock.

lexicon      conf/world/{zh,en}.yaml → words of 12 categories
catalogue    words → items
people       items → users with tastes
behaviour    users × items → events, candidates
dirt         every fault of a row, planted and counted; oddities: the items that arrive odd
faults       faults of a whole table, for tests of the contract
world        all of it → events (Delta), items (JSON lines), candidates (Parquet), users (CSV), world.json
planted      true reasons and planted faults about its items: sentences.py (conf/opinion), cast.py (evidence of a pair)
big          even tables of any size, no dirt, for benchmarks
"""

from reasongen.sample.big import big_world
from reasongen.sample.settings import WorldSettings, load_world_settings
from reasongen.sample.world import Written, write_world

__all__ = ["WorldSettings", "Written", "big_world", "load_world_settings", "write_world"]
