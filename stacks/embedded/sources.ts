/** One archive line of the machine's apt configuration: what `deb URI SUITE COMPONENT…` says. */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Path of the keyring, when the entry names one by path. */
  readonly signedBy?: string | undefined;
}

/** `deb [option=value …] URI SUITE COMPONENT…`, one entry a line (sources.list(5), "one-line-style format"). */
export function parseOneLine(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const line of text.split('\n')) {
    const entry = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?([^#]*)/.exec(line);
    if (!entry) continue;
    const [uri, suite, ...components] = words(entry[2]!);
    if (!uri || !suite) continue;
    const option = words(entry[1] ?? '').find((word) => word.toLowerCase().startsWith('signed-by='));
    sources.push({ uri, suite, components, signedBy: keyringPath(option?.slice('signed-by='.length)) });
  }
  return sources;
}

/** Stanzas of `Key: value` with folded lines; each stanza is the product of its URIs and Suites (deb822(5)). */
export function parseDeb822(text: string): AptSource[] {
  const sources: AptSource[] = [];
  const uncommented = text.split('\n').filter((line) => !line.startsWith('#'));
  for (const stanza of uncommented.join('\n').split(/\n\s*\n/)) {
    const fields = new Map<string, string>();
    let name = '';
    for (const line of stanza.split('\n')) {
      const field = /^([^\s:]+)\s*:(.*)$/.exec(line);
      if (field) name = field[1]!.toLowerCase();
      fields.set(name, `${fields.get(name) ?? ''} ${field ? field[2] : line}`.trim());
    }
    if (/^(no|false|off|0|without|disable)$/i.test(fields.get('enabled') ?? '')) continue;
    if (!words(fields.get('types')).includes('deb')) continue;
    for (const uri of words(fields.get('uris'))) {
      for (const suite of words(fields.get('suites'))) {
        const components = words(fields.get('components'));
        sources.push({ uri, suite, components, signedBy: keyringPath(fields.get('signed-by')) });
      }
    }
  }
  return sources;
}

/**
 * The mirrors that serve the machine's own Debian `main` suite, the likeliest first. Other archives use Debian's suite
 * names too; nothing but the signature tells them apart for certain, so an entry that names Debian's own keyring comes
 * before one that names none, and one with another keyring is left out.
 */
export function debianMirrors(sources: readonly AptSource[]): string[] {
  const archives = sources.filter(
    ({ uri, suite, components, signedBy }) =>
      debianSuite.test(suite) &&
      components.includes('main') &&
      !uri.startsWith('cdrom:') &&
      (signedBy === undefined || debianKeyring.test(signedBy)),
  );
  const named = archives.filter(({ signedBy }) => signedBy !== undefined);
  const unnamed = archives.filter(({ signedBy }) => signedBy === undefined);
  return [...new Set([...named, ...unnamed].map(({ uri }) => uri))];
}

/** Releases and their aliases, not the `-security`, `-updates` or `-backports` beside them. */
const debianSuite = /^(buster|bullseye|bookworm|trixie|forky|duke|sid|(oldold|old)?stable|testing|unstable)$/;

const debianKeyring = /\/debian-archive-[^/]*$/;

function words(text: string | undefined): string[] {
  return (text ?? '').split(/\s+/).filter(Boolean);
}

/** `Signed-By` may also hold fingerprints or a whole key; only a path says whose it is. */
function keyringPath(value: string | undefined): string | undefined {
  const path = words(value?.replaceAll(',', ' '))[0];
  return path?.startsWith('/') ? path : path === undefined ? undefined : 'embedded key';
}
