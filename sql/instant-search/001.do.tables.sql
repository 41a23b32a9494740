-- instant-search on PostgreSQL. Names are the legacy application's own, so that its queries go on working.
-- Lengths are not limited: SQLite never enforced them, and longer texts were found (hazard I2).

create table users (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  -- By its bytes, as in the file: addresses that differ in case alone are two (hazard I15).
  email text not null unique,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  extra jsonb
);

create table study_books (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references users on delete cascade,
  title text not null,
  description text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  extra jsonb
);

create table questions (
  id uuid primary key default gen_random_uuid(),
  study_book_id uuid not null references study_books on delete cascade,
  language text not null,
  category text not null,
  difficulty text not null,
  question text not null,
  answer text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  extra jsonb
);

create table typing_logs (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references users on delete cascade,
  question_id uuid references questions on delete set null,
  wpm integer not null,
  -- A fraction from 0 to 1: numeric(5,2) would round it (hazard I9).
  accuracy double precision not null,
  -- Beyond 32 bits in practice (hazard I1).
  took_ms bigint not null,
  created_at timestamptz not null default now(),
  extra jsonb
);

-- No foreign keys: events outlive their users, and an object may be anything (hazards I3, I8).
create table learning_events (
  id uuid primary key default gen_random_uuid(),
  user_id text not null,
  app_id text not null,
  action text not null,
  object_id text,
  score double precision,
  duration_ms bigint,
  occurred_at timestamptz not null default now(),
  extra jsonb
);
