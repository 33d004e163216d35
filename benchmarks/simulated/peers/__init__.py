"""The same loops by other optimizers, each run by an interpreter that has it; nothing here needs tracelib."""
