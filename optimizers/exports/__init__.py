"""What was learned, in files that need none of us: values as JSON, a program that runs alone, a patch."""
