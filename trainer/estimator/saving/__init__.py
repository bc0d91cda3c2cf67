"""What a run leaves on disk or in a bucket: checkpoints, exports, events, records.

`job_directory` opens a directory and has a store for each of them, in a form for disks and one for buckets. What goes
in and out of the stores is the work of the other modules:

    checkpoints    checkpoint_store, bucket_checkpoints    `saver` saves variables, large ones in `slices`, with a
                                                           `manifest`; `retention` decides which to keep; `state_file`
                                                           names them, `listing` orders them, `newest_whole` skips those
                                                           in which `verification` finds damage; `checkpoints` restores;
                                                           `warm_start` reads those of other models
    exports        export_store                            `exporting` traces them, `saved_model` writes them
    events         event_store                             `events` writes and reads them
    records        record_store                            `coordination_files`, by which processes coordinate

A file of a tuner, which lies elsewhere, is written by `tuner`.
"""
