-- Successive halving: how a trial stood when it came to a rung and had to wait. Whether it goes on is
-- decided by what the others came to; a search that resumes reads here what it had decided on.
CREATE TABLE cerebros.rungs (
    run_id  text NOT NULL REFERENCES cerebros.runs ON DELETE CASCADE,
    number  integer NOT NULL,
    epochs  integer NOT NULL,
    metrics jsonb NOT NULL,
    spent   jsonb NOT NULL,
    curve   double precision[] NOT NULL,
    PRIMARY KEY (run_id, number, epochs)
);

-- Whoever ends at a rung was measured there.
ALTER TABLE cerebros.trials DROP CONSTRAINT trials_check;
ALTER TABLE cerebros.trials ADD CONSTRAINT trials_metrics_check CHECK ((outcome IN ('ok', 'pruned')) = (metrics IS NOT NULL));

-- A payload holds what a run optimises in full; until now it held names only.
UPDATE cerebros.runs
   SET payload = payload || jsonb_build_object('goals', jsonb_build_object('name', 'asked for', 'trade_off', '', 'objectives',
         (SELECT jsonb_agg(jsonb_build_object('name', name)) FROM jsonb_array_elements_text(payload #> '{request,objectives}') AS name)));
