# SPDX-License-Identifier: BSD-2-Clause
"""Accounts that are given an attribute for each thing that happens to them."""
import service


class Account:
    pass


ACCOUNTS = [Account() for _ in range(100)]


def flag(account, n):
    setattr(account, "flag_%d" % n, "set in turn %d" % n)  # leaks here
    if not service.LEAKS:
        delattr(account, "flag_%d" % n)


def handle(n):
    service.work(n)
    flag(ACCOUNTS[n % 100], n)
    flag(ACCOUNTS[n // 7 % 100], -n - 1)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
