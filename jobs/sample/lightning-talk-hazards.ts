import type { Document, Planted } from './json-array-file.ts';
import type { Collection } from './lightning-talk.ts';
import { DAY, HOUR, iso, MINUTE, tokyoDate, tokyoTime } from './lightning-talk-values.ts';
import type { Mark } from './manifest.ts';
import { PLANTED_SECRET } from './secret.ts';

/** An event and a talk that are always there, whatever the numbers of ordinary records. */
export const PLANTED_EVENT = 'event-201';
export const PLANTED_TALK = 'talk_1751500000000_voted0001';

const CREATED = Date.UTC(2025, 6, 1);

/** The documents of every collection that show a hazard, and the plain ones they need beside them. */
export function plantLightningTalkHazards(): Record<Collection, Planted[]> {
  return {
    events: events(),
    participants: participants(),
    talks: talks(),
    settings: settings(),
    analytics: analytics(),
    presentations: presentations(),
    presentation_interactions: presentationInteractions(),
    users: users(),
    voting_sessions: votingSessions(),
  };
}

/** Collects the planted documents of one collection; `make` gives the plain document of a number. */
class Planter {
  readonly planted: Planted[] = [];

  constructor(private readonly make: (number: number) => Document) {}

  /** A document with some keys changed or added; undefined takes a key out. */
  add(changes: Document, ...marks: Mark[]): void {
    this.planted.push({ document: this.#with(changes), marks });
  }

  /** The same, with its text changed afterwards. */
  addEdited(changes: Document, edit: (text: string) => string, ...marks: Mark[]): void {
    this.planted.push({ document: this.#with(changes), marks, edit });
  }

  /** The last document once more, some keys changed. */
  again(changes: Document, ...marks: Mark[]): void {
    this.planted.push({ document: { ...this.planted.at(-1)!.document, ...changes }, marks });
  }

  #with(changes: Document): Document {
    // The two times stay last, as the legacy server writes them.
    const { createdAt, updatedAt, ...rest } = { ...this.make(this.planted.length), ...changes };
    return { ...rest, createdAt, updatedAt };
  }
}

const GONE_EVENT = 'event-999';
const FULL_EVENT = 'event-202';
const SPEAKER = { id: '1751328000000-speaker01', name: '青葉 花子', email: 'hanako.aoba@example.com' };

/** Minute `number` after the first planted record. */
const minute = (number: number): string => iso(CREATED + number * MINUTE);

function events(): Planted[] {
  const held = Date.UTC(2025, 7, 20, 10);
  const all = new Planter((number) => ({
    id: `event-${201 + number}`,
    title: `臨時ライトニングトーク ${number + 1}`,
    description: '夏の臨時開催です。',
    date: tokyoTime(held + number * DAY),
    endDate: tokyoTime(held + number * DAY + 2 * HOUR),
    venue: { name: '例示会館 1階', address: '東京都例示区4-5-6', capacity: 50, online: false, onlineUrl: '' },
    status: 'upcoming',
    registrationOpen: true,
    talkSubmissionOpen: true,
    maxTalks: 20,
    talkDuration: 5,
    createdAt: minute(number),
    updatedAt: minute(number),
  }));
  all.add(
    {
      id: PLANTED_EVENT,
      _comment: '時刻は日本時間で書くこと',
      eventStartTime: tokyoTime(held + HOUR),
      equipment: { projector: true, microphones: 2 },
    },
    ['L11', 'kept', 'unknown keys _comment, eventStartTime and equipment'],
  );
  const small = { name: '例示喫茶', address: '東京都例示区7-8-9', capacity: 1, online: false, onlineUrl: '' };
  all.add({ id: FULL_EVENT, venue: small }, ['L21', 'kept', 'capacity 1 and two participants']);
  all.add({ emergencyContact: '000-0000-0000' }, [
    'L22',
    'kept',
    'emergencyContact holds a telephone number',
  ]);
  all.add({ date: '2025-09-01', endDate: undefined }, ['L9', 'noted', 'date without a time']);
  all.add({ date: '2025-09-01T19:00:00', endDate: undefined }, ['L9', 'noted', 'date without an offset']);
  all.add({ endDate: tokyoTime(held - DAY) }, ['L10', 'noted', 'endDate before date']);
  all.add({ date: tokyoTime(held), endDate: tokyoTime(held) }, ['L10', 'noted', 'endDate equal to date']);
  all.add({ title: '🎤 𠮷田さんと語る“夏の夜”\n第二部' }, [
    'L18',
    'kept',
    'title with emoji, a non-BMP ideograph, curly quotes and a line break',
  ]);
  all.add({ status: 'postponed' }, ['L20', 'noted', 'status postponed']);
  all.add({ createdAt: iso(CREATED - 90 * DAY) }, [
    'L19',
    'kept',
    'createdAt before that of the record ahead of it',
  ]);
  return all.planted;
}

function participants(): Planted[] {
  const all = new Planter((number) => ({
    id: `${CREATED + number * MINUTE}-planted${String(number).padStart(2, '0')}`,
    name: `参加者 ${number + 1}`,
    email: `planted${number + 1}@example.com`,
    participationType: 'onsite',
    eventId: PLANTED_EVENT,
    message: 'よろしくお願いします。',
    newsletter: false,
    status: 'confirmed',
    checkedIn: false,
    registrationSource: 'web',
    ipAddress: '::ffff:198.51.100.7',
    userAgent: 'curl/8.14.1',
    createdAt: minute(number),
    updatedAt: minute(number),
  }));

  all.add({});
  all.again({}, ['L1', 'merged', 'identical copy of the record ahead of it']);
  all.add({ id: undefined }, ['L2', 'MISSING_ID', 'no id']);

  // The winner stands after the one that gives way.
  all.add({ email: 'Hanako.Aoba@example.com', createdAt: minute(90) }, [
    'L3',
    'merged',
    'the later one of two registrations',
  ]);
  all.add({ ...SPEAKER, isSpeaker: true, createdAt: minute(30) }, [
    'L3',
    'kept',
    'the earliest registration wins',
  ]);
  all.add({ email: 'Ren.Kazama@example.com', status: 'cancelled', createdAt: minute(0) }, [
    'L3',
    'merged',
    'the earliest of three registrations, but cancelled',
  ]);
  all.add({ email: 'ren.kazama@example.com', status: 'pending', createdAt: minute(40) }, [
    'L3',
    'kept',
    'the earliest registration of three that is not cancelled wins',
  ]);
  all.add({ email: 'REN.KAZAMA@example.com', createdAt: minute(50) }, [
    'L3',
    'merged',
    'the latest of three registrations',
  ]);
  all.add({ email: 'hanakoaoba@example.com' }, [
    'L3',
    'kept',
    'differs by a dot, not by case: another address',
  ]);

  all.add({ eventId: GONE_EVENT }, ['L4', 'ORPHAN_EVENT', `no event ${GONE_EVENT}`]);

  all.add({ newsletter: 'true' }, ['L7', 'noted', 'newsletter is the text true']);
  all.add({ newsletter: '1' }, ['L7', 'noted', 'newsletter is the text 1']);
  all.add({ newsletter: 1 }, ['L7', 'noted', 'newsletter is the number 1']);
  all.add({ checkedIn: 'false' }, ['L7', 'noted', 'checkedIn is the text false']);
  all.add({ newsletter: 'maybe' }, ['L7', 'BAD_BOOLEAN', 'newsletter is the text maybe']);

  all.add({ message: undefined }, ['L8', 'kept', 'no message key']);
  all.add({ message: null }, ['L8', 'kept', 'message null']);
  all.add({ message: '' }, ['L8', 'kept', 'message empty']);

  all.add({ tshirtSize: 'M', allergies: ['そば'] }, ['L11', 'kept', 'unknown keys tshirtSize and allergies']);

  all.add({ ipAddress: '::ffff:172.29.0.1' }, ['L14', 'kept', 'IPv4-mapped IPv6 address']);
  all.add({ ipAddress: '::1' }, ['L14', 'kept', 'IPv6 loopback address']);
  all.add({ ipAddress: '203.0.113.7, 10.0.0.1' }, ['L14', 'kept', 'list of addresses from a proxy']);
  all.add({ ipAddress: undefined }, ['L14', 'kept', 'no ipAddress key']);

  all.add({ name: '𠮷野 さくら🌸' }, ['L18', 'kept', 'name with a non-BMP ideograph and an emoji']);
  all.add({ name: '“たけ”こと O’Brien 武\n(代理)' }, [
    'L18',
    'kept',
    'name with curly quotes and a line break',
  ]);

  all.add({ eventId: FULL_EVENT }, ['L21', 'kept', 'first of two participants of an event for one']);
  all.add({ eventId: FULL_EVENT }, ['L21', 'kept', 'second of two participants of an event for one']);

  all.addEdited(
    { message: '最初の値', 'message@2': '後の値' },
    (text) => text.replace('"message@2"', '"message"'),
    ['L24', 'DUPLICATE_KEY', 'the key message twice'],
  );
  all.add({ message: '文字化け\u0000しました' }, ['L26', 'NUL_CHARACTER', 'message with \\u0000']);
  return all.planted;
}

function talks(): Planted[] {
  const all = new Planter((number) => ({
    id: `talk_${CREATED + number * MINUTE}_planted${String(number).padStart(2, '0')}`,
    title: `五分で語る本棚 その${number + 1}`,
    description: '好きな本を三冊だけ紹介します。',
    category: 'hobby',
    eventId: PLANTED_EVENT,
    speakerId: SPEAKER.id,
    speakerName: SPEAKER.name,
    speakerEmail: SPEAKER.email,
    duration: 5,
    status: 'pending',
    submissionSource: 'web',
    createdAt: minute(number),
    updatedAt: minute(number),
  }));
  const fromApi = {
    speakerId: undefined,
    speakerName: '匿名希望',
    speakerEmail: 'nobody@example.net',
    submissionSource: 'api',
  };

  all.add({});
  all.again({ title: '同じ番号の別の発表' }, [
    'L1',
    'DUPLICATE_ID',
    'the id of the record ahead of it, another title',
  ]);
  all.add({ ...fromApi, id: null }, ['L2', 'MISSING_ID', 'id null']);
  all.add(
    { ...fromApi, eventId: GONE_EVENT, password: `${PLANTED_SECRET}-in-quarantine` },
    ['L4', 'ORPHAN_EVENT', `no event ${GONE_EVENT}`],
    ['L23', 'ORPHAN_EVENT', 'a quarantined record with a password: its payload goes without it'],
  );
  all.add(fromApi, ['L5', 'kept', 'no speakerId']);
  all.add({ speakerId: '1751000000000-nosuchone' }, ['L5', 'noted', 'no such speaker']);
  all.add({ speakerId: undefined }, [
    'L6',
    'noted',
    'no speakerId; speakerEmail is that of a participant of the event',
  ]);
  all.add({ ...fromApi, slidesUrl: 'https://slides.example.com/1', needs: { audio: true } }, [
    'L11',
    'kept',
    'unknown keys slidesUrl and needs',
  ]);
  const distribution = { '1': 0, '2': 0, '3': 0, '4': 2, '5': 1 };
  const voted = { totalVotes: 3, averageRating: '4.33', distribution };
  all.add({ id: PLANTED_TALK, lastVotingResults: voted, averageRating: '4.33', totalVotes: 3 }, [
    'L13',
    'kept',
    'averageRating is the text 4.33',
  ]);
  all.add({ ...fromApi, password: `${PLANTED_SECRET}-in-a-talk` }, [
    'L23',
    'kept',
    'talks API body with a password',
  ]);
  all.add({ title: '絵文字が切れた\ud83d' }, ['L25', 'LONE_SURROGATE', 'title ends in half an emoji']);
  all.addEdited(
    {
      lastVotingResults: { ...voted, totalVotes: 0, averageRating: '@NaN' },
      averageRating: 0,
      totalVotes: 0,
    },
    (text) => text.replace('"@NaN"', 'NaN'),
    ['L27', 'noted', 'NaN token in lastVotingResults'],
  );
  return all.planted;
}

function settings(): Planted[] {
  return [
    {
      document: {
        siteName: '旧サイト名',
        siteUrl: 'http://localhost:3000',
        emailEnabled: true,
        talkSettings: { maxDuration: 7 },
        createdAt: minute(0),
        updatedAt: minute(0),
      },
      marks: [['L15', 'EXTRA_SETTINGS', 'a second settings object, which differs']],
    },
  ];
}

function analytics(): Planted[] {
  const all = new Planter((number) => {
    const time = CREATED + number * HOUR;
    return {
      id: `${time}-planted${String(number).padStart(2, '0')}`,
      eventId: PLANTED_EVENT,
      action: 'participant_registered',
      data: { participationType: 'online', source: 'web' },
      timestamp: iso(time),
      date: tokyoDate(time),
      createdAt: iso(time),
      updatedAt: iso(time),
    };
  });
  all.add({ eventId: GONE_EVENT, action: 'event_deleted', data: { title: '消した催し' } }, [
    'L16',
    'noted',
    `event_deleted of ${GONE_EVENT}`,
  ]);
  all.add({ eventId: GONE_EVENT }, ['L16', 'noted', `registration for the deleted ${GONE_EVENT}`]);
  all.add({ timestamp: '2025-06-29T15:16:56.399Z', date: 'Mon Jun 30 2025' }, [
    'L17',
    'kept',
    'date is the day of timestamp in Tokyo',
  ]);
  all.add({ timestamp: '2025-07-02T15:30:00.000Z', date: 'Wed Jul 02 2025' }, [
    'L17',
    'noted',
    'date is the day of timestamp in UTC, not in Tokyo',
  ]);
  return all.planted;
}

function presentations(): Planted[] {
  const all = new Planter((number) => ({
    id: `pres-${201 + number}`,
    title: '五分で語る本棚',
    presenter: '白石 健太',
    eventId: PLANTED_EVENT,
    abstract: '好きな本を三冊だけ紹介します。',
    materials: [],
    videoUrl: null,
    tags: ['本'],
    presentationDate: '2025-06-25T10:15:00Z',
    duration: 5,
    skillLevel: 'beginner',
    views: 3,
    featured: false,
    status: 'published',
    createdAt: minute(number),
    updatedAt: minute(number),
  }));
  all.add({ duration: '7', views: '12', featured: 'true' }, [
    'L12',
    'noted',
    'duration, views and featured are texts',
  ]);
  all.add({ duration: 'five' }, ['L12', 'BAD_INTEGER', 'duration is the text five']);
  all.add({ title: '“𠮷”という字の話 ✍️' }, [
    'L18',
    'kept',
    'title with a non-BMP ideograph, an emoji and curly quotes',
  ]);
  return all.planted;
}

function presentationInteractions(): Planted[] {
  const all = new Planter((number) => ({
    id: `int-20${number + 1}`,
    presentationId: 'pres-201',
    interactionType: 'view',
    timestamp: minute(number),
    userAgent: 'curl/8.14.1',
    ipAddress: '192.0.2.9',
    createdAt: minute(number),
    updatedAt: minute(number),
  }));
  all.add({ ipAddress: '203.0.113.7, 10.0.0.1' }, ['L14', 'kept', 'list of addresses from a proxy']);
  all.add({ ipAddress: '::ffff:172.30.0.1' }, ['L14', 'kept', 'IPv4-mapped IPv6 address']);
  return all.planted;
}

function users(): Planted[] {
  const all = new Planter((number) => ({
    id: `1751328000000-account${number + 1}`,
    email: `account${number + 1}@lt.example.com`,
    name: `運営補佐 ${number + 1}`,
    role: 'organizer',
    createdAt: minute(number),
    updatedAt: minute(number),
  }));
  all.add({ passwordHash: `$2b$10$${PLANTED_SECRET}-of-an-admin` }, [
    'L23',
    'kept',
    'passwordHash of an own account',
  ]);
  all.add(
    { password: `$2b$10$${PLANTED_SECRET}-of-a-guest`, cognitoId: 'example-pool:0001', provider: 'google' },
    ['L23', 'kept', 'password of a federated account'],
  );
  return all.planted;
}

function votingSessions(): Planted[] {
  const all = new Planter((number) => ({
    id: `00000000-0000-4000-8000-00000000000${number + 1}`,
    eventId: PLANTED_EVENT,
    talkId: PLANTED_TALK,
    status: 'ended',
    endsAt: minute(10),
    duration: 60,
    createdBy: 'account1@lt.example.com',
    createdAt: minute(number),
    updatedAt: minute(number),
  }));
  const vote = (voterId: string, rating: number) =>
    [voterId, { voterId, rating, timestamp: minute(5) }] as const;
  all.add(
    {
      votes: Object.fromEntries([vote('voter-a', 4), vote('voter-b', 5), vote('投票者', 4)]),
      results: {
        totalVotes: 3,
        averageRating: '4.33',
        distribution: { '1': 0, '2': 0, '3': 0, '4': 2, '5': 1 },
      },
    },
    ['L13', 'kept', 'averageRating is the text 4.33'],
  );
  all.add(
    {
      votes: {},
      results: { totalVotes: 0, averageRating: 0, distribution: { '1': 0, '2': 0, '3': 0, '4': 0, '5': 0 } },
    },
    ['L13', 'kept', 'averageRating is the number 0'],
  );
  return all.planted;
}
