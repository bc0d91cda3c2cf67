"""Training steps in one process: batches, compiled loops, and what happens between device calls.

There are two loops, one in the other:

    outer    Python: hooks, summaries, checkpoints and requests to stop, between device calls (`loop`)
    inner    TensorFlow: many steps in one device call, over a stack of batches (`steps`)

Before they begin, `input_function` calls the person's input function, `batches` stacks what it yields (`stacks`) from
the place that the last checkpoint keeps (`input_position`), and `compile_policy` says when XLA compiles the inner loop.
`inference` has the loops of evaluation and prediction, which are one loop each.
"""
