"""Training steps in one process: batches, compiled loops, and what happens between device calls.

There are two loops, one in the other:

    outer    Python: hooks, summaries, checkpoints and requests to stop, at the steps that `timing` tells
    inner    TensorFlow: many steps in one device call

`plan` is what a training begins with, and `steps` the seam between the two: a loop outside knows no more of the one
inside than `steps.Steps`. Each room imports those before it only:

    timing        when something is due, and when a training ends: cadence, stop, time_limit
    monitoring    what is shown of a training and its time: progress, profile, traced_call, goodput_record
    diagnosis     numbers that are not finite, noticed (finite) and explained (explanation); values that are refused
    input         the person's function (input_function), its batches in stacks, from the place of the last checkpoint
    compiling     a step (step_function) as a program, by XLA from the step on that compile_policy tells
    inner         steps on one device (one_device): over stacks (stacked_steps), else over an iterator (iterated_steps)
    outer         the loop, with saves and summaries, and what a process writes (outputs)
    inference     the loops of evaluation and prediction
"""
