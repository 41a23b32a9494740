/** Points of one line, in the order of x. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** A diagram with logarithmic axes, where a straight line of slope 1 is "twice the rows, twice the cost". */
export interface Panel {
  readonly title: string;
  /** What the y axis counts, with its unit. */
  readonly unit: string;
  readonly series: readonly Series[];
}

const WIDTH = 460;
const HEIGHT = 400;
const MARGIN = { left: 70, right: 20, top: 70, bottom: 56 };
const COLORS = ['#0b6bcb', '#c2410c', '#15803d', '#7e22ce'];

/** Panels side by side over the same x axis, as an SVG file. All values must be above 0. */
export function plot(title: string, x: string, panels: readonly Panel[]): string {
  const width = panels.length * WIDTH;
  const body = panels.map(
    (panel, i) => `<g transform="translate(${i * WIDTH} 0)">\n${drawn(panel, x)}\n</g>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="#1f2328">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(width / 2, 24, title, 'middle', 'font-size="16"'),
    ...body,
    '</svg>\n',
  ].join('\n');
}

function drawn({ title, unit, series }: Panel, x: string): string {
  const points = series.flatMap((each) => each.points);
  const across = scale(
    points.map(([x]) => x),
    MARGIN.left,
    WIDTH - MARGIN.right,
  );
  const up = scale(
    points.map(([, y]) => y),
    HEIGHT - MARGIN.bottom,
    MARGIN.top,
  );
  const [left, right, top, bottom] = [MARGIN.left, WIDTH - MARGIN.right, MARGIN.top, HEIGHT - MARGIN.bottom];
  const grid = (x1: number, y1: number, x2: number, y2: number) =>
    `<line x1="${fixed(x1)}" y1="${fixed(y1)}" x2="${fixed(x2)}" y2="${fixed(y2)}" stroke="#d0d7de"/>`;
  return [
    text((left + right) / 2, 50, title, 'middle', 'font-weight="bold"'),
    ...across.decades.flatMap((value) => [
      grid(across.at(value), top, across.at(value), bottom),
      text(across.at(value), bottom + 18, label(value), 'middle'),
    ]),
    ...up.decades.flatMap((value) => [
      grid(left, up.at(value), right, up.at(value)),
      text(left - 8, up.at(value) + 4, label(value), 'end'),
    ]),
    text((left + right) / 2, bottom + 42, x, 'middle'),
    `<text transform="translate(18 ${(top + bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(unit)}</text>`,
    ...series.flatMap(({ name, points }, i) => {
      const color = COLORS[i % COLORS.length]!;
      const places = points.map(([x, y]) => [fixed(across.at(x)), fixed(up.at(y))] as const);
      const y = top + 16 + i * 18;
      return [
        `<polyline points="${places.map((place) => place.join(',')).join(' ')}" fill="none" stroke="${color}" stroke-width="2"/>`,
        ...places.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${color}"/>`),
        `<line x1="${left + 10}" y1="${y - 4}" x2="${left + 34}" y2="${y - 4}" stroke="${color}" stroke-width="2"/>`,
        text(left + 40, y, name, 'start'),
      ];
    }),
  ].join('\n');
}

/** From the power of ten below the least value to the one above the greatest. */
function scale(values: readonly number[], from: number, to: number) {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return {
    at: (value: number) => from + ((Math.log10(value) - low) / (high - low)) * (to - from),
    decades: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)),
  };
}

const fixed = (value: number) => value.toFixed(1);

const label = (value: number) =>
  value < 1
    ? String(Number(value.toPrecision(1)))
    : value.toLocaleString('en-US', { maximumFractionDigits: 0 });

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end', more = ''): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}"${more && ` ${more}`}>${escaped(content)}</text>`;
}

const escaped = (content: string) =>
  content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
