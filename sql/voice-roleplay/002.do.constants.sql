-- What the application had as constants of its code: voices and scenarios, each under the key that the code used. Titles
-- are ours, in the words of the keys; which voices play a scenario is not known outside the code, so it is left open.

insert into speakers (speaker_key, gender, engine_speaker_id) values
  ('decision_maker', 'male', 1),
  ('young_manager', 'male', 2),
  ('cautious_staff', 'male', 3),
  ('difficult_customer', 'male', 82),
  ('positive_decision_maker', 'male', 39),
  ('professional_woman', 'female', 7),
  ('gentle_staff', 'female', 0),
  ('senior_manager', 'female', 16),
  ('careful_customer', 'female', 36),
  ('skeptical_decision_maker', 'female', 18);

insert into business_speakers (business_speaker_id, engine_speaker_id, engine_style, is_default) values
  (1, 11, 0, false),
  (2, 13, 0, false),
  (3, 12, 0, false),
  (4, 3, 0, false),
  (5, 16, 0, false),
  (6, 15, 0, true),
  (7, 8, 0, false),
  (8, 2, 0, false);

-- Keys are UUIDv5 of (voice-roleplay, scenarios, legacy key), as everywhere: the same in every database.
insert into scenarios (scenario_id, legacy_key, title, category, difficulty_level, legacy_difficulty) values
  ('cb3c8a03-8a17-5307-a593-6e8204eaa454', 'new_business', '新規の取引', 'sales', 'intermediate', 'medium'),
  ('9b87e288-5005-5d14-bf23-caa41886662e', 'existing_customer', '既存の顧客', 'sales', 'beginner', 'easy'),
  ('25879df8-a37c-54b7-aa7b-56eb879115ec', 'difficult_negotiation', '難しい交渉', 'sales', 'expert', 'hard'),
  ('26878636-d9d2-55a7-864d-b02fed83369d', 'closing', '契約の締結', 'sales', 'intermediate', 'medium'),
  ('b756d915-f006-5fff-841e-ba310c2fd9fa', 'consultation', '相談と提案', 'sales', 'intermediate', 'medium');
