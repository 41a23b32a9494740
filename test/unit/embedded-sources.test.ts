import { describe, expect, test } from 'vitest';
import { debianMirrors, parseDeb822, parseOneLine } from '../../stacks/embedded/sources.ts';

describe('one-line sources', () => {
  test('reads URI, suite and components; skips comments, source archives and noise', () => {
    const text = [
      '# deb http://commented.example/debian bookworm main',
      '',
      'deb http://mirror.example/debian bookworm main contrib # trailing words',
      'deb-src http://mirror.example/debian bookworm main',
      '  deb\thttp://mirror.example/debian   bookworm-updates  main',
      'deb http://flat.example/repo ./',
      'deb',
    ].join('\n');
    expect(parseOneLine(text)).toEqual([
      { uri: 'http://mirror.example/debian', suite: 'bookworm', components: ['main', 'contrib'] },
      { uri: 'http://mirror.example/debian', suite: 'bookworm-updates', components: ['main'] },
      { uri: 'http://flat.example/repo', suite: './', components: [] },
    ]);
  });

  test('reads options, of which signed-by matters, and logins in the address', () => {
    const text =
      'deb [ arch=amd64 Signed-By=/usr/share/keyrings/debian-archive-keyring.gpg ] https://user:pass@mirror.example/debian trixie main\n' +
      'deb [arch=amd64,arm64] http://other.example/debian sid main';
    expect(parseOneLine(text)).toEqual([
      {
        uri: 'https://user:pass@mirror.example/debian',
        suite: 'trixie',
        components: ['main'],
        signedBy: '/usr/share/keyrings/debian-archive-keyring.gpg',
      },
      { uri: 'http://other.example/debian', suite: 'sid', components: ['main'] },
    ]);
  });
});

describe('deb822 sources', () => {
  test('a stanza stands for each of its URIs with each of its suites', () => {
    const text = [
      'Types: deb deb-src',
      '# a comment between fields',
      'URIs: http://one.example/debian http://two.example/debian',
      'Suites: bookworm bookworm-updates',
      'Components: main',
      'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg',
    ].join('\n');
    expect(parseDeb822(text).map(({ uri, suite }) => `${uri} ${suite}`)).toEqual([
      'http://one.example/debian bookworm',
      'http://one.example/debian bookworm-updates',
      'http://two.example/debian bookworm',
      'http://two.example/debian bookworm-updates',
    ]);
  });

  test('stanzas are separated by blank lines; field names have no case; values may be folded', () => {
    const text = [
      'types: deb',
      'uris:',
      ' http://folded.example/debian',
      'SUITES: trixie',
      'components: main',
      ' contrib',
      '   ',
      'Types: deb',
      'URIs: http://second.example/debian',
      'Suites: trixie',
      'Components: main',
    ].join('\n');
    expect(parseDeb822(text)).toEqual([
      { uri: 'http://folded.example/debian', suite: 'trixie', components: ['main', 'contrib'] },
      { uri: 'http://second.example/debian', suite: 'trixie', components: ['main'] },
    ]);
  });

  test('disabled stanzas and those without binaries are left out', () => {
    const stanza = (line: string) =>
      `Types: deb\nURIs: http://a.example/debian\nSuites: trixie\nComponents: main\n${line}`;
    expect(parseDeb822(stanza('Enabled: no'))).toEqual([]);
    expect(parseDeb822(stanza('Enabled: yes'))).toHaveLength(1);
    expect(parseDeb822(stanza('').replace('Types: deb', 'Types: deb-src'))).toEqual([]);
  });

  test('a key inside the stanza is a key of somebody', () => {
    const text =
      'Types: deb\nURIs: http://a.example/debian\nSuites: trixie\nComponents: main\nSigned-By:\n' +
      ' -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n -----END PGP PUBLIC KEY BLOCK-----';
    expect(parseDeb822(text)[0]!.signedBy).toBe('embedded key');
  });
});

describe('the Debian mirror of the machine', () => {
  const debian = '/usr/share/keyrings/debian-archive-keyring.gpg';
  const source = (uri: string, suite: string, component = 'main', signedBy?: string) => ({
    uri,
    suite,
    components: [component],
    signedBy,
  });

  test('is the one that serves main of a release, not security, updates, or another component', () => {
    expect(
      debianMirrors([
        source('http://security.example/debian-security', 'bookworm-security', 'main', debian),
        source('http://updates.example/debian', 'bookworm-updates', 'main', debian),
        source('https://docker.example/linux/debian', 'bookworm', 'stable'),
        source('http://mirror.example/debian', 'bookworm', 'main', debian),
      ]),
    ).toEqual(['http://mirror.example/debian']);
  });

  test('Ubuntu has none', () => {
    const ubuntu = '/usr/share/keyrings/ubuntu-archive-keyring.gpg';
    expect(debianMirrors([source('http://archive.example/ubuntu', 'noble', 'main', ubuntu)])).toEqual([]);
  });

  test('comes first when it names the keyring of Debian; archives with another key are left out', () => {
    expect(
      debianMirrors([
        source('https://vendor.example/debian', 'bookworm', 'main', '/etc/apt/keyrings/vendor.gpg'),
        source('https://unnamed.example/debian', 'bookworm'),
        source('http://mirror.example/debian', 'bookworm', 'main', debian),
        source('http://mirror.example/debian', 'bookworm', 'main', debian),
      ]),
    ).toEqual(['http://mirror.example/debian', 'https://unnamed.example/debian']);
  });

  test('may be a list of mirrors or a folder, but no disc', () => {
    expect(
      debianMirrors([
        source('cdrom:[Debian 12]/', 'bookworm'),
        source('mirror+file:///etc/apt/mirrors/debian.list', 'bookworm'),
      ]),
    ).toEqual(['mirror+file:///etc/apt/mirrors/debian.list']);
  });
});
