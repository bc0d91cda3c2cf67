"""Tables: CSV with a header, a row an example, whose columns hold numbers, categories, dates and blanks."""
