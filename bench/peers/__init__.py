"""What the benchmarks of SMTP share: servers to compare, the Internet around them, and who sends to them.

All of it lives on the loopback below one folder; nothing of the system's configuration is read or changed.
Postfix, OpenDKIM and OpenDMARC are Debian's, and need root, as they change users by themselves.
"""
