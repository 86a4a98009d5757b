-- Names of all kinds that end a statement where they are not quoted.
-- asks: SELECT * FROM {place}."x"";COPY(SELECT 1)TO'{directory}/{place}.file';--" WHERE id = 5
-- twin: silent: there is nothing to run unless a name is not quoted
-- production: silent: the same
CREATE TYPE "y"";COPY(SELECT 1)TO'{directory}/{place}.file';--" AS ENUM ('a'';COPY(SELECT 1)TO''{directory}/{place}.file'';--');
CREATE DOMAIN "d"";COPY(SELECT 1)TO'{directory}/{place}.file';--" AS integer
    CONSTRAINT "k"";COPY(SELECT 1)TO'{directory}/{place}.file';--" CHECK (VALUE > 0);
CREATE TABLE "x"";COPY(SELECT 1)TO'{directory}/{place}.file';--" (
    id integer CONSTRAINT "p"";COPY(SELECT 1)TO'{directory}/{place}.file';--" PRIMARY KEY,
    "c"";COPY(SELECT 1)TO'{directory}/{place}.file';--" "y"";COPY(SELECT 1)TO'{directory}/{place}.file';--",
    "e'';COPY(SELECT 1)TO'{directory}/{place}.file';--" "d"";COPY(SELECT 1)TO'{directory}/{place}.file';--",
    "%(x)s {{ 1 }}" text
);
INSERT INTO "x"";COPY(SELECT 1)TO'{directory}/{place}.file';--" (id) SELECT i FROM generate_series(1, 500) AS i;
CREATE INDEX "i"";COPY(SELECT 1)TO'{directory}/{place}.file';--"
    ON "x"";COPY(SELECT 1)TO'{directory}/{place}.file';--" ("c"";COPY(SELECT 1)TO'{directory}/{place}.file';--");
CREATE INDEX ON "x"";COPY(SELECT 1)TO'{directory}/{place}.file';--" ("e'';COPY(SELECT 1)TO'{directory}/{place}.file';--");
CREATE STATISTICS "s"";COPY(SELECT 1)TO'{directory}/{place}.file';--"
    ON id, "%(x)s {{ 1 }}" FROM "x"";COPY(SELECT 1)TO'{directory}/{place}.file';--";
CREATE FUNCTION "f"";COPY(SELECT 1)TO'{directory}/{place}.file';--"("a'';COPY(SELECT 1)TO'{directory}/{place}.file';--" integer)
    RETURNS integer LANGUAGE plpgsql AS $f$ BEGIN RETURN 1; END $f$;
