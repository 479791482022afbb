"""One self-contained HTML page about one run or many.

`page` puts the sections together. `groups` finds the runs that differ only in their seed, and
`finding` compares their metrics. `wall` and `sheets` show samples, `curves` and `averages` show
the records of the training, and `facts` says how each run was made. `plots` draws with
matplotlib, `tables` makes tables that sort, and `render` fills the Jinja templates beside these
files. The page contains `page.css` and `page.js`; it loads nothing from the network.
"""

from imggen.report.page import write

__all__ = ['write']
