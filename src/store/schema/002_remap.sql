-- The columns of a version are mapped again without a training: the products model that its file is
-- mapped by, and the number of the newest file that was begun (v<version>-<revision>.snapshot).
ALTER TABLE version ADD COLUMN mapping jsonb, ADD COLUMN revision integer NOT NULL DEFAULT 1;
UPDATE version SET
    mapping = (SELECT job.params::jsonb #> '{models,products}' FROM job WHERE job.id = version.job),
    revision = coalesce(substring(file FROM '-([0-9]{1,9})[.]snapshot$')::integer, 1);

-- One job of a kind is open, but a remap that runs may have read its mapping before the latest
-- change: another one waits behind it. One that nobody took yet will read what is mapped then.
DROP INDEX job_open;
CREATE UNIQUE INDEX job_open ON job (kind, prediction)
    WHERE state IN ('queued', 'running') AND kind <> 'remap';
CREATE UNIQUE INDEX job_remap_waiting ON job (prediction)
    WHERE kind = 'remap' AND state = 'queued' AND attempt = 0;
