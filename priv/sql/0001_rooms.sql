-- Runs, their trials and events, datasets, artifacts, verdicts and capability vectors.
CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;

-- Everything long. `epoch` counts claims and is the fence: a write that names
-- an older epoch is refused. `last_seq` numbers the events without gaps.
CREATE TABLE cerebros.runs (
    run_id         text PRIMARY KEY,
    kind           text NOT NULL CHECK (kind IN ('cycle', 'nas')),
    pac_id         text NOT NULL,
    state          text NOT NULL DEFAULT 'queued'
                   CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'timed_out')),
    dataset        text NOT NULL,
    dataset_digest text NOT NULL,
    payload        jsonb NOT NULL,
    payload_digest text NOT NULL,
    epoch          integer NOT NULL DEFAULT 0,
    last_seq       bigint NOT NULL DEFAULT 0,
    worker_id      text,
    lost_workers   integer NOT NULL DEFAULT 0,
    lease_until    timestamptz,
    deadline       timestamptz,
    cancel_reason  text,
    metrics        jsonb,
    error          jsonb,
    created_at     timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz,
    finished_at    timestamptz
);
CREATE INDEX runs_claimable ON cerebros.runs (created_at) WHERE state IN ('queued', 'running');
CREATE INDEX runs_of_pac ON cerebros.runs (pac_id, created_at DESC);

-- Stages a cycle has finished, in order of completion; a resumed cycle skips them.
CREATE TABLE cerebros.stages (
    run_id     text NOT NULL REFERENCES cerebros.runs ON DELETE CASCADE,
    name       text NOT NULL,
    result     jsonb NOT NULL,
    duration_s double precision NOT NULL,
    done_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, name)
);

-- One finished candidate each; the tree is one JSON document.
CREATE TABLE cerebros.trials (
    run_id      text NOT NULL REFERENCES cerebros.runs ON DELETE CASCADE,
    number      integer NOT NULL,
    outcome     text NOT NULL
                CHECK (outcome IN ('ok', 'pruned', 'diverged', 'oom', 'timeout', 'lost', 'error')),
    tree        jsonb NOT NULL,
    tree_hash   text NOT NULL,
    metrics     jsonb,
    spent       jsonb,
    reason      text,
    curve       double precision[] NOT NULL DEFAULT '{}',
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, number),
    CHECK ((outcome = 'ok') = (metrics IS NOT NULL))
);

CREATE TABLE cerebros.events (
    run_id       text NOT NULL REFERENCES cerebros.runs ON DELETE CASCADE,
    seq          bigint NOT NULL,
    name         text NOT NULL,
    measurements jsonb NOT NULL,
    metadata     jsonb NOT NULL,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, seq)
);

CREATE TABLE cerebros.shortlists (
    run_id       text PRIMARY KEY REFERENCES cerebros.runs ON DELETE CASCADE,
    observations integer NOT NULL,
    probes       integer NOT NULL,
    candidates   jsonb NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Datasets that passed a check, under the digest of what a model sees of them.
CREATE TABLE cerebros.manifests (
    digest     text PRIMARY KEY,
    name       text NOT NULL,
    manifest   jsonb NOT NULL,
    report     jsonb NOT NULL,
    checked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE cerebros.artifacts (
    run_id     text NOT NULL REFERENCES cerebros.runs ON DELETE CASCADE,
    kind       text NOT NULL,
    digest     text NOT NULL,
    bytes      bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, kind)
);
CREATE INDEX artifacts_by_digest ON cerebros.artifacts (digest);

CREATE TABLE cerebros.verdicts (
    verdict_id      text PRIMARY KEY,
    run_id          text NOT NULL REFERENCES cerebros.runs ON DELETE CASCADE,
    pac_id          text NOT NULL,
    decision        text NOT NULL CHECK (decision IN ('allow', 'deny')),
    verdict         jsonb NOT NULL,
    artifact_digest text NOT NULL,
    issued_at       timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL
);
CREATE INDEX verdicts_of_pac ON cerebros.verdicts (pac_id, issued_at DESC);

-- Versioned capability vectors: rows never change, the highest version is current.
CREATE TABLE cerebros.vcv_entries (
    pac_id           text NOT NULL,
    version          integer NOT NULL CHECK (version >= 1),
    task             text NOT NULL,
    capability       vector(384) NOT NULL,
    skills           text[] NOT NULL,
    accuracy         double precision NOT NULL,
    latency_s        double precision NOT NULL,
    cost_usd         double precision NOT NULL,
    energy_j         double precision NOT NULL,
    trust            double precision NOT NULL CHECK (trust BETWEEN 0 AND 1),
    reliability      double precision NOT NULL CHECK (reliability BETWEEN 0 AND 1),
    resources        jsonb NOT NULL,
    policy_flags     text[] NOT NULL,
    dataset_digest   text NOT NULL,
    artifact_digest  text NOT NULL,
    run_id           text NOT NULL REFERENCES cerebros.runs,
    verdict_id       text NOT NULL REFERENCES cerebros.verdicts,
    rolled_back_from integer,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (pac_id, version)
);
CREATE INDEX vcv_capability ON cerebros.vcv_entries USING hnsw (capability vector_cosine_ops);

-- A PAC's memories. lists = 100 suits about 100,000 rows (rows / 1000); rebuild the index with more beyond that.
CREATE TABLE cerebros.memory_nodes (
    memory_id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    pac_id            text NOT NULL,
    title             text NOT NULL,
    content           text NOT NULL,
    content_embedding vector(384),
    importance        real NOT NULL DEFAULT 0,
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at        timestamptz
);
CREATE INDEX memory_nodes_embedding ON cerebros.memory_nodes
    USING ivfflat (content_embedding vector_cosine_ops) WITH (lists = 100);

CREATE TABLE cerebros.workers (
    worker_id  text PRIMARY KEY,
    last_seen  timestamptz NOT NULL DEFAULT clock_timestamp()
);
