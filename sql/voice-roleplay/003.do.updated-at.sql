-- The application stamped changes itself. A load brings the legacy stamps, so it sets cutover.loading.
create function stamp_updated_at() returns trigger language plpgsql as $$
begin
  if new.updated_at is not distinct from old.updated_at
    and current_setting('cutover.loading', true) is distinct from 'on' then
    new.updated_at := now();
  end if;
  return new;
end $$;

create trigger stamp_updated_at before update on users for each row execute function stamp_updated_at();
create trigger stamp_updated_at before update on user_usage_limits for each row execute function stamp_updated_at();
create trigger stamp_updated_at before update on scenarios for each row execute function stamp_updated_at();
create trigger stamp_updated_at before update on roleplay_sessions for each row execute function stamp_updated_at();
create trigger stamp_updated_at before update on prompt_templates for each row execute function stamp_updated_at();
