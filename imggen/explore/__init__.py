"""A page in the browser that looks inside a run and watches runs that train.

`session` holds a trained run and makes pictures with it, `watch` says how runs stand, `requests`
checks what comes from a browser, and `server` answers it. The page is `page.html.j2` with
`explore.css` and `explore.js`; it loads nothing from the network.
"""
