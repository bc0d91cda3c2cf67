"""Who makes the steps: one device, devices in step, or workers on parameter servers."""
