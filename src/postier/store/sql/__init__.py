"""The statements all engines share, one file per noun, over a connection of five verbs (`connection.py`)."""
