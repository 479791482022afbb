"""One self-contained HTML page about one run or many.

`page` puts the sections together: `finding` says what came out, `groups` which runs differ in
their seed alone, `wall` and `sheets` show samples, `curves` and `averages` what was recorded over
training, `facts` how each run was made. `plots` draws with matplotlib, `tables` makes what sorts,
and `render` fills the Jinja templates beside these files. `page.css` and `page.js` travel inside
the page, which asks the network for nothing.
"""

from imggen.report.page import write

__all__ = ['write']
