-- What a filter of the legacy application means (hazard V13). Each member must hold for the metadata's member of that name:
-- a text is a part of it in any case; an array is any of its elements; {gt, gte, lt, lte} are bounds of a number; anything
-- else is equal to it; null is a null or a missing member. A list in the metadata holds when one of its elements does.
create function metadata_value_matches(value jsonb, wanted jsonb) returns boolean
language plpgsql immutable parallel safe as $$
declare
  each jsonb;
  name text;
  held boolean;
begin
  if jsonb_typeof(wanted) = 'array' then
    for each in select jsonb_array_elements(wanted) loop
      if metadata_value_matches(value, each) then return true; end if;
    end loop;
    return false;
  end if;
  if wanted = 'null' then return value is null or value = 'null'; end if;
  if value is null or value = 'null' then return false; end if;
  if jsonb_typeof(value) = 'array' then
    for each in select jsonb_array_elements(value) loop
      if metadata_value_matches(each, wanted) then return true; end if;
    end loop;
    return false;
  end if;
  case jsonb_typeof(wanted)
    when 'string' then
      return strpos(lower(value #>> '{}'), lower(wanted #>> '{}')) > 0;
    when 'object' then
      if wanted = '{}' then return value = '{}'; end if;
      for name, each in select * from jsonb_each(wanted) loop
        if name not in ('gt', 'gte', 'lt', 'lte') then return value = wanted; end if;
        if jsonb_typeof(value) <> 'number' or jsonb_typeof(each) <> 'number' then return false; end if;
        -- jsonb orders numbers by their value.
        held := case name
          when 'gt' then value > each when 'gte' then value >= each
          when 'lt' then value < each else value <= each end;
        if not held then return false; end if;
      end loop;
      return true;
    else
      return value = wanted;
  end case;
end $$;

create function metadata_matches(metadata jsonb, filter jsonb) returns boolean
language plpgsql immutable parallel safe as $$
declare
  name text;
  wanted jsonb;
begin
  for name, wanted in select * from jsonb_each(filter) loop
    if not metadata_value_matches(metadata -> name, wanted) then return false; end if;
  end loop;
  return true;
end $$;
