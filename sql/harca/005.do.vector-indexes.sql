-- What a graph takes in memory, about: the vector, and the neighbours of each row.
create function hnsw_graph_bytes(rows bigint, dimensions integer) returns bigint language sql immutable parallel safe as $$
  select rows * (case when dimensions > 2000 then 2 else 4 end * dimensions + 800)
$$;

-- How many vectors are searched for to measure the recall: exact searches, which take long where there is much.
create function recall_sample_size(most integer, rows bigint, dimensions integer) returns integer
language sql immutable parallel safe as $$
  select greatest(10, least(most, most * 10000000 / (rows * dimensions)))::integer
$$;

-- Which index a set of that many vectors gets. A scan of a thousand is faster than any index; pgvector indexes no more than
-- 4,000 dimensions, in half precision. On 20,000 clustered vectors hnsw answered five (384 dimensions) to sixteen times (1,536)
-- as fast as ivfflat at the same recall, and took four to seven times as long to build; but that holds only as long as its
-- graph is in memory while it is built, which ivfflat does not need.
create function vector_index_kind(wanted text, rows bigint, dimensions integer) returns text
language sql immutable parallel safe as $$
  select case
    when rows < 1000 or dimensions > 4000 then 'exact'
    else coalesce(wanted, case when hnsw_graph_bytes(rows, dimensions) <= 1024 * 1024 * 1024 then 'hnsw' else 'ivfflat' end)
  end
$$;

-- pgvector's advice: a list for each thousand rows, beyond a million the square root; no more than fit into a gigabyte or two.
create function ivfflat_lists(rows bigint) returns integer language sql immutable parallel safe as $$
  select least(2000, greatest(10, case when rows <= 1000000 then rows / 1000 else sqrt(rows) end))::integer
$$;

-- What ivfflat insists on while it looks for the centres of its lists: its sample, and the distances of each to each centre.
create function ivfflat_build_bytes(lists integer, dimensions integer) returns bigint
language sql immutable parallel safe as $$
  select greatest(50 * lists, 10000)::bigint * (case when dimensions > 2000 then 2 else 4 end * dimensions + 4 * lists + 64)
    + 4::bigint * lists * lists
$$;

create function vector_index_name(partition text, model text, dimensions integer) returns text
language sql immutable parallel safe as $$
  select 'vector_' || left(md5(concat_ws(E'\n', partition, model, dimensions)), 16)
$$;

-- An application says what it wants, and nothing else: the rest is what build_vector_indexes found and made.
create function only_wanted_may_change() returns trigger language plpgsql as $$
begin
  if pg_has_role(current_user, (select relowner from pg_class where oid = tg_relid), 'usage') then return coalesce(new, old); end if;
  if tg_op = 'UPDATE' then
    if to_jsonb(new) - 'wanted' = to_jsonb(old) - 'wanted' then return new; end if;
  end if;
  raise exception 'of vector_indexes only wanted may be changed' using errcode = 'insufficient_privilege';
end $$;
create trigger only_wanted_may_change before insert or update or delete on vector_indexes
  for each row execute function only_wanted_may_change();

-- Makes the vector indexes that there should be, and drops the others. One stays as it is as long as its kind is right and
-- the number of its rows has not doubled or halved; a new one is tuned: its probes are doubled until recall@10 of up to 100
-- stored vectors is at least 0.98: then that of any 40 of them, which verify takes, is at least 0.95. One that does not come
-- to 0.95 at all is dropped. May be repeated at any time. Answers how many were built.
create function build_vector_indexes() returns integer language plpgsql
set jit = off
set maintenance_work_mem = '64MB'
set max_parallel_maintenance_workers = 2
as $$
declare
  groups jsonb;
  has record;
  kind text;
  name text;
  lists integer;
  statement text;
  most integer;
  probes integer;
  recall double precision;
  sample record;
  built integer := 0;
begin
  -- Counted before the loop: a table that a query is reading can't get an index.
  select coalesce(jsonb_agg(g), '[]') into groups from (
    select c.relname as partition, e.model, e.dimensions, count(*) as rows
    from vector_embeddings as e join pg_class as c on c.oid = e.tableoid
    where e.searchable group by 1, 2, 3) as g;
  for has in
    select coalesce(g.partition, i.partition) as partition, coalesce(g.model, i.model) as model,
      coalesce(g.dimensions, i.dimensions) as dimensions, coalesce(g.rows, 0) as rows,
      i.wanted, i.kind, i.rows as rows_then, false as there
    from jsonb_to_recordset(groups) as g (partition text, model text, dimensions integer, rows bigint)
    full join vector_indexes as i
      on i.partition = g.partition and i.model = g.model and i.dimensions = g.dimensions
    order by 1, 2, 3
  loop
    -- Never what a table says that an application may write.
    name := vector_index_name(has.partition, has.model, has.dimensions);
    has.there := to_regclass(quote_ident(name)) is not null;
    kind := vector_index_kind(has.wanted, has.rows, has.dimensions);
    if kind = 'exact' and has.kind = 'exact' then
      update vector_indexes as i set rows = has.rows
      where i.partition = has.partition and i.model = has.model and i.dimensions = has.dimensions and i.rows <> has.rows;
      continue;
    end if;
    continue when kind = has.kind and has.there and floor(log(2, has.rows_then)) = floor(log(2, has.rows));
    if has.there then execute format('drop index %I', name); end if;
    lists := null; probes := null; recall := null;
    if kind = 'exact' then name := null; end if;
    if kind <> 'exact' then
      if kind = 'ivfflat' then lists := ivfflat_lists(has.rows); end if;
      perform set_config('maintenance_work_mem', greatest(64 * 1024, case
        when kind = 'ivfflat' then ivfflat_build_bytes(lists, has.dimensions) * 5 / 4 / 1024
        else least(hnsw_graph_bytes(has.rows, has.dimensions) * 5 / 4 / 1024, 1280 * 1024) end) || 'kB', true);
      statement := format(
        'create index %I on %I using %s ((embedding::%s(%s)) %s_cosine_ops)%s where model = %L and dimensions = %s and searchable',
        name, has.partition, kind, case when has.dimensions > 2000 then 'halfvec' else 'vector' end, has.dimensions,
        case when has.dimensions > 2000 then 'halfvec' else 'vector' end,
        case when lists is not null then format(' with (lists = %s)', lists) else '' end, has.model, has.dimensions);
      begin
        begin
          execute statement;
        exception when disk_full or out_of_memory then
          -- Workers share the graph through /dev/shm, which containers keep small.
          perform set_config('max_parallel_maintenance_workers', '0', true);
          execute statement;
        end;
      exception when numeric_value_out_of_range then
        -- Half precision ends at 65,504: without an index such vectors are still found.
        kind := 'exact'; name := null; lists := null;
      end;
    end if;
    if kind <> 'exact' then
      select * into sample from recall_sample(has.partition, has.model, has.dimensions,
        recall_sample_size(100, has.rows, has.dimensions), 10);
      most := case kind when 'ivfflat' then lists else 1000 end;
      probes := case kind when 'ivfflat' then 1 else 40 end;
      loop
        recall := recall_of(has.partition, has.model, has.dimensions, kind, probes, sample.samples, sample.limits, 10);
        exit when recall >= 0.98 or probes = most;
        probes := least(2 * probes, most);
      end loop;
      if recall < 0.95 then
        execute format('drop index %I', name);
        kind := 'exact'; name := null; lists := null; probes := null; recall := null;
      end if;
    end if;
    insert into vector_indexes as i (partition, model, dimensions, kind, index_name, rows, lists, probes, recall, built_at)
    values (has.partition, has.model, has.dimensions, kind, name, has.rows, lists, probes, recall, now())
    on conflict (partition, model, dimensions) do update set kind = excluded.kind, index_name = excluded.index_name,
      rows = excluded.rows, lists = excluded.lists, probes = excluded.probes, recall = excluded.recall,
      built_at = excluded.built_at;
    if kind <> 'exact' then built := built + 1; end if;
  end loop;
  -- What nobody asked for and nothing is left of.
  delete from vector_indexes as i where i.wanted is null and i.kind = 'exact' and i.rows = 0;
  return built;
end $$;

-- recall@10 of every vector index, at the probes that searches use, over some stored vectors: one line of text. Where there
-- is no index the search is exact.
create function vector_recall() returns text language plpgsql stable set jit = off as $$
declare
  has vector_indexes;
  sample record;
  recall double precision;
  low text[] := '{}';
begin
  for has in select * from vector_indexes where kind <> 'exact' order by partition, model, dimensions loop
    if to_regclass(quote_ident(vector_index_name(has.partition, has.model, has.dimensions))) is null then
      low := low || format('%s %s %s: no index', has.partition, has.model, has.dimensions);
      continue;
    end if;
    select * into sample from recall_sample(has.partition, has.model, has.dimensions, recall_sample_size(40, has.rows, has.dimensions), 10);
    recall := recall_of(has.partition, has.model, has.dimensions, has.kind, has.probes, sample.samples, sample.limits, 10);
    if recall < 0.95 then
      low := low || format('%s %s %s: %s', has.partition, has.model, has.dimensions, round(recall::numeric, 3));
    end if;
  end loop;
  return case when low = '{}' then 'at least 0.95 for every model' else array_to_string(low, ', ') end;
end $$;
