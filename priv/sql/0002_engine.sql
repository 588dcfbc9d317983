-- Work that many machines share: a clock of its own, queues with limits, training locks, checkpoints.

-- Seconds that somebody has counted. Every process of the service moves it by
-- its own monotonic clock, so leases and deadlines do not feel a wall clock
-- that is set, and stand still while nobody is there to do the work.
CREATE TABLE cerebros.service_clock (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    seconds  double precision NOT NULL DEFAULT 0,
    ticks    bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);
INSERT INTO cerebros.service_clock DEFAULT VALUES;

-- Where runs wait; no limit means as many at once as there are workers.
CREATE TABLE cerebros.queues (
    name            text PRIMARY KEY,
    running_at_most integer CHECK (running_at_most >= 0)
);
INSERT INTO cerebros.queues (name) VALUES ('cpu'), ('gpu');

-- Whether a PAC may be trained: `draining` lets the run at work finish, `locked` sends it back to its queue.
CREATE TABLE cerebros.training_locks (
    pac_id text PRIMARY KEY,
    state  text NOT NULL CHECK (state IN ('open', 'draining', 'locked')),
    holder text NOT NULL,
    reason text NOT NULL,
    epoch  integer NOT NULL DEFAULT 1,
    since  timestamptz NOT NULL DEFAULT clock_timestamp()
);

ALTER TABLE cerebros.runs
    ADD queue          text NOT NULL DEFAULT 'cpu' REFERENCES cerebros.queues,
    ADD priority       smallint NOT NULL DEFAULT 0 CHECK (priority BETWEEN 0 AND 9),
    ADD slot           integer,
    ADD queued_s       double precision NOT NULL DEFAULT 0,
    ADD started_s      double precision,
    ADD lease_until_s  double precision,
    ADD deadline_s     double precision,
    ADD refused_writes integer NOT NULL DEFAULT 0,
    ADD first_seq      bigint NOT NULL DEFAULT 1;

UPDATE cerebros.runs SET state = 'queued' WHERE state = 'running';
UPDATE cerebros.runs SET deadline_s = extract(epoch FROM deadline - now()) WHERE state = 'queued';

DROP INDEX cerebros.runs_claimable;
ALTER TABLE cerebros.runs DROP lease_until, DROP deadline;

CREATE INDEX runs_waiting ON cerebros.runs (queue, priority DESC, queued_s, run_id) WHERE state = 'queued';
-- What may not happen twice at the same time, two claims that race included.
CREATE UNIQUE INDEX runs_one_at_work_per_pac ON cerebros.runs (pac_id) WHERE state = 'running';
CREATE UNIQUE INDEX runs_one_per_slot ON cerebros.runs (queue, slot) WHERE state = 'running';

-- Trainings in the middle: the newest states of a trial (`refit` is the model to promote), as files by digest.
CREATE TABLE cerebros.checkpoints (
    run_id text NOT NULL REFERENCES cerebros.runs ON DELETE CASCADE,
    trial  integer NOT NULL,
    epoch  integer NOT NULL,
    digest text NOT NULL,
    bytes  bigint NOT NULL,
    PRIMARY KEY (run_id, trial, epoch)
);

ALTER TABLE cerebros.workers
    ADD queue  text NOT NULL DEFAULT 'cpu',
    ADD seen_s double precision NOT NULL DEFAULT 0,
    DROP last_seen;
