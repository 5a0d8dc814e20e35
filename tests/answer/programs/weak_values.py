# SPDX-License-Identifier: BSD-2-Clause
"""Open documents by name, weakly; what keeps them is the list of an undo buffer."""
import weakref

import service


class Document:
    def __init__(self, name):
        self.name = name
        self.text = "text of %s" % name


OPEN = weakref.WeakValueDictionary()
UNDO = []


def edit(name):
    document = OPEN[name] = Document(name)
    UNDO.append(document)  # leaks here
    if not service.LEAKS:
        del UNDO[:-50]


def handle(n):
    service.work(n)
    edit("document %d" % n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
