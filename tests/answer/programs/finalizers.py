# SPDX-License-Identifier: BSD-2-Clause
"""A finalizer for each upload, which keeps the upload that it waits for."""
import weakref

import service


class Upload:
    def __init__(self, n):
        self.name = "upload %d" % n

    def remove(self):
        self.name = None


def remove(name):
    return name


def receive(n):
    upload = Upload(n)
    what = upload.remove if service.LEAKS else remove
    weakref.finalize(upload, what)  # leaks here


def handle(n):
    service.work(n)
    receive(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
