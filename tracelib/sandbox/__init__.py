"""Code written by a model runs here: in processes that the kernel confines, or not at all."""
