"""report.html: what a run did, as one page that needs no network."""
