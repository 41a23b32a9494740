-- The ledger: what every run read, wrote and proved, in the target itself, so that it commits with the data.
-- "Done" is nowhere set: it is derived from the batches (view migration.progress).

create table migration.target (
  only_row boolean primary key default true check (only_row),
  -- Counts up with every run that writes; a batch of an older run is refused.
  fence bigint not null default 0,
  holder text,
  held_since timestamptz
);
insert into migration.target default values;

create table migration.run (
  id bigint generated always as identity primary key,
  system text not null,
  step text not null,
  fence bigint not null,
  -- SHA-256 of the snapshot's manifest, of the code that converts, of the target's catalog.
  snapshot text not null,
  code text not null,
  schema text not null,
  -- append: the tables were empty, COPY goes straight in. merge: only differences are written.
  mode text not null check (mode in ('append', 'merge')),
  started_at timestamptz not null default clock_timestamp()
);

create table migration.batch (
  run_id bigint not null references migration.run,
  table_name text not null,
  n integer not null,
  -- Positions in the order in which the snapshot is read: [from_position, to_position).
  from_position bigint not null,
  to_position bigint not null,
  read bigint not null,
  inserted bigint not null,
  updated bigint not null,
  unchanged bigint not null,
  merged bigint not null,
  quarantined bigint not null,
  notes jsonb not null default '{}',
  last boolean not null,
  committed_at timestamptz not null default clock_timestamp(),
  primary key (run_id, table_name, n),
  unique (run_id, table_name, from_position, to_position),
  constraint accounting check (read = inserted + updated + unchanged + merged + quarantined),
  constraint nothing_skipped check (read = to_position - from_position)
);

-- A record that could not be stored: why, where it is, and the record itself.
create table migration.quarantine (
  id bigint generated always as identity primary key,
  run_id bigint not null references migration.run,
  table_name text not null,
  batch integer not null,
  locator text not null,
  code text not null,
  field text not null,
  detail text not null,
  -- JSON text as the source had it; not json or jsonb, which refuse what brings records here.
  payload text not null,
  replayed_at timestamptz,
  foreign key (run_id, table_name, batch) references migration.batch (run_id, table_name, n) deferrable initially deferred,
  unique (run_id, table_name, locator)
);

-- A duplicate that gave way to another record by a written rule.
create table migration.merged (
  run_id bigint not null references migration.run,
  table_name text not null,
  batch integer not null,
  locator text not null,
  winner text not null,
  rule text not null,
  identical boolean not null,
  payload text not null,
  primary key (run_id, table_name, locator),
  foreign key (run_id, table_name, batch) references migration.batch (run_id, table_name, n) deferrable initially deferred
);

-- Rows of an earlier snapshot that the source no longer had, as they were.
create table migration.removed (
  id bigint generated always as identity primary key,
  run_id bigint not null references migration.run,
  table_name text not null,
  row jsonb not null
);

-- A merging run is complete for a table only when what is gone from the source was removed.
create table migration.removal (
  run_id bigint not null references migration.run,
  table_name text not null,
  removed bigint not null,
  primary key (run_id, table_name)
);

-- What a verification compared. It proves the named snapshot, code and schema and nothing else.
create table migration.verification (
  id bigint generated always as identity primary key,
  system text not null,
  snapshot text not null,
  code text not null,
  schema text not null,
  started_at timestamptz not null,
  finished_at timestamptz not null default clock_timestamp(),
  rows_compared bigint not null,
  fields_compared bigint not null,
  differences bigint not null,
  checks jsonb not null
);

create table migration.divergence (
  verification_id bigint not null references migration.verification,
  n integer not null,
  table_name text not null,
  key text not null,
  field text,
  source text,
  target text,
  kind text not null check (kind in ('changed', 'missing', 'extra')),
  primary key (verification_id, n)
);

create view migration.progress as
select run.id as run_id, run.system, run.snapshot, run.code, run.schema, run.mode, run.started_at, batch.table_name,
  sum(read) as read, sum(inserted) as inserted, sum(updated) as updated, sum(unchanged) as unchanged,
  sum(merged) as merged, sum(quarantined) as quarantined,
  max(to_position) as position, max(n) as last_batch, bool_or(last) as complete, max(committed_at) as committed_at
from migration.run join migration.batch on batch.run_id = run.id
group by run.id, batch.table_name;

-- What the schema step left behind: verify says when the catalog is no longer that.
create table migration.fingerprint (
  id bigint generated always as identity primary key,
  digest text not null,
  recorded_at timestamptz not null default clock_timestamp()
);
