"""Renders the templates beside this file to self-contained pages.

Every value is escaped, since names of runs and values of configs are data and never markup. Only
`markupsafe.Markup` is inserted as it is.
"""

import functools
import re
from typing import Any

import jinja2
from markupsafe import Markup

from imggen.report import formats

# Near the start of every page, so that a page may replace an older one and nothing else.
MARK = '<meta name="generator" content="imggen">'


def render(template: str, **values: Any) -> str:
    """Renders a template."""
    return clean(environment().get_template(template).render(values))


def clean(text: str) -> str:
    """Replaces zero bytes and lone surrogates, which HTML cannot hold."""
    return text.replace('\0', '\N{REPLACEMENT CHARACTER}').encode('utf-8', 'replace').decode()


def source(name: str) -> Markup:
    """Returns a file of this folder that goes into a page as it is, such as its style or script."""
    templates = environment()
    return Markup(templates.loader.get_source(templates, name)[0])


def breakable(text: str) -> Markup:
    """Lets a long name break after its commas, slashes, dots and underscores."""
    return Markup('<wbr>').join(re.split(r'(?<=[,/_.])', text))


@functools.cache
def environment() -> jinja2.Environment:
    """Returns the templates of this folder with their filters."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader('imggen', 'report'),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies['json.dumps_kwargs'] = {'separators': (',', ':'), 'allow_nan': False}
    for write in (breakable, formats.number, formats.literal):
        made.filters[write.__name__] = write
    made.globals['source'] = source
    return made
