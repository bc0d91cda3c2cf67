"""The loops of evaluation and prediction."""
