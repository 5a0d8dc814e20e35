# SPDX-License-Identifier: BSD-2-Clause
"""Pages from a template of Jinja."""
import jinja2

import service

PAGE = jinja2.Environment().from_string(
    "<ul>{% for row in rows %}<li>{{ title }} {{ row.name }}</li>{% endfor %}</ul>"
)


def handle(n):
    title = service.work(n)["title"]
    return PAGE.render(title=title, rows=[{"name": "row %d" % i} for i in range(30)])


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
