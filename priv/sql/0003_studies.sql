-- Studies: optimisers for callers who evaluate themselves.

-- `study_key` tells a study from an earlier one of the same id that was deleted. `last_seq` numbers its
-- log: every trial that was asked for or told. Whoever asks or tells locks the row.
CREATE TABLE cerebros.studies (
    study_key  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    study_id   text NOT NULL UNIQUE,
    plan       jsonb NOT NULL,
    last_seq   bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One JSON document each: tree, tree_hash, and once told its values and reason. `outcome` is null while the
-- trial is out; `epoch` counts how often it was handed out and is the fence of its report.
CREATE TABLE cerebros.study_trials (
    study_key   bigint NOT NULL REFERENCES cerebros.studies ON DELETE CASCADE,
    number      integer NOT NULL,
    document    jsonb NOT NULL,
    outcome     text CHECK (outcome IN ('ok', 'pruned', 'diverged', 'oom', 'timeout', 'lost', 'error')),
    epoch       integer NOT NULL DEFAULT 1,
    lease_until_s double precision NOT NULL,
    asked_seq   bigint NOT NULL,
    told_seq    bigint,
    PRIMARY KEY (study_key, number),
    UNIQUE (study_key, asked_seq),
    UNIQUE (study_key, told_seq),
    CHECK ((outcome IS NULL) = (told_seq IS NULL))
);
CREATE INDEX study_trials_out ON cerebros.study_trials (study_key, lease_until_s) WHERE outcome IS NULL;
