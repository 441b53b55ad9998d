"""Finding texts in messages: what a message says, the index behind delivery, exact and fuzzy search."""
