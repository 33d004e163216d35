"""From the journal into the database: each record once."""
