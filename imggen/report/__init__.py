"""One self-contained HTML page about one run or many.

Layout: `page` puts the sections together; `finding` says what came out, `groups`
which runs differ in their seed alone; `sheets` picks and embeds sample sheets,
`curves` and `dots` draw SVG, `tables` makes what sorts, `facts` says how each
run was made; `markup` escapes everything that comes from outside. `page.css` and
`page.js` travel inside the page, which asks the network for nothing.
"""

from imggen.report.page import write

__all__ = ['write']
