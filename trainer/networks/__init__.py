"""Structures from courses and papers, a file each: what `trainer.model.model_fn` picks from.

A network is a function that turns standardised values, float32 [batch, steps, columns], into standardised forecasts,
float32 [batch, horizon, targets]. It makes its layers and variables in its own body and names each, as the name is what
training, evaluation, export and checkpoints share it by. It runs under XLA: all sizes but the batch are static.
"""
