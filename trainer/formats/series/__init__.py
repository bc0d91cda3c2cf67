"""Long tables of time series with a header: read, put in order, split by time."""
