"""Heads, which make losses, predictions, metrics and signatures of a model's logits."""
