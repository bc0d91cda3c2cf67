"""What feeds the steps: the person's input function, its place, and its batches in stacks or one by one."""
