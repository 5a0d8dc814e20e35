# SPDX-License-Identifier: BSD-2-Clause
"""It waits for requests, and few come."""
import service


def main():
    for n in service.turns(0.5):
        service.work(n)


if __name__ == "__main__":
    main()
