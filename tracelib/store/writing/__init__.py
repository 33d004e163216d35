"""From a running program into the journal: what is recorded, for whom, and how it is written."""
