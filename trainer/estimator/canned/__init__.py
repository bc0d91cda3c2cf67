"""Estimators that have their model function: linear, deep, both, and a baseline."""
