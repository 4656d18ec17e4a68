"""reasongen writes, each night, one short reason for each user-item pair that a recommender will show.

    events ─┐
    items  ─┤                          ┌── generations (kept from earlier runs) ──┐
    users  ─┼─► evidence ─► prompts ─► distinct prompts not yet generated ─► engine ─► samples
    candidates┘   (Spark)    (pure)                                          (GPU)       │
                                                                                        ▼
      reasons ◄── publish ◄── gate ◄── staged rows ◄── choose ◄── verdict per sample (validation)
         ▲           one Delta commit   Great Expectations    │
         │                                                     └─► quarantine (with codes)
    recommender reads, or its key-value store does:  sets of what changed (serving)  ─►  Redis
    what it showed, and what followed:  exposures, feedback  ─►  experiments

Imports go one way:  errors, schema  →  config, secret, prompts, validation, evaluation, report  (no Spark, no torch)
→  engine (no Spark) | serving, experiments (neither) | tables, evidence, quality (no torch)
→  training (torch, no Spark)  →  pipeline  →  jobs.
"""
