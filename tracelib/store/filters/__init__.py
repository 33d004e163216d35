"""The filter language of calls: Python expressions, compiled to SQL."""
