-- Full-text search over questions: what SQLite's FTS5 with its unicode61 tokenizer finds is found, and more.

-- As FTS5 does, `cafe` and `café` are one word.
create text search configuration search_words (copy = pg_catalog.simple);
alter text search configuration search_words alter mapping for word, numword with unaccent, simple;
create text search configuration search_english (copy = pg_catalog.english);
alter text search configuration search_english alter mapping for word with unaccent, english_stem;
alter text search configuration search_english alter mapping for numword with unaccent, simple;

-- Letters that are written without blanks between words: kana, and ideographs of all planes.
create function unspaced_letter() returns text language sql immutable parallel safe
begin atomic
  select '[\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]';
end;

-- A text whose words PostgreSQL's parser takes one by one: by itself it makes one token of an address, a path, a version or
-- a tag, which FTS5 splits; without these signs there are none. Width and composition of letters are evened out (NFKC).
-- `letter` is put in the place of each unspaced letter: `' \& '` makes a word of each, so that a row of them is found
-- wherever it stands. The cut keeps a tsvector under its limit of 1 MB, so that no text is too long to be stored.
create function search_text(content text, letter text) returns text language sql immutable parallel safe
begin atomic
  select regexp_replace(
    translate(
      case
        when content is nfkc normalized then left(content, 50000)
        else normalize(left(content, 50000), nfkc)
      end,
      '.-/@:_+<&', '         '),
    unspaced_letter(), letter, 'g');
end;

-- Generated, so that they can't disagree with the text whoever writes it; their indexes come after the load.
alter table questions
  add column search_vector tsvector not null generated always as (
    setweight(to_tsvector('search_english', search_text(question, ' ')), 'A')
    || setweight(to_tsvector('search_english', search_text(answer, ' ')), 'B')
  ) stored,
  add column search_words tsvector not null generated always as (
    setweight(to_tsvector('search_words', search_text(question, ' \& ')), 'A')
    || setweight(to_tsvector('search_words', search_text(answer, ' \& ')), 'B')
  ) stored;

-- A question as HTML, with the words of a query in <mark>; everything else is escaped. Without such a word: the question.
-- `unspaced` are the query's words that have unspaced letters, without any signs: they are marked wherever they stand.
create function highlight_question(question text, english tsquery, words tsquery, unspaced text[]) returns text
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
declare
  -- Control characters that the text can do without: between two tokens, and around what is marked.
  apart constant text := chr(1);
  opened constant text := chr(2);
  closed constant text := chr(3);
  options constant text := format('HighlightAll=true, StartSel=%s, StopSel=%s', opened, closed);
  plain text := translate(question, apart || opened || closed, '');
  marked text;
begin
  if cardinality(unspaced) > 0 then
    plain := regexp_replace(plain, array_to_string(unspaced, '|'), opened || '\&' || closed, 'gi');
  end if;
  -- Each sign stands alone, or the parser would make an address or a tag of several.
  plain := regexp_replace(plain, '[[:punct:][:space:][:cntrl:]]|' || unspaced_letter(), apart || '\&' || apart, 'g');
  marked := ts_headline('search_english', plain, english, options);
  if position(opened in marked) = 0 then
    -- English leaves out its most frequent words.
    marked := ts_headline('search_words', plain, words, options);
  end if;
  marked := translate(marked, apart, '');
  marked := replace(replace(replace(replace(replace(
    marked, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;');
  return replace(replace(marked, opened, '<mark>'), closed, '</mark>');
end $$;

-- Whether a text has any of these in it, which are in lower case and NFKC.
create function contains_any(content text, needles text[]) returns boolean language sql immutable parallel safe
begin atomic
  select coalesce(bool_or(strpos(evened.content, needle) > 0), false)
  from (select lower(normalize(contains_any.content, nfkc)) as content) as evened, unnest(needles) as needle;
end;

-- The questions of one user that have any word of `query`, best first: English word forms, plain words, unspaced letters
-- in a row anywhere in a text. Where they are fewer than asked for, those with similar words follow (word_similarity), the
-- best of the first 1,000 that are met.
--
-- query   words between blanks, cut at 200 characters; other signs mean nothing
-- limit   1 to 100, default 50
-- score   0.5 to 1 for questions that have a word, less for those that have similar ones only
-- highlight  HTML, see highlight_question
create function search_questions(query text, user_id uuid, "limit" integer default 50)
returns table (
  question_id uuid, book_id uuid, question text, answer text, language text, category text, difficulty text,
  highlight text, score double precision
)
language plpgsql stable security invoker
set search_path = pg_catalog, public, pg_temp
-- A plan for this user and these words: which index is best depends on both.
set plan_cache_mode = force_custom_plan
-- A query of stop words is no news to the client.
set client_min_messages = warning
as $$
#variable_conflict use_column
declare
  wanted constant integer := greatest(1, least(100, coalesce("limit", 50)));
  owner constant uuid := search_questions.user_id;
  english tsquery := '';
  words tsquery := '';
  unspaced text[] := '{}';
  similar_to text[] := '{}';
  -- A tsvector knows 256 positions of a word, and none beyond 16,383: what a phrase would miss has at least all of its parts,
  -- and the text itself tells.
  scattered tsquery := '';
  needles text[] := '{}';
  needle text;
  word text;
  found integer;
begin
  foreach word in array regexp_split_to_array(coalesce(left(query, 200), ''), '\s+') loop
    if word ~ unspaced_letter() then
      -- English knows only a part of such a word.
      unspaced := unspaced || array(
        select part from regexp_split_to_table(normalize(word, nfkc), '[[:punct:][:cntrl:]]+') as part
        where part ~ unspaced_letter()
      );
    else
      english := english || phraseto_tsquery('search_english', search_text(word, ' '));
    end if;
    words := words || phraseto_tsquery('search_words', search_text(word, ' \& '));
    needle := lower(regexp_replace(normalize(word, nfkc), '^[[:punct:][:cntrl:]]+|[[:punct:][:cntrl:]]+$', '', 'g'));
    if needle <> '' and numnode(phraseto_tsquery('search_words', search_text(word, ' \& '))) > 1 then
      scattered := scattered || plainto_tsquery('search_words', search_text(word, ' \& '));
      needles := needles || needle;
    end if;
    -- Shorter ones are similar to too much.
    if length(search_text(word, '\&')) >= 3 then
      similar_to := similar_to || word;
    end if;
  end loop;
  if numnode(words) = 0 then
    return;
  end if;

  return query
    select q.id, q.study_book_id, q.question, q.answer, q.language, q.category, q.difficulty,
      highlight_question(q.question, english, words, unspaced), q.score
    from (
      select questions.*, 1 - 0.5 / (1 + ts_rank(search_vector, english)::float8
        + greatest(ts_rank(search_words, words), ts_rank(search_words, scattered))) as score
      from questions join study_books on study_books.id = questions.study_book_id
      where study_books.user_id = owner and (search_vector @@ english or search_words @@ words
        or search_words @@ scattered and (contains_any(questions.question, needles) or contains_any(questions.answer, needles)))
      order by score desc, questions.id
      limit wanted
    ) as q
    order by q.score desc, q.id;

  get diagnostics found = row_count;
  if found = wanted or similar_to = '{}' then
    return;
  end if;
  return query
    select q.id, q.study_book_id, q.question, q.answer, q.language, q.category, q.difficulty,
      highlight_question(q.question, english, words, unspaced), q.score
    from (
      select candidate.*, 0.49 * (
        select max(greatest(word_similarity(one, candidate.question), word_similarity(one, candidate.answer)))
        from unnest(similar_to) as one
      )::float8 as score
      from (
        select questions.*
        from questions join study_books on study_books.id = questions.study_book_id
        where study_books.user_id = owner
          and (questions.question %> any (similar_to) or questions.answer %> any (similar_to))
          and not (search_vector @@ english or search_words @@ words
            or search_words @@ scattered and (contains_any(questions.question, needles) or contains_any(questions.answer, needles)))
        limit 1000
      ) as candidate
      order by score desc, candidate.id
      limit wanted - found
    ) as q
    order by q.score desc, q.id;
end $$;
