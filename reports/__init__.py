"""Tables and pages from a complete results log. Nothing here runs a case.

summary.py   what a log says, as rows of tables
terminal.py  the summary that a run prints
markdown.py  REPORT.md
"""
