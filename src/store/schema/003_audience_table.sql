-- Members of audiences as tables in the shop's database. The row is there before the table is made,
-- so that whoever forgets the audience knows where to drop it.
CREATE TABLE audience_table (
    audience   text COLLATE "C" PRIMARY KEY,
    source     text NOT NULL, -- whose database it is in
    begun      integer NOT NULL DEFAULT 1, -- grows with every attempt to build it
    name       text,          -- NULL: none was ever whole
    version    integer,
    members    bigint,
    updated_at timestamptz
);

-- One table of an audience is built at a time, not one of a prediction.
DROP INDEX job_open;
CREATE UNIQUE INDEX job_open ON job (kind, prediction)
    WHERE state IN ('queued', 'running') AND kind NOT IN ('remap', 'audience_table');
CREATE UNIQUE INDEX job_audience_table_open ON job ((params ->> 'audience'))
    WHERE state IN ('queued', 'running') AND kind = 'audience_table';
