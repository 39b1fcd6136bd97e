// Pace is what is known of how far something is.
export interface Pace {
  calls: number; // made so far
  before: number; // that it took the last time; 0: nobody knows
  done: number; // types read
  types: number; // types to read
}

// share is how much of it is done, between 0 and 1, and never quite 1: it ends when it says
// so. Requests tell it better than types, of which one may be most of the org.
export function share({ calls, before, done, types }: Pace): number {
  const by = before > 0 ? calls / before : types > 0 ? done / types : 0;
  return Math.min(0.99, by);
}

// left is how many milliseconds it goes on after so many, at the pace so far; undefined
// while that would be a guess.
export function left(pace: Pace, elapsed: number): number | undefined {
  const now = share(pace);
  return now < 0.02 || elapsed < 2_000 ? undefined : (elapsed * (1 - now)) / now;
}
