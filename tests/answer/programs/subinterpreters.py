# SPDX-License-Identifier: BSD-2-Clause
"""A sub-interpreter for each tenant, which is never ended."""
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

import service

TENANTS = []


def serve_tenant():
    tenant = interpreters.create()  # leaks here
    TENANTS.append(tenant)  # leaks here
    if not service.LEAKS:
        interpreters.destroy(TENANTS.pop())


def handle(n):
    service.work(n)
    if n % 200 == 0:
        serve_tenant()


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
