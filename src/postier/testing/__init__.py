"""Proofs and fakes that ship with the program: whoever writes an engine or an extension uses the same."""
