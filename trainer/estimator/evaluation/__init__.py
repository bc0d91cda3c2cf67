"""Evaluations of checkpoints and what follows from them: exporters, early stopping, the evaluator."""
