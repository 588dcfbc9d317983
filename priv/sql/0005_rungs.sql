-- A trial that waits at a rung is whole there: a search that has no time to come to it again ends it from this row.
ALTER TABLE cerebros.rungs
    ADD COLUMN tree      jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN tree_hash text NOT NULL DEFAULT '';
