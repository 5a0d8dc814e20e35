# SPDX-License-Identifier: BSD-2-Clause
"""Makes three interpreters more for each byte that it reads."""
import io
import os
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

read = io.FileIO(0, closefd=False).read
made = []
while True:
    made.extend(interpreters.create() for _ in range(3))
    os.write(1, b"grown\nready\n")
    if not read(1):
        os._exit(0)
