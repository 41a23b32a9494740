-- What the application asked first and wrote afterwards is one statement here, so that two requests can't both take the
-- last session. The quota runs for 30 days from the last reset; whoever comes later finds a fresh one.

create function is_reset_due(last_reset timestamptz) returns boolean language sql stable as $$
  select now() - last_reset >= interval '720 hours'
$$;

-- Takes one session. Answers how many remain; null when there is none left, or no such user.
create function consume_session(who text) returns integer language sql as $$
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

-- Adds minutes of video, if they fit. Answers how many are used now; null when they don't fit, or there is no such user.
create function add_video_minutes(who text, minutes integer) returns integer language sql as $$
  update user_usage_limits set
    video_processing_minutes_used =
      case when is_reset_due(last_reset_date) then 0 else video_processing_minutes_used end + minutes,
    roleplay_sessions_remaining =
      case when is_reset_due(last_reset_date) then monthly_limit_roleplay else roleplay_sessions_remaining end,
    last_reset_date = case when is_reset_due(last_reset_date) then now() else last_reset_date end
  where user_id = who and minutes >= 0
    and case when is_reset_due(last_reset_date) then 0 else video_processing_minutes_used end + minutes
      <= monthly_limit_video_minutes
  returning video_processing_minutes_used
$$;

-- Addresses of more than one user, which the application never looked for (hazard R4).
create view shared_addresses as
  select lower(email) as email, count(*) as users, array_agg(user_id order by user_id) as user_ids
  from users where email is not null group by lower(email) having count(*) > 1;
