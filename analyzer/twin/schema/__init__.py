"""The captured schema on a twin: what of it is needed (`subset`), created (`create`), replaced (`stand_ins`,
`function_bodies`, `clock`), governed by policies (`row_security`), and what could not be created (`missing`).
"""
