-- Everything the foundation keeps. Unqualified names: the search_path is the state schema.

CREATE TABLE document (
    kind       text COLLATE "C" NOT NULL,
    id         text COLLATE "C" NOT NULL,
    body       jsonb NOT NULL CHECK (jsonb_typeof(body) = 'object'),
    revision   bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, id)
);
CREATE INDEX document_body ON document USING gin (body jsonb_path_ops);

CREATE TABLE job (
    id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind             text NOT NULL,
    prediction       text COLLATE "C",
    params           json NOT NULL,
    state            text NOT NULL DEFAULT 'queued'
                     CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    stage            text NOT NULL DEFAULT 'queued',
    percent          double precision NOT NULL DEFAULT 0 CHECK (percent BETWEEN 0 AND 100),
    eta_seconds      double precision,
    attempt          integer NOT NULL DEFAULT 0, -- fencing token: grows with every claim
    lost             integer NOT NULL DEFAULT 0, -- attempts whose lease ran out
    version          integer,
    owner            text,
    lease_until      timestamptz,
    cancel_requested boolean NOT NULL DEFAULT false,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at       timestamptz,
    finished_at      timestamptz,
    error_code       text,
    error_message    text,
    result           json
);
-- A second request while the first is open is a conflict.
CREATE UNIQUE INDEX job_open ON job (kind, prediction) WHERE state IN ('queued', 'running');
-- Two workers that claim two jobs of one prediction at once: one of them fails here.
CREATE UNIQUE INDEX job_one_running ON job (prediction) WHERE state = 'running';
CREATE UNIQUE INDEX job_version ON job (prediction, version);
CREATE INDEX job_waiting ON job (created_at, id) WHERE state IN ('queued', 'running');
CREATE INDEX job_newest ON job (created_at DESC, id DESC);

CREATE TABLE job_line (
    job  uuid NOT NULL REFERENCES job ON DELETE CASCADE,
    n    bigint GENERATED ALWAYS AS IDENTITY,
    at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    text text NOT NULL,
    PRIMARY KEY (job, n)
);

CREATE TABLE version (
    prediction text COLLATE "C" NOT NULL,
    version    integer NOT NULL CHECK (version > 0),
    job        uuid NOT NULL,
    learner    text NOT NULL,
    grade      text NOT NULL,
    card       json NOT NULL,
    report     json NOT NULL,
    file       text NOT NULL,
    active     boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (prediction, version)
);
CREATE UNIQUE INDEX version_active ON version (prediction) WHERE active;

CREATE TABLE api_key (
    id         text COLLATE "C" PRIMARY KEY,
    name       text NOT NULL,
    scopes     integer NOT NULL,
    hash       bytea NOT NULL CHECK (length(hash) = 32),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz
);

CREATE TABLE idempotency (
    key_id          text NOT NULL,
    idempotency_key text NOT NULL,
    fingerprint     text NOT NULL,
    reserved_at     timestamptz NOT NULL DEFAULT now(),
    status          integer, -- NULL: the first request is still at work
    headers         json,
    body            bytea,
    PRIMARY KEY (key_id, idempotency_key)
);
CREATE INDEX idempotency_age ON idempotency (reserved_at);

CREATE TABLE audit (
    n          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    key_id     text,
    operation  text NOT NULL,
    target     text,
    status     integer NOT NULL,
    request_id text
);
CREATE INDEX audit_at ON audit (at);
