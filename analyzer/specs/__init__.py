"""What a person declares, one YAML file a table: read, checked, edited, compared with the database, and pulled from it.

`spec_file` is what a file may say, with a section for each kind of object: `index`, `statistics`, and `fields` that
they share. `file` reads and extends files, whose text is `spec_text`'s; `tolerant` reads what is broken as far as it
goes, `yaml_tree` knows positions, `edits` writes in place. `existing` is what a database has, `diff` compares, `pull`
writes specs of what exists.
"""
