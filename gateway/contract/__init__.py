"""
The promises that every component keeps, checked from outside.

:func:`gateway.testing.check_contract` is the way in.
"""
