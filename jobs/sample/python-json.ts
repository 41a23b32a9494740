/** A Python float: `5.0` where JavaScript would write `5`, and NaN and the infinities as tokens. */
class PythonFloat {
  constructor(readonly value: number) {}
}

export const float = (value: number): PythonFloat => new PythonFloat(value);

export type PythonValue =
  | null
  | boolean
  | number
  | string
  | PythonFloat
  | readonly PythonValue[]
  | { readonly [key: string]: PythonValue };

/** The text that Python's `json.dumps(value)` writes with its defaults: ASCII only, blanks after `,` and `:`. */
export function pythonJson(value: PythonValue): string {
  if (value instanceof PythonFloat) return floatText(value.value);
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([key, member]) => `${stringText(key)}: ${pythonJson(member)}`)
      .join(', ')}}`;
  }
  return typeof value === 'string' ? stringText(value) : String(value);
}

const stringText = (text: string) =>
  JSON.stringify(text).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** The text of `json.dumps(value, indent=2, ensure_ascii=False)`, for a value that stands at a depth. */
export function indentedPythonJson(value: PythonValue, indent = ''): string {
  if (value instanceof PythonFloat) return floatText(value.value);
  const inner = `${indent}  `;
  const block = (open: string, items: string[], close: string) =>
    items.length === 0
      ? open + close
      : `${open}\n${items.map((item) => inner + item).join(',\n')}\n${indent}${close}`;
  if (Array.isArray(value)) {
    return block(
      '[',
      value.map((each) => indentedPythonJson(each, inner)),
      ']',
    );
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(
      ([key, member]) => `${JSON.stringify(key)}: ${indentedPythonJson(member, inner)}`,
    );
    return block('{', members, '}');
  }
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** Python's `repr`: the shortest digits that read back, with an exponent below 1e-4 and from 1e16 on. */
function floatText(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Object.is(value, -0)) return '-0.0';
  const [digits, exponent] = value.toExponential().split('e') as [string, string];
  const power = Number(exponent);
  if (value !== 0 && (power < -4 || power >= 16)) {
    return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  // 1e-5 and 1e-6 are the only ones that both languages could write differently here, and they went above.
  const text = String(value);
  return text.includes('.') ? text : `${text}.0`;
}
