"""Tables and pages from a complete results log. Nothing here runs a case.

summary.py   what a log says, as rows of tables
terminal.py  the summary that a run prints
markdown.py  REPORT.md
kill_matrix.py, teaching.py  the kill matrix and the catalogue of divergences, as pages
"""
