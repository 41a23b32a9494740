-- The roles of one system, each a login of its own: {{prefix}}_owner owns the schema, _migrator loads, _verifier proves,
-- _readonly and _readwrite are the applications', _admin is for people. Run as a role that may create roles.
do $$
declare
  kind text;
begin
  foreach kind in array array['owner', 'migrator', 'verifier', 'readonly', 'readwrite', 'admin'] loop
    if not exists (select from pg_roles where rolname = '{{prefix}}_' || kind) then
      execute format('create role %I login', '{{prefix}}_' || kind);
    end if;
  end loop;
end $$;

-- Who is no superuser may give a database away only to a role that it belongs to.
grant {{prefix}}_owner to current_user;
