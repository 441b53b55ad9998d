"""The command `postier`: one file for each verb."""
