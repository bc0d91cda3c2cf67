"""Training steps in one process: batches, compiled loops, and what happens between device calls.

There are two loops, one in the other:

    outer    Python: hooks, summaries, checkpoints and requests to stop, at the steps that `cadence` tells (`loop`,
             with `saves`, `summaries` and `stop`)
    inner    TensorFlow: many steps in one device call (`steps.Steps`)

On one device (`one_device`) the inner loop runs over stacks of batches (`stacked_steps`), where the data can be
stacked, else over an iterator (`iterated_steps`). `step_function` makes the loop, `program` compiles it, from the step
on that `compile_policy` tells.

The data come from the person's function (`input_function`), in `stacks`, from the place that the last checkpoint keeps
(`batches`, `input_position`). A training begins with all of this in a `plan`. `inference` has the loops of evaluation
and prediction.
"""
