"""People that come from a directory elsewhere: who they are, whether a password is right, their groups."""
