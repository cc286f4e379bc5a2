"""What runs inside the sandbox: standard library only, nothing of the host is imported.

The folder is mounted read-only as the package `evolvent_guest`; the host starts `boot.main(fd, isolated)`.
"""
