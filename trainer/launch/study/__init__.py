"""What a hyperparameter study is, and the files that describe one."""
