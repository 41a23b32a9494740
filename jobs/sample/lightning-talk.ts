import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Document, JsonArrayFile } from './json-array-file.ts';
import { PLANTED_EVENT, PLANTED_TALK, plantLightningTalkHazards } from './lightning-talk-hazards.ts';
import {
  BROWSERS,
  DAY,
  evening,
  HOUR,
  iso,
  legacyId,
  MINUTE,
  person,
  spread,
  tokyoDate,
  tokyoTime,
} from './lightning-talk-values.ts';
import type { Hazard, SampleSystem } from './manifest.ts';
import { type Random, random } from './random.ts';
import { PLANTED_SECRET } from './secret.ts';

/** Ordinary records a collection, when nothing else is asked for. Not `settings`: it holds one object, always. */
export const LIGHTNING_TALK_ROWS = {
  events: 6,
  participants: 24,
  talks: 15,
  analytics: 33,
  presentations: 8,
  presentation_interactions: 12,
  users: 3,
  voting_sessions: 4,
};

export type Collection = keyof typeof LIGHTNING_TALK_ROWS | 'settings';
type Rows = typeof LIGHTNING_TALK_ROWS;

/** Writes `<folder>/server/data/<collection>.json`. */
export function writeLightningTalk(folder: string, seed: number, rows: Rows): SampleSystem {
  const data = join(folder, 'server', 'data');
  mkdirSync(data, { recursive: true });
  const counts: Record<string, number> = {};
  const hazards: Hazard[] = [];
  const planted = plantLightningTalkHazards();
  for (const collection of Object.keys(planted) as Collection[]) {
    const file = new JsonArrayFile(join(data, `${collection}.json`));
    try {
      const ordinary = collection === 'settings' ? 1 : rows[collection];
      for (let at = 0; at < ordinary; at++) file.add(ORDINARY[collection](at, seed, rows));
      for (const { document, edit, marks } of planted[collection]) {
        for (const [id, outcome, what] of marks) {
          hazards.push({
            id,
            system: 'lightning-talk',
            entity: collection,
            locator: String(file.count),
            what,
            outcome,
          });
        }
        file.add(document, edit);
      }
    } finally {
      file.close();
    }
    counts[collection] = file.count;
  }
  return { rows: counts, hazards };
}

// A record is made from its index alone, so that a child knows its parent's id without the parent.

function eventId(at: number, seed: number, rows: Rows): string {
  if (rows.events === 0) return PLANTED_EVENT;
  return at < 3
    ? `event-00${at + 1}`
    : legacyId(spread(at, rows.events) - 30 * DAY, random(seed, 'events id', at));
}

const eventOf = (at: number, seed: number, rows: Rows) => eventId(at % Math.max(1, rows.events), seed, rows);

const participantId = (at: number, seed: number, rows: Rows) =>
  legacyId(spread(at, rows.participants), random(seed, 'participants id', at));

const participant = (at: number, seed: number) => person(random(seed, 'participants person', at), at);

/** A third of the talks each: speaker registration, talks API, speaker registration with votes. */
const talkShape = (at: number) => (['registered', 'api', 'voted'] as const)[at % 3]!;

function talkId(at: number, seed: number, rows: Rows): string {
  const ids = random(seed, 'talks id', at);
  const created = spread(at, rows.talks);
  return at % 6 === 1 ? `talk_${created}_${ids.base36(9)}` : legacyId(created, ids);
}

function talkEvent(at: number, seed: number, rows: Rows): string {
  // A speaker is a participant of the talk's event.
  return eventOf(rows.participants === 0 ? at : at % rows.participants, seed, rows);
}

const presentationId = (at: number, seed: number) =>
  at < 2 ? `pres-10${at + 1}` : random(seed, 'presentations id', at).uuid();

const CATEGORIES = [
  'tech',
  'hobby',
  'learning',
  'travel',
  'food',
  'game',
  'lifehack',
  'pet',
  'garden',
  'money',
  'sports',
  'music',
  'other',
];
const TITLES = [
  'ベランダで育てる唐辛子',
  '三分で語る鉄道の旅',
  '猫と暮らす配線術',
  '積ん読を減らす方法',
  'はじめての自作キーボード',
  '夜行バスの正しい寝方',
];

const ORDINARY: Record<Collection, (at: number, seed: number, rows: Rows) => Document> = {
  events(at, seed, rows) {
    const values = random(seed, 'events', at);
    const held = evening(spread(at, rows.events));
    const created = spread(at, rows.events) - 30 * DAY;
    const cancelled = at % 5 === 4;
    const online = values.next() < 0.5;
    return {
      id: eventId(at, seed, rows),
      title: `よりみちライトニングトーク 第${at + 1}夜`,
      description: at % 4 === 3 ? '' : '一人五分、題材は自由です。見るだけの参加も歓迎します。',
      date: tokyoTime(held),
      ...(at % 3 === 2 ? {} : { endDate: tokyoTime(held + 2 * HOUR) }),
      venue: {
        name: online ? 'オンライン' : '例示会館 3階',
        address: online ? '' : '東京都例示区4-5-6',
        capacity: values.pick([30, 50, 100]),
        online,
        onlineUrl: online ? `https://meet.example.com/${values.base36(8)}` : '',
        ...(at % 4 === 1 ? { mapUrl: 'https://maps.example.org/hall' } : {}),
      },
      status: cancelled ? 'cancelled' : at === rows.events - 1 ? 'upcoming' : 'completed',
      registrationOpen: !cancelled,
      talkSubmissionOpen: !cancelled,
      maxTalks: 20,
      talkDuration: 5,
      ...(cancelled ? { cancelReason: '台風接近のため', cancelledAt: iso(created + 20 * DAY) } : {}),
      createdAt: iso(created),
      updatedAt: iso(created + at * MINUTE),
    };
  },

  participants(at, seed, rows) {
    const values = random(seed, 'participants', at);
    const created = spread(at, rows.participants);
    const { name, email } = participant(at, seed);
    const status = values.pick(['confirmed', 'confirmed', 'pending', 'cancelled']);
    return {
      id: participantId(at, seed, rows),
      name,
      email,
      participationType: values.pick(['onsite', 'online', 'undecided']),
      eventId: eventOf(at, seed, rows),
      message: values.pick([
        '',
        '初参加です。よろしくお願いします！',
        '発表を楽しみにしています。',
        '遅れて参加します🙏',
      ]),
      newsletter: values.next() < 0.3,
      status,
      checkedIn: status === 'confirmed' && values.next() < 0.5,
      registrationSource: 'web',
      ...(at < rows.talks && talkShape(at) !== 'api' ? { isSpeaker: true } : {}),
      ipAddress: `::ffff:198.51.100.${values.int(1, 254)}`,
      ...(at % 9 === 8 ? {} : { userAgent: values.pick(BROWSERS) }),
      createdAt: iso(created),
      updatedAt: iso(created + (at % 4) * HOUR),
    };
  },

  talks(at, seed, rows) {
    const values = random(seed, 'talks', at);
    const created = spread(at, rows.talks);
    const shape = rows.participants === 0 ? 'api' : talkShape(at);
    const speaker = at % Math.max(1, rows.participants);
    const registered = participant(speaker, seed);
    const about = {
      title: values.pick(TITLES),
      description: '五分で語れるだけ語ります。質問は懇親会で。',
      category: values.pick(CATEGORIES),
      eventId: talkEvent(at, seed, rows),
    };
    const times = { createdAt: iso(created), updatedAt: iso(created) };
    if (shape === 'api') {
      return {
        id: talkId(at, seed, rows),
        ...about,
        speakerName: '飛び入りの人',
        speakerEmail: `guest${at}@example.org`,
        duration: 5,
        status: at % 6 === 1 ? 'submitted' : 'pending',
        submissionSource: 'api',
        ...times,
      };
    }
    return {
      id: talkId(at, seed, rows),
      ...about,
      speakerId: participantId(speaker, seed, rows),
      speakerName: registered.name,
      speakerEmail: registered.email,
      duration: 5,
      status: values.pick(['pending', 'confirmed', 'rejected']),
      submissionSource: 'web',
      ...(shape === 'voted' ? votingResult(ratings(values, values.int(1, 6))) : {}),
      ...times,
    };
  },

  settings() {
    const created = iso(spread(0, 1));
    return {
      siteName: 'よりみちライトニングトーク',
      siteUrl: 'http://localhost:3000',
      adminEmail: 'admin@lt.example.com',
      emailEnabled: false,
      analyticsEnabled: true,
      registrationSettings: {
        requireApproval: false,
        allowWalkIn: true,
        maxParticipants: 100,
        autoConfirmation: true,
      },
      talkSettings: { requireApproval: false, allowLastMinute: true, maxDuration: 5, categories: CATEGORIES },
      notificationSettings: {
        emailOnRegistration: true,
        emailOnTalkSubmission: true,
        reminderEmails: true,
        reminderDays: [7, 1],
      },
      createdAt: created,
      updatedAt: created,
    };
  },

  analytics(at, seed, rows) {
    const values = random(seed, 'analytics', at);
    const time = spread(at, rows.analytics) + values.int(0, 1000);
    const [action, data] = ACTIONS[at % ACTIONS.length]!;
    return {
      id: legacyId(time, values),
      eventId: eventOf(values.int(0, 2 ** 31), seed, rows),
      action,
      data,
      timestamp: iso(time),
      date: tokyoDate(time),
      createdAt: iso(time),
      updatedAt: iso(time),
    };
  },

  presentations(at, seed, rows) {
    const values = random(seed, 'presentations', at);
    const given = evening(spread(at, rows.presentations));
    const byHand = at < 2;
    const created = byHand ? iso(given).replace('.000Z', 'Z') : iso(given + values.int(1, DAY));
    const stem = `presentation-${given}-${values.int(100_000_000, 999_999_999)}`;
    return {
      id: presentationId(at, seed),
      title: values.pick(TITLES),
      presenter: person(values, at).name,
      eventId: at % 3 === 2 ? null : eventOf(at, seed, rows),
      abstract: '失敗談と、そこから学んだことを五分にまとめました。',
      materials:
        at % 2 === 0
          ? []
          : [
              {
                originalName: '発表資料.pdf',
                filename: `${stem}.pdf`,
                path: `server/uploads/presentations/${stem}.pdf`,
                size: values.int(10_000, 5_000_000),
                mimetype: 'application/pdf',
                uploadedAt: created,
              },
            ],
      videoUrl: at % 4 === 0 ? `https://video.example.net/watch?v=${values.base36(11)}` : null,
      tags: ['入門', values.pick(CATEGORIES)],
      presentationDate: iso(given),
      duration: 5,
      skillLevel: values.pick(['beginner', 'intermediate', 'advanced']),
      views: values.int(0, 300),
      featured: at % 5 === 0,
      status: 'published',
      createdAt: created,
      updatedAt: created,
    };
  },

  presentation_interactions(at, seed, rows) {
    const values = random(seed, 'presentation_interactions', at);
    const time = spread(at, rows.presentation_interactions);
    const byHand = at < 2;
    const download = at % 4 === 3;
    return {
      id: byHand ? `int-10${at + 1}` : values.uuid(),
      presentationId:
        rows.presentations === 0 ? 'pres-201' : presentationId(values.int(0, rows.presentations - 1), seed),
      interactionType: download ? 'download' : 'view',
      ...(download ? { materialFilename: '発表資料.pdf' } : {}),
      timestamp: byHand ? iso(time).replace(/\.\d+Z$/, 'Z') : iso(time),
      userAgent: values.pick(BROWSERS),
      ipAddress: `192.0.2.${values.int(1, 254)}`,
      ...(byHand ? {} : { createdAt: iso(time), updatedAt: iso(time) }),
    };
  },

  users(at, seed, rows) {
    const values = random(seed, 'users', at);
    const created = spread(at, rows.users);
    return {
      id: legacyId(created, values),
      email: `organizer${at + 1}@lt.example.com`,
      passwordHash: `$2b$10$${PLANTED_SECRET}-${values.base36(20)}`,
      name: `運営 ${at + 1}号`,
      role: at === 0 ? 'admin' : 'organizer',
      lastLogin: at % 2 === 0 ? iso(created + 40 * DAY) : null,
      createdBy: 'system',
      isSystemUser: at === 0,
      createdAt: iso(created),
      updatedAt: iso(created),
    };
  },

  voting_sessions(at, seed, rows) {
    const values = random(seed, 'voting_sessions', at);
    const started = evening(spread(at, rows.voting_sessions)) + HOUR;
    // Votes are taken on the talks that have results.
    const talk = Math.min(at * 3 + 2, rows.talks - 1);
    const given = ratings(values, values.int(0, 6));
    const { lastVotingResults } = votingResult(given);
    return {
      id: values.uuid(),
      eventId: rows.talks === 0 ? PLANTED_EVENT : talkEvent(talk, seed, rows),
      talkId: rows.talks === 0 ? PLANTED_TALK : talkId(talk, seed, rows),
      status: at % 4 === 3 ? 'active' : 'ended',
      endsAt: iso(started + MINUTE),
      duration: 60,
      createdBy: 'organizer1@lt.example.com',
      votes: Object.fromEntries(
        given.map((rating, voter) => [
          `voter-${voter + 1}`,
          { voterId: `voter-${voter + 1}`, rating, timestamp: iso(started + voter * 7000) },
        ]),
      ),
      results: lastVotingResults,
      createdAt: iso(started),
      updatedAt: iso(started + MINUTE),
    };
  },
};

const ratings = (values: Random, votes: number) => Array.from({ length: votes }, () => values.int(1, 5));

/** The average is the number 0 without votes, otherwise a text: `toFixed(2)` gives one. */
function votingResult(given: number[]) {
  const sum = given.reduce((a, b) => a + b, 0);
  const averageRating = given.length === 0 ? 0 : (sum / given.length).toFixed(2);
  const distribution = Object.fromEntries(
    [1, 2, 3, 4, 5].map((star) => [star, given.filter((r) => r === star).length]),
  );
  return {
    lastVotingResults: { totalVotes: given.length, averageRating, distribution },
    averageRating,
    totalVotes: given.length,
  };
}

const ACTIONS: readonly (readonly [action: string, data: Document])[] = [
  ['participant_registered', { participationType: 'onsite', source: 'web' }],
  ['event_created', { title: 'よりみちライトニングトーク' }],
  ['speaker_registered', { participationType: 'online', talkCategory: 'tech' }],
  ['talk_submitted', { category: 'food', source: 'api' }],
  ['participant_status_changed', { oldStatus: 'pending', newStatus: 'confirmed' }],
  ['event_status_changed', { oldStatus: 'upcoming', newStatus: 'ongoing', reason: '開会しました' }],
  ['talk_status_changed', { oldStatus: 'pending', newStatus: 'confirmed' }],
  ['participant_cancelled', {}],
  ['reminder_sent', { daysBefore: 7, recipients: 23 }],
  ['talk_deleted', { title: '取り下げた発表' }],
  ['event_cancelled', { reason: '会場の都合' }],
];
