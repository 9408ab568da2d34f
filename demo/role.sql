-- The role that the service connects as: it reads the schema :schema and may make one of its own.
-- Run with psql -v schema=shop.
\set ON_ERROR_STOP on
SELECT 'CREATE ROLE shortlist_demo LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'shortlist_demo') \gexec
GRANT USAGE ON SCHEMA :"schema" TO shortlist_demo;
GRANT SELECT ON ALL TABLES IN SCHEMA :"schema" TO shortlist_demo;
SELECT format('GRANT CONNECT, CREATE ON DATABASE %I TO shortlist_demo', current_database()) \gexec
