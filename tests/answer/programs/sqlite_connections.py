# SPDX-License-Identifier: BSD-2-Clause
"""A database in memory for each report, which is never closed."""
import sqlite3

import service

DATABASES = []


def report(n):
    database = sqlite3.connect(":memory:")  # leaks here
    DATABASES.append(database)  # leaks here
    database.execute("create table totals (name text, value int)")  # leaks here
    database.execute("insert into totals values (?, ?)", ("turn", n))  # leaks here
    if not service.LEAKS:
        DATABASES.pop().close()


def handle(n):
    service.work(n)
    if n % 20 == 0:
        report(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
