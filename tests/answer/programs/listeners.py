# SPDX-License-Identifier: BSD-2-Clause
"""A listener is registered with each request, and none is ever taken off."""
import service


class Signal:
    def __init__(self):
        self.listeners = []

    def connect(self, listener):
        self.listeners.append(listener)  # leaks here

    def disconnect(self, listener):
        self.listeners.remove(listener)


SAVED = Signal()


class View:
    def __init__(self, answer):
        self.answer = answer

    def on_saved(self):
        self.answer["saved"] = True


def handle(n):
    view = View(service.work(n))
    SAVED.connect(view.on_saved)
    if not service.LEAKS:
        SAVED.disconnect(view.on_saved)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
