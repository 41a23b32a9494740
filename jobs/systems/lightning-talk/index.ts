import {
  bool,
  integer,
  json,
  lenientBool,
  lenientInteger,
  member,
  reference,
  text,
} from '../../engine/contracts.ts';
import type { Field, SystemMapping, TableMapping } from '../../engine/mapping.ts';
import * as pg from '../../engine/pg-types.ts';
import {
  byLegacyId,
  created,
  ids,
  instant,
  oneKeyPerId,
  oneKeyPerNeighbouringId,
  otherMembers,
  status,
  updated,
} from './fields.ts';
import {
  averageRating,
  emailKeyField,
  endsAfterStart,
  onePerAddress,
  possibleSpeaker,
  serverDate,
} from './rules.ts';

const optional = (column: string, from = column) => text(column, { from, nullable: true, hazards: ['L8'] });

/** What a reference said, kept beside it: it may name what is not stored. */
const named = (column: string, from: string): Field => ({ ...optional(column, from), legacy: undefined });

/** Names under which credentials were stored or sent; they are left out of every table, report and quarantine (L23). */
const CREDENTIALS = {
  password: 'a credential',
  passwordHash: 'a credential',
  token: 'a credential',
  accessToken: 'a credential',
  refreshToken: 'a credential',
} as const;

/** Events that are gone: participants and talks can't do without one (L4), what is only history can (L16). */
const event = (orphan: { reject: string } | { note: string }): Field =>
  reference('event_id', pg.uuid, {
    from: 'eventId',
    parents: 'events',
    stored: 'text',
    orphan,
    nullable: 'note' in orphan,
    kept: 'note' in orphan ? 'legacy_event_id' : undefined,
    hazards: ['L4', 'L16'],
  });

/** A table keyed by its own id, with everything that all of them share. */
const byId = (name: string, mapping: Partial<TableMapping> & Pick<TableMapping, 'fields'>): TableMapping => ({
  table: name,
  entity: name,
  key: ['id'],
  extra: 'extra',
  // Documents stand in the order in which they were made, unless somebody sorted the array.
  legacyOrder: ['created_at', 'legacy_id'],
  leftOut: CREDENTIALS,
  duplicates: byLegacyId,
  parents: [{ as: name, by: (row) => String(row('legacy_id')), key: 'id' }],
  ...mapping,
  fields: [...ids(name), ...mapping.fields, created, updated],
});

const VENUE = ['name', 'address', 'capacity', 'online', 'onlineUrl', 'mapUrl'];

const tables: readonly TableMapping[] = [
  byId('events', {
    fields: [
      text('title', { hazards: ['L18'] }),
      optional('description'),
      instant('date', 'date'),
      endsAfterStart,
      member('venue', 'name', optional('venue_name')),
      member('venue', 'address', optional('venue_address')),
      // L21: more people than this may have registered; both figures are kept.
      member('venue', 'capacity', lenientInteger('capacity', 'L12', { nullable: true })),
      member('venue', 'online', lenientBool('online', 'L7', { nullable: true })),
      member('venue', 'onlineUrl', optional('online_url')),
      member('venue', 'mapUrl', optional('map_url')),
      otherMembers('venue_extra', 'venue', VENUE),
      status(['upcoming', 'ongoing', 'completed', 'cancelled']),
      lenientBool('registration_open', 'L7', { from: 'registrationOpen', nullable: true }),
      lenientBool('talk_submission_open', 'L7', { from: 'talkSubmissionOpen', nullable: true }),
      lenientInteger('max_talks', 'L12', { from: 'maxTalks', nullable: true }),
      lenientInteger('talk_duration', 'L12', { from: 'talkDuration', nullable: true }),
    ],
  }),
  byId('participants', {
    // The plan's unique(event_id, email), over what the address means: the application's check raced (L3).
    key: ['event_id', 'email_key'],
    duplicates: onePerAddress,
    watch: oneKeyPerId,
    parents: [
      { as: 'participants', by: (row) => String(row('legacy_id')), key: 'id' },
      {
        as: 'participants by address',
        by: (row) => `${Buffer.from(row('event_id') as Uint8Array).toString('hex')} ${row('email_key')}`,
        key: 'legacy_id',
      },
    ],
    fields: [
      event({ reject: 'ORPHAN_EVENT' }),
      emailKeyField,
      text('name', { hazards: ['L18'] }),
      text('email', { hazards: ['L3', 'L22'] }),
      optional('participation_type', 'participationType'),
      optional('message'),
      lenientBool('newsletter', 'L7', { nullable: true }),
      status(['pending', 'confirmed', 'cancelled']),
      lenientBool('checked_in', 'L7', { from: 'checkedIn', nullable: true }),
      lenientBool('is_speaker', 'L7', { from: 'isSpeaker', nullable: true }),
      optional('registration_source', 'registrationSource'),
      // L14: mapped addresses and proxy lists were stored as they came, so the column is text, not inet.
      text('ip_address', { from: 'ipAddress', nullable: true, hazards: ['L14', 'L22'] }),
      optional('user_agent', 'userAgent'),
      optional('emergency_contact', 'emergencyContact'),
      optional('dietary_restrictions', 'dietaryRestrictions'),
      optional('accessibility_needs', 'accessibilityNeeds'),
    ],
  }),
  byId('talks', {
    fields: [
      event({ reject: 'ORPHAN_EVENT' }),
      reference('participant_id', pg.uuid, {
        from: 'speakerId',
        parents: 'participants',
        stored: 'text',
        kept: 'legacy_speaker_id',
        orphan: { note: 'L5' },
        hazards: ['L5'],
      }),
      named('legacy_speaker_id', 'speakerId'),
      text('title', { hazards: ['L18'] }),
      optional('description'),
      optional('category'),
      possibleSpeaker,
      optional('speaker_email', 'speakerEmail'),
      lenientInteger('duration', 'L12', { nullable: true }),
      optional('slides_url', 'slidesUrl'),
      optional('video_url', 'videoUrl'),
      status(['pending', 'confirmed', 'rejected', 'submitted']),
      optional('submission_source', 'submissionSource'),
      json('last_voting_results', {
        from: 'lastVotingResults',
        nullable: true,
        nonFinite: 'L27',
        hazards: ['L27'],
      }),
      averageRating('average_rating', 'averageRating'),
      lenientInteger('total_votes', 'L12', { from: 'totalVotes', nullable: true }),
    ],
  }),
  {
    table: 'settings',
    entity: 'settings',
    key: ['key'],
    extra: 'extra',
    fields: [text('key'), json('value', { nonFinite: 'L27', hazards: ['L15'] }), updated],
  },
  byId('analytics', {
    // The key of a partitioned table contains the partition column.
    key: ['id', 'occurred_at'],
    watch: oneKeyPerNeighbouringId,
    parents: undefined,
    fields: [
      instant('occurred_at', 'timestamp'),
      event({ note: 'L16' }),
      named('legacy_event_id', 'eventId'),
      text('event_type', { from: 'action' }),
      json('event_data', { from: 'data', nullable: true, nonFinite: 'L27' }),
      serverDate,
    ],
  }),
  byId('presentations', {
    fields: [
      event({ note: 'L16' }),
      named('legacy_event_id', 'eventId'),
      text('title', { hazards: ['L18'] }),
      optional('presenter'),
      optional('abstract'),
      json('materials', { nullable: true, nonFinite: 'L27' }),
      optional('video_url', 'videoUrl'),
      json('tags', { nullable: true, nonFinite: 'L27' }),
      instant('presentation_date', 'presentationDate', true),
      lenientInteger('duration', 'L12', { nullable: true }),
      optional('skill_level', 'skillLevel'),
      lenientInteger('views', 'L12', { nullable: true }),
      lenientBool('featured', 'L12', { nullable: true }),
      optional('status'),
    ],
  }),
  byId('presentation_interactions', {
    fields: [
      reference('presentation_id', pg.uuid, {
        from: 'presentationId',
        parents: 'presentations',
        stored: 'text',
        kept: 'legacy_presentation_id',
        orphan: { note: 'L16' },
        hazards: ['L16'],
      }),
      named('legacy_presentation_id', 'presentationId'),
      text('interaction_type', { from: 'interactionType' }),
      optional('material_filename', 'materialFilename'),
      instant('occurred_at', 'timestamp'),
      optional('user_agent', 'userAgent'),
      text('ip_address', { from: 'ipAddress', nullable: true, hazards: ['L14', 'L22'] }),
    ],
  }),
  byId('users', {
    fields: [
      text('email', { hazards: ['L22', 'L23'] }),
      optional('name'),
      optional('role'),
      optional('cognito_id', 'cognitoId'),
      optional('provider'),
      optional('profile_image', 'profileImage'),
      instant('last_login', 'lastLogin', true),
      optional('created_by', 'createdBy'),
      bool('is_system_user', { from: 'isSystemUser', nullable: true }),
    ],
  }),
  byId('voting_sessions', {
    fields: [
      event({ note: 'L16' }),
      named('legacy_event_id', 'eventId'),
      reference('talk_id', pg.uuid, {
        from: 'talkId',
        parents: 'talks',
        stored: 'text',
        kept: 'legacy_talk_id',
        orphan: { note: 'L16' },
        hazards: ['L16'],
      }),
      named('legacy_talk_id', 'talkId'),
      optional('status'),
      instant('ends_at', 'endsAt', true),
      integer('duration', { nullable: true }),
      optional('created_by', 'createdBy'),
      json('votes', { nullable: true, nonFinite: 'L27' }),
      json('results', { nullable: true, nonFinite: 'L27', hazards: ['L13'] }),
      // `results` has it, too.
      {
        ...member('results', 'averageRating', averageRating('average_rating', 'averageRating')),
        legacy: undefined,
      },
    ],
  }),
];

const collection = (name: string, required = false) => ({ files: [`${name}.json`], required });

export const lightningTalk: SystemMapping = {
  name: 'lightning-talk',
  database: 'lightningtalk',
  rolePrefix: 'lt',
  server: 'postgres',
  extensions: [],
  source: {
    kind: 'json',
    landmark: 'events.json',
    root: 'landmark',
    folder: 'server/data',
    skip: ['backups'],
    around: {
      '**/history/*.json': 'an earlier version of a file, or an export of the parallel variant on DynamoDB',
    },
    // The first five are there from the application's first start; the others came in July 2025.
    collections: {
      events: collection('events', true),
      participants: collection('participants', true),
      talks: collection('talks', true),
      // L15: the application reads the first object; a second one is set aside.
      settings: { ...collection('settings', true), partsOr: 'EXTRA_SETTINGS' },
      analytics: collection('analytics', true),
      presentations: collection('presentations'),
      presentation_interactions: collection('presentation_interactions'),
      users: collection('users'),
      voting_sessions: collection('voting_sessions'),
    },
  },
  tables,
  targetChecks: [
    {
      name: 'partitioned by time',
      table: 'analytics',
      sql: `select pg_get_partkeydef('public.analytics'::regclass)`,
      expect: 'RANGE (occurred_at)',
    },
  ],
  hotQueries: [
    {
      name: 'current event',
      sql: `select * from events where status = 'upcoming' order by date limit 1`,
    },
    {
      name: 'participants of an event',
      sql: `select * from participants where event_id = (select id from events order by date desc limit 1)
      order by created_at desc limit 50`,
    },
    {
      name: 'list of events',
      sql: `select e.*, (select count(*) from participants where event_id = e.id) as participants,
        (select count(*) from talks where event_id = e.id) as talks
      from events as e order by date desc limit 100`,
    },
  ],
};
