"""Tables and pages from a results log, the kill matrix and the catalogue. Nothing here runs a case.

summary.py     what a log says, as rows of tables
diagnosis.py   what explains divergences, in words
terminal.py    the summary that a run prints
markdown.py    REPORT.md
kill_matrix.py, teaching.py  the kill matrix and the catalogue of divergences, as pages
tables.py      tables as Markdown
"""
