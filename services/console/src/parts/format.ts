import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { timestampDate } from "@bufbuild/protobuf/wkt";

const numbers = new Intl.NumberFormat("en");

// count writes a number with its thousands apart.
export function count(n: number | bigint): string {
  return numbers.format(n);
}

// counted writes a number and its noun: "1 object", "2 objects".
export function counted(n: number | bigint, noun: string, plural = `${noun}s`): string {
  return `${count(n)} ${BigInt(n) === 1n ? noun : plural}`;
}

const units = ["B", "kB", "MB", "GB", "TB"];

// bytes writes a size in decimal units with three figures.
export function bytes(n: number | bigint): string {
  let value = Number(n);
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : Number(value.toPrecision(3))} ${units[unit]}`;
}

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365 * 86_400],
  ["month", 30 * 86_400],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

// ago writes a moment as seen from now: "3 minutes ago", "in 2 hours".
export function ago(then: Date, now: Date): string {
  const seconds = (then.getTime() - now.getTime()) / 1000;
  for (const [unit, length] of steps) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  return seconds > 0 ? "in a moment" : "just now";
}

// span writes how long something took or will take: "2 min 5 s".
export function span(milliseconds: number): string {
  const s = Math.round(milliseconds / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s / 60} min`;
  const minutes = Math.floor((s % 3600) / 60);
  return minutes ? `${Math.floor(s / 3600)} h ${minutes} min` : `${Math.floor(s / 3600)} h`;
}

const moments = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });

// moment writes a time in full, in the browser's time zone.
export function moment(t: Date): string {
  return moments.format(t);
}

const days = new Intl.DateTimeFormat("en", { dateStyle: "long" });

// day writes a date, in the browser's time zone.
export function day(t: Date): string {
  return days.format(t);
}

// date reads a message's time.
export function date(t: Timestamp | undefined): Date | undefined {
  return t && timestampDate(t);
}

// words spells a name of the API: "not_licensed" becomes "not licensed".
export function words(name: string): string {
  return name.replaceAll("_", " ");
}

// capital begins a sentence.
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
