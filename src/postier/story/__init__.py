"""The story of a message while it happens: what the facts of its steps are called, and who writes down those
that no transaction carries. `postier.admin.story` tells it."""
