# SPDX-License-Identifier: BSD-2-Clause
"""Work that comes and goes, and nothing else."""
import service


def handle(n):
    service.work(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
