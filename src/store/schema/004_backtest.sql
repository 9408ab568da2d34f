-- How a prediction would have done as of a past day. The id is that of the job that made it.
CREATE TABLE backtest (
    id           uuid PRIMARY KEY,
    prediction   text COLLATE "C" NOT NULL,
    as_of        timestamptz NOT NULL,
    horizon_days integer NOT NULL CHECK (horizon_days > 0),
    learner      text NOT NULL,
    grade        text NOT NULL,
    choice       json NOT NULL, -- the quality report of a training on that day
    outcome      json NOT NULL, -- the quality report of what happened after it
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX backtest_newest ON backtest (prediction, created_at DESC, id DESC);

-- Training details: relations between products, importance of what the learner looks at.
ALTER TABLE version ADD COLUMN details json;
