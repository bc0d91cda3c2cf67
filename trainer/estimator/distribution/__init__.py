"""Who makes the steps: one device, devices in step, or workers on parameter servers.

`strategies.choose` takes one of three strategies, and its `begin` makes the `Steps` that the training loop calls:

    strategy            variables                   what crosses in a step
    Alone               on the device               nothing
    Synchronous         a replica on each device    one vector: the gradients, summed over all devices (`sync`, with
                                                    `averaging`, `collectives`, `device_batches`)
    ParameterServers    on the servers              what a step reads and changes, from and to each server (`ps`)

The processes that train nothing by themselves, parameter servers and their workers, run `server.serve`.
"""
