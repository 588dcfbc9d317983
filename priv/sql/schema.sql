CREATE SCHEMA cerebros;
CREATE FUNCTION cerebros.append_event(of_run text, under_attempt integer, event_name text, event_measurements jsonb, event_metadata jsonb, end_state text DEFAULT NULL::text, end_metrics jsonb DEFAULT NULL::jsonb, end_error jsonb DEFAULT NULL::jsonb, unclaimed boolean DEFAULT false) RETURNS TABLE(seq bigint, at timestamp with time zone, queue text)
    LANGUAGE sql
    AS $$
    WITH numbered AS (
        UPDATE cerebros.runs r
           SET last_seq = r.last_seq + 1,
               state = coalesce(end_state, r.state),
               metrics = coalesce(end_metrics, r.metrics),
               error = coalesce(end_error, r.error),
               finished_at = CASE WHEN end_state IS NOT NULL THEN clock_timestamp() END,
               lease_until_s = CASE WHEN end_state IS NULL THEN r.lease_until_s END,
               slot = CASE WHEN end_state IS NULL THEN r.slot END
         WHERE r.run_id = of_run AND r.attempt = under_attempt AND (r.state = 'running' OR r.state = 'queued' AND unclaimed)
        RETURNING r.last_seq, r.queue
    ), stored AS (
        INSERT INTO cerebros.events (run_id, seq, name, measurements, metadata)
        SELECT of_run, last_seq, event_name, event_measurements, event_metadata FROM numbered
        RETURNING events.seq, events.at
    )
    SELECT stored.seq, stored.at, numbered.queue FROM stored, numbered
$$;
CREATE TABLE cerebros.artifacts (
    run_id text NOT NULL,
    kind text NOT NULL,
    digest text NOT NULL,
    bytes bigint NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE TABLE cerebros.checkpoints (
    run_id text NOT NULL,
    trial integer NOT NULL,
    resource integer CONSTRAINT checkpoints_epoch_not_null NOT NULL,
    digest text NOT NULL,
    bytes bigint NOT NULL
);
CREATE TABLE cerebros.events (
    run_id text NOT NULL,
    seq bigint NOT NULL,
    name text NOT NULL,
    measurements jsonb NOT NULL,
    metadata jsonb NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE TABLE cerebros.manifests (
    digest text NOT NULL,
    name text NOT NULL,
    manifest jsonb NOT NULL,
    report jsonb NOT NULL,
    checked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE TABLE cerebros.memory_nodes (
    memory_id uuid DEFAULT gen_random_uuid() NOT NULL,
    pac_id text NOT NULL,
    title text NOT NULL,
    content text NOT NULL,
    content_embedding public.vector(384),
    importance real DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone
);
CREATE TABLE cerebros.queues (
    name text NOT NULL,
    running_at_most integer,
    CONSTRAINT queues_running_at_most_check CHECK ((running_at_most >= 0))
);
CREATE TABLE cerebros.rungs (
    run_id text NOT NULL,
    number integer NOT NULL,
    resource integer CONSTRAINT rungs_epochs_not_null NOT NULL,
    metrics jsonb NOT NULL,
    curve double precision[] NOT NULL,
    tree jsonb DEFAULT '{}'::jsonb NOT NULL,
    tree_hash text DEFAULT ''::text NOT NULL,
    duration_s double precision DEFAULT 0 NOT NULL,
    cpu_s double precision DEFAULT 0 NOT NULL,
    energy_j double precision DEFAULT 0 NOT NULL,
    cost_usd double precision DEFAULT 0 NOT NULL
);
CREATE TABLE cerebros.runs (
    run_id text NOT NULL,
    kind text NOT NULL,
    pac_id text NOT NULL,
    state text DEFAULT 'queued'::text NOT NULL,
    dataset text NOT NULL,
    dataset_digest text NOT NULL,
    payload jsonb NOT NULL,
    payload_digest text NOT NULL,
    attempt integer DEFAULT 0 CONSTRAINT runs_epoch_not_null NOT NULL,
    last_seq bigint DEFAULT 0 NOT NULL,
    worker_id text,
    lost_workers integer DEFAULT 0 NOT NULL,
    cancel_reason text,
    metrics jsonb,
    error jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    queue text DEFAULT 'cpu'::text NOT NULL,
    priority smallint DEFAULT 0 NOT NULL,
    slot integer,
    queued_s double precision DEFAULT 0 NOT NULL,
    started_s double precision,
    lease_until_s double precision,
    deadline_s double precision,
    refused_writes integer DEFAULT 0 NOT NULL,
    first_seq bigint DEFAULT 1 NOT NULL,
    promoted_version integer,
    CONSTRAINT runs_priority_check CHECK (((priority >= 0) AND (priority <= 9))),
    CONSTRAINT runs_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text, 'timed_out'::text])))
);
CREATE TABLE cerebros.schema_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE cerebros.service_clock (
    only_row boolean DEFAULT true NOT NULL,
    seconds double precision DEFAULT 0 NOT NULL,
    ticks bigint DEFAULT 0 NOT NULL,
    CONSTRAINT service_clock_only_row_check CHECK (only_row)
)
WITH (fillfactor='10');
CREATE TABLE cerebros.shortlists (
    run_id text NOT NULL,
    observations integer NOT NULL,
    probes integer NOT NULL,
    candidates jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE TABLE cerebros.stages (
    run_id text NOT NULL,
    name text NOT NULL,
    result jsonb NOT NULL,
    wall_s double precision CONSTRAINT stages_duration_s_not_null NOT NULL,
    done_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    duration_s double precision DEFAULT 0 CONSTRAINT stages_duration_s_not_null1 NOT NULL,
    cpu_s double precision DEFAULT 0 NOT NULL,
    energy_j double precision DEFAULT 0 NOT NULL,
    cost_usd double precision DEFAULT 0 NOT NULL
);
CREATE TABLE cerebros.studies (
    study_key bigint NOT NULL,
    study_id text NOT NULL,
    plan jsonb NOT NULL,
    last_seq bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE cerebros.studies ALTER COLUMN study_key ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME cerebros.studies_study_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE cerebros.study_trials (
    study_key bigint NOT NULL,
    number integer NOT NULL,
    document jsonb NOT NULL,
    outcome text,
    attempt integer DEFAULT 1 CONSTRAINT study_trials_epoch_not_null NOT NULL,
    lease_until_s double precision NOT NULL,
    asked_seq bigint NOT NULL,
    told_seq bigint,
    CONSTRAINT study_trials_check CHECK (((outcome IS NULL) = (told_seq IS NULL))),
    CONSTRAINT study_trials_outcome_check CHECK ((outcome = ANY (ARRAY['ok'::text, 'pruned'::text, 'diverged'::text, 'oom'::text, 'timeout'::text, 'lost'::text, 'error'::text])))
);
CREATE TABLE cerebros.training_locks (
    pac_id text NOT NULL,
    state text NOT NULL,
    holder text NOT NULL,
    reason text NOT NULL,
    revision integer DEFAULT 1 CONSTRAINT training_locks_epoch_not_null NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT training_locks_state_check CHECK ((state = ANY (ARRAY['open'::text, 'draining'::text, 'locked'::text])))
);
CREATE TABLE cerebros.trials (
    run_id text NOT NULL,
    number integer NOT NULL,
    outcome text NOT NULL,
    tree jsonb NOT NULL,
    tree_hash text NOT NULL,
    metrics jsonb,
    reason text,
    curve double precision[] DEFAULT '{}'::double precision[] NOT NULL,
    finished_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    in_pareto_set boolean DEFAULT false NOT NULL,
    duration_s double precision,
    cpu_s double precision,
    energy_j double precision,
    cost_usd double precision,
    CONSTRAINT trials_metrics_check CHECK (((outcome = ANY (ARRAY['ok'::text, 'pruned'::text])) = (metrics IS NOT NULL))),
    CONSTRAINT trials_outcome_check CHECK ((outcome = ANY (ARRAY['ok'::text, 'pruned'::text, 'diverged'::text, 'oom'::text, 'timeout'::text, 'lost'::text, 'error'::text])))
);
CREATE TABLE cerebros.vcv_entries (
    pac_id text NOT NULL,
    version integer NOT NULL,
    task text NOT NULL,
    capability public.vector(384) NOT NULL,
    skills text[] NOT NULL,
    accuracy double precision NOT NULL,
    latency_s double precision NOT NULL,
    cost_usd double precision NOT NULL,
    energy_j double precision NOT NULL,
    trust double precision NOT NULL,
    reliability double precision NOT NULL,
    resources jsonb NOT NULL,
    policy_flags text[] NOT NULL,
    dataset_digest text NOT NULL,
    artifact_digest text NOT NULL,
    run_id text NOT NULL,
    verdict_id text NOT NULL,
    rolled_back_from integer,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    signature text DEFAULT ''::text NOT NULL,
    CONSTRAINT vcv_entries_reliability_check CHECK (((reliability >= (0)::double precision) AND (reliability <= (1)::double precision))),
    CONSTRAINT vcv_entries_trust_check CHECK (((trust >= (0)::double precision) AND (trust <= (1)::double precision))),
    CONSTRAINT vcv_entries_version_check CHECK ((version >= 1))
);
CREATE TABLE cerebros.verdicts (
    verdict_id text NOT NULL,
    run_id text NOT NULL,
    pac_id text NOT NULL,
    decision text NOT NULL,
    verdict jsonb NOT NULL,
    artifact_digest text NOT NULL,
    issued_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT verdicts_decision_check CHECK ((decision = ANY (ARRAY['allow'::text, 'deny'::text])))
);
CREATE TABLE cerebros.workers (
    worker_id text NOT NULL,
    queue text DEFAULT 'cpu'::text NOT NULL,
    seen_s double precision DEFAULT 0 NOT NULL
);
ALTER TABLE ONLY cerebros.artifacts
    ADD CONSTRAINT artifacts_pkey PRIMARY KEY (run_id, kind);
ALTER TABLE ONLY cerebros.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (run_id, trial, resource);
ALTER TABLE ONLY cerebros.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (run_id, seq);
ALTER TABLE ONLY cerebros.manifests
    ADD CONSTRAINT manifests_pkey PRIMARY KEY (digest);
ALTER TABLE ONLY cerebros.memory_nodes
    ADD CONSTRAINT memory_nodes_pkey PRIMARY KEY (memory_id);
ALTER TABLE ONLY cerebros.queues
    ADD CONSTRAINT queues_pkey PRIMARY KEY (name);
ALTER TABLE ONLY cerebros.rungs
    ADD CONSTRAINT rungs_pkey PRIMARY KEY (run_id, number, resource);
ALTER TABLE ONLY cerebros.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (run_id);
ALTER TABLE ONLY cerebros.schema_version
    ADD CONSTRAINT schema_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY cerebros.service_clock
    ADD CONSTRAINT service_clock_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY cerebros.shortlists
    ADD CONSTRAINT shortlists_pkey PRIMARY KEY (run_id);
ALTER TABLE ONLY cerebros.stages
    ADD CONSTRAINT stages_pkey PRIMARY KEY (run_id, name);
ALTER TABLE ONLY cerebros.studies
    ADD CONSTRAINT studies_pkey PRIMARY KEY (study_key);
ALTER TABLE ONLY cerebros.studies
    ADD CONSTRAINT studies_study_id_key UNIQUE (study_id);
ALTER TABLE ONLY cerebros.study_trials
    ADD CONSTRAINT study_trials_pkey PRIMARY KEY (study_key, number);
ALTER TABLE ONLY cerebros.study_trials
    ADD CONSTRAINT study_trials_study_key_asked_seq_key UNIQUE (study_key, asked_seq);
ALTER TABLE ONLY cerebros.study_trials
    ADD CONSTRAINT study_trials_study_key_told_seq_key UNIQUE (study_key, told_seq);
ALTER TABLE ONLY cerebros.training_locks
    ADD CONSTRAINT training_locks_pkey PRIMARY KEY (pac_id);
ALTER TABLE ONLY cerebros.trials
    ADD CONSTRAINT trials_pkey PRIMARY KEY (run_id, number);
ALTER TABLE ONLY cerebros.vcv_entries
    ADD CONSTRAINT vcv_entries_pkey PRIMARY KEY (pac_id, version);
ALTER TABLE ONLY cerebros.verdicts
    ADD CONSTRAINT verdicts_pkey PRIMARY KEY (verdict_id);
ALTER TABLE ONLY cerebros.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (worker_id);
CREATE INDEX artifacts_by_digest ON cerebros.artifacts USING btree (digest);
CREATE INDEX memory_nodes_embedding ON cerebros.memory_nodes USING ivfflat (content_embedding public.vector_cosine_ops) WITH (lists='100');
CREATE INDEX runs_of_pac ON cerebros.runs USING btree (pac_id, created_at DESC);
CREATE UNIQUE INDEX runs_one_at_work_per_pac ON cerebros.runs USING btree (pac_id) WHERE (state = 'running'::text);
CREATE UNIQUE INDEX runs_one_per_slot ON cerebros.runs USING btree (queue, slot) WHERE (state = 'running'::text);
CREATE INDEX runs_waiting ON cerebros.runs USING btree (queue, priority DESC, queued_s, run_id) WHERE (state = 'queued'::text);
CREATE INDEX study_trials_out ON cerebros.study_trials USING btree (study_key, lease_until_s) WHERE (outcome IS NULL);
CREATE INDEX vcv_capability ON cerebros.vcv_entries USING hnsw (capability public.vector_cosine_ops);
CREATE INDEX verdicts_of_pac ON cerebros.verdicts USING btree (pac_id, issued_at DESC);
ALTER TABLE ONLY cerebros.artifacts
    ADD CONSTRAINT artifacts_run_id_fkey FOREIGN KEY (run_id) REFERENCES cerebros.runs(run_id) ON DELETE CASCADE;
ALTER TABLE ONLY cerebros.checkpoints
    ADD CONSTRAINT checkpoints_run_id_fkey FOREIGN KEY (run_id) REFERENCES cerebros.runs(run_id) ON DELETE CASCADE;
ALTER TABLE ONLY cerebros.events
    ADD CONSTRAINT events_run_id_fkey FOREIGN KEY (run_id) REFERENCES cerebros.runs(run_id) ON DELETE CASCADE;
ALTER TABLE ONLY cerebros.rungs
    ADD CONSTRAINT rungs_run_id_fkey FOREIGN KEY (run_id) REFERENCES cerebros.runs(run_id) ON DELETE CASCADE;
ALTER TABLE ONLY cerebros.runs
    ADD CONSTRAINT runs_queue_fkey FOREIGN KEY (queue) REFERENCES cerebros.queues(name);
ALTER TABLE ONLY cerebros.shortlists
    ADD CONSTRAINT shortlists_run_id_fkey FOREIGN KEY (run_id) REFERENCES cerebros.runs(run_id) ON DELETE CASCADE;
ALTER TABLE ONLY cerebros.stages
    ADD CONSTRAINT stages_run_id_fkey FOREIGN KEY (run_id) REFERENCES cerebros.runs(run_id) ON DELETE CASCADE;
ALTER TABLE ONLY cerebros.study_trials
    ADD CONSTRAINT study_trials_study_key_fkey FOREIGN KEY (study_key) REFERENCES cerebros.studies(study_key) ON DELETE CASCADE;
ALTER TABLE ONLY cerebros.trials
    ADD CONSTRAINT trials_run_id_fkey FOREIGN KEY (run_id) REFERENCES cerebros.runs(run_id) ON DELETE CASCADE;
ALTER TABLE ONLY cerebros.vcv_entries
    ADD CONSTRAINT vcv_entries_run_id_fkey FOREIGN KEY (run_id) REFERENCES cerebros.runs(run_id);
ALTER TABLE ONLY cerebros.vcv_entries
    ADD CONSTRAINT vcv_entries_verdict_id_fkey FOREIGN KEY (verdict_id) REFERENCES cerebros.verdicts(verdict_id);
ALTER TABLE ONLY cerebros.verdicts
    ADD CONSTRAINT verdicts_run_id_fkey FOREIGN KEY (run_id) REFERENCES cerebros.runs(run_id) ON DELETE CASCADE;
