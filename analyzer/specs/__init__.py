"""What a person declares, one YAML file a table: read, checked, edited, compared with the database, and pulled from it.

`file` reads a file, `index` is one declared index, `tolerant` reads what is broken as far as it goes, `yaml_tree`
knows positions, `edits` writes in place, `diff` compares, `pull` writes specs of what exists.
"""
