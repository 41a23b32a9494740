-- What the application asked first and wrote afterwards is one statement here, so that two requests can't both take the
-- last session. The quota runs for 30 days from the last reset; whoever comes later finds a fresh one.

create function is_reset_due(last_reset timestamptz) returns boolean language sql stable as $$
  select now() - last_reset >= interval '720 hours'
$$;

-- Creates a user whom nobody has seen yet, with a whole quota; the columns' defaults are the application's own.
create function ensure_user(who text) returns void language sql as $$
  insert into users (user_id) select who where who is not null on conflict do nothing;
  insert into user_usage_limits (user_id) select who where who is not null on conflict do nothing
$$;

-- Takes one session of a user, who is created if absent. Answers how many remain; null when there is none left.
create function consume_session(who text) returns bigint language sql as $$
  select ensure_user(who);
  update user_usage_limits set
    roleplay_sessions_remaining =
      case when is_reset_due(last_reset_date) then monthly_limit_roleplay else roleplay_sessions_remaining end - 1,
    video_processing_minutes_used =
      case when is_reset_due(last_reset_date) then 0 else video_processing_minutes_used end,
    last_reset_date = case when is_reset_due(last_reset_date) then now() else last_reset_date end
  where user_id = who
    and case when is_reset_due(last_reset_date) then monthly_limit_roleplay else roleplay_sessions_remaining end > 0
  returning roleplay_sessions_remaining
$$;

-- Adds minutes of video to a user, who is created if absent, if they fit. Answers how many are used now; null when they
-- don't fit, or are negative.
create function add_video_minutes(who text, minutes bigint) returns bigint language sql as $$
  select ensure_user(who);
  update user_usage_limits set
    video_processing_minutes_used =
      case when is_reset_due(last_reset_date) then 0 else video_processing_minutes_used end + minutes,
    roleplay_sessions_remaining =
      case when is_reset_due(last_reset_date) then monthly_limit_roleplay else roleplay_sessions_remaining end,
    last_reset_date = case when is_reset_due(last_reset_date) then now() else last_reset_date end
  where user_id = who and minutes >= 0
    -- A difference, not a sum, and of numerics: no number of minutes is beyond the range.
    and minutes::numeric <= monthly_limit_video_minutes::numeric
      - case when is_reset_due(last_reset_date) then 0 else video_processing_minutes_used end
  returning video_processing_minutes_used
$$;

-- Addresses of more than one user, which the application never looked for (hazard R4).
create view shared_addresses as
  select lower(email) as email, count(*) as users, array_agg(user_id order by user_id) as user_ids
  from users where email is not null group by lower(email) having count(*) > 1;
