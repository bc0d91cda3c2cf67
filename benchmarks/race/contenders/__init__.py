"""The programs of a race, a file for each framework and model, as those who know the framework would write them.

    PYTHONPATH=. python -m benchmarks.race.contenders MODULE:FUNCTION TASK.json

runs one in this process, under the interpreter that has the framework, and prints its figures as JSON. Nothing here
may import more than numpy before the framework is chosen: the environments of peers have nothing else.
"""
