# SPDX-License-Identifier: BSD-2-Clause
"""Orders. The third leak: an order and its lines point at each other, and nobody collects
cycles."""


class Line(object):
    def __init__(self, order, article):
        self.order = order
        self.article = article
        self.note = bytearray(600)


class Order(object):
    open_orders = 0

    def __init__(self, session, articles):
        Order.open_orders += 1
        self.session = session
        self.lines = [Line(self, article) for article in articles]

    def total(self):
        return sum(19 + len(line.article) for line in self.lines)

    def __del__(self):
        Order.open_orders -= 1


def place(session, article):
    """Its price; the order itself is not needed any more."""
    order = Order(session.visitor, [article, article + "-case", article + "-cable"])
    return order.total()
