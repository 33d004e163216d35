"""The command line. One file per command group: parse, call the library, print."""
