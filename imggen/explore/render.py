"""Renders the templates of this folder, which build on those of the report."""

import functools
from typing import Any

import jinja2
from markupsafe import Markup

from imggen.report import render as of_report


def render(template: str, **values: Any) -> str:
    """Renders a template. Every value is escaped; what HTML cannot hold is replaced."""
    return of_report.clean(_environment().get_template(template).render(values))


def source(name: str) -> Markup:
    """Returns a file that goes into the page as it is, such as its style or script."""
    environment = _environment()
    return Markup(environment.loader.get_source(environment, name)[0])


@functools.cache
def _environment() -> jinja2.Environment:
    below = of_report.environment()
    own = jinja2.PackageLoader('imggen', 'explore')
    made = below.overlay(loader=jinja2.ChoiceLoader([own, below.loader]))
    made.globals = {**below.globals, 'source': source}
    return made
