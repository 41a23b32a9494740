-- Which final syncs have let applications write to this database. From the first on, the file is no longer the truth: a load
-- of it would take those writes back.
create table migration.cut_over (
  system text not null,
  -- `sourceGeneration` of the stack: a final sync runs once for each.
  generation integer not null check (generation >= 1),
  -- Digest of the snapshot that was the last, and proved.
  snapshot text not null,
  at timestamptz not null default clock_timestamp(),
  primary key (system, generation)
);
