# SPDX-License-Identifier: BSD-2-Clause
"""Orders in a database in memory; old ones are deleted."""
import sqlite3

import service

DATABASE = sqlite3.connect(":memory:")
DATABASE.execute("create table orders (number int primary key, title text)")


def handle(n):
    title = service.work(n)["title"]
    DATABASE.execute("insert into orders values (?, ?)", (n, title))
    DATABASE.execute("delete from orders where number < ?", (n - 200,))
    DATABASE.commit()


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
