-- A domain counts as the type that it is made of: one is converted, the others are compared as they are. 1.3.
-- expect: TX503 public.converted warning, TX503 public.relabelled info
-- skipped: TX502 its columns are cast
CREATE DOMAIN number AS integer CHECK (value > 0);
CREATE DOMAIN positive AS number;
CREATE DOMAIN words AS varchar(20);
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE numbers (id numeric PRIMARY KEY);
CREATE TABLE texts (id text PRIMARY KEY);
CREATE TABLE moods (id mood PRIMARY KEY);
CREATE TABLE lists (id integer[] PRIMARY KEY);
CREATE TABLE converted (id positive REFERENCES numbers);
CREATE TABLE relabelled (id words REFERENCES texts);
CREATE TABLE of_mood (id mood REFERENCES moods);
CREATE TABLE of_list (id integer[] REFERENCES lists);
CREATE INDEX relabelled_id ON relabelled (id);
CREATE INDEX of_mood_id ON of_mood (id);
CREATE INDEX of_list_id ON of_list (id);
