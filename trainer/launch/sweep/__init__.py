"""A hyperparameter study on this machine."""
