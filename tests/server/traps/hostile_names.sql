-- Names with quotes, percent signs, spaces, line breaks of Unicode and 63 bytes.
-- expect: TX402 "Sch ""é"" %s"."ööööööööööööööööööööööööööööööö""", TX403 "Sch ""é"" %s"."i %(x)s; --", TX502 "Sch ""é"" %s"."t ""1"" {{ x }}"
CREATE SCHEMA "Sch ""é"" %s";
CREATE TABLE "Sch ""é"" %s"."par'ent %" ("i d" integer PRIMARY KEY);
INSERT INTO "Sch ""é"" %s"."par'ent %" SELECT generate_series(1, 2000);
CREATE TABLE "Sch ""é"" %s"."t ""1"" {{ x }}" ("a AND b" integer REFERENCES "Sch ""é"" %s"."par'ent %", "c, d" integer, "e'f" text);
INSERT INTO "Sch ""é"" %s"."t ""1"" {{ x }}" SELECT 1, i, 'x' FROM generate_series(1, 2000) AS i;
DELETE FROM "Sch ""é"" %s"."par'ent %" WHERE "i d" > 1990;
CREATE INDEX "i %(x)s; --" ON "Sch ""é"" %s"."t ""1"" {{ x }}" ("c, d");
CREATE INDEX "i $1" ON "Sch ""é"" %s"."t ""1"" {{ x }}" ("c, d", "e'f");
CREATE INDEX "ööööööööööööööööööööööööööööööö" ON "Sch ""é"" %s"."t ""1"" {{ x }}" ("e'f") WHERE "c, d" > 1;
CREATE INDEX "ööööööööööööööööööööööööööööööö""" ON "Sch ""é"" %s"."t ""1"" {{ x }}" ("e'f") WHERE "c, d" > 1;
