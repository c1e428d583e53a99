"""The journal: what was answered, on disk, and where each output stands in it."""
