-- A partition a month, and one for everything else, so that no row is ever refused for its date.
create table analytics_other partition of analytics default;

do $$
declare
  first_day date;
begin
  for first_day in select generate_series(date '2025-01-01', date '2028-12-01', interval '1 month')::date loop
    execute format(
      'create table %I partition of analytics for values from (%L) to (%L)',
      to_char(first_day, '"analytics_"YYYY_MM'),
      first_day::timestamp at time zone 'UTC',
      (first_day + interval '1 month')::timestamp at time zone 'UTC'
    );
  end loop;
end $$;
