# SPDX-License-Identifier: BSD-2-Clause
"""Pages of Flask, by its test client: routing, a template, a session in a cookie."""
import flask

import service

app = flask.Flask(__name__)
app.secret_key = "secret"
PAGE = "<ul>{% for i in range(30) %}<li>{{ title }} {{ i }}</li>{% endfor %}</ul>"


@app.route("/page/<int:n>")
def page(n):
    flask.session["last"] = n
    return flask.render_template_string(PAGE, title=service.work(n)["title"])


def main():
    client = app.test_client()
    for n in service.turns(60):
        client.get("/page/%d" % n)


if __name__ == "__main__":
    main()
