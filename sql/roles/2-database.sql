-- Privileges in one system's database, for the tables that are there and those to come.
revoke all on database {{database}} from public;
grant connect on database {{database}} to {{prefix}}_owner, {{prefix}}_migrator, {{prefix}}_verifier, {{prefix}}_readonly,
  {{prefix}}_readwrite, {{prefix}}_admin;
-- Also where somebody else has made the database.
grant create on database {{database}} to {{prefix}}_owner;
-- Differences are found in a temporary table.
grant temporary on database {{database}} to {{prefix}}_migrator;

alter schema public owner to {{prefix}}_owner;
revoke all on schema public from public;
grant usage on schema public to {{prefix}}_migrator, {{prefix}}_verifier, {{prefix}}_readonly, {{prefix}}_readwrite, {{prefix}}_admin;

-- The ledger holds raw records in quarantine, so the applications' roles don't see it.
create schema if not exists migration authorization {{prefix}}_owner;
grant usage on schema migration to {{prefix}}_migrator, {{prefix}}_verifier, {{prefix}}_admin;

alter default privileges for role {{prefix}}_owner in schema public grant select on tables to {{prefix}}_verifier, {{prefix}}_readonly;
alter default privileges for role {{prefix}}_owner in schema public grant select, insert, update, delete on tables to {{prefix}}_migrator;
-- The plan's words are select, insert, update; the applications also delete (a talk, a result), so they may.
alter default privileges for role {{prefix}}_owner in schema public grant select, insert, update, delete on tables to {{prefix}}_readwrite;
alter default privileges for role {{prefix}}_owner in schema public grant all on tables to {{prefix}}_admin;
alter default privileges for role {{prefix}}_owner in schema public grant usage on sequences to {{prefix}}_readwrite, {{prefix}}_migrator;
alter default privileges for role {{prefix}}_owner in schema public grant all on sequences to {{prefix}}_admin;
alter default privileges for role {{prefix}}_owner in schema migration grant select, insert, update on tables to {{prefix}}_migrator;
alter default privileges for role {{prefix}}_owner in schema migration grant select on tables to {{prefix}}_verifier, {{prefix}}_admin;

-- Privileges alone do not keep anybody from making large objects. A session may say otherwise for itself: a guard, no wall.
alter role {{prefix}}_readonly in database {{database}} set default_transaction_read_only = on;

-- Never ALTER SYSTEM: other databases live on the server.
alter database {{database}} set timezone = 'UTC';
alter database {{database}} set default_text_search_config = 'pg_catalog.simple';
alter database {{database}} set idle_in_transaction_session_timeout = '10min';
