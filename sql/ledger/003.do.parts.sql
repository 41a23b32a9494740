-- A large table is loaded in parts, side by side: each goes on at its own position, and the table is done when all are.
create table migration.part (
  run_id bigint not null references migration.run,
  table_name text not null,
  part integer not null,
  -- Positions in the order in which the snapshot is read: [from_position, to_position).
  from_position bigint not null,
  to_position bigint not null,
  primary key (run_id, table_name, part)
);

alter table migration.batch
  add column part integer not null default 0,
  -- SHA-256 of the rows in the binary form in which they were sent: the same snapshot and code send the same again.
  add column sha256 bytea;

create view migration.part_progress as
select run_id, table_name, part,
  sum(read) as read, sum(inserted) as inserted, sum(updated) as updated, sum(unchanged) as unchanged,
  sum(merged) as merged, sum(quarantined) as quarantined,
  max(to_position) as position, max(n) as last_batch, bool_or(last) as complete, max(committed_at) as committed_at
from migration.batch group by run_id, table_name, part;

drop view migration.progress;
create view migration.progress as
select run.id as run_id, run.system, run.snapshot, run.code, run.schema, run.mode, run.started_at, p.table_name,
  sum(p.read) as read, sum(p.inserted) as inserted, sum(p.updated) as updated, sum(p.unchanged) as unchanged,
  sum(p.merged) as merged, sum(p.quarantined) as quarantined,
  bool_and(p.complete) and count(*) >= (
    select count(*) from migration.part where part.run_id = run.id and part.table_name = p.table_name) as complete,
  max(p.committed_at) as committed_at
from migration.run join migration.part_progress as p on p.run_id = run.id
group by run.id, p.table_name;
