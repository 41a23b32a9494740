-- lightning-talk. Keys are UUIDs made from the legacy ids, which are kept beside them; the columns of the plan, and those
-- that it had no place for. No status is an enum: values outside the known ones were found (hazard L20).

create table events (
  id uuid primary key default gen_random_uuid(),
  legacy_id text unique,
  title text not null,
  description text,
  date timestamptz not null,
  end_date timestamptz,
  venue_name text,
  venue_address text,
  capacity integer default 50,
  online boolean default false,
  online_url text,
  map_url text,
  venue_extra jsonb,
  status text default 'upcoming',
  registration_open boolean default true,
  talk_submission_open boolean default true,
  max_talks integer default 20,
  talk_duration integer default 5,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  extra jsonb
);

create table participants (
  id uuid not null default gen_random_uuid() unique,
  legacy_id text unique,
  event_id uuid not null references events on delete cascade,
  -- The address without what doesn't tell people apart (hazard L3).
  email_key text collate "C" not null,
  name text not null,
  email text not null,
  participation_type text,
  message text,
  newsletter boolean default false,
  status text default 'pending',
  confirmed boolean generated always as (status = 'confirmed') stored,
  checked_in boolean default false,
  is_speaker boolean,
  registration_source text,
  ip_address text,
  user_agent text,
  emergency_contact text,
  dietary_restrictions text,
  accessibility_needs text,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  extra jsonb,
  primary key (event_id, email_key)
);

create table talks (
  id uuid primary key default gen_random_uuid(),
  legacy_id text unique,
  event_id uuid not null references events on delete cascade,
  -- Another registration of the same address may become the one that counts: the key then follows it.
  participant_id uuid references participants (id) on update cascade on delete set null,
  legacy_speaker_id text,
  title text not null,
  description text,
  category text,
  speaker_name text,
  speaker_email text,
  duration integer default 5,
  slides_url text,
  video_url text,
  status text default 'submitted',
  order_position integer,
  submission_source text,
  last_voting_results jsonb,
  average_rating double precision,
  total_votes integer,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  extra jsonb
);

create table settings (
  key text collate "C" primary key,
  value jsonb,
  description text,
  updated_at timestamptz default now(),
  extra jsonb
);

create table analytics (
  id uuid not null default gen_random_uuid(),
  legacy_id text,
  occurred_at timestamptz not null,
  event_id uuid references events on delete set null,
  legacy_event_id text,
  event_type text not null,
  event_data jsonb,
  server_date date,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  extra jsonb,
  primary key (id, occurred_at)
) partition by range (occurred_at);

create table presentations (
  id uuid primary key default gen_random_uuid(),
  legacy_id text unique,
  event_id uuid references events on delete set null,
  legacy_event_id text,
  title text not null,
  presenter text,
  abstract text,
  materials jsonb,
  video_url text,
  tags jsonb,
  presentation_date timestamptz,
  duration integer,
  skill_level text,
  views integer default 0,
  featured boolean default false,
  status text default 'published',
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  extra jsonb
);

create table presentation_interactions (
  id uuid primary key default gen_random_uuid(),
  legacy_id text unique,
  presentation_id uuid references presentations on delete cascade,
  legacy_presentation_id text,
  interaction_type text not null,
  material_filename text,
  occurred_at timestamptz not null,
  user_agent text,
  ip_address text,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  extra jsonb
);

-- Accounts without their password hashes: people set a new password, or log in through their provider.
create table users (
  id uuid primary key default gen_random_uuid(),
  legacy_id text unique,
  email text not null,
  name text,
  role text,
  cognito_id text,
  provider text,
  profile_image text,
  last_login timestamptz,
  created_by text,
  is_system_user boolean,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  extra jsonb
);

create table voting_sessions (
  id uuid primary key default gen_random_uuid(),
  legacy_id text unique,
  event_id uuid references events on delete set null,
  legacy_event_id text,
  talk_id uuid references talks on delete set null,
  legacy_talk_id text,
  status text default 'active',
  ends_at timestamptz,
  duration integer,
  created_by text,
  votes jsonb,
  results jsonb,
  average_rating double precision,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  extra jsonb
);
