"""The code that runs a case on an implementation: a namespace of functions named after families.

Each function takes a case and returns a dict of arrays by name. ``reference.py`` runs the NumPy reference and
``pytorch.py`` runs torch, which only the modules ``pytorch*`` import; a user's file has the same form. In
``switching.py`` the two continue each other's runs.
"""
