"""Values and small tools without I/O, used by every other room."""
