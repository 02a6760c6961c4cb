"""One function for each of linger's operators, of both generations: they differ in names only."""
